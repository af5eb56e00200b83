//! How right a head is: the figures of `eyeshine eval`, by frame and by event.
//!
//! All but `unknown` is over what the head was taught to know, with the answer forced; what it was never taught are the
//! unknowns, and a rejection counts only there. Undefined figures are null.

use std::collections::BTreeMap;

use serde::Serialize;

use super::bounds::{Bounds, bounds};

/// One answer beside the truth.
#[derive(Debug, Clone)]
pub struct Scored {
    /// What it is.
    pub truth: String,
    /// The answer, forced; of an event of a known class and of an unknown alike.
    pub answer: String,
    /// Probabilities by class, summing to 1.
    pub probabilities: BTreeMap<String, f64>,
    /// How strange it is: the higher, the less like anything taught.
    pub strangeness: f64,
    /// Whether the answer would have been `unknown`.
    pub rejected: bool,
}

/// The whole of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Evaluation {
    /// Rows of the file that could be read.
    pub frames: usize,
    /// Events among them.
    pub events: usize,
    /// By frame.
    pub frame: FrameScores,
    /// By event.
    pub event: EventScores,
    /// By event: of species that were never taught.
    pub unknown: UnknownScores,
    /// By event.
    pub per_class: BTreeMap<String, ClassScores>,
    /// Events: truth, then answer, then how many.
    pub confusion: BTreeMap<String, BTreeMap<String, usize>>,
    /// What always answering the commonest class would give.
    pub majority: Majority,
    /// Rows that the head was fitted on: such figures flatter it.
    pub fitted_rows: usize,
}

/// Figures by frame.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FrameScores {
    /// Share of right answers.
    pub accuracy: Option<f64>,
    /// Mean of the classes' recalls.
    pub balanced_accuracy: Option<f64>,
}

/// Figures by event.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EventScores {
    /// Share of right answers.
    pub accuracy: Option<f64>,
    /// Mean of the classes' recalls.
    pub balanced_accuracy: Option<f64>,
    /// Mean of the classes' F1, of classes with events.
    pub macro_f1: Option<f64>,
    /// Mean cross-entropy, nats.
    pub nll: Option<f64>,
    /// Expected calibration error: 5 bins of as many events, debiased (Roelofs et al. 2022).
    pub ece: Option<f64>,
    /// What chance does to these, all but macro-F1.
    pub bounds: Option<Bounds>,
}

/// Figures of what was never taught.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnknownScores {
    /// Probability that an unknown is stranger than a known event.
    pub auroc: Option<f64>,
    /// Share of known events called unknown.
    pub known_rejected: Option<f64>,
    /// Share of unknown events called something known.
    pub unknown_accepted: Option<f64>,
}

/// Figures of one class.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ClassScores {
    /// How many there are.
    pub events: usize,
    /// Of the events so called, the share that are.
    pub precision: Option<f64>,
    /// Of these events, the share so called.
    pub recall: Option<f64>,
}

/// The baseline.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Majority {
    /// Share of the commonest class, by event.
    pub accuracy: Option<f64>,
    /// One of the classes is always right.
    pub balanced_accuracy: Option<f64>,
}

