//! Periodic retraining: the daemon looks every second which labels no training has seen, and starts `eyeshine train` when
//! they are many enough or have waited long enough. One at a time, whatever the task.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use jiff::Timestamp;
use serde::Deserialize;

use crate::clock::Clock;
use crate::config::TeachConfig;
use crate::domain::Generation;
use crate::metrics::Metrics;
use crate::observe::store::{LabelCounts, Reader, StoreError};

use self::child::{Over, Training};
use self::migration::Migrating;
use super::generations::{GenerationError, Generations};

mod child;
mod migration;

pub use child::Program;

/// Between looks at the labels, and at a training that goes on.
const EVERY: Duration = Duration::from_secs(1);
const EVERY_WHILE_TRAINING: Duration = Duration::from_millis(100);
/// Whoever labels goes on labelling: it is waited until a look finds no newer label, but no longer than this.
const SETTLE: Duration = Duration::from_secs(30);
/// Counting labels may take this share of the time, and judging a head's service as much again.
const SHARE: u32 = 100;
/// Between looks at how heads do in service.
const SERVICE: Duration = Duration::from_secs(30);
/// After the first failure, and at most; each time twice as long.
const FIRST_BACKOFF: Duration = Duration::from_secs(30);
const MAX_BACKOFF: Duration = Duration::from_secs(3_600);

/// Starts trainings beside a daemon.
#[derive(Debug)]
pub struct Retrainer {
    config: TeachConfig,
    program: Program,
    store: Reader,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    tasks: Vec<Task>,
    counted: Counted,
    training: Option<(usize, Training)>,
    /// Where the config names a next featurizer.
    migrating: Option<Migrating>,
    /// When service is looked at next.
    service: Instant,
}

/// The labels, as they were counted last.
#[derive(Debug)]
struct Counted {
    version: Option<i64>,
    labels: BTreeMap<String, LabelCounts>,
    /// Not before this they are counted again.
    next: Instant,
    complained: bool,
}

#[derive(Debug)]
struct Task {
    name: String,
    generations: Generations,
    /// What the last look found to be waiting, and since when it grows.
    labels: LabelCounts,
    growing: Option<Instant>,
    failures: u32,
    not_before: Option<Instant>,
    /// When labels had been seen last, as the training that goes on began.
    seen: Timestamp,
}

/// What is read of a training's answer.
#[derive(Debug, Deserialize)]
struct Answer {
    verdict: AnsweredVerdict,
    serving: u32,
    rolled_back: Option<AnsweredRollback>,
}

#[derive(Debug, Deserialize)]
struct AnsweredVerdict {
    decision: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct AnsweredRollback {
    generation: u32,
    to: u32,
    reason: String,
}

impl Retrainer {
    /// Of a daemon that was started as `program`; nothing is looked at yet.
    pub fn new(
        config: &TeachConfig,
        program: Program,
        store: Reader,
        clock: Arc<dyn Clock>,
        metrics: Arc<Metrics>,
    ) -> Retrainer {
        let now = Instant::now();
        let tasks = config.tasks.iter().map(|name| Task::new(&program.state_dir, name)).collect();
        config.tasks.iter().for_each(|task| metrics.teaching.begin(task));
        let counted = Counted { version: None, labels: BTreeMap::new(), next: now, complained: false };
        Retrainer {
            config: config.clone(),
            program,
            store,
            clock,
            metrics,
            tasks,
            counted,
            training: None,
            migrating: None,
            service: now,
        }
    }

    /// The same, that brings what is kept to the next featurizer while nothing is trained; an empty name is none.
    pub fn migrating(mut self, next: &str) -> Retrainer {
        self.migrating = (!next.is_empty()).then(|| Migrating::to(next, &self.metrics));
        self
    }

    /// Goes on, on a thread of its own, until the other end of `running` is gone; a training that goes on then is ended.
    pub fn spawn(mut self, running: Receiver<()>) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name("retrain".into()).spawn(move || {
            let every = |it: &Retrainer| if it.training.is_some() { EVERY_WHILE_TRAINING } else { EVERY };
            while running.recv_timeout(every(&self)) == Err(RecvTimeoutError::Timeout) {
                self.look();
            }
        })
    }

