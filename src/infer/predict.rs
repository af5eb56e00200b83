//! The stage after the featurizer: is there anything new, is it an animal, and which.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};

use crate::config::NoveltyConfig;
use crate::domain::{CameraName, CaptureMethod, Cell, Embedding, Featurized, Look, View};
use crate::infer::head::{Head, Opinion};
use crate::infer::heads::Heads;
use crate::infer::novelty::{EmptyScene, Novelty};
use crate::infer::space::kind;
use crate::pipeline::House;

/// Presence from which something is there.
pub const PRESENT: f32 = 0.5;
/// Presence below which nothing is, for certain enough to be remembered as the empty scene.
const ABSENT: f32 = 0.3;
/// How sharply novelty counts around the distance from which it does.
const NOVELTY_SLOPE: f32 = 6.0;
/// What the starter head's log-odds of an animal count, what their gain over the usual ones does (at most so much), and how far
/// both must be above nothing.
const ODDS_WEIGHT: f32 = 0.7;
const GAIN_WEIGHT: f32 = 0.45;
const MAX_GAIN: f32 = 1.5;
const DOUBT: f32 = 0.35;
/// Strange for so long and no animal: that is what the scene looks like now.
const ADOPTED_AFTER: Duration = Duration::from_secs(5);
/// A cell that is unlike its empty self by this much, and this much more of an animal than usual, may hold one: it is not
/// learned until it has been so for `DOUBTED_FOR`.
const DOUBTFUL_EXCESS: f32 = 0.5;
const DOUBTFUL_GAIN: f32 = 1.0;
const DOUBTED_FOR: Duration = Duration::from_secs(30);
/// Doubts that are not renewed within this begin anew.
const DOUBT_LASTS: Duration = Duration::from_secs(10);
/// After an animal was seen the banks rest: it may still be half in the picture.
const REST: Duration = Duration::from_secs(2);
/// Frames remembered as showing something, so that they do not serve as empty ones later.
const MAX_PRESENT_FRAMES: usize = 512;

/// What the heads say of a look.
#[derive(Debug)]
pub struct Prediction {
    /// The look.
    pub look: Look,
    /// `embeddings[i]` belongs to `look.candidates[i]`.
    pub embeddings: Vec<Embedding>,
    /// Which heads it was: `seen` holds what the first says; those of further tasks are asked where an event is made of it.
    pub heads: Arc<Heads>,
    /// What was seen: one for the whole frame and each crop, none for the empty scene.
    pub seen: Vec<Seen>,
}

/// What one candidate shows.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Its place in `look.candidates`.
    pub candidate_idx: usize,
    /// How it compares with the empty scene, where that is known.
    pub novelty: Option<Novelty>,
    /// How sure it is that an animal is there, 0..=1.
    pub presence: f32,
    /// What the head says of it, where it has an answer.
    pub opinion: Option<Opinion>,
}

impl Seen {
    /// The head's probabilities `[classes]`, where it has an answer.
    pub fn probabilities(&self) -> Option<&[f32]> {
        self.opinion.as_ref().map(|it| &*it.probabilities)
    }
}

impl Prediction {
    /// The strongest sign of an animal, 0..=1.
    pub fn presence(&self) -> f32 {
        self.seen.iter().map(|it| it.presence).fold(0.0, f32::max)
    }

    /// What the look counts towards an event, 0..=1: a small cell shows little, so it takes more looks at it.
    pub fn weight(&self) -> f32 {
        let present = self.seen.iter().filter(|it| it.presence >= PRESENT);
        let of = |it: &Seen| match self.look.candidates[it.candidate_idx].cell.map(|it| it.divisor) {
            None | Some(1) => 1.0,
            Some(2) => 0.8,
            Some(3..=4) => 0.6,
            Some(_) => 0.5,
        };
        present.map(of).fold(0.0, f32::max)
    }

    /// The strongest sign of anything new at all; from 1 on there is something.
    pub fn excess(&self) -> f32 {
        self.seen.iter().filter_map(|it| it.novelty).map(|it| it.excess).fold(0.0, f32::max)
    }
}

