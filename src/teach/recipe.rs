//! How a head is made, and which way cross-validation finds best.

use serde::{Deserialize, Serialize};

use crate::infer::closeness::Closeness;
use crate::infer::together::Together;

use super::answers::{Tally, Told, answers, both_told, by_event};
use super::fit::FitError;
use super::folds::N_FOLDS;
use super::logistic::{Care, Design, Logistic, exp};
use super::side_by_side::side_by_side;
use super::taught::{Samples, Taught};
use super::whitened::{Moments, Scatter};

/// What there is to choose in a head.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// How far the within-class covariance is shrunk, 0..=1; 1 is the plain cosine.
    pub shrinkage: f64,
    /// What a cosine is multiplied with before the softmax.
    pub cosine_scale: f64,
    /// L2 penalty of the logistic regression.
    pub ridge: f64,
    /// What the logistic regression says, 0..=1; the rest is the cosine's.
    pub share: f64,
    /// What is added to the log-probability of `blank`. An event is blank only where none of its candidates looks like
    /// anything, and the more there are, the likelier one does by chance.
    pub blank: f64,
    /// Length of an [impression](crate::infer::space::Impressions), where that of the features is 1.
    pub impression: f64,
}

impl Recipe {
    /// What is right before anything is known, and stays so until cross-validation shows better by a standard error.
    /// Chosen on the first half of a real trail camera's season, of which no later frame was looked at.
    pub const PRIOR: Recipe =
        Recipe { shrinkage: 0.6, cosine_scale: 10.0, ridge: 3e-5, share: 0.5, blank: 1.0, impression: 2.0 };

    /// How much the network's own answer may count. It does for a few labels what many do without it, and less for many.
    pub(super) const IMPRESSIONS: [f64; 2] = [1.0, 4.0];

    const SHRINKAGES: [f64; 5] = [0.1, 0.3, 0.6, 0.9, 1.0];
    const COSINE_SCALES: [f64; 3] = [5.0, 10.0, 20.0];
    /// Falling: each fit starts from the one before.
    const RIDGES: [f64; 4] = [1e-3, 2e-4, 3e-5, 5e-6];
    const SHARES: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
    const BLANKS: [f64; 5] = [0.0, 1.0, 2.0, 3.0, 4.0];
}

/// Events of a class below which nothing can be learned of how it is told best.
const FEW_EVENTS: usize = 3;

/// How much the logistic regression says of each class: of one or two events nothing, as it is right from many on.
pub fn shares(share: f64, n_events: &[usize]) -> Vec<f32> {
    n_events.iter().map(|&n| if n < FEW_EVENTS { 0.0 } else { share as f32 }).collect()
}

/// What a class of few events gets added to its log-probability: the mean of one or two events is further from the next
/// one than that of many, for no fault of the animal's. Of six classes of a real trail camera's first half season, cut to one
/// event each, ln(1 + ½ ÷ events) and [no word](shares) of the regression named .73 of the other events, and .81 of all other
/// classes; without an offset it was .71 and .82, with ln(1 + 3 ÷ events) and half by the regression .73 and .79.
pub fn offsets(recipe: &Recipe, n_events: &[usize], blank: Option<usize>) -> Vec<f32> {
    let of_blank = |class: usize| if Some(class) == blank { recipe.blank as f32 } else { 0.0 };
    let of = |(class, &n): (usize, &usize)| if n == 0 { 0.0 } else { (0.5 / n as f32).ln_1p() + of_blank(class) };
    n_events.iter().enumerate().map(of).collect()
}

/// What is tried to make answers as often right as they say.
const SHARPNESSES: [f32; 12] = [0.4, 0.5, 0.65, 0.8, 1.0, 1.25, 1.55, 1.9, 2.4, 3.0, 3.8, 4.8];

/// An event's answer by heads that were not fitted on it.
#[derive(Debug, Clone)]
pub struct OutOfFold {
    /// A place in [`Taught::events`].
    pub event: usize,
    /// Before it is tempered.
    pub together: Together,
}

