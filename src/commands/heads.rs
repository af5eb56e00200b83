//! `eyeshine heads`: the generations of a task, and which of them serves.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;

use crate::commands::train::known;
use crate::commands::unless_gone;
use crate::config::Config;
use crate::infer::models::Contracts;
use crate::teach::generations::Generations;

/// What is asked of the generations.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
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
    /// Writes one to a file, to carry to another site.
    Export {
        /// Its number.
        number: u32,
        /// The file.
        file: PathBuf,
    },
    /// Takes one from such a file; it serves once it is promoted.
    Import {
        /// The file.
        file: PathBuf,
    },
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
            anyhow::ensure!(generations.current()? > 0, "the starter head serves: there is nothing before it");
            serves(task, generations.roll_back()?)
        }
        Ask::Export { number, file } => {
            generations.export(number, &file)?;
            format!("generation {number} of {task} stands in {}\n", file.display())
        }
        Ask::Import { file } => {
            let contract = Contracts::load(&config.models)?.first;
            let it = generations.import(&file, &contract.identity(), contract.featurizer.dimension)?;
            let number = it.generation.number;
            format!("generation {number} of {task}: {}; `eyeshine heads promote {number}` makes it serve\n", it.cause)
        }
    };
    unless_gone(io::stdout().lock().write_all(said.as_bytes())).context("standard output")
}

fn serve(generations: &Generations, task: &str, number: u32) -> anyhow::Result<String> {
    generations.promote(number)?;
    Ok(serves(task, number))
}

fn serves(task: &str, number: u32) -> String {
    format!("generation {number} of {task} serves; a running daemon takes it within seconds\n")
}

fn list(generations: &Generations) -> anyhow::Result<String> {
    let current = generations.current()?;
    let mark = |number: u32| if number == current { "serves" } else { "" };
    let mut text = format!("{:>4}  {:<6}  {:<20}  {:>6}  {:<11}  why\n", 0, mark(0), "", "", "starter");
    for number in generations.numbers()? {
        match generations.manifest(number) {
            Ok(it) => {
                let created = it.created.strftime("%Y-%m-%d %H:%M:%S");
                let rolled_back = generations.rolled_back(number).ok().flatten();
                let word = match rolled_back {
                    Some(_) => "rolled back".into(),
                    None => format!("{:?}", it.verdict.decision).to_lowercase(),
                };
                let why = rolled_back.map_or(it.verdict.reason, |it| it.reason);
                let _ = writeln!(
                    text,
                    "{number:>4}  {:<6}  {created:<20}  {:>6}  {word:<11}  {why}",
                    mark(number),
                    it.events.len(),
                );
            }
            Err(error) => {
                let _ = writeln!(text, "{number:>4}  {:<6}  {error}", mark(number));
            }
        }
    }
    Ok(text)
}
