//! What a head is worth where it was not taught: at another camera, in another light.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::infer::learned::Learned;
use crate::infer::space::kind;
use crate::infer::together::Together;
use crate::teach::fit::{FitError, by_recipe};
use crate::teach::recipe::Recipe;
use crate::teach::taught::{Taught, TaughtEvent};

use super::figures::{Asked, Figure, difference, figure};

/// Cameras that are left out one by one, at most; more are left out together.
const MAX_CAMERAS: usize = 12;
/// Events from which on anything is said.
const MIN_EVENTS: usize = 5;

/// Heads that were taught elsewhere against heads that were taught there too, on the same events.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Elsewhere {
    /// Events that were asked about: their species were taught elsewhere.
    pub events: usize,
    /// Classes among them.
    pub classes: usize,
    /// Balanced accuracy of who was taught elsewhere.
    pub balanced_accuracy: Figure,
    /// Of who was taught there too, on other events.
    pub at_home: Figure,
    /// The difference of the two: below 0 something is lost.
    pub difference: Figure,
}

/// The answer to an event of a head that was taught these classes.
pub fn answer<'a>(learned: &Learned, taught: &'a Taught, event: &TaughtEvent) -> Option<&'a str> {
    let views = event.frames.iter().flat_map(|it| &it.views);
    let answers: Vec<_> = views.map(|it| learned.answer(&it.features, kind(it.modality, it.view))).collect();
    let blank = taught.blank();
    let together = Together::of(answers.iter().map(|it| (&*it.probabilities, it.closeness)), blank);
    Some(&taught.classes[together.answer(blank)?].name)
}

/// Of each event the answer of a head that was not taught its camera's, where such a head knows its class; none where there
/// is only one camera. `at_home` are right answers, or not, of heads that were taught some of that camera.
pub fn other_cameras(
    taught: &Taught,
    recipe: &Recipe,
    at_home: &[Option<bool>],
) -> Result<Option<Elsewhere>, FitError> {
    let mut cameras: BTreeMap<&str, usize> = BTreeMap::new();
    for it in &taught.events {
        let next = cameras.len();
        cameras.entry(&it.camera).or_insert(next);
    }
    if cameras.len() < 2 {
        return Ok(None);
    }
    let part = |event: usize| cameras[&*taught.events[event].camera] % MAX_CAMERAS;
    let mut right = vec![None; taught.events.len()];
    for out in 0..cameras.len().min(MAX_CAMERAS) {
        asked_of(taught, &taught.only(|it| part(it) != out), recipe, |it| part(it) == out, &mut right)?;
    }
    Ok(compared(taught, &right, at_home))
}

/// Of the events of one light the answers of a head that was taught those of the other alone; `at_home` as above.
pub fn other_light(
    there: &Taught,
    taught: &Taught,
    recipe: &Recipe,
    at_home: &[Option<bool>],
) -> Result<Option<Elsewhere>, FitError> {
    let mut right = vec![None; there.events.len()];
    asked_of(there, taught, recipe, |_| true, &mut right)?;
    Ok(compared(there, &right, at_home))
}

/// Asks a head taught on the one about events of the other of which it knows the class.
fn asked_of(
    there: &Taught,
    taught: &Taught,
    recipe: &Recipe,
    ask: impl Fn(usize) -> bool,
    right: &mut [Option<bool>],
) -> Result<(), FitError> {
    let n_events = taught.n_events();
    let learned = match by_recipe(taught, recipe) {
        Ok(learned) => learned,
        // What is left teaches nothing.
        Err(FitError::NoLabels | FitError::OneClass { .. }) => return Ok(()),
        Err(error) => return Err(error),
    };
    for (i, event) in there.events.iter().enumerate().filter(|it| ask(it.0)) {
        let name = &there.classes[event.class].name;
        let known = taught.classes.iter().zip(&n_events).any(|(class, n)| class.name == *name && *n > 0);
        if known {
            right[i] = Some(answer(&learned, taught, event) == Some(&**name));
        }
    }
    Ok(())
}

/// Both, on the events that both were asked about; none where these are too few, or of one class.
fn compared(taught: &Taught, there: &[Option<bool>], at_home: &[Option<bool>]) -> Option<Elsewhere> {
    let both: Vec<(usize, bool, bool)> =
        (0..taught.events.len()).filter_map(|i| Some((i, there[i]?, at_home[i]?))).collect();
    let class: Vec<usize> = both.iter().map(|it| taught.events[it.0].class).collect();
    let mut classes = class.clone();
    classes.sort_unstable();
    classes.dedup();
    if both.len() < MIN_EVENTS || classes.len() < 2 {
        return None;
    }
    let groups: Vec<&str> = both.iter().map(|it| &*taught.events[it.0].group).collect();
    let asked = Asked::new(class, &groups);
    let there = asked.balanced(&both.iter().map(|it| it.1).collect::<Vec<_>>());
    let home = asked.balanced(&both.iter().map(|it| it.2).collect::<Vec<_>>());
    Some(Elsewhere {
        events: asked.len(),
        classes: classes.len(),
        balanced_accuracy: figure(&there),
        at_home: figure(&home),
        difference: figure(&difference(&there, &home)),
    })
}
