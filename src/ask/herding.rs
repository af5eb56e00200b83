//! Uncertainty herding (Bae et al., ICLR 2025): the events whose answers would say most of what is still uncertain.
//!
//! An answer says something of what lies near: each event is covered by the nearest that is answered, and an event counts by
//! how unsure a head is of it. Where no head serves all count alike, and what is asked covers what there is (MaxHerding).
//! Each next question is the one that adds most. How far an answer reaches adapts: as answers come to lie closer together,
//! each stands for less around it, and what is unsure matters more than what is far.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::teach::logistic::exp;

use super::places::{Nearest, Places};

/// How far an answer reaches before there are any.
const FIRST_WIDTH: f32 = 1.0;
/// As far as this share of the answers from their nearest: not the least distance, which on real events is that of two
/// pictures of one animal, and covers nothing.
const REACH: f64 = 0.9;
/// However close answers lie.
const LEAST_WIDTH: f32 = 0.3;
/// Below this two events are the same seen twice (cosine .98).
pub(super) const NEAR_DUPLICATE: f32 = 0.04;

/// How far an answer reaches, of the distances of answers to their nearest.
pub(super) fn width(nearest: &[Option<Nearest>]) -> f32 {
    let mut squares: Vec<f32> = nearest.iter().flatten().map(|it| it.square).collect();
    squares.sort_by(f32::total_cmp);
    let place = (squares.len() as f64 * REACH) as usize;
    let reach = squares.get(place.min(squares.len().saturating_sub(1))).map(|it| it.sqrt());
    reach.unwrap_or(FIRST_WIDTH).max(LEAST_WIDTH)
}

/// How unsure an answer is: 1 less how far the likeliest class is ahead of the next. An answer that nobody gave is wholly so.
pub(super) fn doubt(probabilities: &[f32]) -> f32 {
    let (mut first, mut second) = (0.0f32, 0.0f32);
    for &it in probabilities.iter().filter(|it| it.is_finite()) {
        if it > first {
            (first, second) = (it, first);
        } else {
            second = second.max(it);
        }
    }
    (1.0 - (first - second)).clamp(0.0, 1.0)
}

/// Events, how much each counts, and how far it is covered.
pub(super) struct Herd<'a> {
    places: &'a Places,
    /// The first so many places are its events.
    weights: Vec<f32>,
    covered: Vec<f32>,
    width: f32,
}

