//! `eyeshine train`: a challenger from all labels, and the judge's verdict.

use std::fmt::Write as _;
use std::io::{self, Write};

use anyhow::Context;
use serde::Serialize;

use crate::commands::unless_gone;
use crate::config::Config;
use crate::infer::models::Contracts;
use crate::teach::generations::{Manifest, RolledBack};
use crate::teach::judge::Verdict;
use crate::teach::train::{Trained, train};

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    task: &'a str,
    verdict: &'a Verdict,
    serving: u32,
    shadow: bool,
    generation: Option<&'a Manifest>,
    rolled_back: Option<&'a RolledBack>,
}

/// Trains a task's head; with `dry_run` nothing is kept. A refused challenger is an answer, no error.
pub fn train_head(config: &Config, task: &str, cause: &str, dry_run: bool, json: bool) -> anyhow::Result<()> {
    known(config, task)?;
    let contracts = Contracts::load(&config.models)?;
    let trained = train(&config.state.dir, &config.teach, &contracts, task, cause, !dry_run)?;
    let said = if json {
        let Trained { verdict, manifest, serving, shadow, rolled_back } = &trained;
        let (generation, rolled_back) = (manifest.as_ref(), rolled_back.as_ref());
        let answer = Answer { task, verdict, serving: *serving, shadow: *shadow, generation, rolled_back };
        serde_json::to_string(&answer).context("JSON")? + "\n"
    } else {
        text(task, &trained, &config.teach.protected)
    };
    unless_gone(io::stdout().lock().write_all(said.as_bytes())).context("standard output")
}

/// Refuses a task that the config does not name.
pub fn known(config: &Config, task: &str) -> anyhow::Result<()> {
    let tasks = &config.teach.tasks;
    anyhow::ensure!(tasks.iter().any(|it| it == task), "task {task:?} is none of teach.tasks: {}", tasks.join(", "));
    Ok(())
}

fn text(task: &str, trained: &Trained, protected: &[String]) -> String {
    let mut text = String::new();
    if let Some(it) = &trained.rolled_back {
        let _ = writeln!(text, "{task}: generation {} is rolled back: {}", it.generation, it.reason);
    }
    let word = format!("{:?}", trained.verdict.decision).to_lowercase();
    let _ = writeln!(text, "{task}: {word}: {}", trained.verdict.reason);
    if let Some(it) = &trained.manifest {
        let classes: Vec<String> = it.classes.iter().map(|it| format!("{} {}", it.class.name, it.events)).collect();
        let _ = writeln!(text, "events: {} ({})", it.events.len(), classes.join(", "));
        for name in protected.iter().filter(|name| it.classes.iter().all(|it| *it.class.name != ***name)) {
            let _ = writeln!(text, "teach.protected: no label says {name:?} so far");
        }
        let recipe = &it.recipe;
        let _ = writeln!(
            text,
            "recipe: whitened cosine (shrinkage {}, scale {}), logistic regression (ridge {:e}) with a share of {}",
            recipe.shrinkage, recipe.cosine_scale, recipe.ridge, recipe.share
        );
        if let Some(auroc) = it.unknown_auroc {
            let _ = writeln!(text, "strangers, each species left out in turn: AUROC {auroc:.3}");
        }
    }
    for it in &trained.verdict.checks {
        let mark = if it.passed { "ok  " } else { "FAIL" };
        let _ = writeln!(
            text,
            "  {mark} {:<40} {:>+8.3}, bound {:>+8.3}, limit {:>+8.3}",
            it.name, it.difference, it.bound, it.limit
        );
    }
    if trained.shadow {
        let _ = writeln!(text, "it answers live events beside generation {} first, unheard", trained.serving);
    }
    let _ = writeln!(text, "generation {} serves", trained.serving);
    text
}
