//! What a challenger and the head that serves say of the same events, none of which either was fitted on: what the judge
//! judges by. Nothing here is read or written; how the challenger was made does not matter.

use std::collections::HashSet;

use crate::domain::Modality;
use crate::infer::learned::Learned;
use crate::infer::space::kind;
use crate::infer::together::Together;
use crate::infer::unknown::Unknown;

use super::fit::{FitError, Fitted};
use super::folds::folds;
use super::judge::{Bout, Contest, Lessons, Stated, Stranger};
use super::recipe::{OutOfFold, Recipe, cross_answers, loss};
use super::strangers::strangers;
use super::taught::{Samples, Taught};

/// Events at which a head is asked what it was taught, at most: they show whether it is the one that was tried.
const MAX_LESSONS: usize = 500;

/// The head that serves, where people have taught it on this featurizer.
#[derive(Debug)]
pub struct Serving<'a> {
    /// Its classes' names.
    pub classes: Vec<&'a str>,
    /// Names of the events that it was fitted on.
    pub events: HashSet<&'a str>,
    /// How it was made.
    pub recipe: Recipe,
    /// How sharp its events' answers are.
    pub sharpness: f32,
    /// Where unknown begins.
    pub unknown: Unknown,
    /// What it computes.
    pub learned: &'a Learned,
}

/// Both heads' answers.
pub fn contest(
    taught: &Taught,
    fitted: &Fitted,
    serving: Option<&Serving<'_>>,
    protected: &[String],
) -> Result<Contest, FitError> {
    let blank = taught.blank();
    let own = |it: &OutOfFold| stated(taught, it, fitted.choice.sharpness, &fitted.border.unknown);
    let samples = serving.map(|_| taught.samples(&fitted.learned.space));
    let theirs: Vec<Option<Stated>> = match serving.zip(samples.as_ref()) {
        Some((serving, samples)) => {
            let answers = answers(taught, samples, serving)?;
            let stated = |it: &OutOfFold| stated(taught, it, serving.sharpness, &serving.unknown);
            answers.iter().map(|it| it.as_ref().map(stated)).collect()
        }
        None => majority(taught).into_iter().map(Some).collect(),
    };
    let bouts = fitted.choice.out_of_fold.iter().filter_map(|it| {
        let event = &taught.events[it.event];
        let views: Vec<_> = event.frames.iter().flat_map(|it| &it.views).collect();
        let n_infrared = views.iter().filter(|it| it.modality == Modality::Infrared).count();
        Some(Bout {
            class: event.class,
            group: event.group.clone(),
            camera: event.camera.clone(),
            infrared: 2 * n_infrared > views.len(),
            serving: theirs[it.event]?,
            challenger: own(it),
        })
    });
    let bouts = bouts.collect();
    let known = |name: &str| serving.is_none_or(|it| it.classes.contains(&name));
    let strange = match serving.zip(samples.as_ref()) {
        Some((serving, samples)) => {
            let learned = |event: usize| serving.events.contains(&*taught.events[event].id);
            let theirs = strangers(taught, samples, &serving.recipe, None, learned)?;
            let mut of_event: Vec<Option<Stated>> = vec![None; taught.events.len()];
            for it in &theirs {
                of_event[it.event] = Some(stated(taught, it, serving.sharpness, &serving.unknown));
            }
            let both = fitted.border.strangers.iter();
            both.filter_map(|it| Some(Stranger { serving: of_event[it.event]?, challenger: own(it) })).collect()
        }
        None => Vec::new(),
    };
    Ok(Contest {
        classes: taught.classes.iter().map(|it| it.name.to_string()).collect(),
        blank,
        first: serving.is_none(),
        new: taught.classes.iter().map(|it| !known(&it.name)).collect(),
        protected: taught.classes.iter().map(|it| protected.iter().any(|name| **name == *it.name)).collect(),
        n_events: taught.n_events(),
        bouts,
        strangers: strange,
        lessons: Some(lessons(taught, fitted)),
    })
}

