//! The gate by meaning: how far a picture is from the camera's own empty scene.
//!
//! Wind moves pixels and hardly the embedding; a grouse that stands still moves no pixel and the embedding a great deal.
//! For the whole frame and for every cell of the lattice a bank of embeddings is kept (per modality and light) of when
//! nothing was there. A candidate's novelty is its cosine distance to the nearest of its bank, in units of the distance
//! from which it counts: a floor, or what is usual in this bank where that is more. What is usual are medians: an animal
//! that got into a bank all the same must not make every other one usual.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use crate::config::NoveltyConfig;
use crate::domain::{Cell, Modality};
use crate::infer::vector::{dot, normalised};

/// Embeddings below which a bank is too young to judge by.
const YOUNG: usize = 2;
/// The first embeddings of a bank are taken as they come.
const FIRST: usize = 4;
/// Cells remembered for a camera: the longest unused go first.
const MAX_CELLS: usize = 160;
/// Embeddings in the bank of a cell.
const CELL_BANK: usize = 12;
/// What is usual raises the floor to this many times itself, at most: a place that varies more is not known well enough.
const MAX_RAISE: f32 = 3.0;
/// From median absolute deviation to the σ of a normal distribution.
const MAD_TO_SIGMA: f32 = 1.4826;
/// Small cells show less, and vary more: their floor is higher by this for each halving of the side.
const HALVING: f32 = 1.22;

/// What a candidate is compared with: the whole frame or a cell, in one modality and light.
pub type Place = (Option<Cell>, Modality, u8);

/// How a candidate compares with its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Novelty {
    /// Cosine distance to the nearest embedding of the bank, 0..=2.
    pub distance: f32,
    /// The distance in units of the one from which something new is there.
    pub excess: f32,
    /// The head's log-odds of an animal, less what is usual at this place.
    pub gain: f32,
}

/// The memory of one camera's empty scene.
#[derive(Debug)]
pub struct EmptyScene {
    config: NoveltyConfig,
    banks: HashMap<Place, Bank>,
}

#[derive(Debug)]
struct Bank {
    members: VecDeque<Member>,
    capacity: usize,
    last_added: Duration,
    last_used: Duration,
    /// Median and spread (σ) of the members' distances to their nearest other.
    usual: Option<(f32, f32)>,
}

#[derive(Debug)]
struct Member {
    /// `[dimension]`, of length 1.
    direction: Vec<f32>,
    log_odds: f32,
}

impl EmptyScene {
    /// An empty memory.
    pub fn new(config: &NoveltyConfig) -> EmptyScene {
        EmptyScene { config: config.clone(), banks: HashMap::new() }
    }

    /// Compares features `[dimension]` with their place; none while the place is not known well enough.
    ///
    /// `log_odds` are the head's of an animal being there.
    pub fn compare(&mut self, place: Place, features: &[f32], log_odds: f32, now: Duration) -> Option<Novelty> {
        let floor = self.floor(place.0);
        let bank = self.banks.get_mut(&place)?;
        bank.last_used = now;
        if bank.members.len() < YOUNG {
            return None;
        }
        let direction = normalised(features);
        let distance = bank.nearest(&direction, None);
        let (middle, spread) = bank.usual();
        // Of a young bank little is known: how far grass can bend, for one.
        let youth = 1.0 + (bank.members.len() as f32).sqrt().recip() - (CELL_BANK as f32).sqrt().recip();
        let limit = (middle + self.config.sigma * spread).clamp(floor, MAX_RAISE * floor) * youth.max(1.0);
        let usual_odds = median(bank.members.iter().map(|it| it.log_odds).collect());
        Some(Novelty { distance, excess: distance / limit, gain: log_odds - usual_odds })
    }

    /// Remembers features as what the place shows while nothing is there.
    ///
    /// A young bank takes every one, an old one takes one now and then, and gives up its oldest.
    pub fn remember(&mut self, place: Place, features: &[f32], log_odds: f32, now: Duration) {
        let capacity = if place.0.is_none() { self.config.bank } else { CELL_BANK };
        if !self.banks.contains_key(&place) && self.banks.len() >= MAX_CELLS {
            let idle = self.banks.iter().filter(|(it, _)| it.0.is_some()).min_by_key(|(_, bank)| bank.last_used);
            if let Some(idle) = idle.map(|(it, _)| *it) {
                self.banks.remove(&idle);
            }
        }
        let bank = self.banks.entry(place).or_insert_with(|| Bank {
            members: VecDeque::new(),
            capacity,
            last_added: now,
            last_used: now,
            usual: None,
        });
        let waited = now.saturating_sub(bank.last_added).as_secs_f64();
        let direction = normalised(features);
        // The first are all taken; later, what is unlike the bank and yet nothing teaches it most, and of what it knows
        // it needs only a little.
        let n = bank.members.len();
        let surprising = n < bank.capacity && bank.nearest(&direction, None) >= 0.02;
        if n >= FIRST && !surprising && waited < self.config.renew_secs {
            return;
        }
        if bank.members.len() == bank.capacity {
            bank.members.pop_front();
        }
        bank.members.push_back(Member { direction, log_odds });
        bank.last_added = now;
        bank.usual = None;
    }

