//! Within one event: which crops of successive looks show the same animal, and what all of them together say it is.

use std::sync::Arc;
use std::time::Duration;

use crate::domain::{Area, Class, Observation, ObservationType};
use crate::infer::head::{Head, Opinion};
use crate::infer::predict::Prediction;
use crate::infer::together::Together;

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
    sums: Sums,
}

/// What all looks say together; each counts by how sure it is that an animal is there, and by the square of how sure the
/// head is that it is not a blank.
#[derive(Debug, Clone)]
struct Sums {
    /// `[classes]`.
    probabilities: Vec<f32>,
    /// `[the starter head's classes]`; empty where the head is the starter.
    guess: Vec<f32>,
    closeness: f32,
    weight: f32,
}

impl Sums {
    fn new(opinion: &Opinion) -> Sums {
        let zeros = |it: &Arc<[f32]>| vec![0.0; it.len()];
        let guess = opinion.guess.as_ref().map(zeros).unwrap_or_default();
        Sums { probabilities: zeros(&opinion.probabilities), guess, closeness: 0.0, weight: 0.0 }
    }

    fn add(&mut self, presence: f32, opinion: &Opinion, is_taught: bool) {
        let present = if is_taught { 1.0 - opinion.probabilities.first().unwrap_or(&0.0) } else { 1.0 };
        let weight = presence * present * present;
        self.weight += weight;
        self.closeness += weight * opinion.closeness;
        let add =
            |sums: &mut Vec<f32>, by: f32, of: &[f32]| sums.iter_mut().zip(of).for_each(|(sum, it)| *sum += by * it);
        add(&mut self.probabilities, weight, &opinion.probabilities);
        add(&mut self.guess, presence, opinion.guess.as_deref().unwrap_or_default());
    }
}

/// What sums say is there, the rest of them summing to 1 without `blank`; none where they say nothing.
fn given_present(sums: &[f32]) -> Option<Vec<f32>> {
    let there: f32 = sums.iter().skip(1).sum();
    let mut shares: Vec<f32> = sums.iter().map(|it| it / there).collect();
    *shares.first_mut()? = 0.0;
    (there > 0.0).then_some(shares)
}

/// What one animal's looks say, before the answer is [settled](Head::settled).
#[derive(Debug, Clone)]
pub struct Said {
    /// The head that says so.
    pub head: Arc<Head>,
    /// What it says is there.
    pub together: Together,
    /// What a stranger may be: the starter head's guess.
    pub hint: Option<Class>,
}

impl Said {
    /// The answer, with what the second featurizer's vectors say where that has seen some: a class, or `unknown` with a
    /// hint. `threshold` as in [`Head::strangeness`].
    pub fn observation(&self, second: Option<&Together>, threshold: f32) -> Observation {
        let head = &self.head;
        let settled = head.settled(self.together.clone(), second);
        let top = settled.top().filter(|it| *it > 0);
        let class = top.and_then(|it| head.classes().get(it)).cloned();
        let probability = top.map_or(0.0, |it| settled.given_present[it]);
        let generation = head.generation().clone();
        match class {
            Some(class) if head.strangeness(&settled, threshold) <= 0.0 => {
                Observation { kind: kind_of(&class), class: Some(class), probability, hint: None, generation }
            }
            class => {
                let hint = if head.generation().number == 0 { class } else { self.hint.clone() };
                Observation { kind: ObservationType::Unknown, class: None, probability, hint, generation }
            }
        }
    }
}

impl Tracks {
    /// Adds what a look shows: every candidate of at least `min_presence`.
    pub fn add(&mut self, prediction: &Prediction, min_presence: f32) {
        let now = prediction.look.frame.elapsed;
        let mut joined: Vec<usize> = Vec::new();
        for seen in prediction.seen.iter().filter(|it| it.presence >= min_presence) {
            let Some(opinion) = &seen.opinion else { continue };
            let candidate = &prediction.look.candidates[seen.candidate_idx];
            let area = candidate.cell.map(|_| candidate.area);
            self.join(&prediction.head, now, area, seen.presence, opinion, &mut joined);
        }
    }

    /// Adds what one candidate of a look shows: a crop of that area, or the whole frame. `joined` are the tracks that the look
    /// has joined already.
    pub fn join(
        &mut self,
        head: &Arc<Head>,
        now: Duration,
        area: Option<Area>,
        presence: f32,
        opinion: &Opinion,
        joined: &mut Vec<usize>,
    ) {
        let new =
            |area| Track { head: Arc::clone(head), area, last: now, n_looks: 0, weight: 0.0, sums: Sums::new(opinion) };
        let Some(area) = area else {
            let nowhere = Area { x: 0.0, y: 0.0, width: 0.0, height: 0.0 };
            return self.whole.get_or_insert_with(|| new(nowhere)).add(head, nowhere, now, presence, opinion);
        };
        let near = |(_, it): &(usize, &Track)| it.near(&area, now);
        let free = self.crops.iter().enumerate().filter(|(i, _)| !joined.contains(i)).filter(near);
        let closest = free.min_by(|a, b| a.1.distance(&area).total_cmp(&b.1.distance(&area)));
        let idx = closest.map(|(i, _)| i).unwrap_or_else(|| {
            self.crops.push(new(area));
            self.crops.len() - 1
        });
        joined.push(idx);
        self.crops[idx].add(head, area, now, presence, opinion);
    }

    /// What all looks say, where it is one animal that they show.
    pub fn said(&self) -> Option<Said> {
        if let [track] = *self.counted() { track.said() } else { None }
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

    /// One observation a species, the likeliest first; `unknown` with a hint below `threshold`. Never empty.
    pub fn observations(&self, head: &Head, threshold: f32) -> Vec<Observation> {
        let (tracks, strongest) = (self.counted(), self.strongest());
        let mut observations: Vec<Observation> = Vec::new();
        for track in tracks {
            let Some(observation) = track.said().map(|it| it.observation(None, threshold)) else { continue };
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

    fn add(&mut self, head: &Arc<Head>, area: Area, now: Duration, presence: f32, opinion: &Opinion) {
        let same_classes = self.sums.probabilities.len() == opinion.probabilities.len();
        if self.head.generation() != head.generation() || !same_classes {
            // A new head was promoted in mid-event: its classes are other ones, so it starts anew.
            *self = Track { head: Arc::clone(head), sums: Sums::new(opinion), weight: 0.0, n_looks: 0, ..*self };
        }
        self.area = area;
        self.last = now;
        self.n_looks += 1;
        self.weight += presence;
        self.sums.add(presence, opinion, head.generation().number > 0);
    }

    /// What its looks say, given that it is an animal: those that look empty say little.
    fn said(&self) -> Option<Said> {
        let sums = &self.sums;
        let closeness = sums.closeness / sums.weight.max(f32::MIN_POSITIVE);
        let given_present = given_present(&sums.probabilities)?;
        let together = Together { presence: 1.0, given_present, closeness, second_closeness: None };
        let first = self.head.first().classes();
        let guess = given_present_top(&sums.guess);
        Some(Said { head: Arc::clone(&self.head), together, hint: guess.and_then(|it| first.get(it)).cloned() })
    }
}

fn given_present_top(sums: &[f32]) -> Option<usize> {
    let shares = given_present(sums)?;
    (1..shares.len()).max_by(|a, b| shares[*a].total_cmp(&shares[*b]))
}

fn kind_of(class: &Class) -> ObservationType {
    match &*class.name {
        "human" => ObservationType::Human,
        "vehicle" => ObservationType::Vehicle,
        "blank" => ObservationType::Blank,
        _ => ObservationType::Animal,
    }
}
