//! An event that has ended is looked at once more, by the second featurizer: its best frames, whole and cropped.
//! Heads, of whatever task, that were taught on both name it by both; else the vectors are kept, for heads to come.
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
use crate::observe::said::Said;

/// Updates that wait from which on a live event is not looked at again.
const BUSY: usize = 8;
/// Of 19: what is seen first goes before.
const NICENESS: i32 = 10;

struct Reconsider {
    second: Second,
    pace: Pace,
    /// Frames of an event.
    most: usize,
    /// `[0, 1]`, as in [`crate::infer::head::Head::strangeness`].
    threshold: f32,
    /// The best of each open event so far.
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
    let (most, threshold) = (config.featurizer.second_frames, config.events.threshold);
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
        name_by_both(update, &best, self.threshold);
        // Most are on disk by now; there these vectors join them.
        update.keepsakes.retain(|it| best.iter().all(|other| other.id != it.id));
        update.keepsakes.append(&mut best);
        Ok(())
    }
}

/// Names an event anew by every head that was taught on the second featurizer's vectors; others have said what they know.
fn name_by_both(update: &mut EventUpdate, best: &[Keepsake], threshold: f32) {
    for said in &update.said {
        let Some(second) = by_second(said, best) else { continue };
        let task = &said.head.generation().task;
        let observations = &mut update.event.observations;
        let place = observations.iter().position(|it| it.generation.task == *task).unwrap_or(observations.len());
        observations.retain(|it| it.generation.task != *task);
        observations.insert(place, said.observation(Some(&second), threshold));
    }
}

/// What a head says of an event's best candidates by the second featurizer's vectors, where it was taught on them.
fn by_second(said: &Said, best: &[Keepsake]) -> Option<Together> {
    let of = |it: &Keepsake| said.head.own_opinion(&it.embedding, kind(it.modality, it.view))?.second;
    let answers: Vec<Answer> = best.iter().filter_map(of).collect();
    let together = || Together::of(answers.iter().map(|it| (&*it.probabilities, it.closeness)), Some(0));
    (!answers.is_empty()).then(together)
}