/// What cross-validation found.
#[derive(Debug, Clone)]
pub struct Choice {
    /// The recipe.
    pub recipe: Recipe,
    /// How sharp its events' answers are to be.
    pub sharpness: f32,
    /// Its answers.
    pub out_of_fold: Vec<OutOfFold>,
    /// Its loss: cross-entropy in nats, each class with the same weight.
    pub loss: f64,
}

/// What all folds' heads say of the samples that they were not fitted on.
struct Trials {
    /// A shrinkage and a cosine's scale each, in this order.
    near: Vec<Told>,
    /// A ridge each.
    likely: Vec<Told>,
    tally: Tally,
}

/// Chooses by the loss of whole events, in turn: the cosine alone, the regression alone, how much of each, and when an event
/// is blank. `impression` is that of the samples' space.
pub fn choose(
    taught: &Taught,
    samples: &Samples,
    folds: &[Option<usize>],
    impression: f64,
) -> Result<Choice, FitError> {
    let prior = Recipe { impression, ..Recipe::PRIOR };
    let trials = Trials::run(samples, folds, Tally::of(taught))?;
    let trial = |recipe: Recipe| {
        let answers = trials.answers(&recipe);
        Trial::of(taught, samples, folds, recipe, &answers)
    };
    let best = |recipes: Vec<Recipe>| {
        let losses = side_by_side(recipes.len(), |i| trial(recipes[i]).losses.loss);
        let tried = recipes.into_iter().zip(losses);
        tried.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(prior, |it| it.0)
    };
    let cosines = Recipe::SHRINKAGES.iter().flat_map(|&shrinkage| {
        Recipe::COSINE_SCALES.map(|cosine_scale| Recipe { shrinkage, cosine_scale, share: 0.0, ..prior })
    });
    let near = best(cosines.collect());
    let likely = best(Recipe::RIDGES.map(|ridge| Recipe { ridge, share: 1.0, ..near }).to_vec());
    let mixed = best(Recipe::SHARES.map(|share| Recipe { share, ..likely }).to_vec());
    let found = trial(best(Recipe::BLANKS.map(|blank| Recipe { blank, ..mixed }).to_vec()));
    let prior = trial(prior);
    let chosen = if prior.losses.is_as_good_as(&found.losses) { prior } else { found };
    Ok(Choice {
        recipe: chosen.recipe,
        sharpness: chosen.losses.sharpness,
        out_of_fold: chosen.out_of_fold,
        loss: chosen.losses.loss,
    })
}

/// One fold's share of the trials.
struct Fold {
    /// Places of its samples.
    asked: Vec<usize>,
    /// See [`Trials`].
    near: Vec<Told>,
    likely: Vec<Told>,
}

impl Fold {
    /// What heads say of `asked` that are fitted on all others.
    fn run(samples: &Samples, asked: Vec<usize>, all: &Moments, tally: &Tally) -> Result<Fold, FitError> {
        let mut is_asked = vec![false; samples.class.len()];
        asked.iter().for_each(|&i| is_asked[i] = true);
        let (fitted, own) = (samples.only(|i| !is_asked[i]), samples.only(|i| is_asked[i]));
        let scatter = all.less(&Moments::of(&own)).scatter();
        let mut near = Vec::new();
        for shrinkage in Recipe::SHRINKAGES {
            let cosines = scatter.whitened(shrinkage)?.cosines(&own.x);
            near.extend(Recipe::COSINE_SCALES.map(|scale| Told::by_cosines(&cosines, scale)));
        }
        let (design, mut last) = (Design::new(&fitted), None);
        let likely = Recipe::RIDGES.map(|ridge| {
            let logistic = design.fit(ridge, last.as_ref(), Care::Trial);
            let told = Told::by_logits(&logistic.scores(&own.x), tally);
            last = Some(logistic);
            told
        });
        Ok(Fold { asked, near, likely: likely.to_vec() })
    }
}

