//! `eyeshine eval`: how right the head that serves is on a table of labelled pictures; with `--report`, whether transfer is
//! right for such pictures at all. Writes nothing.

pub mod report;
mod said;

use std::collections::{BTreeMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;

use crate::commands::label::look_through_all;
use crate::commands::train::known;
use crate::commands::unless_gone;
use crate::config::{CameraConfig, Config};
use crate::domain::Candidate;
use crate::infer::head::{BLANK, Head, Opinion};
use crate::infer::models::Models;
use crate::infer::space::kind;
use crate::infer::together::Together;
use crate::observe::store::Store;
use crate::teach::against::Against;
use crate::teach::bounds::difference;
use crate::teach::generations::Generations;
use crate::teach::label_file;
use crate::teach::pictures::Seen;
use crate::teach::score::{Scored, evaluate};

use said::{Answer, Other, text};

/// What is asked.
#[derive(Debug, clap::Args)]
pub struct Asked {
    /// The table.
    #[arg(required_unless_present = "report")]
    table: Option<PathBuf>,
    /// Folder that its paths are relative to; else its own.
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// The task.
    #[arg(long, default_value = "species")]
    task: String,
    /// Is transfer right here? What the features are worth on these pictures, cross-validated, whatever head serves: on those
    /// of the table, else on all labelled pictures that are kept.
    #[arg(long, conflicts_with = "against")]
    report: bool,
    /// Another program's answers to the same pictures, in MegaDetector's batch format: scored beside the head's.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// The answer as JSON.
    #[arg(long)]
    json: bool,
}

/// Scores the head that serves; `gate` holds the gate's settings. Whether every picture could be read.
pub fn eval(config: &Config, gate: &CameraConfig, asked: &Asked) -> anyhow::Result<bool> {
    let Asked { table, root, task, report, against, json } = asked;
    known(config, task)?;
    if *report {
        return report::report(config, gate, table.as_deref(), root.as_deref(), task, *json);
    }
    let table = table.as_ref().context("no table")?;
    let against = against.as_deref().map(|it| Against::read(it).map(|read| (it, read))).transpose()?;
    let bursts = label_file::read(table, &config.teach.tasks)?;
    let root = root.as_deref().or(table.parent()).unwrap_or(Path::new("")).to_path_buf();
    let models = Models::open(&config.models)?;
    let generations = Generations::of(&config.state.dir, task);
    let head = generations.serving(&models.contract.identity(), Arc::new(models.starter()))?;
    let serving = head.generation().number;
    let answers = *head.generation().task == **task;
    anyhow::ensure!(
        answers,
        "no head of {task} was taught yet: `eyeshine train --task {task}` makes one of its labels"
    );
    let fitted: HashSet<String> = match serving {
        0 => HashSet::new(),
        number => generations.manifest(number)?.events.into_iter().collect(),
    };
    let reader = Store::reader(&config.state.dir);
    let (mut frames, mut events, mut unread, mut fitted_rows) = (Vec::new(), Vec::new(), Vec::new(), 0);
    let (mut their_frames, mut their_events, mut missing) = (Vec::new(), Vec::new(), 0);
    look_through_all(config, gate, &models, None, &root, bursts, |burst, looked| {
        unread.extend(looked.unread);
        let seen: Vec<&Seen> = looked.seen.iter().filter(|it| it.row.classes.contains_key(task)).collect();
        for it in &seen {
            let event = reader.imported(&it.sha256)?;
            fitted_rows += usize::from(event.is_some_and(|it| fitted.contains(&it.to_string())));
        }
        let truths: Vec<&str> = seen.iter().map(|it| &*it.row.classes[task]).collect();
        let scored = |seen: &[&Seen], truth: &str| scored(&head, seen, truth, config.events.threshold);
        frames.extend(seen.iter().zip(&truths).filter_map(|(it, truth)| scored(&[it], truth)));
        if let Some((_, against)) = &against {
            let paths: Vec<&Path> = seen.iter().map(|it| &*it.row.path).collect();
            missing += paths.iter().filter(|it| !against.knows(it)).count();
            their_frames.extend(paths.iter().zip(&truths).filter_map(|(it, truth)| against.scored(&[*it], truth)));
            let event = commonest(&truths).and_then(|truth| against.scored(&paths, truth));
            their_events.extend(event.map(|it| (burst.rows[0].line, it)));
        }
        events.extend(commonest(&truths).and_then(|truth| scored(&seen, truth)).map(|it| (burst.rows[0].line, it)));
        Ok(())
    })?;
    unread.sort_by_key(|it| it.line);
    for it in &unread {
        tracing::error!("{}: {it}", table.display());
    }
    // Threads hand events on as they come; sums of figures depend on their order.
    events.sort_by_key(|it| it.0);
    let names: HashSet<&str> = head.classes().iter().map(|it| &*it.name).collect();
    let other = match &against {
        Some((path, _)) => {
            let file = path.display().to_string();
            anyhow::ensure!(!their_events.is_empty(), "{file}: none of the pictures of {} is there", table.display());
            their_events.sort_by_key(|it| it.0);
            let theirs: BTreeMap<u64, &Scored> = their_events.iter().map(|it| (it.0, &it.1)).collect();
            let of_both = events.iter().filter(|it| names.contains(&*it.1.truth));
            let of_both = of_both.filter_map(|it| Some((it.1.clone(), (*theirs.get(&it.0)?).clone())));
            let (ours, of_theirs): (Vec<Scored>, Vec<Scored>) = of_both.unzip();
            let difference = difference(&ours, &of_theirs);
            let their_events: Vec<Scored> = their_events.into_iter().map(|it| it.1).collect();
            let scores = evaluate(&their_frames, &their_events, |class| names.contains(class), 0);
            Some(Other { file, missing, scores, difference })
        }
        None => None,
    };
    let events: Vec<Scored> = events.into_iter().map(|it| it.1).collect();
    let evaluation = evaluate(&frames, &events, |class| names.contains(class), fitted_rows);
    let said = if *json {
        serde_json::to_string(&Answer { head: &evaluation, against: other }).context("JSON")? + "\n"
    } else {
        let head = text(&format!("{task}, generation {serving}"), &evaluation);
        head + &other.map(|it| it.text()).unwrap_or_default()
    };
    unless_gone(io::stdout().lock().write_all(said.as_bytes())).context("standard output")?;
    Ok(unread.is_empty())
}

/// The commonest that is not `blank`, the first by name of equals; `blank` where all are.
fn commonest<'a>(truths: &[&'a str]) -> Option<&'a str> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    truths.iter().for_each(|it| *counts.entry(it).or_default() += 1);
    let there = counts.iter().filter(|it| *it.0 != BLANK);
    let most = there.max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0))).map(|it| *it.0);
    most.or_else(|| truths.first().copied())
}

