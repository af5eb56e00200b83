//! The daemon's thread that keeps questions at hand: a day's at midnight, more where none is left of a day that is not used up,
//! and others for what is left of it once another head serves. It looks every second, at the lowest priority.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use rustix::time::{ClockId, clock_gettime};

use super::fill::{FillError, Filler};
use crate::clock::Clock;
use crate::metrics::Metrics;

/// Between looks.
const EVERY: Duration = Duration::from_secs(1);
/// Choosing may take this part of a core's time; what it waited for others meanwhile is not counted.
const SHARE: u32 = 20;
/// The lowest priority: it gets what nobody else wants.
const NICENESS: i32 = 19;

/// Keeps questions at hand.
#[derive(Debug)]
pub struct Asker {
    filler: Filler,
    tasks: Vec<Task>,
    clock: Arc<dyn Clock>,
    metrics: Arc<Metrics>,
    /// After questions were chosen, or could not be, they are not chosen again before this.
    pause: Duration,
}

#[derive(Debug)]
struct Task {
    name: String,
    not_before: Option<Instant>,
    /// What the store was like at the last look.
    version: Option<i64>,
    /// The generation whose head the questions were chosen by; none before the first look.
    generation: Option<u32>,
    /// What was complained of last, until a whole look finds nothing to complain of.
    complained: String,
}

/// What a look at a task did.
enum Looked {
    /// It only showed what waits: the pause after a filling is not over.
    Paused,
    /// All of it.
    Whole,
}

impl Asker {
    /// Of tasks; nothing is looked at yet.
    pub fn new(filler: Filler, tasks: &[String], clock: Arc<dyn Clock>, metrics: Arc<Metrics>) -> Asker {
        tasks.iter().for_each(|it| metrics.asking.begin(it));
        let tasks = tasks
            .iter()
            .map(|it| Task {
                name: it.clone(),
                not_before: None,
                version: None,
                generation: None,
                complained: String::new(),
            })
            .collect();
        let pause = filler.pause();
        Asker { filler, tasks, clock, metrics, pause }
    }

    /// Goes on, on a thread of its own, until the other end of `running` is gone.
    pub fn spawn(mut self, running: Receiver<()>) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name("ask".into()).spawn(move || {
            if let Err(error) = setpriority_process(Some(gettid()), NICENESS) {
                tracing::debug!(%error, "questions are chosen at the priority of all else");
            }
            while running.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                self.look();
            }
        })
    }

    /// Looks once.
    pub fn look(&mut self) {
        for at in 0..self.tasks.len() {
            match self.look_at(at) {
                Ok(Looked::Paused) => {}
                Ok(Looked::Whole) => self.tasks[at].complained.clear(),
                Err(error) => {
                    let task = &mut self.tasks[at];
                    task.not_before = Some(Instant::now() + self.pause);
                    let said = error.to_string();
                    if said != task.complained {
                        tracing::warn!(task = task.name, "ask: {said}; it is tried again");
                        task.complained = said;
                    }
                }
            }
        }
    }

    fn look_at(&mut self, at: usize) -> Result<Looked, FillError> {
        let task = &mut self.tasks[at];
        if task.not_before.is_some_and(|it| Instant::now() < it) {
            // Answers do not wait for it: only what is shown does.
            let version = self.filler.reader().data_version()?;
            if task.version.replace(version) != Some(version) {
                self.metrics.asking.show(&task.name, &self.filler.reader().queue_state(&task.name)?);
            }
            return Ok(Looked::Paused);
        }
        let state = self.filler.reader().queue_state(&task.name)?;
        self.metrics.asking.show(&task.name, &state);
        let is_due = self.filler.is_due(&task.name, &state)?;
        let serving = self.filler.generation(&task.name)?;
        let is_stale = task.generation.get_or_insert(serving) != &serving;
        if !is_due && !is_stale {
            return Ok(Looked::Whole);
        }
        let (began, spent) = (Instant::now(), spent());
        let filled = if is_due {
            self.filler.fill(&task.name, rand::random())
        } else {
            self.filler.renew(&task.name, rand::random())
        };
        let spent = self::spent().saturating_sub(spent);
        task.not_before = Some(Instant::now() + self.pause.max(spent * SHARE));
        let filled = filled?;
        task.generation = Some(serving);
        self.metrics
            .asking
            .last_fill
            .with_label_values(&[&task.name])
            .set(self.clock.now().as_microsecond() as f64 / 1e6);
        self.metrics.asking.show(&task.name, &self.filler.reader().queue_state(&task.name)?);
        let (added, expired, took_secs) = (filled.added, filled.expired, began.elapsed().as_secs_f64());
        tracing::info!(task = task.name, added, expired, took_secs, "questions chosen");
        Ok(Looked::Whole)
    }
}

/// Processor time of this thread.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}