    fn look(&mut self) {
        if let Some((task, mut training)) = self.training.take() {
            match training.look(Duration::from_secs_f64(self.config.retrain_max_secs)) {
                None => self.training = Some((task, training)),
                Some(over) => self.conclude(task, over),
            }
            return;
        }
        if let Err(error) = self.count() {
            if !self.counted.complained {
                tracing::warn!(%error, "labels cannot be counted: nothing is retrained until they can");
            }
            self.counted.complained = true;
            return;
        }
        self.counted.complained = false;
        if Instant::now() >= self.service {
            self.look_at_service();
        }
        let due = (0..self.tasks.len()).find_map(|it| self.due(it).map(|cause| (it, cause)));
        if let Some((task, cause)) = due {
            // One at a time: it goes on where it was.
            self.migrating.iter_mut().for_each(Migrating::pause);
            self.start(task, cause);
        } else if let Some(it) = &mut self.migrating {
            it.look(&self.program);
        }
    }

    /// Counts the labels where anything was written since, and that not too often.
    fn count(&mut self) -> Result<(), StoreError> {
        let began = Instant::now();
        if began < self.counted.next {
            return Ok(());
        }
        let version = Some(self.store.data_version()?);
        if version != self.counted.version {
            self.counted.labels = self.store.label_counts()?;
            self.counted.version = version;
            self.counted.next = Instant::now() + began.elapsed() * SHARE;
        }
        Ok(())
    }

    /// Why a task is to be trained now, if it is.
    fn due(&mut self, at: usize) -> Option<&'static str> {
        let (config, now) = (&self.config, self.clock.now());
        let task = &mut self.tasks[at];
        let labels = self.counted.labels.get(&task.name).cloned().unwrap_or_default();
        let seen = task.generations.seen();
        let waiting = seen.waiting(&labels);
        self.metrics.teaching.waiting.with_label_values(&[&task.name]).set(i64::try_from(waiting).unwrap_or(i64::MAX));
        let grew = task.labels != labels;
        task.labels = labels;
        if waiting == 0 {
            task.growing = None;
            return None;
        }
        let growing = *task.growing.get_or_insert_with(Instant::now);
        let settled = !grew || growing.elapsed() >= SETTLE;
        if !settled || task.not_before.is_some_and(|it| Instant::now() < it) {
            return None;
        }
        if config.min_new_labels > 0 && waiting >= config.min_new_labels {
            return Some("labels");
        }
        let waited_secs = if seen.at == Timestamp::default() {
            // Nothing was ever trained: the first label is no day old.
            growing.elapsed().as_secs_f64()
        } else {
            // A clock that was set back must not put it off for years.
            now.duration_since(seen.at).as_secs_f64().abs()
        };
        let hours = waited_secs / 3_600.0;
        (config.retrain_hours > 0.0 && hours >= config.retrain_hours).then_some("schedule")
    }

    fn start(&mut self, at: usize, cause: &str) {
        let task = &mut self.tasks[at];
        // Somebody else trains, or erases: that is no failure, and the labels wait.
        if let Err(GenerationError::Busy { .. }) = task.generations.lock().map(drop) {
            task.not_before = Some(Instant::now() + FIRST_BACKOFF);
            return;
        }
        (task.growing, task.seen) = (None, task.generations.seen().at);
        tracing::info!(task = task.name, cause, "training");
        let began = self.clock.now().as_microsecond() as f64 / 1e6;
        self.metrics.teaching.last_run.with_label_values(&[&task.name]).set(began);
        match Training::start(&self.program, &["train", "--json", "--task", &task.name, "--cause", cause]) {
            Ok(training) => {
                self.metrics.teaching.running.with_label_values(&[&task.name]).set(1);
                self.training = Some((at, training));
            }
            Err(error) => self.fail(at, &format!("it could not be started: {error}")),
        }
    }

    fn conclude(&mut self, at: usize, over: Over) {
        let name = self.tasks[at].name.clone();
        let teaching = &self.metrics.teaching;
        teaching.running.with_label_values(&[&name]).set(0);
        teaching.duration.with_label_values(&[&name]).set(over.took.as_secs_f64());
        let answer = over.answer.and_then(|it| {
            serde_json::from_slice::<Answer>(&it).map_err(|error| format!("its answer cannot be read: {error}"))
        });
        let answer = match answer {
            Ok(answer) => answer,
            // It read the labels, and there was no head to be had of them: others are waited for, and no failure.
            Err(why) if self.tasks[at].generations.seen().at != self.tasks[at].seen => {
                tracing::info!(task = name, "no head yet: {why}");
                return teaching.count(&name, "too_few");
            }
            Err(why) => return self.fail(at, &why),
        };
        if let Some(it) = &answer.rolled_back {
            teaching.count(&name, "rolled_back");
            tracing::warn!(task = name, generation = it.generation, to = it.to, "head rolled back: {}", it.reason);
        }
        teaching.count(&name, &answer.verdict.decision);
        teaching.last_success.with_label_values(&[&name]).set(self.clock.now().as_microsecond() as f64 / 1e6);
        let AnsweredVerdict { decision, reason } = &answer.verdict;
        tracing::info!(
            task = name,
            took_secs = over.took.as_secs_f64(),
            serving = answer.serving,
            "{decision}: {reason}"
        );
        let task = &mut self.tasks[at];
        (task.failures, task.not_before) = (0, None);
        self.service = Instant::now();
    }

    /// Nothing is harmed: the head that serves goes on, the labels wait.
    fn fail(&mut self, at: usize, why: &str) {
        let task = &mut self.tasks[at];
        self.metrics.teaching.count(&task.name, "failed");
        let backoff = FIRST_BACKOFF.saturating_mul(1 << task.failures.min(10)).min(MAX_BACKOFF);
        task.failures = task.failures.saturating_add(1);
        task.not_before = Some(Instant::now() + backoff);
        let (name, again_secs) = (&task.name, backoff.as_secs());
        tracing::warn!(task = name, again_secs, "training failed, the head that serves goes on: {why}");
    }

    /// How the heads that serve do: what cross-validation said, and what people and events say since.
    fn look_at_service(&mut self) {
        let began = Instant::now();
        for task in &self.tasks {
            if let Err(error) = show_service(task, &self.store, &self.metrics) {
                tracing::debug!(task = task.name, error, "how its head does cannot be said");
            }
        }
        self.service = Instant::now() + SERVICE.max(began.elapsed() * SHARE);
    }
}