/// Scores a head that knows `known`; `fitted_rows` were part of its labels.
pub fn evaluate(frames: &[Scored], events: &[Scored], known: impl Fn(&str) -> bool, fitted_rows: usize) -> Evaluation {
    let of_known = |all: &[Scored]| all.iter().filter(|it| known(&it.truth)).cloned().collect::<Vec<_>>();
    let (known_frames, known_events) = (of_known(frames), of_known(events));
    let strangers: Vec<&Scored> = events.iter().filter(|it| !known(&it.truth)).collect();
    let mut confusion: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for it in &known_events {
        *confusion.entry(it.truth.clone()).or_default().entry(it.answer.clone()).or_default() += 1;
    }
    let per_class: BTreeMap<String, ClassScores> = confusion
        .keys()
        .map(|class| {
            let is = |it: &&Scored| it.truth == *class;
            let called = |it: &&Scored| it.answer == *class;
            let (n, n_called) = (known_events.iter().filter(is).count(), known_events.iter().filter(called).count());
            let hits = known_events.iter().filter(is).filter(called).count();
            (class.clone(), ClassScores { events: n, precision: share(hits, n_called), recall: share(hits, n) })
        })
        .collect();
    let largest = per_class.values().map(|it| it.events).max();
    Evaluation {
        frames: frames.len(),
        events: events.len(),
        frame: FrameScores { accuracy: accuracy(&known_frames), balanced_accuracy: balanced_accuracy(&known_frames) },
        event: EventScores {
            accuracy: accuracy(&known_events),
            balanced_accuracy: balanced_accuracy(&known_events),
            macro_f1: mean(per_class.values().map(f1)),
            nll: mean(known_events.iter().map(nll)),
            ece: calibration_error(known_events.iter().map(|it| (confidence(it), it.truth == it.answer)).collect()),
            bounds: bounds(&known_events),
        },
        unknown: UnknownScores {
            auroc: auroc(known_events.iter().map(|it| it.strangeness), strangers.iter().map(|it| it.strangeness)),
            known_rejected: share(known_events.iter().filter(|it| it.rejected).count(), known_events.len()),
            unknown_accepted: share(strangers.iter().filter(|it| !it.rejected).count(), strangers.len()),
        },
        majority: Majority {
            accuracy: largest.and_then(|it| share(it, known_events.len())),
            balanced_accuracy: share(1, per_class.len()),
        },
        per_class,
        confusion,
        fitted_rows,
    }
}

fn share(part: usize, all: usize) -> Option<f64> {
    (all > 0).then(|| part as f64 / all as f64)
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut n) = (0.0, 0);
    values.for_each(|it| (sum, n) = (sum + it, n + 1));
    (n > 0).then(|| sum / f64::from(n))
}

/// Share of right answers.
pub fn accuracy(all: &[Scored]) -> Option<f64> {
    share(all.iter().filter(|it| it.truth == it.answer).count(), all.len())
}

/// Mean of the recalls of the classes that there are.
pub fn balanced_accuracy(all: &[Scored]) -> Option<f64> {
    let mut by: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for it in all {
        let entry = by.entry(&it.truth).or_default();
        entry.0 += usize::from(it.truth == it.answer);
        entry.1 += 1;
    }
    mean(by.values().map(|(hits, n)| *hits as f64 / *n as f64))
}

fn f1(it: &ClassScores) -> f64 {
    let (precision, recall) = (it.precision.unwrap_or(0.0), it.recall.unwrap_or(0.0));
    if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 }
}

/// Nats.
pub(super) fn nll(it: &Scored) -> f64 {
    -it.probabilities.get(&it.truth).copied().unwrap_or(0.0).max(1e-6).ln()
}

/// Probability that one of `strangers` has a higher value than one of `known`; ties count half (Mann & Whitney 1947).
pub fn auroc(known: impl Iterator<Item = f64>, strangers: impl Iterator<Item = f64>) -> Option<f64> {
    let mut all: Vec<(f64, bool)> = known.map(|it| (it, false)).chain(strangers.map(|it| (it, true))).collect();
    let n_strange = all.iter().filter(|it| it.1).count();
    let n_known = all.len() - n_strange;
    if n_strange == 0 || n_known == 0 {
        return None;
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut below, mut wins, mut i) = (0usize, 0.0, 0);
    while i < all.len() {
        let mut j = i;
        let mut counts = (0usize, 0usize);
        while j < all.len() && all[j].0 == all[i].0 {
            if all[j].1 {
                counts.1 += 1
            } else {
                counts.0 += 1
            }
            j += 1;
        }
        wins += counts.1 as f64 * (below as f64 + counts.0 as f64 / 2.0);
        below += counts.0;
        i = j;
    }
    Some(wins / (n_strange as f64 * n_known as f64))
}

/// How sure it is of its answer.
pub(super) fn confidence(it: &Scored) -> f64 {
    it.probabilities.get(&it.answer).copied().unwrap_or(0.0)
}

