//! A head from what was taught: deterministic, from scratch, in seconds.

use std::collections::BTreeMap;

use crate::infer::learned::Learned;
use crate::infer::space::Space;

use super::both::{FittedBoth, both};
use super::directions;
use super::folds::folds;
use super::logistic::{Care, Logistic};
use super::recipe::{Choice, Losses, OutOfFold, Recipe, choose, cross_answers, offsets, shares};
use super::strangers::{Border, border};
use super::taught::{Samples, Taught};
use super::whitened::Scatter;

/// Why there is no head.
#[derive(Debug, thiserror::Error)]
pub enum FitError {
    /// Nobody has labelled anything.
    #[error(
        "fit: no event has a label and a vector of this featurizer: label some, then train again; where the featurizer is another \
         than it was, `eyeshine migrate` gives what is labelled vectors of it"
    )]
    NoLabels,
    /// Nothing to tell apart.
    #[error("fit: all {n_events} labelled events are of one class, {class}: label events of at least one more")]
    OneClass {
        /// How many.
        n_events: usize,
        /// The class.
        class: String,
    },
    /// A vector is of another length.
    #[error("fit: event {event}: a vector of {found} numbers, where {expected} belong")]
    Dimension {
        /// The event.
        event: String,
        /// Its length.
        found: usize,
        /// What it should be.
        expected: usize,
    },
    /// The arithmetic failed.
    #[error("fit: {0} cannot be computed: a vector holds what is no number")]
    Numbers(&'static str),
}

/// A head on one featurizer's vectors, and how it was found.
#[derive(Debug, Clone)]
pub struct Alone {
    /// What it computes.
    pub learned: Learned,
    /// The recipe, its sharpness, and its answers out of fold.
    pub choice: Choice,
    /// Where unknown begins.
    pub border: Border,
}

/// A head.
#[derive(Debug, Clone)]
pub struct Fitted {
    /// On the first featurizer's vectors.
    pub alone: Alone,
    /// With the second's, where that has seen enough.
    pub both: Option<FittedBoth>,
}

impl Fitted {
    /// Its answers to the events that its parts were not fitted on, as sure as they are right.
    pub fn out_of_fold(&self) -> Vec<OutOfFold> {
        self.settled(&self.alone.choice.out_of_fold, |it| &it.out_of_fold)
    }

    /// What its like say of the events of species that they were never taught.
    pub fn strangers(&self) -> Vec<OutOfFold> {
        self.settled(&self.alone.border.strangers, |it| &it.strangers)
    }

    /// The answers of both where there are such, else those of the first.
    fn settled(&self, first: &[OutOfFold], both: impl Fn(&FittedBoth) -> &Vec<OutOfFold>) -> Vec<OutOfFold> {
        let tempered = |it: &OutOfFold, sharpness: f32| {
            let together = it.together.clone().tempered(sharpness);
            (it.event, OutOfFold { event: it.event, together })
        };
        let sharpness = self.alone.choice.sharpness;
        let mut by_event: BTreeMap<usize, OutOfFold> = first.iter().map(|it| tempered(it, sharpness)).collect();
        if let Some(it) = &self.both {
            by_event.extend(both(it).iter().map(|answer| tempered(answer, it.sharpness)));
        }
        by_event.into_values().collect()
    }
}

/// Fits a head. The same events give the same head, bit for bit.
pub fn fit(taught: &Taught) -> Result<Fitted, FitError> {
    let alone = alone(taught)?;
    let both = both(taught, &alone)?;
    Ok(Fitted { alone, both })
}

/// Fits a head on the first vectors alone.
pub fn alone(taught: &Taught) -> Result<Alone, FitError> {
    check(taught)?;
    let Placed { space, samples, folds, impression } = placed(taught)?;
    let choice = choose(taught, &samples, &folds, impression)?;
    let logistic = Logistic::fit(&samples, choice.recipe.ridge, None, Care::Final);
    let border = border(taught, &samples, &choice, &logistic)?;
    let learned = learned(taught, space, &samples, &choice.recipe, &logistic)?;
    Ok(Alone { learned, choice, border })
}

