//! What heads say of samples: each of their two classifiers by itself, both together, and what that says of events.

use faer::Mat;

use crate::infer::closeness::{Closeness, lead};
use crate::infer::learned::{mixed, told};
use crate::infer::together::Together;

use super::recipe::{OutOfFold, Recipe, offsets, shares};
use super::taught::{Samples, Taught};

/// What a head was taught: how much of it decides how its answers are made of what its classifiers say.
pub(super) struct Tally {
    /// `[classes]`; 0 for those that it was never taught.
    pub(super) n_events: Vec<usize>,
    /// The place of `blank`.
    pub(super) blank: Option<usize>,
}

impl Tally {
    pub(super) fn of(taught: &Taught) -> Tally {
        Tally { n_events: taught.n_events(), blank: taught.blank() }
    }
}

/// What one of the two says of samples by itself.
#[derive(Debug, Clone)]
pub(super) struct Told {
    /// `[classes][samples]`: log-probabilities, as they are [mixed].
    ln: Mat<f32>,
    /// `[samples]`: its share of how [close](Closeness) each is.
    close: Vec<f32>,
}

impl Told {
    /// Of nothing yet.
    pub(super) fn nothing(n_classes: usize, n_samples: usize) -> Told {
        Told { ln: Mat::zeros(n_classes, n_samples), close: vec![0.0; n_samples] }
    }

    /// By cosines `[samples][classes]`, multiplied with `scale`.
    pub(super) fn by_cosines(cosines: &Mat<f64>, scale: f64) -> Told {
        let nearest = |row: &[f64]| row.iter().copied().fold(-1.0, f64::max) as f32;
        Told::of(cosines, scale, nearest)
    }

    /// By scores `[samples][classes]` of a regression.
    pub(super) fn by_logits(logits: &Mat<f64>, tally: &Tally) -> Told {
        let is_known = |class: &usize| tally.n_events[*class] > 0 && Some(*class) != tally.blank;
        let known: Vec<usize> = (0..tally.n_events.len()).filter(is_known).collect();
        Told::of(logits, 1.0, |row| lead(known.iter().map(|&class| row[class] as f32)))
    }

    fn of(scores: &Mat<f64>, scale: f64, close: impl Fn(&[f64]) -> f32) -> Told {
        let mut told_of = Told::nothing(scores.ncols(), scores.nrows());
        for i in 0..scores.nrows() {
            let row: Vec<f64> = scores.row(i).iter().copied().collect();
            let mut ln: Vec<f32> = row.iter().map(|it| (scale * it) as f32).collect();
            told(&mut ln);
            told_of.ln.col_mut(i).iter_mut().zip(ln).for_each(|(to, it)| *to = it);
            told_of.close[i] = close(&row);
        }
        told_of
    }

    /// Takes what is told of samples to their places among all.
    pub(super) fn put(&mut self, places: &[usize], of: &Told) {
        for (i, &place) in places.iter().enumerate() {
            self.ln.col_mut(place).copy_from(of.ln.col(i));
            self.close[place] = of.close[i];
        }
    }
}

/// Probabilities `[classes]` and closeness of each sample, of what both say of it.
pub(super) fn both_told(recipe: &Recipe, near: &Told, likely: &Told, tally: &Tally) -> Vec<(Vec<f32>, Closeness)> {
    let (shares, offsets) = (shares(recipe.share, &tally.n_events), offsets(recipe, &tally.n_events, tally.blank));
    let column = |of: &Told, i: usize| -> Vec<f32> { of.ln.col(i).iter().copied().collect() };
    let answer = |i: usize| {
        let closeness = Closeness { cosine: near.close[i], lead: likely.close[i] };
        (mixed(&column(near, i), &column(likely, i), &shares, &offsets), closeness)
    };
    (0..near.close.len()).map(answer).collect()
}

/// The same of what heads score them: cosines and logits `[samples][classes]`.
pub(super) fn answers(
    recipe: &Recipe,
    cosines: &Mat<f64>,
    logits: &Mat<f64>,
    tally: &Tally,
) -> Vec<(Vec<f32>, Closeness)> {
    both_told(recipe, &Told::by_cosines(cosines, recipe.cosine_scale), &Told::by_logits(logits, tally), tally)
}

/// What the answers of samples say together, event by event; those of one event stand side by side.
pub(super) fn by_event(samples: &Samples, answers: &[(Vec<f32>, Closeness)], blank: Option<usize>) -> Vec<OutOfFold> {
    let mut from = 0;
    let events = samples.event.chunk_by(|a, b| a == b).map(|own| {
        let its = &answers[from..from + own.len()];
        from += own.len();
        OutOfFold { event: own[0], together: Together::of(its.iter().map(|it| (&*it.0, it.1)), blank) }
    });
    events.collect()
}
