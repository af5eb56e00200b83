//! Within one event: which crops of successive looks show the same animal, and what all of them together say it is.

use std::time::Duration;

use crate::domain::{Area, Observation, ObservationType};
use crate::infer::head::Head;
use crate::infer::heads::Heads;
use crate::infer::predict::Prediction;
use crate::observe::said::{Hearing, Said};

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
    area: Area,
    last: Duration,
    n_looks: u32,
    weight: f32,
    hearing: Hearing,
}

impl Tracks {
    /// Adds what a look shows: every candidate of at least `min_presence`.
    pub fn add(&mut self, prediction: &Prediction, min_presence: f32) {
        let now = prediction.look.frame.elapsed;
        let mut joined: Vec<usize> = Vec::new();
        for seen in prediction.seen.iter().filter(|it| it.presence >= min_presence) {
            if seen.opinion.is_none() && prediction.heads.further().is_empty() {
                continue;
            }
            let candidate = &prediction.look.candidates[seen.candidate_idx];
            let area = candidate.cell.map(|_| candidate.area);
            self.join(now, area, seen.presence, &mut joined, |it| it.add(prediction, seen, seen.presence));
        }
    }

    /// Adds what one candidate of a look shows: a crop of that area, or the whole frame; `hear` adds what is said of it. `joined`
    /// are the tracks that the look has joined already.
    pub fn join(
        &mut self,
        now: Duration,
        area: Option<Area>,
        presence: f32,
        joined: &mut Vec<usize>,
        hear: impl FnOnce(&mut Hearing),
    ) {
        let new = |area| Track { area, last: now, n_looks: 0, weight: 0.0, hearing: Hearing::default() };
        let track = match area {
            None => self.whole.get_or_insert_with(|| new(Area { x: 0.0, y: 0.0, width: 0.0, height: 0.0 })),
            Some(area) => {
                let near = |(_, it): &(usize, &Track)| it.near(&area, now);
                let free = self.crops.iter().enumerate().filter(|(i, _)| !joined.contains(i)).filter(near);
                let closest = free.min_by(|a, b| a.1.distance(&area).total_cmp(&b.1.distance(&area)));
                let idx = closest.map(|(i, _)| i).unwrap_or_else(|| {
                    self.crops.push(new(area));
                    self.crops.len() - 1
                });
                joined.push(idx);
                self.crops[idx].area = area;
                &mut self.crops[idx]
            }
        };
        track.last = now;
        track.n_looks += 1;
        track.weight += presence;
        hear(&mut track.hearing);
    }

    /// What each head says of all looks, where it is one animal that they show; else nothing.
    pub fn said(&self) -> Vec<Said> {
        if let [track] = *self.counted() { track.hearing.said() } else { Vec::new() }
    }

    fn strongest(&self) -> f32 {
        self.crops.iter().map(|it| it.weight).fold(0.0, f32::max)
    }

    /// The tracks that count for themselves, the strongest first.
    fn counted(&self) -> Vec<&Track> {
        let strongest = self.strongest();
        let counts = |it: &&Track| it.n_looks >= MIN_LOOKS && it.weight >= MIN_SHARE * strongest;
        let mut tracks: Vec<&Track> = self.crops.iter().filter(counts).collect();
        if tracks.is_empty() {
            let all = self.crops.iter().chain(&self.whole);
            tracks.extend(all.max_by(|a, b| a.weight.total_cmp(&b.weight)));
        }
        tracks.sort_by(|a, b| b.weight.total_cmp(&a.weight));
        tracks
    }

    /// What came by, as every task has it: the first task's observations first, never none of these.
    pub fn observations(&self, heads: &Heads, threshold: f32) -> Vec<Observation> {
        let tracks = self.counted();
        let mut observations = self.observed(&tracks, heads.first(), threshold);
        if observations.is_empty() {
            observations.push(Observation {
                kind: ObservationType::Unknown,
                class: None,
                probability: 0.0,
                rank: None,
                hint: None,
                generation: heads.first().generation().clone(),
            });
        }
        for head in heads.further() {
            observations.append(&mut self.observed(&tracks, head, threshold));
        }
        observations
    }

    /// One observation a class of a task, the likeliest first; `unknown` with a hint below `threshold`.
    fn observed(&self, tracks: &[&Track], head: &Head, threshold: f32) -> Vec<Observation> {
        let (task, strongest) = (&*head.generation().task, self.strongest());
        let mut observations: Vec<Observation> = Vec::new();
        for track in tracks {
            let Some(said) = track.hearing.said_of(task) else { continue };
            let observation = said.observation(None, threshold);
            let weak = vagueness(&observation) > 0 && track.weight < MIN_UNKNOWN_SHARE * strongest;
            let same = |it: &Observation| it.class == observation.class && it.kind == observation.kind;
            match observations.iter().position(same) {
                Some(i) => observations[i].probability = observations[i].probability.max(observation.probability),
                None if weak && !observations.is_empty() => {}
                None => observations.push(observation),
            }
        }
        // A species beside an unknown of little weight is the species.
        observations.sort_by_key(vagueness);
        observations
    }
}

/// How little is known of what was seen: a class, a taxon above several, or nothing.
fn vagueness(it: &Observation) -> u8 {
    match (it.kind, it.rank) {
        (ObservationType::Unknown, _) => 2,
        (_, Some(_)) => 1,
        (_, None) => 0,
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
}