/// What cross-validation finds, without the head that would come of it.
pub fn cross_validated(taught: &Taught) -> Result<Choice, FitError> {
    check(taught)?;
    let Placed { samples, folds, impression, .. } = placed(taught)?;
    choose(taught, &samples, &folds, impression)
}

/// What was taught, in the space that is best for it.
struct Placed {
    space: Space,
    samples: Samples,
    folds: Vec<Option<usize>>,
    /// How much the network's own answer counts in it.
    impression: f64,
}

/// Finds that space: as it is before anything is known, until cross-validation shows better by a standard error.
fn placed(taught: &Taught) -> Result<Placed, FitError> {
    let (lessons, folds, impression) = (taught.lessons(), folds(taught), Recipe::PRIOR.impression);
    let space = directions::space(taught, &lessons, impression)?;
    let samples = taught.samples_of(&lessons, &space);
    let mut placed = Placed { space, samples, folds, impression };
    let n_own = placed.space.parts().0;
    if placed.space.impressions.is_none() {
        return Ok(placed);
    }
    let losses = |samples: &Samples| -> Result<Losses, FitError> {
        Ok(Losses::of(taught, &cross_answers(taught, samples, &placed.folds, &Recipe::PRIOR, |_| true)?))
    };
    let prior = losses(&placed.samples)?;
    let mut best: Option<(f64, f64)> = None;
    for weight in Recipe::IMPRESSIONS {
        let samples = placed.samples.weighed_anew(n_own, impression, weight);
        let its = losses(&samples)?;
        if best.as_ref().is_none_or(|it| its.loss < it.0) && !prior.is_as_good_as(&its) {
            best = Some((its.loss, weight));
        }
    }
    if let Some((_, weight)) = best {
        placed.impression = weight;
        placed.space.impressions.iter_mut().for_each(|it| it.weight = weight as f32);
        // Anew, and not scaled: to the last bit what the recipe gives.
        placed.samples = taught.samples_of(&lessons, &placed.space);
    }
    Ok(placed)
}

/// A head of a recipe that was found before.
pub fn by_recipe(taught: &Taught, recipe: &Recipe) -> Result<Learned, FitError> {
    check(taught)?;
    let lessons = taught.lessons();
    let space = directions::space(taught, &lessons, recipe.impression)?;
    let samples = taught.samples_of(&lessons, &space);
    let logistic = Logistic::fit(&samples, recipe.ridge, None, Care::Final);
    learned(taught, space, &samples, recipe, &logistic)
}

fn learned(
    taught: &Taught,
    space: Space,
    samples: &Samples,
    recipe: &Recipe,
    logistic: &Logistic,
) -> Result<Learned, FitError> {
    let whitened = Scatter::of(samples).whitened(recipe.shrinkage)?;
    let rows = |it: &faer::Mat<f64>| -> Vec<f32> {
        (0..it.nrows()).flat_map(|i| it.row(i).iter().map(|x| *x as f32)).collect()
    };
    Ok(Learned {
        blank: taught.blank().is_some(),
        whitening: rows(&whitened.whitening),
        means: rows(&whitened.means),
        sharpness: recipe.cosine_scale as f32,
        weights: logistic.weights(),
        bias: logistic.bias(),
        shares: shares(recipe.share, &taught.n_events()),
        offsets: offsets(recipe, &taught.n_events(), taught.blank()),
        space,
    })
}

fn check(taught: &Taught) -> Result<(), FitError> {
    let n_events = taught.events.len();
    if n_events == 0 {
        return Err(FitError::NoLabels);
    }
    let wrong = taught.events.iter().find_map(|event| {
        let views = event.frames.iter().flat_map(|it| &it.views);
        let mut lengths = views.map(|it| it.features.len()).filter(|it| *it != taught.dimension);
        lengths.next().map(|found| (event, found))
    });
    if let Some((event, found)) = wrong {
        return Err(FitError::Dimension { event: event.id.clone(), found, expected: taught.dimension });
    }
    let frames = || taught.events.iter().flat_map(|it| &it.frames);
    let first = frames().next().ok_or(FitError::NoLabels)?.class;
    if frames().all(|it| it.class == first) {
        return Err(FitError::OneClass { n_events, class: taught.classes[first].name.to_string() });
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests;
