//! Balanced accuracy of answers to the same events, with what chance does to it: a bootstrap over groups of events (the days
//! of a camera), the same draws for all that is compared.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Draws.
const RESAMPLES: usize = 1_000;
/// What of the draws an interval leaves out at each end: 90 % lie within.
const TAIL: f64 = 0.05;

/// A figure, and where 90 of 100 draws of the events put it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// On all events.
    pub value: f64,
    /// 5 of 100 draws are below.
    pub low: f64,
    /// 5 of 100 draws are above.
    pub high: f64,
}

/// Events that were asked about, and their draws.
pub struct Asked {
    /// What each is.
    class: Vec<usize>,
    /// How often each event is in each draw; the first is all, once.
    draws: Vec<Vec<u16>>,
}

impl Asked {
    /// Events of these classes, and of these groups.
    pub fn new(class: Vec<usize>, groups: &[&str]) -> Asked {
        let mut members: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        groups.iter().enumerate().for_each(|(i, it)| members.entry(it).or_default().push(i));
        let members: Vec<Vec<usize>> = members.into_values().collect();
        let mut dice = ChaCha8Rng::seed_from_u64(0);
        let mut draws = vec![vec![1; class.len()]];
        for _ in 0..RESAMPLES {
            let mut times = vec![0; class.len()];
            for _ in 0..members.len() {
                members[dice.random_range(0..members.len())].iter().for_each(|&i| times[i] += 1);
            }
            draws.push(times);
        }
        Asked { class, draws }
    }

    /// How many events.
    pub fn len(&self) -> usize {
        self.class.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.class.is_empty()
    }

    /// Share of right answers.
    pub fn accuracy(&self, right: &[bool]) -> f64 {
        right.iter().filter(|it| **it).count() as f64 / right.len().max(1) as f64
    }

    /// Mean of the classes' recalls: of all events, then of each draw.
    pub fn balanced(&self, right: &[bool]) -> Vec<f64> {
        let n_classes = self.class.iter().max().map_or(0, |it| it + 1);
        let of_draw = |times: &Vec<u16>| {
            let mut by = vec![(0.0, 0.0); n_classes];
            for ((&class, &right), &times) in self.class.iter().zip(right).zip(times) {
                by[class].0 += f64::from(times) * f64::from(u8::from(right));
                by[class].1 += f64::from(times);
            }
            let there = by.iter().filter(|it| it.1 > 0.0);
            there.clone().map(|it| it.0 / it.1).sum::<f64>() / there.count().max(1) as f64
        };
        self.draws.iter().map(of_draw).collect()
    }

    /// The same of who always says one class.
    pub fn always_one(&self) -> Vec<f64> {
        let mut n_of: BTreeMap<usize, usize> = BTreeMap::new();
        self.class.iter().for_each(|it| *n_of.entry(*it).or_default() += 1);
        let most = n_of.iter().max_by_key(|it| it.1).map(|it| *it.0);
        self.balanced(&self.class.iter().map(|it| Some(*it) == most).collect::<Vec<_>>())
    }
}

/// Of what came out on all events, and of each draw.
pub fn figure(values: &[f64]) -> Figure {
    let (value, draws) = values.split_first().map_or((0.0, &[][..]), |(first, rest)| (*first, rest));
    let (low, high) = interval(draws.to_vec());
    Figure { value, low, high }
}

/// Where 90 of 100 lie; nothing of nothing.
pub fn interval(mut draws: Vec<f64>) -> (f64, f64) {
    draws.sort_by(f64::total_cmp);
    let last = draws.len().saturating_sub(1);
    let at = |share: f64| draws.get((share * last as f64).round() as usize).copied().unwrap_or(0.0);
    (at(TAIL), at(1.0 - TAIL))
}

/// By how much the first is above the second, draw by draw.
pub fn difference(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_of_the_classes_alike_and_intervals_hold_what_is_true() {
        let class: Vec<usize> = (0..120).map(|i| usize::from(i % 4 == 0)).collect();
        let names: Vec<String> = (0..120).map(|i| format!("{}", i / 2)).collect();
        let asked = Asked::new(class.clone(), &names.iter().map(String::as_str).collect::<Vec<_>>());
        // Of 90 of the one all are right, of 30 of the other a third.
        let right: Vec<bool> = (0..120).map(|i| class[i] == 0 || i % 12 == 0).collect();
        let it = figure(&asked.balanced(&right));
        assert!((it.value - 2.0 / 3.0).abs() < 1e-12 && it.low < 0.62 && it.high > 0.72 && it.low > 0.5, "{it:?}");
        assert!((asked.accuracy(&right) - 100.0 / 120.0).abs() < 1e-12);
        let same = figure(&difference(&asked.balanced(&right), &asked.balanced(&right)));
        assert_eq!((same.value, same.low, same.high), (0.0, 0.0, 0.0), "draws are the same for all");
        assert_eq!(asked.always_one()[0], 0.5);
        let nothing = Asked::new(Vec::new(), &[]);
        assert_eq!(figure(&nothing.balanced(&[])).value, 0.0);
    }
}
