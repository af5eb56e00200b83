//! `eyeshine ask`: what people are asked today.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::sync::Arc;

use anyhow::Context;
use serde::Serialize;

use super::train::known;
use super::unless_gone;
use crate::ask::fill::Filler;
use crate::clock::SystemClock;
use crate::config::Config;
use crate::infer::models::Contracts;
use crate::observe::store::{Question, QueueState, Store};

/// Which questions, and whether to choose some first.
#[derive(Debug, Clone, clap::Args)]
pub struct AskArguments {
    /// The task.
    #[arg(long, default_value = "species")]
    task: String,
    /// Chooses what is left of today's questions now, beside a daemon or without one.
    #[arg(long)]
    fill: bool,
    /// With --fill: the same store and number give the same questions; chosen anew where it is not given.
    #[arg(long, requires = "fill")]
    seed: Option<u64>,
    /// The answer as JSON.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    task: &'a str,
    state: &'a QueueState,
    questions: &'a [Question],
}

/// Lists the open questions of a task.
pub fn ask_people(config: &Config, asked: &AskArguments) -> anyhow::Result<()> {
    known(config, &asked.task)?;
    let reader = Store::open_read(&config.state.dir)?;
    if asked.fill {
        let contracts = Contracts::load(&config.models)?;
        let store = Store::open_beside(&config.state.dir, &config.store)?;
        let filler = Filler::new(config, &contracts, store, Arc::new(SystemClock::default()));
        filler.fill(&asked.task, asked.seed.unwrap_or_else(rand::random))?;
    }
    let (state, questions) = (reader.queue_state(&asked.task)?, reader.open_questions(&asked.task)?);
    let said = if asked.json {
        let answer = Answer { task: &asked.task, state: &state, questions: &questions };
        serde_json::to_string(&answer).context("JSON")? + "\n"
    } else {
        text(&asked.task, &state, &questions)
    };
    unless_gone(io::stdout().lock().write_all(said.as_bytes())).context("standard output")
}

fn text(task: &str, state: &QueueState, questions: &[Question]) -> String {
    let mut text = String::new();
    for it in questions {
        let (what, id) = match (it.event, it.moment) {
            (Some(event), _) => ("event", event),
            (None, moment) => ("moment", moment.unwrap_or_default()),
        };
        let lent = if it.leased_until.is_some() { "  (lent)" } else { "" };
        let _ = writeln!(text, "{:<9}  {what} {id}  {}{lent}", it.why.as_str(), it.reason);
    }
    let QueueState { open, leased, answered_today, skipped, .. } = state;
    text + &format!("{task}: {open} open, {leased} of them lent, {skipped} skipped; {answered_today} answered today\n")
}
