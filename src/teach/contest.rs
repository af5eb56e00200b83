//! What a challenger and the head that serves say of the same events, none of which either was fitted on: what the judge
//! judges by. Nothing here is read or written; how the challenger was made does not matter.

use std::collections::{BTreeMap, HashSet};

use crate::domain::Modality;
use crate::infer::both::fused;
use crate::infer::closeness::Closeness;
use crate::infer::learned::{Answer, Learned};
use crate::infer::space::kind;
use crate::infer::together::Together;
use crate::infer::unknown::Unknown;

use super::both::FittedBoth;
use super::fit::{FitError, Fitted};
use super::folds::folds;
use super::judge::{Bout, Contest, Lessons, Stated, Stranger};
use super::recipe::{OutOfFold, Recipe, cross_answers, loss};
use super::strangers::strangers;
use super::taught::{Samples, Taught, TaughtEvent, TaughtView};

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
    /// What it has of the second featurizer, where it was taught on that.
    pub second: Option<Second<'a>>,
}

/// What a head has of the second featurizer.
#[derive(Debug, Clone, Copy)]
pub struct Second<'a> {
    /// How it was made.
    pub recipe: Recipe,
    /// How much it says.
    pub share: f32,
    /// How sharp the answers of both are.
    pub sharpness: f32,
    /// Where unknown begins for events that both have seen.
    pub unknown: Unknown,
    /// What it computes.
    pub learned: &'a Learned,
}

impl<'a> Serving<'a> {
    /// A head that was just fitted, as if it served.
    fn of(taught: &'a Taught, fitted: &'a Fitted) -> Serving<'a> {
        let alone = &fitted.alone;
        Serving {
            classes: taught.classes.iter().map(|it| &*it.name).collect(),
            events: taught.events.iter().map(|it| &*it.id).collect(),
            recipe: alone.choice.recipe,
            sharpness: alone.choice.sharpness,
            unknown: alone.border.unknown,
            learned: &alone.learned,
            second: fitted.both.as_ref().map(|it| {
                let FittedBoth { recipe, share, sharpness, unknown, ref learned, .. } = *it;
                Second { recipe, share, sharpness, unknown, learned }
            }),
        }
    }

    /// An event's answer, as sure as it is right.
    fn settled(&self, first: Together, second: Option<&Together>, blank: Option<usize>) -> Together {
        match self.second.as_ref().zip(second) {
            Some((it, second)) => fused(&first, second, it.share, blank).tempered(it.sharpness),
            None => first.tempered(self.sharpness),
        }
    }

    /// Answers of both to the events of the first's.
    fn joined(&self, first: Vec<OutOfFold>, second: Vec<OutOfFold>, blank: Option<usize>) -> Vec<OutOfFold> {
        let by_event: BTreeMap<usize, Together> = second.into_iter().map(|it| (it.event, it.together)).collect();
        let settled = |it: OutOfFold| {
            let together = self.settled(it.together, by_event.get(&it.event), blank);
            OutOfFold { event: it.event, together }
        };
        first.into_iter().map(settled).collect()
    }

    /// How strange an event is with a settled answer, less the threshold.
    fn strangeness(&self, settled: &Together) -> f64 {
        let both = self.second.as_ref().filter(|_| settled.second_closeness.is_some());
        let unknown = both.map_or(&self.unknown, |it| &it.unknown);
        f64::from(unknown.strangeness(settled) - unknown.threshold)
    }

    /// A settled answer beside the truth.
    pub(super) fn stated(&self, taught: &Taught, event: usize, settled: &Together) -> Stated {
        let (blank, class) = (taught.blank(), taught.events[event].class);
        let answer = settled.answer(blank);
        Stated {
            loss: loss(settled, class, blank),
            answer: answer.unwrap_or(usize::MAX),
            confidence: answer.map_or(0.0, |it| f64::from(settled.probability(it, blank))),
            strangeness: self.strangeness(settled),
        }
    }

    /// What it says itself of an event, settled, in the places of the labels' classes.
    pub(super) fn by_itself(&self, taught: &Taught, event: usize) -> Together {
        let place = |name: &str| taught.classes.iter().position(|it| &*it.name == name);
        let places: Vec<Option<usize>> = self.classes.iter().map(|it| place(it)).collect();
        let views = || taught.events[event].frames.iter().flat_map(|it| &it.views);
        let together = |answers: Vec<Answer>| {
            let placed = |answer: &Answer| {
                let mut probabilities = vec![0.0; taught.classes.len()];
                for (place, it) in places.iter().zip(&answer.probabilities) {
                    place.iter().for_each(|&place| probabilities[place] += it);
                }
                (probabilities, answer.closeness)
            };
            let placed: Vec<(Vec<f32>, Closeness)> = answers.iter().map(placed).collect();
            Together::of(placed.iter().map(|it| (&*it.0, it.1)), taught.blank())
        };
        let first = views().map(|it| self.learned.answer(&it.features, kind(it.modality, it.view)));
        let second =
            |it: &TaughtView| Some(self.second?.learned.answer(it.second.as_ref()?, kind(it.modality, it.view)));
        let seconds: Vec<Answer> = views().filter_map(second).collect();
        let second = (!seconds.is_empty()).then(|| together(seconds));
        self.settled(together(first.collect()), second.as_ref(), taught.blank())
    }
}

