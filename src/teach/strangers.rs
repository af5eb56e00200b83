//! Where `unknown` begins: each species is left out of the fit in turn, and plays the stranger.

use faer::Mat;

use crate::infer::together::Together;
use crate::infer::unknown::Unknown;

use super::answers::{Tally, answers, by_event};
use super::fit::FitError;
use super::logistic::{Care, Logistic};
use super::recipe::{Choice, OutOfFold, Recipe};
use super::score::auroc;
use super::side_by_side::side_by_side;
use super::taught::{Samples, Taught};
use super::whitened::Moments;

/// Share of the events of known species that may be called unknown.
pub const FALSE_REJECTS: f64 = 0.05;
/// What holds while there is nothing to learn it from.
const PRIOR: Unknown =
    Unknown { of_distance: 4.0, of_doubt: 1.0, of_lead: 0.0, of_second: 0.0, threshold: 3.5, reach: None };
/// How many signs of a stranger there are.
const N_SIGNS: usize = 4;
/// Penalty of their weights: they are few, and what they are fitted on is many events.
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

/// Finds the border for a head of that choice, whose regression on all samples is `logistic`.
pub fn border(taught: &Taught, samples: &Samples, choice: &Choice, logistic: &Logistic) -> Result<Border, FitError> {
    let strangers = strangers(taught, samples, &choice.recipe, Some(logistic), |_| true)?;
    let tempered = |it: &OutOfFold| (it.event, it.together.clone().tempered(choice.sharpness));
    let known = choice.out_of_fold.iter().map(tempered);
    let (unknown, auroc) = drawn(taught, known, strangers.iter().map(tempered));
    Ok(Border { unknown, auroc, strangers })
}

/// Draws the border between the answers to known events and to strangers, each with its event's place, as sure as they
/// are right. Events in which nothing is are left out.
pub(super) fn drawn(
    taught: &Taught,
    known: impl Iterator<Item = (usize, Together)>,
    strangers: impl Iterator<Item = (usize, Together)>,
) -> (Unknown, Option<f64>) {
    let (blank, n_events) = (taught.blank(), taught.n_events());
    let class = |event: usize| taught.events[event].class;
    let point = |(event, together)| Point { together, weight: 1.0 / n_events[class(event)] as f64 };
    let known: Vec<Point> = known.filter(|it| Some(class(it.0)) != blank).map(point).collect();
    let strangers: Vec<Point> = strangers.map(point).collect();
    if known.is_empty() || strangers.is_empty() {
        return (PRIOR, None);
    }
    let unknown = weighed(&known, &strangers);
    let strangeness = |it: &Point| f64::from(unknown.strangeness(&it.together));
    let threshold = reached(known.iter().map(strangeness));
    let reach = Some(reached(known.iter().map(|it| f64::from(it.together.signs()[0]))));
    let auroc = auroc(known.iter().map(strangeness), strangers.iter().map(strangeness));
    (Unknown { threshold, reach, ..unknown }, auroc)
}

/// The split-conformal quantile: of these, and one more, as many as may be called unknown are beyond it.
fn reached(of_known: impl Iterator<Item = f64>) -> f32 {
    let mut of_known: Vec<f64> = of_known.collect();
    of_known.sort_by(f64::total_cmp);
    let place = ((of_known.len() + 1) as f64 * (1.0 - FALSE_REJECTS)).ceil() as usize;
    of_known[place.min(of_known.len()) - 1] as f32
}

/// An event as the border sees it.
struct Point {
    together: Together,
    /// Each species weighs the same, and so do strangers and known.
    weight: f64,
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
    let all = Moments::of(&samples);
    let of_class = side_by_side(classes.len(), |i| -> Result<Vec<OutOfFold>, FitError> {
        let is_of = |sample: usize| taught.events[samples.event[sample]].class == classes[i];
        let (rest, asked) = (samples.only(|i| !is_of(i)), samples.only(is_of));
        let scatter = all.less(&Moments::of(&asked)).scatter();
        let cosines = scatter.whitened(recipe.shrinkage)?.cosines(&asked.x);
        let start = logistic.without(classes[i]);
        let logits = Logistic::fit(&rest, recipe.ridge, Some(&start), Care::Trial).scores(&asked.x);
        let mut tally = Tally { n_events: n_events.clone(), blank };
        tally.n_events[classes[i]] = 0;
        Ok(by_event(&asked, &answers(recipe, &cosines, &logits, &tally), blank))
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
    let x = Mat::from_fn(all.len(), N_SIGNS, |i, j| f64::from(all[i].0.together.signs()[j]));
    let class: Vec<usize> = all.iter().map(|it| it.1).collect();
    let weight: Vec<f64> = all.iter().map(|it| it.0.weight).collect();
    let samples = Samples { x, event: (0..class.len()).collect(), class, weight, n_classes: 2 };
    let weights = Logistic::fit(&samples, RIDGE, None, Care::Final).weights();
    // Nothing is the less strange for being further away, or less sure.
    let of = |sign: usize| (weights[N_SIGNS + sign] - weights[sign]).max(0.0);
    Unknown { of_distance: of(0), of_doubt: of(1), of_lead: of(2), of_second: of(3), threshold: 0.0, reach: None }
}
