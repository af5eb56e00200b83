//! Within one event: which crops of successive looks show the same animal, and what all of them together say it is.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Area, Class, Observation, ObservationType};
use crate::infer::head::Head;
use crate::infer::predict::Prediction;

/// A track that no crop has joined for so long is not joined any more.
const FORGOTTEN: Duration = Duration::from_secs(4);
/// Shares of the strongest track's weight: a weaker one is a part of the same animal, or grass beside it.
const MIN_SHARE: f32 = 0.25;
const MIN_UNKNOWN_SHARE: f32 = 0.6;
/// Looks before a track counts for itself.
const MIN_LOOKS: u32 = 3;

/// What was followed from look to look.
#[derive(Debug, Default)]
pub struct Tracks {
    crops: Vec<Track>,
    whole: Option<Track>,
}

#[derive(Debug, Clone)]
struct Track {
    head: Arc<Head>,
    area: Area,
    last: Duration,
    n_looks: u32,
    weight: f32,
    /// `[classes]`: probabilities, weighted by presence.
    sum: Vec<f32>,
}

impl Tracks {
    /// Adds what a look shows: every candidate of at least `min_presence`.
    pub fn add(&mut self, prediction: &Prediction, min_presence: f32) {
        let now = prediction.look.frame.elapsed;
        let mut joined: Vec<usize> = Vec::new();
        for seen in prediction.seen.iter().filter(|it| it.presence >= min_presence) {
            let Some(probabilities) = &seen.probabilities else { continue };
            let candidate = &prediction.look.candidates[seen.candidate_idx];
            let new = Track {
                head: Arc::clone(&prediction.head),
                area: candidate.area,
                last: now,
                n_looks: 0,
                weight: 0.0,
                sum: vec![0.0; probabilities.len()],
            };
            let track = if candidate.cell.is_none() {
                self.whole.get_or_insert(new)
            } else {
                let near = |(_, it): &(usize, &Track)| it.near(&candidate.area, now);
                let free = self.crops.iter().enumerate().filter(|(i, _)| !joined.contains(i)).filter(near);
                let closest =
                    free.min_by(|a, b| a.1.distance(&candidate.area).total_cmp(&b.1.distance(&candidate.area)));
                let idx = closest.map(|(i, _)| i).unwrap_or_else(|| {
                    self.crops.push(new);
                    self.crops.len() - 1
                });
                joined.push(idx);
                &mut self.crops[idx]
            };
            track.add(&prediction.head, candidate.area, now, seen.presence, probabilities);
        }
    }

    /// One observation a species, the likeliest first; `unknown` with a hint below `threshold`. Never empty.
    pub fn observations(&self, head: &Head, threshold: f32) -> Vec<Observation> {
        let strongest = self.crops.iter().map(|it| it.weight).fold(0.0, f32::max);
        let counts = |it: &&Track| it.n_looks >= MIN_LOOKS && it.weight >= MIN_SHARE * strongest;
        let mut tracks: Vec<&Track> = self.crops.iter().filter(counts).collect();
        if tracks.is_empty() {
            let all = self.crops.iter().chain(&self.whole);
            tracks.extend(all.max_by(|a, b| a.weight.total_cmp(&b.weight)));
        }
        tracks.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        let mut observations: Vec<Observation> = Vec::new();
        for track in tracks {
            let observation = track.observation(threshold);
            let weak = observation.kind == ObservationType::Unknown && track.weight < MIN_UNKNOWN_SHARE * strongest;
            let same = |it: &Observation| it.class == observation.class && it.kind == observation.kind;
            match observations.iter().position(same) {
                Some(i) => observations[i].probability = observations[i].probability.max(observation.probability),
                None if weak && !observations.is_empty() => {}
                None => observations.push(observation),
            }
        }
        if observations.is_empty() {
            observations.push(Observation {
                kind: ObservationType::Unknown,
                class: None,
                probability: 0.0,
                hint: None,
                generation: head.generation().clone(),
            });
        }
        // A species beside an unknown of little weight is the species.
        observations.sort_by_key(|it| it.kind == ObservationType::Unknown);
        observations
    }
}

impl Track {
    fn near(&self, area: &Area, now: Duration) -> bool {
        let reach = (self.area.width + area.width) / 2.0;
        now.saturating_sub(self.last) < FORGOTTEN && self.distance(area) < reach
    }

    fn distance(&self, area: &Area) -> f64 {
        let ((ax, ay), (bx, by)) = (self.area.centre(), area.centre());
        (ax - bx).hypot(ay - by)
    }

    fn add(&mut self, head: &Arc<Head>, area: Area, now: Duration, presence: f32, probabilities: &[f32]) {
        if self.head.generation() != head.generation() || self.sum.len() != probabilities.len() {
            // A new head was promoted in mid-event: its classes are other ones, so it starts anew.
            *self =
                Track { head: Arc::clone(head), sum: vec![0.0; probabilities.len()], weight: 0.0, n_looks: 0, ..*self };
        }
        self.area = area;
        self.last = now;
        self.n_looks += 1;
        self.weight += presence;
        for (sum, it) in self.sum.iter_mut().zip(probabilities) {
            *sum += presence * it;
        }
    }

    /// The answer, given that it is an animal: frames that look empty say little.
    fn observation(&self, threshold: f32) -> Observation {
        let animal: f32 = self.sum.iter().skip(1).sum();
        let top = self.sum.iter().enumerate().skip(1).max_by(|a, b| a.1.total_cmp(b.1));
        let (class, probability) = match top {
            Some((i, sum)) if animal > 0.0 => (self.head.classes().get(i).cloned(), sum / animal),
            _ => (None, 0.0),
        };
        let generation = self.head.generation().clone();
        match class {
            Some(class) if probability >= threshold => {
                let kind = kind_of(&class);
                Observation { kind, class: Some(class), probability, hint: None, generation }
            }
            hint => Observation { kind: ObservationType::Unknown, class: None, probability, hint, generation },
        }
    }
}

fn kind_of(class: &Class) -> ObservationType {
    match &*class.name {
        "human" => ObservationType::Human,
        "vehicle" => ObservationType::Vehicle,
        "blank" => ObservationType::Blank,
        _ => ObservationType::Animal,
    }
}
