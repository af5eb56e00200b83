//! Who visits when: the plan of one camera, made of a seed, and what is true of it.

use std::ops::Range;

use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::animals::{ANIMALS, Animal, Gait};
use super::scene::Place;
use crate::domain::Modality;

/// How far away an animal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Distance {
    /// About 45 % of the picture's height.
    Near,
    /// About 22 %.
    Mid,
    /// About 11 %.
    Far,
}

impl Distance {
    /// Height of a tall animal, as a share of the picture's.
    pub fn height(self) -> f32 {
        match self {
            Distance::Near => 0.45,
            Distance::Mid => 0.22,
            Distance::Far => 0.11,
        }
    }

    /// Where its feet are, as a share of the picture's height.
    pub fn ground(self) -> f32 {
        match self {
            Distance::Near => 0.93,
            Distance::Mid => 0.76,
            Distance::Far => 0.62,
        }
    }
}

/// Of those that walk to and fro, radians a second: a round takes 10.5 s.
const PACE: f64 = std::f64::consts::TAU / 10.5;

/// One animal's visit. Seconds count from the beginning of the scene, places are shares of the picture's width.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Who.
    pub animal: &'static Animal,
    /// How far away.
    pub distance: Distance,
    /// When it begins to come in.
    pub from_secs: f64,
    /// When it is gone.
    pub to_secs: f64,
    /// Comes from the left.
    pub from_left: bool,
    /// Where it stands.
    pub stands_at: f32,
    /// Seconds that it takes to come, and to go.
    pub walks_secs: f64,
    /// Goes on to the other side, or turns back.
    pub goes_on: bool,
    /// Never leaves: walks to and fro.
    pub paces: bool,
}

/// Where an animal is at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Whereabouts {
    /// Its middle, share of the width.
    pub x: f32,
    /// It looks to the right.
    pub right: bool,
    /// It moves.
    pub walks: bool,
}

impl Visit {
    /// Where it is at a moment, if it is there at all.
    pub fn at(&self, secs: f64) -> Option<Whereabouts> {
        if self.paces {
            let turn = secs * PACE;
            return Some(Whereabouts { x: 0.5 + 0.38 * turn.sin() as f32, right: turn.cos() > 0.0, walks: true });
        }
        if !(self.from_secs..self.to_secs).contains(&secs) {
            return None;
        }
        let outside = |left: bool| if left { -0.25f32 } else { 1.25 };
        let (came, leaves) = (secs - self.from_secs, self.to_secs - secs);
        let exit_left = if self.goes_on { !self.from_left } else { self.from_left };
        let ease = |t: f64| (t.clamp(0.0, 1.0)) as f32;
        Some(if came < self.walks_secs {
            let t = ease(came / self.walks_secs);
            let start = outside(self.from_left);
            Whereabouts { x: start + (self.stands_at - start) * t, right: self.from_left, walks: true }
        } else if leaves < self.walks_secs {
            let t = ease(1.0 - leaves / self.walks_secs);
            let end = outside(exit_left);
            Whereabouts { x: self.stands_at + (end - self.stands_at) * t, right: !exit_left, walks: true }
        } else {
            Whereabouts { x: self.stands_at, right: self.from_left, walks: false }
        })
    }
}

/// What truly happened: from the first to the last moment at which half of the animal is in the picture.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct TrueVisit {
    /// Which camera.
    pub camera: String,
    /// Who.
    pub species: &'static str,
    /// Who, as science says.
    pub scientific_name: &'static str,
    /// Seconds from the beginning.
    pub from_secs: f64,
    /// Seconds from the beginning.
    pub to_secs: f64,
    /// How far away.
    pub distance: Distance,
    /// By what light.
    pub modality: Modality,
}

/// How much goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Traffic {
    /// Any visitor of the place may come, stays for a while, now and then in company, and long pauses follow: by these scenes gate and
    /// events are proven.
    Calm,
    /// A busy evening: a few regulars of each place come and go, one after the other. Within minutes enough comes by to be taught.
    Busy,
}

/// Regulars of a place on a busy evening.
const REGULARS: usize = 4;

impl Traffic {
    /// Seconds between visits. Where one event is to end before the next begins they are more than [`super::score`]'s gap.
    fn pause_secs(self) -> Range<f64> {
        match self {
            Traffic::Calm => 10.0..26.0,
            Traffic::Busy => 5.0..7.0,
        }
    }

    /// Seconds that a visitor takes to come, and to go.
    fn walks_secs(self) -> Range<f64> {
        match self {
            Traffic::Calm => 2.5..5.0,
            Traffic::Busy => 2.0..3.0,
        }
    }

    /// Seconds for which it stands there.
    fn stands_secs(self) -> Range<f64> {
        match self {
            Traffic::Calm => 2.0..14.0,
            Traffic::Busy => 1.0..4.0,
        }
    }

    fn in_company(self) -> f64 {
        if self == Traffic::Calm { 0.2 } else { 0.0 }
    }

