//! An event that has ended is looked at once more, by the second featurizer: its best candidates, of different frames.
//! Heads that were taught on both name it by both; else the vectors are kept, for heads to come.
//!
//! Cameras go before: on their way updates never wait for more than what is being looked at, and where more events end
//! than there is time for, live ones keep their first answer, and are counted.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender};
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use uuid::Uuid;

use crate::capture::source::Pace;
use crate::config::Config;
use crate::domain::{Candidate, Change, EventUpdate, Keepsake};
use crate::infer::featurizer::FeaturizerError;
use crate::infer::learned::Answer;
use crate::infer::second::Second;
use crate::infer::space::kind;
use crate::infer::together::Together;
use crate::metrics::Metrics;

/// Updates that wait from which on a live event is not looked at again.
const BUSY: usize = 8;
/// Of 19: what is seen first goes before.
const NICENESS: i32 = 10;

struct Reconsider {
    second: Second,
    pace: Pace,
    /// Candidates of an event.
    most: usize,
    /// `[0, 1]`, as in [`crate::infer::head::Head::strangeness`].
    threshold: f32,
    /// The best candidates of each open event so far, the best first.
    best: HashMap<Uuid, Vec<Keepsake>>,
    /// Set once the daemon ends: what is in flight is finished soon, and not well.
    ending: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
}

/// Runs the stage on a thread of its own until its input closes.
pub fn spawn(
    second: Second,
    config: &Config,
    pace: Pace,
    input: Receiver<EventUpdate>,
    output: Sender<EventUpdate>,
    ending: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
) -> io::Result<JoinHandle<()>> {
    let (most, threshold) = (config.featurizer.second_candidates, config.events.threshold);
    let mut stage = Reconsider { second, pace, most, threshold, best: HashMap::new(), ending, metrics };
    thread::Builder::new().name("second".into()).spawn(move || {
        if let Err(error) = setpriority_process(Some(gettid()), NICENESS) {
            tracing::debug!(%error, "the second featurizer runs at the priority of all others");
        }
        for mut update in &input {
            stage.take(&mut update, input.len());
            if output.send(update).is_err() {
                return;
            }
        }
    })
}

impl Reconsider {
    fn take(&mut self, update: &mut EventUpdate, n_waiting: usize) {
        let id = update.event.id;
        if update.event.is_blank() {
            if update.change == Change::Ended {
                self.best.remove(&id);
            }
            return;
        }
        let best = self.best.entry(id).or_default();
        update.keepsakes.iter().for_each(|it| put(best, it, self.most));
        if update.change != Change::Ended {
            return;
        }
        let Some(best) = self.best.remove(&id).filter(|it| !it.is_empty()) else { return };
        let outcome = if self.pace == Pace::RealTime && (n_waiting > BUSY || self.ending.load(Ordering::Relaxed)) {
            "skipped"
        } else {
            match self.look(best, update) {
                Ok(()) => "seen",
                Err(error) => {
                    tracing::warn!(event = %id, %error, "the second featurizer cannot look at it");
                    "failed"
                }
            }
        };
        self.metrics.second_events.with_label_values(&[outcome]).inc();
    }

    fn look(&mut self, mut best: Vec<Keepsake>, update: &mut EventUpdate) -> Result<(), FeaturizerError> {
        let candidate = |it: &Keepsake| Candidate { view: it.view, cell: None, area: it.area, frame: it.frame.clone() };
        let candidates: Vec<Candidate> = best.iter().map(candidate).collect();
        for (it, seen) in best.iter_mut().zip(self.second.look(&candidates)?) {
            it.embedding.second = Some(seen);
        }
        if let Some(said) = &update.said {
            let of = |it: &Keepsake| said.head.opinion(&it.embedding, kind(it.modality, it.view))?.second;
            let answers: Vec<Answer> = best.iter().filter_map(of).collect();
            if !answers.is_empty() {
                let answers = answers.iter().map(|it| (&*it.probabilities, it.closeness));
                let second = Together::of(answers, Some(0));
                update.event.observations = vec![said.observation(Some(&second), self.threshold)];
            }
        }
        // Most are on disk by now; there these vectors join them.
        update.keepsakes.retain(|it| best.iter().all(|other| other.id != it.id));
        update.keepsakes.append(&mut best);
        Ok(())
    }
}

/// Keeps the best candidate of each frame, and the best frames.
fn put(best: &mut Vec<Keepsake>, new: &Keepsake, most: usize) {
    match best.iter().position(|it| it.frame.number == new.frame.number) {
        Some(i) if best[i].score >= new.score => return,
        Some(i) => best[i] = new.clone(),
        None => best.push(new.clone()),
    }
    best.sort_by(|a, b| b.score.total_cmp(&a.score));
    best.truncate(most);
}