impl<'a> Herd<'a> {
    /// Of the first places, with how much each counts; `nearest` is what each has nearest among all that is answered.
    pub(super) fn new(places: &'a Places, weights: Vec<f32>, nearest: &[Option<Nearest>], width: f32) -> Herd<'a> {
        let covered = nearest.iter().map(|it| it.map_or(0.0, |it| reach(it.square, width)));
        Herd { places, covered: covered.collect(), weights, width }
    }

    /// What is asked for another reason covers, too.
    pub(super) fn cover(&mut self, by: usize) {
        for (i, covered) in self.covered.iter_mut().enumerate() {
            *covered = covered.max(reach(self.places.square(i, by), self.width));
        }
    }

    /// The `n` events that add most, best first, among those that `may` be asked; `apart` are those asked already. What an
    /// event adds is multiplied with what it is `worth` to ask itself.
    ///
    /// An event never adds more later than it did before, so that only the best has to be looked at anew (Minoux 1978).
    pub(super) fn pick(
        &mut self,
        n: usize,
        may: impl Fn(usize) -> bool,
        apart: &[usize],
        worth: impl Fn(usize) -> f32 + Sync,
    ) -> Vec<usize> {
        let (n_events, width) = (self.weights.len(), self.width);
        if n == 0 || n_events == 0 {
            return Vec::new();
        }
        let gains = self.places.each(0..n_events, 0..n_events, |i, squares| worth(i) * self.gain(squares));
        // Of numbers that are not below 0 the bits are in the same order.
        let gains = gains.into_iter().enumerate().filter(|it| may(it.0) && it.1 > 0.0);
        let mut heap: BinaryHeap<(u32, Reverse<usize>, usize)> =
            gains.map(|(i, gain)| (gain.to_bits(), Reverse(i), 0)).collect();
        let mut picked: Vec<usize> = Vec::new();
        while picked.len() < n
            && let Some((_, Reverse(i), looked)) = heap.pop()
        {
            if apart.iter().chain(&picked).any(|&it| self.places.square(i, it) < NEAR_DUPLICATE) {
                continue;
            }
            let squares: Vec<f32> = (0..n_events).map(|it| self.places.square(it, i)).collect();
            if looked < picked.len() {
                let gain = worth(i) * self.gain(&squares);
                if gain > 0.0 {
                    heap.push((gain.to_bits(), Reverse(i), picked.len()));
                }
                continue;
            }
            picked.push(i);
            self.covered.iter_mut().zip(&squares).for_each(|(it, square)| *it = it.max(reach(*square, width)));
        }
        picked
    }

    /// By how much more all is covered with an event at these distances.
    fn gain(&self, squares: &[f32]) -> f32 {
        let gain = |((weight, covered), square): ((&f32, &f32), &f32)| {
            weight * (reach(*square, self.width) - covered).max(0.0)
        };
        self.weights.iter().zip(&self.covered).zip(squares).map(gain).sum()
    }
}

/// How far one event covers another.
fn reach(square: f32, width: f32) -> f32 {
    exp(-square / (width * width))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    /// Points around centres, and which each is of.
    fn clouds(sizes: &[usize], spread: f32, dimension: usize, seed: u64) -> Vec<Vec<f32>> {
        let mut dice = ChaCha8Rng::seed_from_u64(seed);
        let mut noise = |scale: f32| (0..dimension).map(|_| scale * (dice.random::<f32>() - 0.5)).collect::<Vec<f32>>();
        let mut all = Vec::new();
        for size in sizes {
            let centre = noise(1.0);
            for _ in 0..*size {
                all.push(centre.iter().zip(noise(spread)).map(|(a, b)| a + b).collect());
            }
        }
        all
    }

    fn places(vectors: &[Vec<f32>]) -> Places {
        Places::of(&vectors.iter().map(|it| &**it).collect::<Vec<_>>())
    }

    #[test]
    fn the_first_questions_see_every_kind_once() {
        let places = places(&clouds(&[40, 10, 25, 5], 0.5, 64, 1));
        let mut herd = Herd::new(&places, vec![1.0; 80], &[None; 80], FIRST_WIDTH);
        let mut kinds: Vec<usize> = herd
            .pick(4, |_| true, &[], |_| 1.0)
            .into_iter()
            .map(|it| match it {
                0..40 => 0,
                40..50 => 1,
                50..75 => 2,
                _ => 3,
            })
            .collect();
        assert_eq!(kinds[0], 0, "the largest first");
        kinds.sort_unstable();
        assert_eq!(kinds, [0, 1, 2, 3]);
    }

    #[test]
    fn what_is_unsure_is_asked_and_what_is_answered_or_the_same_is_not() {
        let mut vectors = clouds(&[20, 20, 20], 0.5, 64, 2);
        vectors.push(vectors[25].iter().map(|it| it * 1.001).collect());
        let places = places(&vectors);
        let weights: Vec<f32> = (0..61).map(|i| if (20..40).contains(&i) || i == 60 { 1.0 } else { 0.02 }).collect();
        let unsure = Herd::new(&places, weights.clone(), &[None; 61], 0.6).pick(1, |_| true, &[], |_| 1.0);
        assert!((20..40).contains(&unsure[0]) || unsure[0] == 60, "{unsure:?}");
        let all = Herd::new(&places, weights.clone(), &[None; 61], 0.3).pick(61, |_| true, &[], |_| 1.0);
        assert!(all.contains(&25) ^ all.contains(&60), "never both of two that are the same");
        // Once one of the unsure is answered, it is another's turn.
        let mut answered = Herd::new(&places, weights, &[None; 61], 2.0);
        (20..40).for_each(|it| answered.cover(it));
        assert!(!(20..40).contains(&answered.pick(1, |_| true, &[], |_| 1.0)[0]));
    }

    #[test]
    fn lazily_is_as_greedily() {
        let places = places(&clouds(&[30, 30, 30], 1.5, 16, 3));
        let mut dice = ChaCha8Rng::seed_from_u64(4);
        let weights: Vec<f32> = (0..90).map(|_| dice.random()).collect();
        let lazily = Herd::new(&places, weights.clone(), &[None; 90], 0.7).pick(12, |_| true, &[], |_| 1.0);
        let mut herd = Herd::new(&places, weights, &[None; 90], 0.7);
        let mut greedily: Vec<usize> = Vec::new();
        for _ in 0..12 {
            let gain = |i: usize| herd.gain(&(0..90).map(|it| places.square(it, i)).collect::<Vec<f32>>());
            let apart = |i: usize| greedily.iter().all(|&it| places.square(i, it) >= NEAR_DUPLICATE);
            let best = (0..90).filter(|i| apart(*i)).max_by(|a, b| gain(*a).total_cmp(&gain(*b)).then(b.cmp(a)));
            let best = best.expect("events");
            greedily.push(best);
            herd.cover(best);
        }
        assert_eq!(lazily, greedily);
    }

    #[test]
    fn doubt_is_what_the_first_is_not_ahead_by() {
        assert_eq!(doubt(&[0.5, 0.5]), 1.0);
        assert!((doubt(&[0.7, 0.1, 0.2]) - 0.5).abs() < 1e-6);
        assert_eq!(doubt(&[]), 1.0);
        assert_eq!(doubt(&[0.0, 1.0]), 0.0);
    }

    #[test]
    fn answers_that_come_closer_reach_less_far() {
        let at = |square: f32| Some(Nearest { at: 0, square });
        assert_eq!(width(&[]), FIRST_WIDTH);
        assert!(width(&[at(1.2), at(1.4)]) > width(&[at(0.5), at(0.6)]));
        assert_eq!(width(&[at(0.0), at(0.0)]), LEAST_WIDTH);
    }

    #[test]
    fn five_thousand_are_herded_while_one_waits() {
        let vectors = clouds(&[250; 20], 1.5, 2_280, 5);
        let from = Instant::now();
        let places = places(&vectors);
        let nearest = places.nearest(0..5_000, 4_000..5_000);
        let picked = Herd::new(&places, vec![1.0; 5_000], &nearest, 0.8).pick(30, |i| i < 4_000, &[], |_| 1.0);
        let secs = from.elapsed().as_secs_f64();
        println!("5,000 events of 2,280 numbers: {secs:.2} s");
        assert_eq!(picked.len(), 30);
        // Many times what it takes: other tests run beside it, and on a machine that does other things.
        assert!(secs < 60.0, "{secs}");
    }
}