impl Trials {
    fn run(samples: &Samples, folds: &[Option<usize>], tally: Tally) -> Result<Trials, FitError> {
        let (n, n_classes) = (samples.class.len(), samples.n_classes);
        let all = Moments::of(samples);
        let done = side_by_side(N_FOLDS, |fold| {
            let asked: Vec<usize> = (0..n).filter(|&i| folds[samples.event[i]] == Some(fold)).collect();
            (!asked.is_empty()).then(|| Fold::run(samples, asked, &all, &tally)).transpose()
        });
        let nothing = |n_settings: usize| vec![Told::nothing(n_classes, n); n_settings];
        let n_near = Recipe::SHRINKAGES.len() * Recipe::COSINE_SCALES.len();
        let mut trials = Trials { near: nothing(n_near), likely: nothing(Recipe::RIDGES.len()), tally };
        for fold in done {
            let Some(fold) = fold? else { continue };
            trials.near.iter_mut().zip(&fold.near).for_each(|(to, from)| to.put(&fold.asked, from));
            trials.likely.iter_mut().zip(&fold.likely).for_each(|(to, from)| to.put(&fold.asked, from));
        }
        Ok(trials)
    }

    /// Probabilities of each sample's classes.
    fn answers(&self, recipe: &Recipe) -> Vec<(Vec<f32>, Closeness)> {
        let place = |all: &[f64], it: f64| all.iter().position(|x| *x == it).unwrap_or(0);
        let scale = place(&Recipe::COSINE_SCALES, recipe.cosine_scale);
        let near = place(&Recipe::SHRINKAGES, recipe.shrinkage) * Recipe::COSINE_SCALES.len() + scale;
        let likely = place(&Recipe::RIDGES, recipe.ridge);
        both_told(recipe, &self.near[near], &self.likely[likely], &self.tally)
    }
}

/// A recipe and what it said of the events.
struct Trial {
    recipe: Recipe,
    out_of_fold: Vec<OutOfFold>,
    losses: Losses,
}

impl Trial {
    fn of(
        taught: &Taught,
        samples: &Samples,
        folds: &[Option<usize>],
        recipe: Recipe,
        answers: &[(Vec<f32>, Closeness)],
    ) -> Trial {
        let mut of_event: Vec<Vec<usize>> = vec![Vec::new(); taught.events.len()];
        samples.event.iter().enumerate().for_each(|(i, &event)| of_event[event].push(i));
        let asked = (0..taught.events.len()).filter(|&it| folds[it].is_some() && !of_event[it].is_empty());
        let out_of_fold: Vec<OutOfFold> = asked
            .map(|event| {
                let answers = of_event[event].iter().map(|&i| (&*answers[i].0, answers[i].1));
                OutOfFold { event, together: Together::of(answers, taught.blank()) }
            })
            .collect();
        let losses = Losses::of(taught, &out_of_fold);
        Trial { recipe, out_of_fold, losses }
    }
}

/// How far answers are from the truth, once they are as sharp as is best.
pub(super) struct Losses {
    /// How sharp that is.
    pub(super) sharpness: f32,
    /// `[answers]`: each event's loss …
    losses: Vec<f64>,
    /// … and weight; they sum to 1.
    weights: Vec<f64>,
    /// All of it: cross-entropy in nats, each class with the same weight.
    pub(super) loss: f64,
}

impl Losses {
    pub(super) fn of(taught: &Taught, out_of_fold: &[OutOfFold]) -> Losses {
        let blank = taught.blank();
        let class = |it: &OutOfFold| taught.events[it.event].class;
        let mut counts = vec![0.0f64; taught.classes.len()];
        out_of_fold.iter().for_each(|it| counts[class(it)] += 1.0);
        let n_asked = counts.iter().filter(|it| **it > 0.0).count().max(1) as f64;
        let weights: Vec<f64> = out_of_fold.iter().map(|it| 1.0 / (counts[class(it)] * n_asked)).collect();
        let logarithms: Vec<Vec<f32>> = out_of_fold.iter().map(|it| logarithms(&it.together)).collect();
        let tempered = |sharpness: f32| -> Vec<f64> {
            let loss = |(it, ln): (&OutOfFold, &Vec<f32>)| {
                -ln_tempered(&it.together, ln, sharpness, class(it), blank).max(LEAST_LN)
            };
            out_of_fold.iter().zip(&logarithms).map(loss).collect()
        };
        let total = |losses: &[f64]| losses.iter().zip(&weights).map(|(loss, weight)| loss * weight).sum::<f64>();
        let all = SHARPNESSES.map(|sharpness| (sharpness, tempered(sharpness)));
        let best = all.into_iter().min_by(|a, b| total(&a.1).total_cmp(&total(&b.1)));
        let (sharpness, losses) = best.unwrap_or((1.0, Vec::new()));
        let loss = if losses.is_empty() { f64::INFINITY } else { total(&losses) };
        Losses { sharpness, losses, weights, loss }
    }

