//! Where `unknown` begins: each species is left out of the fit in turn, and plays the stranger.

use faer::Mat;

use crate::infer::together::Together;
use crate::infer::unknown::Unknown;

use super::fit::FitError;
use super::logistic::{Care, Logistic};
use super::recipe::{Choice, OutOfFold, Recipe, answers_of, by_event, offsets};
use super::score::auroc;
use super::side_by_side::side_by_side;
use super::taught::{Samples, Taught};
use super::whitened::Moments;

/// Share of the events of known species that may be called unknown.
pub const FALSE_REJECTS: f64 = 0.05;
/// What holds while there is nothing to learn it from.
const PRIOR: Unknown = Unknown { of_distance: 4.0, of_doubt: 1.0, threshold: 3.5 };
/// Penalty of the two weights: they are few, and what they are fitted on is many events.
const RIDGE: f64 = 1e-3;

/// Where unknown begins, and how well that tells strangers.
#[derive(Debug, Clone)]
pub struct Border {
    /// The border.
    pub unknown: Unknown,
    /// Of the species left out in turn against the known events; none where there were none.
    pub auroc: Option<f64>,
    /// What heads said of these events that were never taught their species.
    pub strangers: Vec<OutOfFold>,
}

/// An event as the border sees it.
struct Point {
    probability: f32,
    closeness: f32,
    /// Each species weighs the same, and so do strangers and known.
    weight: f64,
}

/// Finds the border for a head of that choice, whose regression on all samples is `logistic`.
pub fn border(taught: &Taught, samples: &Samples, choice: &Choice, logistic: &Logistic) -> Result<Border, FitError> {
    let blank = taught.blank();
    let n_events = taught.n_events();
    let point = |together: &Together, class: usize| {
        let tempered = together.clone().tempered(choice.sharpness);
        let probability = tempered.top().map_or(0.0, |it| tempered.given_present[it]);
        Point { probability, closeness: together.closeness, weight: 1.0 / n_events[class] as f64 }
    };
    let of_animals = choice.out_of_fold.iter().filter(|it| Some(taught.events[it.event].class) != blank);
    let known: Vec<Point> = of_animals.map(|it| point(&it.together, taught.events[it.event].class)).collect();
    let left_out = strangers(taught, samples, &choice.recipe, Some(logistic), |_| true)?;
    let strangers: Vec<Point> = left_out.iter().map(|it| point(&it.together, taught.events[it.event].class)).collect();
    if known.is_empty() || strangers.is_empty() {
        return Ok(Border { unknown: PRIOR, auroc: None, strangers: left_out });
    }
    let unknown = Unknown { threshold: 0.0, ..weighed(&known, &strangers) };
    let strangeness = |it: &Point| f64::from(unknown.strangeness(it.probability, it.closeness));
    let mut of_known: Vec<f64> = known.iter().map(strangeness).collect();
    of_known.sort_by(f64::total_cmp);
    // The split-conformal quantile: of n known events, and one more, as many as may be are beyond it.
    let place = ((of_known.len() + 1) as f64 * (1.0 - FALSE_REJECTS)).ceil() as usize;
    let threshold = of_known[place.min(of_known.len()) - 1] as f32;
    let auroc = auroc(known.iter().map(strangeness), strangers.iter().map(strangeness));
    Ok(Border { unknown: Unknown { threshold, ..unknown }, auroc, strangers: left_out })
}

/// What heads of a recipe say of the events that `learned` has, each of a head that was taught all these but the events
/// of its species; `logistic` is the regression on all of them, where there is one already.
pub fn strangers(
    taught: &Taught,
    samples: &Samples,
    recipe: &Recipe,
    logistic: Option<&Logistic>,
    learned: impl Fn(usize) -> bool,
) -> Result<Vec<OutOfFold>, FitError> {
    let samples = samples.only(|i| learned(samples.event[i]));
    let mut n_events = vec![0; taught.classes.len()];
    (0..taught.events.len()).filter(|it| learned(*it)).for_each(|it| n_events[taught.events[it].class] += 1);
    let blank = taught.blank();
    let classes: Vec<usize> = (0..n_events.len()).filter(|&it| n_events[it] > 0 && Some(it) != blank).collect();
    // With one species left there is nothing that a stranger could be taken for.
    if classes.len() < 3 {
        return Ok(Vec::new());
    }
    let logistic = match logistic {
        Some(logistic) => logistic.clone(),
        None => Logistic::fit(&samples, recipe.ridge, None, Care::Trial),
    };
    let (all, offsets) = (Moments::of(&samples), offsets(&n_events));
    let of_class = side_by_side(classes.len(), |i| -> Result<Vec<OutOfFold>, FitError> {
        let is_of = |sample: usize| taught.events[samples.event[sample]].class == classes[i];
        let (rest, asked) = (samples.only(|i| !is_of(i)), samples.only(is_of));
        let scatter = all.less(&Moments::of(&asked)).scatter();
        let cosines = scatter.whitened(recipe.shrinkage)?.cosines(&asked.x);
        let start = logistic.without(classes[i]);
        let logits = Logistic::fit(&rest, recipe.ridge, Some(&start), Care::Trial).scores(&asked.x);
        Ok(by_event(&asked, &answers_of(recipe, &cosines, &logits, &offsets), blank))
    });
    let mut strangers = Vec::new();
    for it in of_class {
        strangers.extend(it?);
    }
    Ok(strangers)
}

/// The weights that tell strangers from known events best.
fn weighed(known: &[Point], strangers: &[Point]) -> Unknown {
    let all: Vec<(&Point, usize)> = known.iter().map(|it| (it, 0)).chain(strangers.iter().map(|it| (it, 1))).collect();
    let x = Mat::from_fn(all.len(), 2, |i, j| match j {
        0 => f64::from(1.0 - all[i].0.closeness),
        _ => f64::from(-all[i].0.probability.max(1e-6).ln()),
    });
    let class: Vec<usize> = all.iter().map(|it| it.1).collect();
    let weight: Vec<f64> = all.iter().map(|it| it.0.weight).collect();
    let samples = Samples { x, event: (0..class.len()).collect(), class, weight, n_classes: 2 };
    let weights = Logistic::fit(&samples, RIDGE, None, Care::Final).weights();
    // Nothing is the less strange for being further away, or less sure.
    Unknown {
        of_distance: (weights[2] - weights[0]).max(0.0),
        of_doubt: (weights[3] - weights[1]).max(0.0),
        threshold: 0.0,
    }
}
