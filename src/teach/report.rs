//! Is transfer right here? What the features of a network that was trained elsewhere are worth on a site's own pictures.
//!
//! By colour and by infrared, with the very head that serves, cross-validated over events: against the commonest class, the
//! pictures' raw pixels, and a network of the same build that has learned nothing; every installed featurizer beside the
//! others; at cameras that were not taught, and in the other light; with more events and fewer. Shuffled labels are the
//! control: there all must be chance.

pub mod curve;
pub mod elsewhere;
pub mod figures;
pub mod gather;
pub mod sights;
pub mod verdict;

use std::collections::BTreeMap;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::infer::featurizer::FeaturizerError;

use super::contest::is_infrared;
use super::fit::{FitError, cross_validated};
use super::recipe::{Choice, Recipe};
use super::taught::Taught;
use curve::{Curve, Pace, curve};
use elsewhere::{Elsewhere, other_cameras, other_light};
use figures::{Asked, Figure, difference, figure};
use gather::Gathered;
use sights::{Kind, Sight};
use verdict::{Case, Verdict, advice, verdict};

/// Events from which on anything is said of a modality.
const MIN_EVENTS: usize = 8;
/// Events of a class from which on its recall is spoken of.
const MANY: usize = 5;

/// There is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A featurizer cannot be used.
    #[error(transparent)]
    Featurizer(#[from] FeaturizerError),
    /// A head cannot be fitted.
    #[error(transparent)]
    Fit(#[from] FitError),
}

/// The report.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// Pictures that were looked at.
    pub pictures: usize,
    /// Their events.
    pub events: usize,
    /// Labelled events that were not, as they are too many.
    pub left_out_events: usize,
    /// Pictures that could not be read.
    pub unread: usize,
    /// By colour.
    pub colour: OfLight,
    /// By infrared.
    pub infrared: OfLight,
    /// Taught by colour, asked by infrared.
    pub colour_to_infrared: Option<Elsewhere>,
    /// Taught by infrared, asked by colour.
    pub infrared_to_colour: Option<Elsewhere>,
}

/// What is said of a modality.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct OfLight {
    /// Its events by class.
    pub classes: BTreeMap<String, usize>,
    /// None where there is too little to say anything.
    pub said: Option<Said>,
    /// Why there is nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why_not: Option<String>,
}

/// What there is to say.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Said {
    /// Of the featurizer that serves.
    pub verdict: Verdict,
    /// Events that were asked about: the only event of a class is never.
    pub asked: usize,
    /// Who always says the commonest class.
    pub majority: Scores,
    /// Every sight; the first serves.
    pub sights: Vec<OfSight>,
    /// The features that serve, with labels that were shuffled.
    pub shuffled: Scores,
    /// At cameras that were not taught; none where there are fewer than two, or too little is shared.
    pub other_cameras: Option<Elsewhere>,
    /// With few events and with more.
    pub curve: Option<Curve>,
}

/// Of one sight.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OfSight {
    /// Which.
    #[serde(flatten)]
    pub sight: Sight,
    /// How right its head is.
    #[serde(flatten)]
    pub scores: Scores,
    /// Its balanced accuracy less that of the one that serves; none of that itself.
    pub difference: Option<Figure>,
}

/// How right answers are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scores {
    /// Share of right answers, by event.
    pub accuracy: f64,
    /// Mean of the classes' recalls.
    pub balanced_accuracy: Figure,
}

/// A modality and what came of its cross-validation, for the other to be compared with.
struct Light {
    taught: Taught,
    recipe: Recipe,
    right: Vec<Option<bool>>,
}

/// Reports on what was gathered with these sights.
pub fn report(gathered: &Gathered, sights: &[Sight]) -> Result<Report, ReportError> {
    let infrared: Vec<bool> =
        gathered.seen.first().map_or_else(Vec::new, |it| it.events.iter().map(is_infrared).collect());
    let part = |wanted: bool| -> Vec<Taught> {
        gathered.seen.iter().map(|it| it.only(|event| infrared[event] == wanted)).collect()
    };
    let (colour, by_colour) = of_light(part(false), sights)?;
    let (infrared, by_infrared) = of_light(part(true), sights)?;
    let (mut there, mut back) = (None, None);
    if let Some((colour, infrared)) = by_colour.as_ref().zip(by_infrared.as_ref()) {
        there = other_light(&infrared.taught, &colour.taught, &colour.recipe, &infrared.right)?;
        back = other_light(&colour.taught, &infrared.taught, &infrared.recipe, &colour.right)?;
    }
    Ok(Report {
        pictures: gathered.pictures,
        events: gathered.seen.first().map_or(0, |it| it.events.len()),
        left_out_events: gathered.left_out,
        unread: gathered.unread.len(),
        colour,
        infrared,
        colour_to_infrared: there,
        infrared_to_colour: back,
    })
}