    /// Not worse than others of the same events by more than a standard error of their difference, or nobody can say.
    pub(super) fn is_as_good_as(&self, other: &Losses) -> bool {
        if self.losses.len() < 2 {
            return true;
        }
        let differences: Vec<f64> = self.losses.iter().zip(&other.losses).map(|(a, b)| a - b).collect();
        let mean: f64 = differences.iter().zip(&self.weights).map(|(it, weight)| it * weight).sum();
        let variance: f64 =
            differences.iter().zip(&self.weights).map(|(it, weight)| (weight * (it - mean)).powi(2)).sum();
        mean <= variance.sqrt()
    }
}

/// The least that an event's log-probability counts as.
const LEAST_LN: f64 = -13.8;

/// Of what is said given that something is there.
fn logarithms(together: &Together) -> Vec<f32> {
    together.given_present.iter().map(|it| it.max(f32::MIN_POSITIVE).ln()).collect()
}

/// The logarithm of a class's probability once an answer is [tempered](Together::tempered), without making all of it.
fn ln_tempered(together: &Together, ln: &[f32], sharpness: f32, class: usize, blank: Option<usize>) -> f64 {
    if blank == Some(class) {
        return f64::from(1.0 - together.presence).ln();
    }
    let top = ln.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let there = ln.iter().zip(&together.given_present).filter(|it| *it.1 > 0.0);
    let sum: f32 = there.map(|it| exp(sharpness * (it.0 - top))).sum();
    f64::from(together.presence).ln() + f64::from(sharpness * (ln[class] - top)) - f64::from(sum).ln()
}

/// Cross-entropy of an event, nats.
pub fn loss(together: &Together, class: usize, blank: Option<usize>) -> f64 {
    -f64::from(together.probability(class, blank)).ln().max(LEAST_LN)
}

/// What heads of a recipe say of the events that `learned` has: each is fitted on those less one fold, and asked those of
/// that fold.
pub fn cross_answers(
    taught: &Taught,
    samples: &Samples,
    folds: &[Option<usize>],
    recipe: &Recipe,
    learned: impl Fn(usize) -> bool + Sync,
) -> Result<Vec<OutOfFold>, FitError> {
    let done = side_by_side(N_FOLDS, |fold| -> Result<Vec<OutOfFold>, FitError> {
        let of_fold = |i: usize| folds[samples.event[i]] == Some(fold);
        let asked = samples.only(|i| of_fold(i) && learned(samples.event[i]));
        let fitted = samples.only(|i| !of_fold(i) && learned(samples.event[i]));
        if asked.class.is_empty() || fitted.class.is_empty() {
            return Ok(Vec::new());
        }
        let cosines = Scatter::of(&fitted).whitened(recipe.shrinkage)?.cosines(&asked.x);
        let logits = Logistic::fit(&fitted, recipe.ridge, None, Care::Trial).scores(&asked.x);
        let answers = answers(recipe, &cosines, &logits, &Tally::of(taught));
        Ok(by_event(&asked, &answers, taught.blank()))
    });
    let mut out_of_fold = Vec::new();
    for fold in done {
        out_of_fold.extend(fold?);
    }
    out_of_fold.sort_by_key(|it| it.event);
    Ok(out_of_fold)
}