/// Judges looks, and remembers each camera's empty scene.
#[derive(Debug)]
pub struct Predictor {
    config: NoveltyConfig,
    cameras: HashMap<CameraName, Memory>,
}

#[derive(Debug)]
struct Memory {
    scene: EmptyScene,
    present_frames: VecDeque<u64>,
    last_present: Option<Duration>,
    strange_since: Option<Duration>,
    /// Cells that may hold an animal: since when, and when last.
    doubted: HashMap<Cell, (Duration, Duration)>,
}

impl Predictor {
    /// A predictor that knows no camera yet.
    pub fn new(config: &NoveltyConfig) -> Predictor {
        Predictor { config: config.clone(), cameras: HashMap::new() }
    }

    /// Judges a look. Looks of one camera must come in their order.
    pub fn predict(&mut self, featurized: Featurized, heads: &Arc<Heads>) -> Prediction {
        let Featurized { look, embeddings } = featurized;
        let config = &self.config;
        let memory = self.cameras.entry(Arc::clone(&look.frame.camera)).or_insert_with(|| Memory {
            scene: EmptyScene::new(config),
            present_frames: VecDeque::new(),
            last_present: None,
            strange_since: None,
            doubted: HashMap::new(),
        });
        memory.learn_empty(&look, &embeddings, heads.first());
        let seen = memory.see(&look, &embeddings, heads.first());
        let prediction = Prediction { look, embeddings, heads: Arc::clone(heads), seen };
        memory.learn(&prediction);
        trace(&prediction);
        prediction
    }
}

impl Memory {
    /// What the gate sent along as empty, unless it turned out not to be.
    fn learn_empty(&mut self, look: &Look, embeddings: &[Embedding], head: &Head) {
        for (candidate, embedding) in look.candidates.iter().zip(embeddings) {
            if candidate.view == View::Empty && !self.present_frames.contains(&candidate.frame.number) {
                let place = (candidate.cell, look.modality, look.light);
                let first = head.first().opinion(embedding, kind(look.modality, candidate.view));
                let odds = log_odds(first.as_ref());
                self.scene.remember(place, &embedding.features, odds, look.frame.elapsed);
            }
        }
    }

    fn see(&mut self, look: &Look, embeddings: &[Embedding], head: &Head) -> Vec<Seen> {
        let shown = look.candidates.iter().zip(embeddings).enumerate().filter(|(_, (it, _))| it.view != View::Empty);
        let mut seen = Vec::new();
        for (candidate_idx, (candidate, embedding)) in shown {
            let opinion = head.opinion(embedding, kind(look.modality, candidate.view));
            let odds = log_odds(opinion.as_ref());
            let place = (candidate.cell, look.modality, look.light);
            let novelty = self.scene.compare(place, &embedding.features, odds, look.frame.elapsed);
            let presence = novelty.map_or(0.0, |it| presence(it, odds));
            seen.push(Seen { candidate_idx, novelty, presence, opinion });
        }
        seen
    }

    /// Renews the banks with what shows nothing.
    fn learn(&mut self, prediction: &Prediction) {
        let look = &prediction.look;
        let now = look.frame.elapsed;
        if prediction.presence() >= PRESENT {
            self.last_present = Some(now);
            self.strange_since = None;
            self.note_present(look.frame.number);
            return;
        }
        if prediction.presence() >= ABSENT {
            self.note_present(look.frame.number);
        }
        if self.last_present.is_some_and(|at| now.saturating_sub(at) < REST) {
            self.note_present(look.frame.number);
            return;
        }
        let strange = prediction.seen.first().and_then(|it| it.novelty).is_some_and(|it| it.excess >= 1.0);
        if !strange {
            self.strange_since = None;
        }
        let strange_for = now.saturating_sub(*self.strange_since.get_or_insert(now));
        if strange && strange_for < ADOPTED_AFTER {
            self.note_present(look.frame.number);
            return;
        }
        for seen in prediction.seen.iter().filter(|it| it.presence < ABSENT) {
            let candidate = &look.candidates[seen.candidate_idx];
            // A cell that nothing is known of is not known to be empty.
            let unknown = candidate.cell.is_some() && seen.novelty.is_none();
            // The whole frame is learned at the clock's pace, not at the motion's.
            let out_of_turn = candidate.cell.is_none() && look.method != CaptureMethod::TimeLapse;
            if candidate.cell.is_some_and(|cell| self.doubts(cell, seen.novelty, now)) {
                self.note_present(look.frame.number);
            } else if !unknown && !out_of_turn {
                let place = (candidate.cell, look.modality, look.light);
                let odds = log_odds(seen.opinion.as_ref());
                self.scene.remember(place, &prediction.embeddings[seen.candidate_idx].features, odds, now);
            }
        }
    }