fn of_light(mut seen: Vec<Taught>, sights: &[Sight]) -> Result<(OfLight, Option<Light>), ReportError> {
    let Some(first) = seen.first() else { return Ok((OfLight::default(), None)) };
    let n_events = first.n_events();
    let shown = first.classes.iter().zip(&n_events).filter(|it| *it.1 > 0);
    let classes = shown.map(|(class, n)| (class.name.to_string(), *n)).collect();
    let twice = n_events.iter().filter(|it| **it > 1).count();
    if first.events.len() < MIN_EVENTS || twice < 2 {
        let why = format!(
            "{} events, and {twice} classes with more than one: at least {MIN_EVENTS} events are needed, and two such classes",
            first.events.len()
        );
        return Ok((OfLight { classes, said: None, why_not: Some(why) }, None));
    }
    let choices = seen.iter().map(cross_validated).collect::<Result<Vec<Choice>, FitError>>()?;
    let mut rights: Vec<Vec<Option<bool>>> = seen.iter().zip(&choices).map(|it| right(it.0, it.1)).collect();
    let taught = seen.swap_remove(0);
    let (asked, places) = asked(&taught, &rights[0]);
    let of = |right: &[Option<bool>]| -> Vec<bool> { places.iter().map(|&it| right[it].unwrap_or(false)).collect() };
    let draws: Vec<Vec<f64>> = rights.iter().map(|it| asked.balanced(&of(it))).collect();
    let always = asked.always_one();
    let baselines = sights
        .iter()
        .zip(&draws)
        .filter(|it| matches!(it.0.kind, Kind::Untrained | Kind::Pixels))
        .map(|it| it.1.clone());
    let shuffled = control(&taught)?;
    let baselines: Vec<Vec<f64>> = baselines.chain([always.clone()]).collect();
    let mut verdict = verdict(&draws[0], &baselines, &shuffled.balanced_accuracy);
    let of_sight = |(i, sight): (usize, &Sight)| OfSight {
        sight: sight.clone(),
        scores: Scores { accuracy: asked.accuracy(&of(&rights[i])), balanced_accuracy: figure(&draws[i]) },
        difference: (i > 0).then(|| figure(&difference(&draws[i], &draws[0]))),
    };
    let of_sights: Vec<OfSight> = sights.iter().enumerate().map(of_sight).collect();
    let recipe = choices[0].recipe;
    let other_cameras = other_cameras(&taught, &recipe, &rights[0])?;
    let curve = curve(&taught, &Pace::WHOLE)?;
    verdict.advice = advice(&verdict, &case(&taught, &rights[0], &of_sights, other_cameras.as_ref(), curve.as_ref()));
    let most = n_events.iter().max().copied().unwrap_or(0);
    let said = Said {
        verdict,
        asked: asked.len(),
        majority: Scores { accuracy: most as f64 / taught.events.len() as f64, balanced_accuracy: figure(&always) },
        sights: of_sights,
        shuffled,
        other_cameras,
        curve,
    };
    let light = Light { taught, recipe, right: rights.swap_remove(0) };
    Ok((OfLight { classes, said: Some(said), why_not: None }, Some(light)))
}

/// Which events were named rightly out of fold; none for those that were not asked about.
fn right(taught: &Taught, choice: &Choice) -> Vec<Option<bool>> {
    let mut right = vec![None; taught.events.len()];
    for it in &choice.out_of_fold {
        right[it.event] = Some(it.together.answer(taught.blank()) == Some(taught.events[it.event].class));
    }
    right
}

/// The events that were asked about, and their places.
fn asked(taught: &Taught, right: &[Option<bool>]) -> (Asked, Vec<usize>) {
    let places: Vec<usize> = (0..taught.events.len()).filter(|it| right[*it].is_some()).collect();
    let groups: Vec<&str> = places.iter().map(|&it| &*taught.events[it].group).collect();
    (Asked::new(places.iter().map(|&it| taught.events[it].class).collect(), &groups), places)
}

/// With each event called by the class of another.
fn control(taught: &Taught) -> Result<Scores, FitError> {
    let mut shuffled = taught.clone();
    let mut classes: Vec<usize> = shuffled.events.iter().map(|it| it.class).collect();
    classes.shuffle(&mut ChaCha8Rng::seed_from_u64(0));
    for (event, class) in shuffled.events.iter_mut().zip(classes) {
        event.class = class;
        event.frames.iter_mut().for_each(|it| it.class = class);
    }
    let right = right(&shuffled, &cross_validated(&shuffled)?);
    let (asked, places) = asked(&shuffled, &right);
    let right: Vec<bool> = places.iter().filter_map(|&it| right[it]).collect();
    Ok(Scores { accuracy: asked.accuracy(&right), balanced_accuracy: figure(&asked.balanced(&right)) })
}

/// What there is to give advice on.
fn case<'a>(
    taught: &'a Taught,
    right: &[Option<bool>],
    sights: &'a [OfSight],
    elsewhere: Option<&Elsewhere>,
    curve: Option<&Curve>,
) -> Case<'a> {
    let n_events = taught.n_events();
    let recall = |class: usize| {
        let own = taught.events.iter().zip(right).filter(|it| it.0.class == class).filter_map(|it| *it.1);
        own.clone().filter(|it| *it).count() as f64 / own.count().max(1) as f64
    };
    let many = (0..n_events.len()).filter(|it| n_events[*it] >= MANY);
    let worst = many.map(|it| (&*taught.classes[it].name, recall(it))).min_by(|a, b| a.1.total_cmp(&b.1));
    let trained = sights.iter().filter(|it| it.sight.kind == Kind::Featurizer && it.sight.name != sights[0].sight.name);
    let better = trained.filter(|it| it.difference.is_some_and(|it| it.low > 0.0));
    let better = better.max_by(|a, b| a.scores.balanced_accuracy.value.total_cmp(&b.scores.balanced_accuracy.value));
    Case {
        serving: &sights[0].sight.name,
        better: better.map(|it| &*it.sight.name),
        fewest: n_events.iter().filter(|it| **it > 1).min().copied().unwrap_or(0),
        worst,
        next_point: curve.and_then(|it| it.next_point_events).map(|it| it.value),
        lost_elsewhere: elsewhere.map(|it| it.difference).filter(|it| it.high < 0.0).map(|it| -it.value),
    }
}

#[cfg(test)]
mod tests;
