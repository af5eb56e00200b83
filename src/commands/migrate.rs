//! `eyeshine migrate`: what is kept of pictures, looked at by another featurizer.

use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};

use anyhow::Context;
use serde::Serialize;

use crate::commands::unless_gone;
use crate::config::Config;
use crate::observe::store::{LostLabels, Store};
use crate::teach::migrate::{Goal, Migration, migrate};

/// What is asked.
#[derive(Debug, Clone, clap::Args)]
pub struct MigrateArguments {
    /// The featurizer, a contract in models/; else `models.next`, else `models.second`.
    #[arg(long, value_name = "NAME")]
    to: Option<String>,
    /// Lists the labels that it cannot be taught, for no picture of their events is left, and does nothing.
    #[arg(long)]
    list: bool,
    /// The answer as JSON.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    migration: Option<&'a Migration>,
    lost_labels: &'a [LostLabels],
}

/// Migrates, or lists.
pub fn migrate_pictures(config: &Config, asked: &MigrateArguments) -> anyhow::Result<()> {
    let goal = Goal::of(config, asked.to.as_deref())?;
    let store = Store::open_read(&config.state.dir)?;
    let migration = if asked.list { None } else { Some(run(&goal)?) };
    let lost = store.lost_labels(&goal.featurizer())?;
    let said = if asked.json {
        let answer = Answer { migration: migration.as_ref(), lost_labels: &lost };
        serde_json::to_string(&answer).context("JSON")? + "\n"
    } else {
        text(migration.as_ref(), &lost, asked.list)
    };
    unless_gone(io::stdout().lock().write_all(said.as_bytes())).context("standard output")
}

fn run(goal: &Goal) -> anyhow::Result<Migration> {
    let shown = io::stderr().is_terminal();
    let migrated = migrate(goal, |it| {
        if shown {
            let _ = write!(io::stderr().lock(), "\r{} pictures and crops seen, {} left ", it.done, it.left);
        }
    });
    if shown {
        let _ = writeln!(io::stderr().lock());
    }
    Ok(migrated?)
}

fn text(migration: Option<&Migration>, lost: &[LostLabels], is_list: bool) -> String {
    let mut text = String::new();
    if let Some(Migration { to, done, left, lost, full, heads, .. }) = migration {
        let _ = writeln!(text, "{to}: {done} pictures and crops seen, {left} left, {lost} of which no picture is left");
        if *full {
            text += "the database has no room for the rest: raise store.database_max_mb, and migrate again\n";
        }
        for it in heads {
            let _ = writeln!(text, "{}: generation {} will serve: {}", it.task, it.generation, it.reason);
        }
    }
    let _ = writeln!(text, "{} labelled events of which no picture is left", lost.len());
    for it in lost.iter().filter(|_| is_list) {
        let classes: Vec<String> = it
            .classes
            .iter()
            .map(|(task, all)| format!("{task}: {}", all.iter().cloned().collect::<Vec<_>>().join(" and ")))
            .collect();
        let _ = writeln!(text, "  {}  {}  {}  {}", it.event, it.start, it.camera, classes.join(", "));
    }
    text
}
