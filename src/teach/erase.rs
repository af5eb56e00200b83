//! Erasing events: out of the store, and out of every head that was fitted on them.
//!
//! A head that was fitted on an event holds something of it. So every generation that names one of the events goes, and
//! where one of these serves, a head without them takes its place first. The judge is heard about that one and has no veto:
//! the old one may not stay. Where nothing can be fitted any more the starter head serves.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::capture::tape::shelf::Shelf;
use crate::config::TeachConfig;
use crate::infer::models::Contracts;
use crate::observe::store::{EraseError, Eraser, StoreError};

use super::generations::{GenerationError, Generations};
use super::judge::Verdict;
use super::train::{TrainError, refit};

/// Why such a head was trained.
const CAUSE: &str = "erase";
/// Why such a head serves.
const REASON: &str = "what the head before it was fitted on was erased";
/// How long a training that is on its way may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// Between looks whether it is over.
const EVERY: Duration = Duration::from_millis(100);

/// Not everything is gone; erasing again finishes it.
#[derive(Debug, thiserror::Error)]
pub enum ErasingError {
    /// The store.
    #[error("{0}")]
    Erase(#[source] EraseError),
    /// A head without the events cannot be made.
    #[error("{0}; the rows are gone, and heads may still hold the events: erase again, which finishes it")]
    Train(#[source] TrainError),
    /// Generations cannot be read or removed.
    #[error("{0}; not everything is erased yet: erase again, which finishes it")]
    Generation(#[source] GenerationError),
    /// A file that is none of ours.
    #[error("erase: {} names an erased event and is no generation: look at it, delete it, and erase again", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// A leftover cannot be removed.
    #[error("erase: {}: {source}: delete it, and erase again", path.display())]
    Leftover {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

impl From<EraseError> for ErasingError {
    fn from(error: EraseError) -> ErasingError {
        ErasingError::Erase(error)
    }
}

impl From<StoreError> for ErasingError {
    fn from(error: StoreError) -> ErasingError {
        ErasingError::Erase(error.into())
    }
}

impl From<GenerationError> for ErasingError {
    fn from(error: GenerationError) -> ErasingError {
        ErasingError::Generation(error)
    }
}

/// What became of the heads of a task.
#[derive(Debug, Clone)]
pub struct ErasedHeads {
    /// The task.
    pub task: String,
    /// The generations that are gone.
    pub removed: Vec<u32>,
    /// What took the place of the one that served; none where that was not among them.
    pub replaced: Option<Replaced>,
}

/// What serves instead.
#[derive(Debug, Clone)]
pub enum Replaced {
    /// A head fitted without the events.
    Refitted {
        /// Its number.
        generation: u32,
        /// What the judge says of it.
        verdict: Verdict,
    },
    /// The starter head, and why there is no other.
    Starter(String),
}

/// Erases events, and what an erasing that was cut short had still to do. Once this returns nothing of them is left below
/// the state folder.
pub fn erase(
    eraser: &Eraser,
    events: impl IntoIterator<Item = Uuid>,
    tapes: &Shelf,
    (state_dir, config): (&Path, &TeachConfig),
    contracts: &Contracts,
) -> Result<Vec<ErasedHeads>, ErasingError> {
    let mut events: BTreeSet<Uuid> = events.into_iter().collect();
    // A training that is on its way has read the events already: what it makes must be there before heads are looked
    // through. One that begins later will not find them.
    let mut tasks = Generations::all(state_dir)?;
    for task in &config.tasks {
        if tasks.iter().all(|it| it.task() != task) {
            tasks.push(Generations::of(state_dir, task));
        }
    }
    let _locks = tasks.iter().map(wait_for).collect::<Result<Vec<_>, _>>()?;
    events.extend(eraser.unfinished()?);
    if events.is_empty() {
        return Ok(Vec::new());
    }
    eraser.begin(&events)?;
    // Before the rows, which alone say when it was.
    for (camera, from, to) in eraser.reader().times(&events)? {
        tapes.erase(&camera, from, to).map_err(|source| ErasingError::Leftover { path: tapes.dir().into(), source })?;
    }
    eraser.delete(&events)?;
    let named: HashSet<String> = events.iter().map(Uuid::to_string).collect();
    let mut heads = Vec::new();
    for generations in &tasks {
        heads.extend(purge(eraser, generations, &named, config, contracts)?);
    }
    eraser.cleanse(&events)?;
    eraser.finish()?;
    Ok(heads)
}

/// Waits for a training to end, and keeps others out.
fn wait_for(generations: &Generations) -> Result<fs::File, GenerationError> {
    let start = Instant::now();
    loop {
        match generations.lock() {
            Err(GenerationError::Busy { .. }) if start.elapsed() < PATIENCE => thread::sleep(EVERY),
            locked => return locked,
        }
    }
}

/// Removes what was fitted on the events, once something else serves.
fn purge(
    eraser: &Eraser,
    generations: &Generations,
    events: &HashSet<String>,
    config: &TeachConfig,
    contracts: &Contracts,
) -> Result<Option<ErasedHeads>, ErasingError> {
    let named = generations.naming(events)?;
    let replaced = if named.generations.contains(&generations.current()?) {
        Some(replace(eraser, generations, config, contracts)?)
    } else {
        None
    };
    named.generations.iter().try_for_each(|it| generations.remove(*it))?;
    forget_classes(eraser, generations)?;
    for path in named.leftovers {
        let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
        if name != "unfinished" && !name.starts_with("removed-") && !name.ends_with(".tmp") {
            return Err(ErasingError::Foreign { path });
        }
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.map_err(|source| ErasingError::Leftover { path, source })?;
    }
    let (task, removed) = (generations.task().to_owned(), named.generations);
    Ok((!removed.is_empty()).then_some(ErasedHeads { task, removed, replaced }))
}

/// Of a class that the events alone had, not even the name is left in what the last training saw.
fn forget_classes(eraser: &Eraser, generations: &Generations) -> Result<(), ErasingError> {
    let mut seen = generations.seen();
    let left = eraser.reader().label_counts()?.remove(generations.task()).unwrap_or_default();
    let n_seen = seen.labels.len();
    seen.labels.retain(|class, _| left.contains_key(class));
    if seen.labels.len() < n_seen {
        generations.set_seen(&seen)?;
    }
    Ok(())
}

/// Makes a head without the events serve.
fn replace(
    eraser: &Eraser,
    generations: &Generations,
    config: &TeachConfig,
    contracts: &Contracts,
) -> Result<Replaced, ErasingError> {
    match refit(eraser.reader(), generations, config, contracts, CAUSE, REASON) {
        Ok(trained) => Ok(Replaced::Refitted { generation: trained.serving, verdict: trained.verdict }),
        // No head is to be had of what is left, for whatever reason: the old one may not stay all the same.
        Err(TrainError::Fit(error)) => {
            generations.promote(0)?;
            Ok(Replaced::Starter(error.to_string()))
        }
        Err(error) => Err(ErasingError::Train(error)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::teach::judge::Decision;

    #[test]
    fn a_head_that_must_serve_says_why_and_what_the_judge_found() {
        let mut refused = Verdict { decision: Decision::Refused, reason: "it loses foxes".into(), checks: Vec::new() };
        refused.overrule(REASON);
        assert!(refused.is_promoted());
        assert_eq!(refused.reason, format!("{REASON}; the judge had refused it: it loses foxes"));
        let mut promoted = Verdict { decision: Decision::Promoted, reason: "it is better".into(), checks: Vec::new() };
        promoted.overrule(REASON);
        assert_eq!(promoted.reason, format!("{REASON}; the judge agrees: it is better"));
    }

    #[test]
    fn a_training_that_is_on_its_way_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let generations = Generations::of(dir.path(), "species");
        let training = generations.lock().unwrap();
        let start = Instant::now();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| wait_for(&generations).map(drop));
            thread::sleep(2 * EVERY);
            drop(training);
            waiting.join().unwrap().unwrap();
        });
        assert!(start.elapsed() >= 2 * EVERY);
    }
}
