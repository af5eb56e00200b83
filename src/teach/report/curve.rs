//! The learning curve: how right heads of few events a class are, and what the next point of accuracy would cost.
//!
//! Errors fall by a power of the number of events (Hestness et al. 2017); how fast is fitted, and how sure that is comes of
//! drawing events and lessons anew. Where the curve is flat, or too short, nothing is foretold.

use std::collections::BTreeMap;

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use crate::teach::fit::{FitError, by_recipe, cross_validated};
use crate::teach::recipe::Recipe;
use crate::teach::side_by_side::side_by_side;
use crate::teach::taught::Taught;

use super::elsewhere::answer;
use super::figures::{Figure, interval};

/// Events a class.
const SIZES: [usize; 8] = [1, 2, 5, 10, 20, 50, 100, 200];
/// Events of each class that must be left to ask about.
const LEFT: usize = 2;
/// Draws of draws and events, for the interval.
const RESAMPLES: usize = 400;
/// A point of accuracy.
const POINT: f64 = 0.01;
/// Below this exponent, at the lower end of its interval, the curve is flat.
const FLAT: f64 = 0.05;
/// More events a class than this nobody will label for a point: the end of what is foretold.
const FAR: f64 = 10_000.0;

/// Heads of more and more events of the same classes, asked about the same others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Curve {
    /// Those that have enough events.
    pub classes: Vec<String>,
    /// By events a class.
    pub points: Vec<Point>,
    /// Errors fall with events to the power of minus this; none where there are too few points.
    pub exponent: Option<Figure>,
    /// Events, of all these classes together, that the next point of accuracy costs from the end of the curve on; none
    /// where that cannot be said.
    pub next_point_events: Option<Figure>,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}

/// One size.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Events a class.
    pub events_a_class: usize,
    /// Balanced accuracy among the curve's classes.
    pub balanced_accuracy: Figure,
}

/// How much is made of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// Draws of lessons.
    pub draws: usize,
    /// The recipe of every head; none: each finds its own by cross-validation, which takes many times as long.
    pub recipe: Option<Recipe>,
    /// Events that a head is taught, at most: the curve ends there.
    pub lessons: usize,
    /// Events of a class that are asked about, at most.
    pub asked: usize,
}

impl Pace {
    /// For whoever asks for a report and can wait.
    pub const WHOLE: Pace = Pace { draws: 6, recipe: None, lessons: usize::MAX, asked: usize::MAX };
}

/// One draw of lessons: what its heads, a size each, answer rightly of the events left.
struct Draw {
    /// Event, its class, and right or not `[sizes]`.
    asked: Vec<(usize, usize, Vec<bool>)>,
}

/// The curve of what was taught; none where fewer than two classes have enough events for two sizes.
pub fn curve(taught: &Taught, pace: &Pace) -> Result<Option<Curve>, FitError> {
    let n_events = taught.n_events();
    let Some((sizes, classes)) = plan(&n_events, pace.lessons) else { return Ok(None) };
    let draws = side_by_side(pace.draws, |draw| lesson(taught, &classes, sizes, pace, draw as u64));
    let draws = draws.into_iter().collect::<Result<Vec<Draw>, FitError>>()?;
    let once = vec![1; taught.events.len()];
    let all: Vec<&Draw> = draws.iter().collect();
    let errors = errors(&all, &once, sizes.len());
    let mut dice = ChaCha8Rng::seed_from_u64(0);
    let resampled: Vec<Vec<f64>> = (0..RESAMPLES)
        .map(|_| {
            let some: Vec<&Draw> = (0..pace.draws).map(|_| &draws[dice.random_range(0..pace.draws)]).collect();
            let mut times = vec![0u16; taught.events.len()];
            (0..times.len()).for_each(|_| times[dice.random_range(0..taught.events.len())] += 1);
            self::errors(&some, &times, sizes.len())
        })
        .collect();
    let points = (0..sizes.len()).map(|at| {
        let (low, high) = interval(resampled.iter().map(|it| 1.0 - it[at]).collect());
        Point { events_a_class: sizes[at], balanced_accuracy: Figure { value: 1.0 - errors[at], low, high } }
    });
    let points = points.collect();
    let classes: Vec<String> = classes.iter().map(|&it| taught.classes[it].name.to_string()).collect();
    let mut curve = Curve { classes, points, exponent: None, next_point_events: None, why_not: None };
    match foretold(sizes, &errors, &resampled, curve.classes.len()) {
        Ok((exponent, next)) => (curve.exponent, curve.next_point_events) = (Some(exponent), Some(next)),
        Err((exponent, why)) => (curve.exponent, curve.why_not) = (exponent, Some(why.into())),
    }
    Ok(Some(curve))
}

