//! `eyeshine heads`: the generations of a task, and which of them serves.

use std::fmt::Write as _;
use std::io::{self, Write};

use anyhow::Context;

use crate::commands::train::known;
use crate::commands::unless_gone;
use crate::config::Config;
use crate::teach::generations::Generations;

/// What is asked of the generations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Subcommand)]
pub enum Ask {
    /// All of them.
    List,
    /// One, with all that the judge said of it.
    Show {
        /// Its number.
        number: u32,
    },
    /// Makes one serve; 0 is the starter head.
    Promote {
        /// Its number.
        number: u32,
    },
    /// Makes the one serve that did before.
    Rollback,
}

/// Answers, or does.
pub fn heads(config: &Config, task: &str, ask: Ask) -> anyhow::Result<()> {
    known(config, task)?;
    let generations = Generations::of(&config.state.dir, task);
    let said = match ask {
        Ask::List => list(&generations)?,
        Ask::Show { number } => serde_json::to_string_pretty(&generations.manifest(number)?).context("JSON")? + "\n",
        Ask::Promote { number } => serve(&generations, task, number)?,
        Ask::Rollback => {
            let current = generations.current()?;
            anyhow::ensure!(current > 0, "the starter head serves: there is nothing before it");
            serve(&generations, task, generations.before(current)?)?
        }
    };
    unless_gone(io::stdout().lock().write_all(said.as_bytes())).context("standard output")
}

fn serve(generations: &Generations, task: &str, number: u32) -> anyhow::Result<String> {
    generations.promote(number)?;
    Ok(format!("generation {number} of {task} serves; a running daemon takes it within seconds\n"))
}

fn list(generations: &Generations) -> anyhow::Result<String> {
    let current = generations.current()?;
    let mark = |number: u32| if number == current { "serves" } else { "" };
    let mut text = format!("{:>4}  {:<6}  {:<20}  {:>6}  {:<9}  why\n", 0, mark(0), "", "", "starter");
    for number in generations.numbers()? {
        match generations.manifest(number) {
            Ok(it) => {
                let created = it.created.strftime("%Y-%m-%d %H:%M:%S");
                let word = format!("{:?}", it.verdict.decision).to_lowercase();
                let _ = writeln!(
                    text,
                    "{number:>4}  {:<6}  {created:<20}  {:>6}  {word:<9}  {}",
                    mark(number),
                    it.events.len(),
                    it.verdict.reason
                );
            }
            Err(error) => {
                let _ = writeln!(text, "{number:>4}  {:<6}  {error}", mark(number));
            }
        }
    }
    Ok(text)
}