/// What a head of that sharpness and border says of an event.
fn stated(taught: &Taught, it: &OutOfFold, sharpness: f32, unknown: &Unknown) -> Stated {
    let (blank, class) = (taught.blank(), taught.events[it.event].class);
    let tempered = it.together.clone().tempered(sharpness);
    let answer = tempered.answer(blank);
    let probability = tempered.top().map_or(0.0, |it| tempered.given_present[it]);
    Stated {
        loss: loss(&tempered, class, blank),
        answer: answer.unwrap_or(usize::MAX),
        confidence: answer.map_or(0.0, |it| f64::from(tempered.probability(it, blank))),
        strangeness: f64::from(unknown.strangeness(probability, tempered.closeness) - unknown.threshold),
    }
}

/// Before anybody taught it the head knows none of the names: what always answering the commonest class would say.
fn majority(taught: &Taught) -> Vec<Stated> {
    let n_events = taught.n_events();
    let most = (0..n_events.len()).max_by_key(|it| n_events[*it]).unwrap_or_default();
    let loss = (n_events.iter().filter(|it| **it > 0).count().max(1) as f64).ln();
    taught.events.iter().map(|_| Stated { loss, answer: most, ..Stated::default() }).collect()
}

/// The serving head's answers, by event: its own where it was not fitted on the event, else those of heads of its recipe
/// that were fitted on its other events.
fn answers(taught: &Taught, samples: &Samples, serving: &Serving<'_>) -> Result<Vec<Option<OutOfFold>>, FitError> {
    let learned = |event: usize| serving.events.contains(&*taught.events[event].id);
    let mut answers: Vec<Option<OutOfFold>> = vec![None; taught.events.len()];
    for it in cross_answers(taught, samples, &folds(taught), &serving.recipe, learned)? {
        let at = it.event;
        answers[at] = Some(it);
    }
    // Where each of its classes stands among those of the challenger.
    let place = |name: &str| taught.classes.iter().position(|it| &*it.name == name);
    let places: Vec<Option<usize>> = serving.classes.iter().map(|it| place(it)).collect();
    for event in (0..taught.events.len()).filter(|event| !learned(*event)) {
        let together = by_itself(taught, event, serving.learned, &places);
        answers[event] = Some(OutOfFold { event, together });
    }
    Ok(answers)
}

/// What a head itself says of an event; `places` are those of its classes among the taught ones.
fn by_itself(taught: &Taught, event: usize, learned: &Learned, places: &[Option<usize>]) -> Together {
    let of_views = taught.events[event].frames.iter().flat_map(|it| &it.views).map(|view| {
        let answer = learned.answer(&view.features, kind(view.modality, view.view));
        let mut probabilities = vec![0.0; taught.classes.len()];
        for (place, it) in places.iter().zip(&answer.probabilities) {
            place.iter().for_each(|&place| probabilities[place] += it);
        }
        (probabilities, answer.closeness)
    });
    let of_views: Vec<(Vec<f32>, f32)> = of_views.collect();
    Together::of(of_views.iter().map(|it| (&*it.0, it.1)), taught.blank())
}

/// Whether the challenger names what it was taught at least as well as its trials named what they were not.
fn lessons(taught: &Taught, fitted: &Fitted) -> Lessons {
    let places: Vec<Option<usize>> = (0..taught.classes.len()).map(Some).collect();
    let out_of_fold = &fitted.choice.out_of_fold;
    let every = out_of_fold.len().div_ceil(MAX_LESSONS).max(1);
    let mut lessons = Lessons::default();
    for it in out_of_fold.iter().step_by(every) {
        let (class, blank) = (taught.events[it.event].class, taught.blank());
        let own = by_itself(taught, it.event, &fitted.learned, &places);
        lessons.asked += 1;
        lessons.right += usize::from(own.answer(blank) == Some(class));
        lessons.right_in_trials += usize::from(it.together.answer(blank) == Some(class));
    }
    lessons
}

#[cfg(test)]
mod tests;
