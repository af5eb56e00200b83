//! What chance does to figures by event: a bootstrap over events (Efron 1979), the same draws for all that is compared.
//!
//! A table of pictures need not say when they were taken: so the event is the unit, and not the day of a camera. Bounds of
//! pictures of few days are therefore a little narrow.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::report::figures::{Figure, figure};
use super::score::{Scored, calibration_error, confidence, nll};

/// Draws.
const RESAMPLES: usize = 1_000;

/// Where 90 of 100 draws of the events put each figure.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Bounds {
    /// Share of right answers.
    pub accuracy: Figure,
    /// Mean of the classes' recalls.
    pub balanced_accuracy: Figure,
    /// Mean cross-entropy, nats.
    pub nll: Figure,
    /// Expected calibration error; none of fewer events than bins.
    pub ece: Option<Figure>,
}

/// By how much one is above the other, of the same events.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// Events that both say something of.
    pub events: usize,
    /// Share of right answers.
    pub accuracy: Figure,
    /// Mean of the classes' recalls.
    pub balanced_accuracy: Figure,
}

/// What a draw needs of an event.
#[derive(Debug, Clone, Copy)]
struct Brief {
    class: usize,
    right: bool,
    confidence: f64,
    nll: f64,
}

/// The bounds of all figures; none of no events.
pub fn bounds(events: &[Scored]) -> Option<Bounds> {
    let all = briefs(events);
    let mut figures: [Vec<f64>; 4] = Default::default();
    for draw in draws(all.len())? {
        let drawn: Vec<Brief> = draw.iter().map(|&it| all[it]).collect();
        figures[0].push(accuracy(&drawn));
        figures[1].push(balanced(&drawn));
        figures[2].push(drawn.iter().map(|it| it.nll).sum::<f64>() / drawn.len() as f64);
        figures[3].extend(calibration_error(drawn.iter().map(|it| (it.confidence, it.right)).collect()));
    }
    let [accuracy, balanced_accuracy, nll, ece] = figures;
    Some(Bounds {
        accuracy: figure(&accuracy),
        balanced_accuracy: figure(&balanced_accuracy),
        nll: figure(&nll),
        ece: (!ece.is_empty()).then(|| figure(&ece)),
    })
}

/// The first less the second, who answered to the same events in the same order; none of no events.
pub fn difference(ours: &[Scored], theirs: &[Scored]) -> Option<Difference> {
    let (ours, theirs) = (briefs(ours), briefs(theirs));
    let events = ours.len().min(theirs.len());
    let (mut of_all, mut of_classes) = (Vec::new(), Vec::new());
    for draw in draws(events)? {
        let of = |all: &[Brief]| draw.iter().map(|&it| all[it]).collect::<Vec<_>>();
        let (ours, theirs) = (of(&ours), of(&theirs));
        of_all.push(accuracy(&ours) - accuracy(&theirs));
        of_classes.push(balanced(&ours) - balanced(&theirs));
    }
    Some(Difference { events, accuracy: figure(&of_all), balanced_accuracy: figure(&of_classes) })
}

/// Events by their place: all, once; then with replacement.
fn draws(n: usize) -> Option<impl Iterator<Item = Vec<usize>>> {
    let mut dice = ChaCha8Rng::seed_from_u64(0);
    let resamples = (0..RESAMPLES).map(move |_| (0..n).map(|_| dice.random_range(0..n)).collect());
    (n > 0).then(|| std::iter::once((0..n).collect()).chain(resamples))
}

fn briefs(events: &[Scored]) -> Vec<Brief> {
    let mut classes: BTreeMap<&str, usize> = BTreeMap::new();
    for it in events {
        let next = classes.len();
        classes.entry(&it.truth).or_insert(next);
    }
    let brief = |it: &Scored| Brief {
        class: classes[&*it.truth],
        right: it.truth == it.answer,
        confidence: confidence(it),
        nll: nll(it),
    };
    events.iter().map(brief).collect()
}

fn accuracy(all: &[Brief]) -> f64 {
    all.iter().filter(|it| it.right).count() as f64 / all.len() as f64
}

/// Of the classes that a draw has.
fn balanced(all: &[Brief]) -> f64 {
    let mut by: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for it in all {
        let of = by.entry(it.class).or_default();
        *of = (of.0 + f64::from(u8::from(it.right)), of.1 + 1.0);
    }
    by.values().map(|it| it.0 / it.1).sum::<f64>() / by.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(truth: &str, answer: &str) -> Scored {
        let probabilities = BTreeMap::from([(answer.to_owned(), 0.8), ("other".to_owned(), 0.2)]);
        Scored { truth: truth.into(), answer: answer.into(), probabilities, strangeness: 0.0, rejected: false }
    }

    #[test]
    fn bounds_hold_the_figure_and_are_as_wide_as_chance_makes_them() {
        // 80 of 100 right: the standard error is .04, and 90 of 100 draws lie within 1.64 of these.
        let events: Vec<Scored> = (0..100).map(|i| scored("fox", if i % 5 == 0 { "deer" } else { "fox" })).collect();
        let it = bounds(&events).unwrap();
        assert_eq!((it.accuracy.value, it.balanced_accuracy.value), (0.8, 0.8));
        assert!((it.accuracy.low - (0.8 - 1.64 * 0.04)).abs() < 0.012, "{it:?}");
        assert!((it.accuracy.high - (0.8 + 1.64 * 0.04)).abs() < 0.012, "{it:?}");
        let ece = it.ece.unwrap();
        assert!(ece.low < 0.02 && ece.high > 0.03, "it says 80 %, and is right as often: {ece:?}");
        assert_eq!(bounds(&[]), None);
        assert_eq!(bounds(&events[..2]).unwrap().ece, None);
    }

    #[test]
    fn of_the_same_events_only_those_count_in_which_two_differ() {
        let right: Vec<Scored> = (0..60).map(|i| scored(if i < 50 { "fox" } else { "lynx" }, "fox")).collect();
        let same = difference(&right, &right).unwrap();
        assert_eq!((same.accuracy.low, same.accuracy.high, same.events), (0.0, 0.0, 60));
        let better: Vec<Scored> = right.iter().map(|it| scored(&it.truth, &it.truth)).collect();
        let it = difference(&better, &right).unwrap();
        assert!((it.accuracy.value - 1.0 / 6.0).abs() < 1e-12 && it.accuracy.low > 0.08, "{it:?}");
        assert_eq!(it.balanced_accuracy.value, 0.5);
        assert!(it.accuracy.high < 0.26);
    }
}
