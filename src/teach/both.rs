//! Both featurizers: a head of its own on the second's vectors of the same events, and how much that corrects the first.

use std::collections::BTreeMap;

use crate::infer::both::fused;
use crate::infer::learned::Learned;
use crate::infer::unknown::Unknown;

use super::fit::{Alone, FitError, alone};
use super::recipe::{Losses, OutOfFold, Recipe};
use super::strangers::drawn;
use super::taught::Taught;

/// How much the second says until cross-validation shows better by a standard error. On a real trail camera's first half
/// season .3 took balanced accuracy from .78 to .83 and log-loss from .55 to .59: nothing to rely on.
const PRIOR_SHARE: f32 = 0.0;
const SHARES: [f32; 4] = [0.15, 0.3, 0.5, 0.7];

/// What a head has learned of both.
#[derive(Debug, Clone)]
pub struct FittedBoth {
    /// On the second's vectors.
    pub learned: Learned,
    /// How that was made.
    pub recipe: Recipe,
    /// How much it says.
    pub share: f32,
    /// How sharp an event's answer is to be.
    pub sharpness: f32,
    /// Where unknown begins.
    pub unknown: Unknown,
    /// AUROC of species left out in turn.
    pub auroc: Option<f64>,
    /// Answers of both to events that they were not fitted on, before they are tempered.
    pub out_of_fold: Vec<OutOfFold>,
    /// The same to the events of species left out in turn.
    pub strangers: Vec<OutOfFold>,
}

/// Fits the second, and finds its share; none where it has not seen an event of every class.
pub fn both(taught: &Taught, first: &Alone) -> Result<Option<FittedBoth>, FitError> {
    let Some(seconds) = taught.seconds() else { return Ok(None) };
    let second = alone(&seconds)?;
    let trial = |share: f32| {
        let out_of_fold = joined(taught, &first.choice.out_of_fold, &second.choice.out_of_fold, share);
        (share, Losses::of(taught, &out_of_fold), out_of_fold)
    };
    let prior = trial(PRIOR_SHARE);
    let found = SHARES.map(trial).into_iter().min_by(|a, b| a.1.loss.total_cmp(&b.1.loss));
    let (share, losses, out_of_fold) = found.filter(|it| !prior.1.is_as_good_as(&it.1)).unwrap_or(prior);
    let sharpness = losses.sharpness;
    let strangers = joined(taught, &first.border.strangers, &second.border.strangers, share);
    let tempered = |it: &OutOfFold| (it.event, it.together.clone().tempered(sharpness));
    let (unknown, auroc) = drawn(taught, out_of_fold.iter().map(tempered), strangers.iter().map(tempered));
    let (learned, recipe) = (second.learned, second.choice.recipe);
    Ok(Some(FittedBoth { learned, recipe, share, sharpness, unknown, auroc, out_of_fold, strangers }))
}

/// What both say of the events that both have seen.
fn joined(taught: &Taught, first: &[OutOfFold], second: &[OutOfFold], share: f32) -> Vec<OutOfFold> {
    let by_event: BTreeMap<usize, &OutOfFold> = second.iter().map(|it| (it.event, it)).collect();
    let both = first.iter().filter_map(|it| Some((it, by_event.get(&it.event)?)));
    both.map(|(a, b)| OutOfFold { event: a.event, together: fused(&a.together, &b.together, share, taught.blank()) })
        .collect()
}

impl Taught {
    /// The same events and classes as the second featurizer has seen them: frames in which nothing is are left out, as
    /// whether anything is there the first alone says. None where it has not seen every other class.
    pub fn seconds(&self) -> Option<Taught> {
        let blank = self.blank();
        let mut seconds = Taught { dimension: 0, classifier: None, ..self.clone() };
        let mut n_seen = vec![0; self.classes.len()];
        for event in &mut seconds.events {
            event.frames.retain(|it| Some(it.class) != blank);
            for frame in &mut event.frames {
                frame.views.retain_mut(|it| it.second.take().map(|second| it.features = second).is_some());
            }
            event.frames.retain(|it| !it.views.is_empty());
            event.frames.iter().for_each(|it| n_seen[it.class] += 1);
        }
        let is_seen = |class: usize| n_seen[class] > 0 || Some(class) == blank;
        let first = seconds.events.iter().flat_map(|it| &it.frames).flat_map(|it| &it.views).next();
        seconds.dimension = first?.features.len();
        ((0..n_seen.len()).all(is_seen) && n_seen.iter().filter(|it| **it > 0).count() > 1).then_some(seconds)
    }
}