    /// Who may come.
    fn guests(self, place: Place, rng: &mut ChaCha8Rng) -> Vec<&'static Animal> {
        let all: Vec<&'static Animal> = ANIMALS.iter().filter(|it| it.places.contains(&place)).collect();
        if self == Traffic::Calm { all } else { all.sample(rng, REGULARS).copied().collect() }
    }
}

/// Nobody comes within so long of the end: who has hardly come in can be neither found nor missed.
const LAST_CALL_SECS: f64 = 8.0;

/// The visits of one camera for `secs` seconds. Before the first the scene is empty for a while: a camera is hung up so.
pub fn visits(seed: u64, place: Place, secs: f64, traffic: Traffic) -> Vec<Visit> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed ^ (place as u64 + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    let guests = traffic.guests(place, &mut rng);
    let mut visits = Vec::new();
    let mut at = rng.random_range(10.0..18.0);
    while at < secs - LAST_CALL_SECS {
        let Some(animal) = guests.choose(&mut rng) else { break };
        let visit = visit(&mut rng, animal, at, traffic);
        let mut over = visit.to_secs;
        // Sometimes another species keeps it company.
        if rng.random_bool(traffic.in_company())
            && let Some(other) = guests.choose(&mut rng).filter(|it| it.species != animal.species)
        {
            let mut other = self::visit(&mut rng, other, at + 1.5, traffic);
            other.stands_at = if visit.stands_at < 0.5 { 0.78 } else { 0.22 };
            over = over.max(other.to_secs);
            visits.push(other);
        }
        visits.push(visit);
        at = over + rng.random_range(traffic.pause_secs());
    }
    visits
}

fn visit(rng: &mut ChaCha8Rng, animal: &'static Animal, from_secs: f64, traffic: Traffic) -> Visit {
    let distance = [Distance::Near, Distance::Mid, Distance::Mid, Distance::Far][rng.random_range(0..4)];
    let quick = if animal.gait == Gait::Flies { 0.6 } else { 1.0 };
    let walks_secs = quick * rng.random_range(traffic.walks_secs());
    Visit {
        animal,
        distance,
        from_secs,
        to_secs: from_secs + 2.0 * walks_secs + rng.random_range(traffic.stands_secs()),
        from_left: rng.random_bool(0.5),
        stands_at: rng.random_range(0.25..0.75),
        walks_secs,
        goes_on: rng.random_bool(0.7),
        paces: false,
    }
}

/// A visitor that never leaves: for cameras that have something to do all the time.
pub fn resident(seed: u64, place: Place) -> Option<Visit> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let guests = Traffic::Calm.guests(place, &mut rng);
    let animal = guests.choose(&mut rng)?;
    Some(Visit { distance: Distance::Mid, paces: true, ..visit(&mut rng, animal, 0.0, Traffic::Calm) })
}

/// What is true of visits: while the middle of the animal is in the picture, half of it is.
pub fn truth(camera: &str, visits: &[Visit], modality: Modality) -> Vec<TrueVisit> {
    let inside = |visit: &Visit, secs: f64| visit.at(secs).is_some_and(|it| (0.0..=1.0).contains(&it.x));
    visits
        .iter()
        .map(|it| {
            let steps = || (0..).map(|n| it.from_secs + 0.05 * f64::from(n)).take_while(|at| *at < it.to_secs);
            let from_secs = steps().find(|at| inside(it, *at)).unwrap_or(it.from_secs);
            let to_secs = steps().filter(|at| inside(it, *at)).last().unwrap_or(it.to_secs);
            TrueVisit {
                camera: camera.into(),
                species: it.animal.species,
                scientific_name: it.animal.scientific_name,
                from_secs,
                to_secs,
                distance: it.distance,
                modality,
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_same_seed_plans_the_same_and_another_something_else() {
        let plan = |seed| truth("a", &visits(seed, Place::Trail, 300.0, Traffic::Calm), Modality::Infrared);
        assert_eq!(plan(1), plan(1));
        assert_ne!(plan(1), plan(2));
        assert!(plan(1).len() >= 6, "{}", plan(1).len());
        assert!(plan(1).iter().all(|it| it.to_secs - it.from_secs > 3.0));
    }

    #[test]
    fn on_a_busy_evening_a_few_come_often_and_never_two_at_once() {
        for place in Place::ALL {
            let mut visits = truth("a", &visits(3, place, 300.0, Traffic::Busy), Modality::Colour);
            visits.sort_by(|a, b| a.from_secs.total_cmp(&b.from_secs));
            assert!(visits.len() >= 18, "{place:?}: {}", visits.len());
            let species: BTreeSet<&str> = visits.iter().map(|it| it.species).collect();
            assert!((2..=REGULARS).contains(&species.len()), "{species:?}");
            assert!(visits.windows(2).all(|it| it[1].from_secs - it[0].to_secs >= 5.0));
        }
    }
}