/// Keeps what there is of the best frames.
fn put(best: &mut Vec<Keepsake>, new: &Keepsake, most: usize) {
    best.push(new.clone());
    let mut frames: Vec<(u64, f32)> = Vec::new();
    for it in best.iter() {
        match frames.iter_mut().find(|frame| frame.0 == it.frame.number) {
            Some(frame) => frame.1 = frame.1.max(it.score),
            None => frames.push((it.frame.number, it.score)),
        }
    }
    frames.sort_by(|a, b| b.1.total_cmp(&a.1));
    frames.truncate(most);
    best.retain(|it| frames.iter().any(|frame| frame.0 == it.frame.number));
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::unbounded;
    use jiff::Timestamp;

    use super::*;
    use crate::config::load::{self, Overrides};
    use crate::domain::{Observation, SecondFeatures};
    use crate::infer::both::Both;
    use crate::infer::closeness::Closeness;
    use crate::infer::contract::Contract;
    use crate::infer::models::Models;
    use crate::infer::taxonomy::Taxonomy;
    use crate::infer::tiny;
    use crate::infer::unknown::Unknown;
    use crate::observe::store::fixture::{frame, keepsake, noise, update};

    #[test]
    fn what_there_is_of_the_best_frames_is_kept() {
        let metrics = Metrics::new();
        let camera = metrics.camera("feeder");
        let mut best = Vec::new();
        for (number, score) in [(1, 0.2), (2, 0.9), (3, 0.5), (2, 0.3), (4, 0.6)] {
            let mut it = keepsake(&noise(8, Timestamp::UNIX_EPOCH), score);
            it.frame = crate::infer::tiny::frame(&camera, "feeder", number, [0; 3]);
            put(&mut best, &it, 2);
        }
        let kept: Vec<(u64, f32)> = best.iter().map(|it| (it.frame.number, it.score)).collect();
        assert_eq!(kept, [(2, 0.9), (2, 0.3), (4, 0.6)]);
    }

    #[test]
    fn what_the_second_cannot_look_at_goes_on_as_it_came_and_is_counted() {
        // Means are indices into a table of 200: brighter pictures make the run fail.
        let dir = tempfile::tempdir().unwrap();
        tiny::write(dir.path(), Some(200));
        let plain = tiny::CONTRACT.replace(
            "mean = [0.0, 10.0, 20.0]\nstd = [1.0, 2.0, 4.0]",
            "mean = [0.0, 0.0, 0.0]\nstd = [1.0, 1.0, 1.0]",
        );
        std::fs::write(dir.path().join("tiny.toml"), plain).unwrap();
        let contract = Arc::new(Contract::load(dir.path(), "tiny").unwrap());
        let second = Some(Arc::clone(&contract));
        let models = Models { runtime: tiny::runtime(), contract, second, taxonomy: Taxonomy::default() };
        let second = Second::open(&models).unwrap().unwrap();
        let config = load::load(None, Overrides::default()).unwrap();
        let metrics = Metrics::new();
        let ((input, asked), (output, done)) = (unbounded(), unbounded());
        let ending = Arc::new(AtomicBool::new(false));
        let stage = spawn(second, &config, Pace::RealTime, asked, output, ending, Arc::clone(&metrics)).unwrap();
        let ended = |grey: u8| {
            let mut it = update(Change::Ended, "fox", 0);
            it.keepsakes = vec![keepsake(&frame(64, 64, [grey; 3]), 0.9)];
            it
        };
        let (bright, dim) = (ended(230), ended(100));
        input.send(bright.clone()).unwrap();
        input.send(dim.clone()).unwrap();
        drop(input);
        stage.join().unwrap();
        let came: Vec<EventUpdate> = done.iter().collect();
        assert_eq!(came.len(), 2, "nothing is lost");
        assert_eq!(came[0].event, bright.event);
        let ids = |it: &EventUpdate| it.keepsakes.iter().map(|it| it.id).collect::<Vec<_>>();
        assert_eq!((ids(&came[0]), ids(&came[1])), (ids(&bright), ids(&dim)));
        assert!(came[0].keepsakes[0].embedding.second.is_none(), "it has seen nothing of it");
        assert_eq!(came[1].keepsakes[0].embedding.second.as_ref().unwrap().features[..], [100.0; 3]);
        let count = |outcome: &str| metrics.second_events.with_label_values(&[outcome]).get();
        assert_eq!((count("failed"), count("seen"), count("skipped")), (1, 1, 0));
    }

    #[test]
    fn every_task_whose_head_was_taught_on_both_is_named_by_both() {
        let both = Both {
            featurizer: "second".into(),
            learned: tiny::learned(3),
            share: 1.0,
            sharpness: 1.0,
            unknown: Unknown {
                of_distance: 1.0,
                of_doubt: 0.0,
                of_lead: 0.0,
                of_second: 0.0,
                threshold: 0.5,
                reach: None,
            },
        };
        let heads = [
            tiny::taught("species", 1, &["blank", "fox", "deer"], None),
            tiny::taught("content", 1, &["blank", "animal", "human"], Some(both)),
        ];
        let closeness = Closeness { cosine: 0.9, lead: 0.0 };
        let together =
            Together { presence: 1.0, given_present: vec![0.0, 0.9, 0.1], closeness, second_closeness: None };
        let said = heads.map(|head| Said { head, together: together.clone(), hint: None });
        let mut update = update(Change::Ended, "fox", 0);
        update.event.observations = said.iter().map(|it| it.observation(None, 0.5)).collect();
        update.said = said.into();
        let first = update.event.observations[0].clone();
        let mut best = keepsake(&noise(8, Timestamp::UNIX_EPOCH), 0.9);
        best.embedding.features = vec![0.0, 1.0, 0.0].into();
        let seen =
            |featurizer: &str| SecondFeatures { featurizer: featurizer.into(), features: vec![0.0, 0.1, 1.0].into() };
        for (featurizer, content) in [("another", "animal"), ("second", "human")] {
            best.embedding.second = Some(seen(featurizer));
            name_by_both(&mut update, std::slice::from_ref(&best), 0.5);
            let labels: Vec<String> = update.event.observations.iter().map(Observation::label).collect();
            assert_eq!(labels, ["fox", content]);
            assert_eq!(update.event.observations[0], first);
        }
    }
}