/// The sizes, and the classes that have enough events for all of them: the longest curve that half of the classes (at
/// least two) can be on, of at most so many lessons.
fn plan(n_events: &[usize], lessons: usize) -> Option<(&'static [usize], Vec<usize>)> {
    let half = n_events.iter().filter(|it| **it > LEFT).count().div_ceil(2).max(2);
    (2..=SIZES.len()).rev().find_map(|n| {
        let enough = |it: &usize| n_events[*it] >= SIZES[n - 1] + LEFT;
        let classes: Vec<usize> = (0..n_events.len()).filter(enough).collect();
        let fits = n == 2 || classes.len() * SIZES[n - 1] <= lessons;
        (fits && classes.len() >= half).then_some((&SIZES[..n], classes))
    })
}

/// Teaches one draw: events in an order of chance, of which each size takes the first; what no size takes is asked about.
fn lesson(taught: &Taught, classes: &[usize], sizes: &[usize], pace: &Pace, draw: u64) -> Result<Draw, FitError> {
    let most = sizes[sizes.len() - 1];
    let mut dice = ChaCha8Rng::seed_from_u64(draw);
    let mut nth = vec![usize::MAX; taught.events.len()];
    for &class in classes {
        let mut own: Vec<usize> = (0..taught.events.len()).filter(|&it| taught.events[it].class == class).collect();
        own.shuffle(&mut dice);
        own.into_iter().enumerate().for_each(|(n, event)| nth[event] = n);
    }
    let in_curve = |it: &usize| nth[*it] != usize::MAX;
    let is_asked = |it: &usize| (most..most.saturating_add(pace.asked)).contains(&nth[*it]);
    let asked = (0..taught.events.len()).filter(in_curve).filter(is_asked);
    let mut asked: Vec<(usize, usize, Vec<bool>)> = asked.map(|it| (it, taught.events[it].class, Vec::new())).collect();
    for &size in sizes {
        let some = taught.only(|it| nth[it] < size);
        // Of single events nothing can be found out: there the stated prior holds.
        let recipe = match pace.recipe {
            _ if size < LEFT => Recipe::PRIOR,
            Some(recipe) => recipe,
            None => cross_validated(&some)?.recipe,
        };
        let learned = by_recipe(&some, &recipe)?;
        for (event, class, right) in &mut asked {
            let named = answer(&learned, &some, &taught.events[*event]);
            right.push(named == Some(&*taught.classes[*class].name));
        }
    }
    Ok(Draw { asked })
}

/// One less balanced accuracy at each size, over draws and events, these so many times each.
fn errors(draws: &[&Draw], times: &[u16], n_sizes: usize) -> Vec<f64> {
    let mut by: BTreeMap<usize, (Vec<f64>, f64)> = BTreeMap::new();
    for (event, class, right) in draws.iter().flat_map(|it| &it.asked) {
        let weight = f64::from(times[*event]);
        let entry = by.entry(*class).or_insert_with(|| (vec![0.0; n_sizes], 0.0));
        entry.0.iter_mut().zip(right).for_each(|(sum, right)| *sum += weight * f64::from(u8::from(!right)));
        entry.1 += weight;
    }
    let there: Vec<&(Vec<f64>, f64)> = by.values().filter(|it| it.1 > 0.0).collect();
    (0..n_sizes).map(|at| there.iter().map(|it| it.0[at] / it.1).sum::<f64>() / there.len().max(1) as f64).collect()
}

/// A power law: the error of one event a class, and the exponent.
#[derive(Debug, Clone, Copy)]
struct Law {
    ln_first: f64,
    exponent: f64,
}

impl Law {
    /// Least squares of logarithms; an error of nothing counts as a tenth of a point.
    fn fit(sizes: &[usize], errors: &[f64]) -> Law {
        let points = || sizes.iter().zip(errors).map(|(n, e)| ((*n as f64).ln(), e.max(POINT / 10.0).ln()));
        let n = sizes.len() as f64;
        let (x, y) = (points().map(|it| it.0).sum::<f64>() / n, points().map(|it| it.1).sum::<f64>() / n);
        let spread: f64 = points().map(|it| (it.0 - x).powi(2)).sum();
        let slope = points().map(|it| (it.0 - x) * (it.1 - y)).sum::<f64>() / spread.max(f64::MIN_POSITIVE);
        Law { ln_first: y - slope * x, exponent: -slope }
    }