    fn floor(&self, cell: Option<Cell>) -> f32 {
        match cell {
            None => self.config.whole,
            Some(cell) => self.config.crop * HALVING.powi(f32::from(cell.divisor).log2() as i32),
        }
    }
}

impl Bank {
    fn nearest(&self, direction: &[f32], but: Option<usize>) -> f32 {
        let others = self.members.iter().enumerate().filter(|(i, _)| Some(*i) != but);
        let closest = others.map(|(_, it)| dot(&it.direction, direction)).fold(-1.0, f32::max);
        1.0 - closest
    }

    fn usual(&mut self) -> (f32, f32) {
        if let Some(usual) = self.usual {
            return usual;
        }
        let distances: Vec<f32> =
            self.members.iter().enumerate().map(|(i, it)| self.nearest(&it.direction, Some(i))).collect();
        let middle = median(distances.clone());
        let spread = MAD_TO_SIGMA * median(distances.iter().map(|it| (it - middle).abs()).collect());
        *self.usual.insert((middle, spread))
    }
}

/// 0 of nothing.
fn median(mut values: Vec<f32>) -> f32 {
    values.sort_by(f32::total_cmp);
    let n = values.len();
    if n == 0 { 0.0 } else { (values[(n - 1) / 2] + values[n / 2]) / 2.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = (None, Modality::Colour, 2);

    fn scene() -> EmptyScene {
        EmptyScene::new(&NoveltyConfig { whole: 0.1, crop: 0.25, sigma: 4.0, bank: 8, renew_secs: 10.0 })
    }

    fn grass(n: u64) -> Vec<f32> {
        vec![1.0, 0.02 * (n % 5) as f32, 0.0]
    }

    #[test]
    fn grass_is_not_new_and_a_grouse_is() {
        let mut scene = scene();
        assert_eq!(scene.compare(PLACE, &grass(0), 0.0, Duration::ZERO), None);
        for n in 0..5 {
            scene.remember(PLACE, &grass(n), -1.0, Duration::from_secs(n));
        }
        let still = scene.compare(PLACE, &grass(3), -1.0, Duration::from_secs(6)).unwrap();
        assert!(still.excess < 0.2 && still.gain.abs() < 1e-6, "{still:?}");
        let grouse = scene.compare(PLACE, &[1.0, 0.0, 0.8], 2.0, Duration::from_secs(6)).unwrap();
        assert!(grouse.excess > 1.0 && (grouse.gain - 3.0).abs() < 1e-6, "{grouse:?}");
    }

    #[test]
    fn an_animal_that_got_into_a_bank_does_not_make_others_usual() {
        let mut scene = scene();
        for n in 0..3 {
            scene.remember(PLACE, &grass(n), -1.0, Duration::from_secs(n));
        }
        scene.remember(PLACE, &[0.2, 1.0, 0.0], 2.0, Duration::from_secs(3));
        let grouse = scene.compare(PLACE, &[1.0, 0.0, 1.0], 2.0, Duration::from_secs(4)).unwrap();
        assert!(grouse.excess > 1.0 && grouse.gain > 2.5, "{grouse:?}");
    }

    #[test]
    fn a_bank_is_bounded_and_renewed_slowly() {
        let mut scene = scene();
        for n in 0..1_000 {
            scene.remember(PLACE, &grass(n), 0.0, Duration::from_millis(200 * n));
        }
        let bank = &scene.banks[&PLACE];
        assert!(bank.members.len() <= 8);
        assert!(bank.last_added >= Duration::from_secs(185), "{:?}", bank.last_added);
    }

    #[test]
    fn the_number_of_cells_is_bounded() {
        let mut scene = scene();
        for n in 0..1_000u32 {
            let cell = Cell { divisor: 8, column: (n % 250) as u8, row: (n / 250) as u8 };
            scene.remember((Some(cell), Modality::Colour, 1), &grass(0), 0.0, Duration::from_secs(n.into()));
        }
        assert_eq!(scene.banks.len(), MAX_CELLS);
    }
}