/// How far confidence and accuracy are apart, in 5 bins of as many events, each as sure and right or not; what chance alone
/// would give is taken off each bin's square (Roelofs et al. 2022, the debiased estimator of Kumar et al. 2019).
pub(super) fn calibration_error(mut sure: Vec<(f64, bool)>) -> Option<f64> {
    const BINS: usize = 5;
    if sure.len() < BINS {
        return None;
    }
    sure.sort_by(|a, b| a.0.total_cmp(&b.0));
    let n = sure.len();
    let squares: f64 = (0..BINS)
        .map(|bin| {
            let bin = &sure[bin * n / BINS..(bin + 1) * n / BINS];
            let size = bin.len() as f64;
            let confidence = bin.iter().map(|it| it.0).sum::<f64>() / size;
            let right = bin.iter().filter(|it| it.1).count() as f64 / size;
            let chance = if size > 1.0 { right * (1.0 - right) / (size - 1.0) } else { 0.0 };
            size / n as f64 * ((confidence - right).powi(2) - chance)
        })
        .sum();
    Some(squares.max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(truth: &str, answer: &str, sure: f64, strangeness: f64) -> Scored {
        let rest = if answer == "fox" { "deer" } else { "fox" };
        let probabilities = BTreeMap::from([(answer.to_owned(), sure), (rest.to_owned(), 1.0 - sure)]);
        Scored { truth: truth.into(), answer: answer.into(), probabilities, strangeness, rejected: strangeness > 0.5 }
    }

    #[test]
    fn figures_are_over_what_is_known_and_strangers_stand_apart() {
        let events = [
            scored("fox", "fox", 0.9, 0.1),
            scored("fox", "fox", 0.8, 0.2),
            scored("fox", "deer", 0.6, 0.6),
            scored("deer", "deer", 0.9, 0.1),
            scored("lynx", "fox", 0.7, 0.9),
            scored("lynx", "fox", 0.7, 0.15),
        ];
        let it = evaluate(&events, &events, |class| class != "lynx", 2);
        assert_eq!((it.frames, it.events, it.fitted_rows), (6, 6, 2));
        assert_eq!(it.event.accuracy, Some(0.75));
        assert_eq!(it.event.balanced_accuracy, Some((2.0 / 3.0 + 1.0) / 2.0));
        assert_eq!(it.frame.accuracy, Some(0.75));
        assert_eq!(it.majority, Majority { accuracy: Some(0.75), balanced_accuracy: Some(0.5) });
        assert_eq!(it.per_class["deer"], ClassScores { events: 1, precision: Some(0.5), recall: Some(1.0) });
        assert_eq!(it.confusion["fox"]["deer"], 1);
        assert_eq!(it.unknown.known_rejected, Some(0.25));
        assert_eq!(it.unknown.unknown_accepted, Some(0.5));
        // Of the 8 pairs the first stranger wins 4, the second 2.
        assert_eq!(it.unknown.auroc, Some(0.75));
        let nll = -(0.9f64.ln() + 0.8f64.ln() + 0.4f64.ln() + 0.9f64.ln()) / 4.0;
        assert!((it.event.nll.unwrap_or_default() - nll).abs() < 1e-12);
        assert_eq!(it.event.ece, None, "four events are no bins");
    }

    #[test]
    fn nothing_is_null_and_ties_count_half() {
        let it = evaluate(&[], &[], |_| true, 0);
        assert_eq!((it.event.accuracy, it.unknown.auroc, it.majority.accuracy), (None, None, None));
        assert_eq!(auroc([0.5, 0.5].into_iter(), [0.5].into_iter()), Some(0.5));
    }

    #[test]
    fn who_is_as_often_right_as_they_say_is_calibrated() {
        // 70 % sure and 70 % right; then 95 % sure and 70 % right.
        let event = |i: usize, sure: f64| scored("fox", if i % 10 < 7 { "fox" } else { "deer" }, sure, 0.0);
        let honest: Vec<Scored> = (0..200).map(|i| event(i * 7, 0.7)).collect();
        let boastful: Vec<Scored> = (0..200).map(|i| event(i * 7, 0.95)).collect();
        let error = |all: &[Scored]| evaluate(&[], all, |_| true, 0).event.ece.unwrap();
        assert!(error(&honest) < 0.08);
        assert!((error(&boastful) - 0.25).abs() < 0.04);
    }
}