impl Task {
    fn new(state_dir: &Path, name: &str) -> Task {
        Task {
            name: name.into(),
            generations: Generations::of(state_dir, name),
            labels: LabelCounts::new(),
            growing: None,
            failures: 0,
            not_before: None,
            seen: Timestamp::default(),
        }
    }
}

fn show_service(task: &Task, store: &Reader, metrics: &Metrics) -> Result<(), String> {
    let (name, teaching) = (&*task.name, &metrics.teaching);
    let number = task.generations.current().map_err(|error| error.to_string())?;
    let held_out = match number {
        0 => None,
        number => task.generations.manifest(number).map_err(|error| error.to_string())?.held_out,
    };
    let scores = held_out.map(|it| [it.accuracy, it.balanced_accuracy, it.log_loss]);
    for (nth, score) in ["accuracy", "balanced_accuracy", "log_loss"].into_iter().enumerate() {
        show(&teaching.held_out, &[name, score], scores.map(|it| it[nth]));
    }
    let generation = Generation { task: name.into(), number };
    let service = store.service(&generation).map_err(|error| error.to_string())?;
    let share = |part: u64, of: u64| (of > 0).then(|| part as f64 / of as f64);
    teaching.labelled.with_label_values(&[name]).set(i64::try_from(service.labelled).unwrap_or(i64::MAX));
    show(&teaching.agreement, &[name], share(service.agreed, service.labelled));
    show(&teaching.unknown, &[name], share(service.unknown, service.answered));
    Ok(())
}

/// What nobody can say is no series.
fn show(gauge: &prometheus::GaugeVec, labels: &[&str], value: Option<f64>) {
    match value {
        Some(value) => gauge.with_label_values(labels).set(value),
        // It was not there: that is what was asked for.
        None => drop(gauge.remove_label_values(labels)),
    }
}

#[cfg(test)]
mod tests;