/// What the head says of pictures together.
fn scored(head: &Head, seen: &[&Seen], truth: &str, threshold: f32) -> Option<Scored> {
    let opinions: Vec<Opinion> = seen
        .iter()
        .flat_map(|it| {
            let of = |(candidate, embedding): (&Candidate, _)| {
                head.opinion(embedding, kind(it.look.modality, candidate.view))
            };
            it.look.candidates.iter().zip(&it.embeddings).filter_map(of).collect::<Vec<_>>()
        })
        .collect();
    let first = Together::of(opinions.iter().map(|it| (&*it.probabilities, it.closeness)), Some(0));
    let seconds: Vec<_> = opinions.iter().filter_map(|it| it.second.as_ref()).collect();
    let second = Together::of(seconds.iter().map(|it| (&*it.probabilities, it.closeness)), Some(0));
    let together = head.settled(first, (!seconds.is_empty()).then_some(&second));
    let classes = head.classes();
    let answer = together.answer(Some(0))?;
    let strangeness = head.strangeness(&together, threshold);
    let probabilities = (0..classes.len())
        .map(|it| (classes[it].name.to_string(), f64::from(together.probability(it, Some(0)))))
        .collect();
    Some(Scored {
        truth: truth.into(),
        answer: classes[answer].name.to_string(),
        probabilities,
        strangeness: f64::from(strangeness),
        rejected: answer != 0 && strangeness > 0.0,
    })
}