/// What is taught, in the spaces of the challenger.
struct Grounds<'a> {
    first: (&'a Taught, Samples),
    second: Option<(Taught, Samples)>,
}

impl Grounds<'_> {
    /// What heads of the serving one's recipes say: `ask` is told what is taught, and the recipe.
    fn ask(
        &self,
        serving: &Serving<'_>,
        ask: impl Fn(&Taught, &Samples, &Recipe) -> Result<Vec<OutOfFold>, FitError>,
    ) -> Result<Vec<OutOfFold>, FitError> {
        let first = ask(self.first.0, &self.first.1, &serving.recipe)?;
        let second = match self.second.as_ref().zip(serving.second.as_ref()) {
            Some(((taught, samples), it)) => ask(taught, samples, &it.recipe)?,
            None => Vec::new(),
        };
        Ok(serving.joined(first, second, self.first.0.blank()))
    }
}

/// Both heads' answers.
pub fn contest(
    taught: &Taught,
    fitted: &Fitted,
    serving: Option<&Serving<'_>>,
    protected: &[String],
) -> Result<Contest, FitError> {
    let challenger = Serving::of(taught, fitted);
    let own = |it: &OutOfFold| challenger.stated(taught, it.event, &it.together);
    let grounds = serving.map(|serving| {
        let both = taught.seconds().zip(fitted.both.as_ref());
        let second = both.map(|(taught, it)| {
            let samples = taught.samples(&it.learned.space);
            (taught, samples)
        });
        Grounds { first: (taught, first_samples(taught, fitted, serving.recipe.impression)), second }
    });
    let theirs: Vec<Option<Stated>> = match serving.zip(grounds.as_ref()) {
        Some((serving, grounds)) => {
            let answers = answers(taught, grounds, serving)?;
            let stated = |(event, it): (usize, &Option<Together>)| Some(serving.stated(taught, event, it.as_ref()?));
            answers.iter().enumerate().map(stated).collect()
        }
        None => majority(taught).into_iter().map(Some).collect(),
    };
    let out_of_fold = fitted.out_of_fold();
    let bouts = out_of_fold.iter().filter_map(|it| {
        let event = &taught.events[it.event];
        Some(Bout {
            class: event.class,
            group: event.group.clone(),
            camera: event.camera.clone(),
            infrared: is_infrared(event),
            serving: theirs[it.event]?,
            challenger: own(it),
        })
    });
    let bouts = bouts.collect();
    let known = |name: &str| serving.is_none_or(|it| it.classes.contains(&name));
    let strange = match serving.zip(grounds.as_ref()) {
        Some((serving, grounds)) => {
            let learned = |event: usize| serving.events.contains(&*taught.events[event].id);
            let theirs =
                grounds.ask(serving, |taught, samples, recipe| strangers(taught, samples, recipe, None, learned))?;
            let mut of_event: Vec<Option<Stated>> = vec![None; taught.events.len()];
            for it in &theirs {
                of_event[it.event] = Some(serving.stated(taught, it.event, &it.together));
            }
            let both = fitted.strangers();
            both.iter().filter_map(|it| Some(Stranger { serving: of_event[it.event]?, challenger: own(it) })).collect()
        }
        None => Vec::new(),
    };
    Ok(Contest {
        classes: taught.classes.iter().map(|it| it.name.to_string()).collect(),
        blank: taught.blank(),
        first: serving.is_none(),
        new: taught.classes.iter().map(|it| !known(&it.name)).collect(),
        protected: taught.classes.iter().map(|it| protected.iter().any(|name| **name == *it.name)).collect(),
        n_events: taught.n_events(),
        bouts,
        strangers: strange,
        lessons: Some(lessons(taught, &challenger, &out_of_fold)),
    })
}