    /// Events of each class beyond `n` until the error is a point less.
    fn next_point(&self, n: usize) -> f64 {
        let error = (self.ln_first - self.exponent * (n as f64).ln()).exp();
        let less = error / (error - POINT);
        if error <= POINT || self.exponent <= 0.0 {
            return FAR;
        }
        (n as f64 * (less.powf(1.0 / self.exponent) - 1.0)).min(FAR)
    }
}

/// The exponent, and what the next point costs; or why that cannot be said.
fn foretold(
    sizes: &[usize],
    errors: &[f64],
    resampled: &[Vec<f64>],
    n_classes: usize,
) -> Result<(Figure, Figure), (Option<Figure>, &'static str)> {
    if sizes.len() < 3 {
        return Err((None, "the curve has two points only: label more events"));
    }
    let law = Law::fit(sizes, errors);
    let laws: Vec<Law> = resampled.iter().map(|it| Law::fit(sizes, it)).collect();
    let (low, high) = interval(laws.iter().map(|it| it.exponent).collect());
    let exponent = Figure { value: law.exponent, low, high };
    let most = sizes[sizes.len() - 1];
    if errors[sizes.len() - 1] <= POINT {
        return Err((Some(exponent), "less than a point is left to gain"));
    }
    if exponent.low < FLAT {
        return Err((
            Some(exponent),
            "the curve is flat, as far as so few events show: more of the same may gain nothing",
        ));
    }
    let events = |it: &Law| n_classes as f64 * it.next_point(most);
    let (low, high) = interval(laws.iter().map(events).collect());
    if high >= n_classes as f64 * FAR {
        return Err((Some(exponent), "so few events show too little of how the curve goes on"));
    }
    Ok((exponent, Figure { value: events(&law), low, high }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_is_found_and_what_it_costs() {
        let sizes = [1, 2, 5, 10];
        let errors: Vec<f64> = sizes.iter().map(|n| 0.4 * f64::from(*n).powf(-0.5)).collect();
        let law = Law::fit(&sizes.map(|it| it as usize), &errors);
        assert!((law.exponent - 0.5).abs() < 1e-9 && (law.ln_first.exp() - 0.4).abs() < 1e-9);
        // 0.4 · n^−½ is a point less than at 10 where n = (0.4 ÷ 0.11649)².
        assert!((law.next_point(10) - ((0.4f64 / (0.4 / 10f64.sqrt() - 0.01)).powi(2) - 10.0)).abs() < 1e-6);
        let flat = Law::fit(&[1, 2, 5], &[0.3, 0.3, 0.3]);
        assert_eq!(flat.next_point(5), FAR);
        assert_eq!(Law { ln_first: -6.0, exponent: 1.0 }.next_point(10), FAR, "less than a point is left");
    }

    #[test]
    fn what_cannot_be_said_is_not() {
        let wild = |at: usize| vec![0.3 + 0.1 * (at % 3) as f64, 0.3, 0.3 + 0.05 * (at % 2) as f64];
        let (exponent, why) =
            foretold(&[1, 2, 5], &[0.35, 0.3, 0.3], &(0..100).map(wild).collect::<Vec<_>>(), 3).unwrap_err();
        assert!(exponent.is_some() && why.contains("flat"), "{why}");
        assert!(foretold(&[1, 2], &[0.3, 0.2], &[], 3).unwrap_err().1.contains("two points"));
        let good = vec![vec![0.2, 0.05, 0.005]; 50];
        assert!(foretold(&[1, 2, 5], &good[0], &good, 3).unwrap_err().1.contains("less than a point"));
        let steady = vec![vec![0.4, 0.28, 0.18]; 50];
        let (exponent, next) = foretold(&[1, 2, 5], &steady[0], &steady, 3).unwrap();
        assert!(exponent.low > 0.4 && next.value > 1.0 && next.value < 5.0, "{exponent:?} {next:?}");
    }

    #[test]
    fn a_curve_is_as_long_as_half_of_the_classes_are() {
        assert_eq!(plan(&[67, 34, 27, 24, 24, 13, 4, 3, 2, 1], usize::MAX), Some((&SIZES[..5], vec![0, 1, 2, 3, 4])));
        assert_eq!(plan(&[12, 12, 3], usize::MAX), Some((&SIZES[..4], vec![0, 1])));
        assert_eq!(plan(&[4, 4, 1], usize::MAX), Some((&SIZES[..2], vec![0, 1])));
        assert_eq!(plan(&[40, 3, 1], usize::MAX), None);
        assert_eq!(plan(&[], usize::MAX), None);
        assert_eq!(plan(&[67, 34, 27], 150), Some((&SIZES[..5], vec![0, 1, 2])), "of no more lessons");
    }
}
