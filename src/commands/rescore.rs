//! `eyeshine rescore`: what the head that serves says of events that are over.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use anyhow::{Context, ensure};
use jiff::Timestamp;
use serde::Serialize;

use crate::commands::train::known;
use crate::commands::unless_gone;
use crate::config::Config;
use crate::infer::models::Contracts;
use crate::observe::rescore::{Report, rescore};
use crate::observe::store::{Span, Store};
use crate::teach::generations::Generations;
use crate::teach::label_file;

/// What is asked.
#[derive(Debug, Clone, clap::Args)]
pub struct RescoreArguments {
    /// The task.
    #[arg(long, default_value = "species")]
    task: String,
    /// Only events that were not over before this.
    #[arg(long, value_name = "TIME", value_parser = label_file::moment)]
    since: Option<Timestamp>,
    /// Only events that began before this.
    #[arg(long, value_name = "TIME", value_parser = label_file::moment)]
    until: Option<Timestamp>,
    /// The answer as JSON.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    task: &'a str,
    generation: u32,
    #[serde(flatten)]
    report: &'a Report,
}

/// Rescores.
pub fn rescore_events(config: &Config, asked: &RescoreArguments) -> anyhow::Result<()> {
    known(config, &asked.task)?;
    let span = Span { since: asked.since, until: asked.until };
    let is_span = span.since.zip(span.until).is_none_or(|(since, until)| since < until);
    ensure!(is_span, "rescore: --until must be later than --since; nothing was changed");
    let contracts = Contracts::load(&config.models)?;
    let identity = contracts.first.identity();
    let generations = Generations::of(&config.state.dir, &asked.task);
    let head = generations.serving(&identity, contracts.starter().into())?;
    let number = head.generation().number;
    // The very head's second featurizer, whether the config still names it or not.
    let second = if number > 0 { generations.manifest(number)?.second.map(|it| it.featurizer) } else { None };
    let total = Store::open_read(&config.state.dir)?.counts()?;
    let store = Store::open_beside(&config.state.dir, &config.store)?;
    let shown = io::stderr().is_terminal();
    let n_events = total.events.saturating_sub(total.blanks);
    let progress = |n: u64| {
        if shown {
            let _ = write!(io::stderr().lock(), "\r{n} of {n_events} events");
        }
    };
    let report = rescore(&store, &head, (&identity, second.as_deref()), config.events.threshold, span, progress);
    if shown {
        let _ = writeln!(io::stderr().lock());
    }
    let report = report?;
    let said = if asked.json {
        let answer = Answer { task: &asked.task, generation: number, report: &report };
        serde_json::to_string(&answer).context("JSON")? + "\n"
    } else {
        text(&asked.task, number, &report)
    };
    unless_gone(io::stdout().lock().write_all(said.as_bytes())).context("standard output")?;
    let current = generations.current()?;
    ensure!(
        current == number,
        "rescore: generation {current} was made to serve while generation {number} rescored: rescore again"
    );
    Ok(())
}

fn text(task: &str, number: u32, it: &Report) -> String {
    let Report { events, already, without_vectors, answered, changed, named, unnamed, .. } = it;
    let mut text = format!(
        "{task}: generation {number}: {events} events looked at, {answered} answered now, {already} before; \
         {changed} changed\n"
    );
    if *changed > 0 {
        let _ = writeln!(text, "{named} unknown have a name now, {unnamed} that had one are unknown");
    } else {
        text += "nothing changed\n";
    }
    for (from, all) in &it.changes {
        for (to, n) in all {
            let _ = writeln!(text, "  {n:>8}  {from} -> {to}");
        }
    }
    if *without_vectors > 0 {
        let _ = writeln!(text, "{without_vectors} have no vector that this head can read: they stay as they are");
    }
    if number == 0 {
        text += "the starter head answers by what its network puts out, which is not kept: only what it had said as \
                 events happened holds again. Train or promote a head to rescore the rest\n";
    }
    text
}