    /// Whether a cell may hold an animal, though no look at it was sure.
    fn doubts(&mut self, cell: Cell, novelty: Option<Novelty>, now: Duration) -> bool {
        if !novelty.is_some_and(|it| it.excess >= DOUBTFUL_EXCESS && it.gain >= DOUBTFUL_GAIN) {
            return false;
        }
        self.doubted.retain(|_, it| now.saturating_sub(it.1) <= DOUBT_LASTS);
        let doubt = self.doubted.entry(cell).or_insert((now, now));
        doubt.1 = now;
        now.saturating_sub(doubt.0) < DOUBTED_FOR
    }

    /// Remembers a frame that may not be empty: the gate keeps some, and would bring them back as such.
    fn note_present(&mut self, frame: u64) {
        if self.present_frames.back() == Some(&frame) {
            return;
        }
        if self.present_frames.len() == MAX_PRESENT_FRAMES {
            self.present_frames.pop_front();
        }
        self.present_frames.push_back(frame);
    }
}

/// Something new is there, and it is more of an animal than what is usually there.
fn presence(novelty: Novelty, log_odds: f32) -> f32 {
    let new = logistic(NOVELTY_SLOPE * (novelty.excess - 1.0));
    let animal = logistic(GAIN_WEIGHT * novelty.gain.clamp(-MAX_GAIN, MAX_GAIN) + ODDS_WEIGHT * log_odds - DOUBT);
    new * animal
}

/// Log-odds of an animal; 0 where the head has no answer.
fn log_odds(opinion: Option<&Opinion>) -> f32 {
    opinion.map_or(0.0, |it| it.log_odds)
}

fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

fn trace(prediction: &Prediction) {
    if !tracing::enabled!(tracing::Level::TRACE) {
        return;
    }
    let look = &prediction.look;
    for seen in &prediction.seen {
        let candidate = &look.candidates[seen.candidate_idx];
        let novelty = seen.novelty.unwrap_or(Novelty { distance: f32::NAN, excess: f32::NAN, gain: f32::NAN });
        tracing::trace!(
            camera = &*look.frame.camera,
            secs = look.frame.elapsed.as_secs_f64(),
            cell = ?candidate.cell,
            motion = look.motion,
            distance = novelty.distance,
            excess = novelty.excess,
            gain = novelty.gain,
            odds = log_odds(seen.opinion.as_ref()),
            presence = seen.presence,
            "seen"
        );
    }
}

/// Runs the stage on a thread of its own until its input closes. Heads are swapped between looks.
pub fn spawn(
    config: &NoveltyConfig,
    house: &House,
    input: Receiver<Featurized>,
    output: Sender<Prediction>,
) -> io::Result<JoinHandle<()>> {
    let mut predictor = Predictor::new(config);
    let House { metrics, clock, heads } = house.clone();
    thread::Builder::new().name("head".into()).spawn(move || {
        for featurized in input {
            let prediction = predictor.predict(featurized, &heads.load());
            let frame = &prediction.look.frame;
            let n_crops = prediction.seen.iter().filter(|it| it.candidate_idx > 0).count();
            frame.fate.classified();
            frame.fate.camera().crops.inc_by(n_crops as u64);
            let latency = clock.now().duration_since(frame.at).as_secs_f64();
            metrics.frame_latency.observe(latency.max(0.0));
            if output.send(prediction).is_err() {
                break;
            }
        }
    })
}

#[cfg(test)]
mod tests;