/// What is taught in the challenger's space, but that the network's own answer counts as much as in the serving head's.
fn first_samples(taught: &Taught, fitted: &Fitted, impression: f64) -> Samples {
    let (space, now) = (&fitted.alone.learned.space, fitted.alone.choice.recipe.impression);
    let samples = taught.samples(space);
    if now == impression { samples } else { samples.weighed_anew(space.parts().0, now, impression) }
}

/// Whether most of it was seen by infrared light.
pub(super) fn is_infrared(event: &TaughtEvent) -> bool {
    let views: Vec<_> = event.frames.iter().flat_map(|it| &it.views).collect();
    2 * views.iter().filter(|it| it.modality == Modality::Infrared).count() > views.len()
}

/// Before anybody taught it the head knows none of the names: what always answering the commonest class would say.
fn majority(taught: &Taught) -> Vec<Stated> {
    let n_events = taught.n_events();
    let most = (0..n_events.len()).max_by_key(|it| n_events[*it]).unwrap_or_default();
    let loss = (n_events.iter().filter(|it| **it > 0).count().max(1) as f64).ln();
    taught.events.iter().map(|_| Stated { loss, answer: most, ..Stated::default() }).collect()
}

/// The serving head's answers, by event: its own where it was not fitted on the event, else those of heads of its recipes
/// that were fitted on its other events.
fn answers(taught: &Taught, grounds: &Grounds<'_>, serving: &Serving<'_>) -> Result<Vec<Option<Together>>, FitError> {
    let learned = |event: usize| serving.events.contains(&*taught.events[event].id);
    let mut answers: Vec<Option<Together>> = vec![None; taught.events.len()];
    let folds = folds(taught);
    for it in grounds.ask(serving, |taught, samples, recipe| cross_answers(taught, samples, &folds, recipe, learned))? {
        answers[it.event] = Some(it.together);
    }
    for event in (0..taught.events.len()).filter(|event| !learned(*event)) {
        answers[event] = Some(serving.by_itself(taught, event));
    }
    Ok(answers)
}

/// What the head that serves says of the events that people have labelled, settled, where it was not fitted on them; else
/// what heads of its recipes say that were not. None of what neither can be asked.
pub(super) fn held_out(taught: &Taught, serving: &Serving<'_>) -> Result<Vec<Option<Together>>, FitError> {
    let second = taught.seconds().zip(serving.second.as_ref()).map(|(seconds, it)| {
        let samples = seconds.samples(&it.learned.space);
        (seconds, samples)
    });
    answers(taught, &Grounds { first: (taught, taught.samples(&serving.learned.space)), second }, serving)
}

/// Whether the challenger names what it was taught at least as well as its trials named what they were not.
fn lessons(taught: &Taught, challenger: &Serving<'_>, out_of_fold: &[OutOfFold]) -> Lessons {
    let every = out_of_fold.len().div_ceil(MAX_LESSONS).max(1);
    let mut lessons = Lessons::default();
    for it in out_of_fold.iter().step_by(every) {
        let (class, blank) = (taught.events[it.event].class, taught.blank());
        let own = challenger.by_itself(taught, it.event);
        lessons.asked += 1;
        lessons.right += usize::from(own.answer(blank) == Some(class));
        lessons.right_in_trials += usize::from(it.together.answer(blank) == Some(class));
    }
    lessons
}

#[cfg(test)]
mod tests;
