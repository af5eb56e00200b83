//! `eyeshine heads`: the generations of a task, and which of them serves.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Context;

use crate::commands::train::known;
use crate::commands::unless_gone;
use crate::config::Config;
use crate::infer::models::Contracts;
use crate::teach::generations::{Does, Generations};

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
        Ask::Show { number } => show(&generations, number)?,
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

/// Its manifest, and how its trial as a shadow goes or went.
fn show(generations: &Generations, number: u32) -> anyhow::Result<String> {
    Ok(serde_json::to_string_pretty(&generations.shown(number)?).context("JSON")? + "\n")
}

fn list(generations: &Generations) -> anyhow::Result<String> {
    let mut text = String::new();
    for it in generations.listed()? {
        let does = match it.does {
            Does::Serves => "serves",
            Does::Shadow => "shadow",
            Does::Rests => "",
        };
        let number = it.number;
        let _ = match it.created {
            Some(created) => {
                let created = created.strftime("%Y-%m-%d %H:%M:%S");
                writeln!(
                    text,
                    "{number:>4}  {does:<6}  {created:<20}  {:>6}  {:<11}  {}",
                    it.events, it.decision, it.reason
                )
            }
            None if number == 0 => {
                writeln!(text, "{number:>4}  {does:<6}  {:<20}  {:>6}  {:<11}  why", "", "", it.decision)
            }
            None => writeln!(text, "{number:>4}  {does:<6}  {}", it.reason),
        };
    }
    Ok(text)
}
