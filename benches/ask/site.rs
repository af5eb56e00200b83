//! Labelled pictures as a site's events, a head that is taught some of them, and the pool that questions are chosen from.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use eyeshine::ask::pool::{Candidate, Day, Lesson, Pool, vector};
use eyeshine::ask::usual::Usual;
use eyeshine::domain::{Class, Modality, View};
use eyeshine::infer::classifier::Classifier;
use eyeshine::infer::together::Together;
use eyeshine::teach::fit::{Fitted, fit};
use eyeshine::teach::label_file;
use eyeshine::teach::taught::{Taught, TaughtEvent, TaughtFrame, TaughtView};
use uuid::Uuid;

use crate::network::Network;

/// The site: all its events with what they really are.
pub(crate) struct Site {
    pub(crate) all: Taught,
    classifier: Arc<Classifier>,
    /// By event and look.
    logits: Vec<Vec<Vec<f32>>>,
}

/// A head, and what it was taught.
pub(crate) struct Served {
    fitted: Fitted,
    taught: Taught,
}

/// What a head says of an event.
pub(crate) struct Said {
    /// The answer, forced: a place in the site's classes.
    pub(crate) class: usize,
    probabilities: Vec<f32>,
    strangeness: f32,
    /// By look.
    presence: Vec<f32>,
}

/// What a frame shows, and its features.
type Named = (String, Vec<f32>);

/// The name of an event in questions.
pub(crate) fn id(event: usize) -> Uuid {
    Uuid::from_u128(event as u128)
}

/// The event of that name.
pub(crate) fn event(id: Uuid) -> usize {
    id.as_u128() as usize
}

impl Site {
    /// Features of the square in the middle of each picture, event by event, and what the network itself says of them.
    pub(crate) fn look(table: &Path) -> anyhow::Result<Site> {
        let mut network = Network::open("efficientnet-lite0-int8")?;
        let mut bursts: Vec<(String, Vec<Named>)> = Vec::new();
        for burst in label_file::read(table, &[])? {
            let mut frames = Vec::new();
            for row in burst.rows {
                let features = network.features(&table.parent().unwrap_or(Path::new("")).join(&row.path))?;
                frames.push((row.classes[label_file::SPECIES].clone(), features));
            }
            bursts.push((burst.name, frames));
        }
        let classifier = network.classifier().context("the network has no last layer")?;
        let all = Taught { classifier: Some(Arc::clone(&classifier)), ..taught(bursts) };
        let logits = all.events.iter().map(|it| looks(it).map(|it| classifier.logits(it)).collect()).collect();
        Ok(Site { all, classifier, logits })
    }

    pub(crate) fn len(&self) -> usize {
        self.all.events.len()
    }

    pub(crate) fn class(&self, event: usize) -> usize {
        self.all.events[event].class
    }

    /// A head of some events of all that came by; none where they show only one class.
    pub(crate) fn teach(&self, events: &[usize], all: &[usize]) -> Option<Served> {
        let mut keep = vec![false; self.len()];
        events.iter().for_each(|it| keep[*it] = true);
        let mut taught = self.all.only(|it| keep[it]);
        taught.stand_for(&all.iter().filter_map(|it| self.seen(*it)).collect::<Vec<_>>());
        Served::of(taught)
    }

    /// A view of an event, from the middle of what is not blank of it; none where all is.
    fn seen(&self, event: usize) -> Option<TaughtView> {
        let frames = self.all.events[event].frames.iter();
        let shown: Vec<&TaughtFrame> = frames.filter(|it| Some(it.class) != self.all.blank()).collect();
        shown.get(shown.len() / 2).map(|it| it.views[0].clone())
    }

    /// What a head says of an event.
    pub(crate) fn ask(&self, served: &Served, event: usize) -> Said {
        let (head, blank) = (&served.fitted.alone, served.taught.blank());
        let answers: Vec<_> =
            self.looks(event).map(|(it, logits)| head.learned.answer_with(it, Some(logits), 0)).collect();
        let together = Together::of(answers.iter().map(|it| (&*it.probabilities, it.closeness)), blank);
        let together = together.tempered(head.choice.sharpness);
        let name = &served.taught.classes[together.answer(blank).unwrap_or(0)].name;
        Said {
            class: self.all.classes.iter().position(|it| it.name == *name).unwrap_or(0),
            probabilities: served.probabilities(&together),
            strangeness: head.border.unknown.strangeness(&together) - head.border.unknown.threshold,
            presence: answers.iter().map(|it| 1.0 - blank.map_or(0.0, |blank| it.probabilities[blank])).collect(),
        }
    }

    /// The pool of what is not answered, where `lessons` are.
    pub(crate) fn pool(&self, served: Option<&Served>, rest: &[usize], lessons: &[usize]) -> Pool {
        let mut usual = Usual::default();
        for (features, logits) in rest.iter().flat_map(|it| self.looks(*it)) {
            usual.add(0, features, Some(logits));
        }
        let space = usual.space(Some(&self.classifier));
        let at = |event: usize, presence: &dyn Fn(usize) -> f32| {
            let looks = self.looks(event).map(|(it, logits)| space.centred(it, Some(logits), 0));
            let looks: Vec<(Vec<f32>, f32)> = looks.enumerate().map(|(i, it)| (it, presence(i))).collect();
            vector(looks.iter().map(|it| (&*it.0, it.1))).unwrap_or_default()
        };
        let candidate = |&event: &usize| {
            let said = served.map(|it| self.ask(it, event));
            let presence = |look: usize| said.as_ref().map_or(1.0, |it| it.presence[look]);
            let vector = at(event, &presence);
            let strangeness = said.as_ref().map(|it| it.strangeness);
            let probabilities = said.map_or_else(Vec::new, |it| it.probabilities);
            Candidate { id: id(event), vector, probabilities, strangeness, protected: false }
        };
        let of_fold = served.map(Served::out_of_fold).unwrap_or_default();
        let lesson = |&event: &usize| {
            let it = &self.all.events[event];
            let shown: Vec<bool> =
                it.frames.iter().flat_map(|f| f.views.iter().map(|_| Some(f.class) != self.all.blank())).collect();
            Lesson {
                id: id(event),
                vector: at(event, &|look| f32::from(u8::from(shown[look]))),
                said: self.all.classes[self.class(event)].name.to_string(),
                labeller: "simulated".into(),
                settled: false,
                asked_again: false,
                out_of_fold: of_fold.get(&it.id).cloned(),
            }
        };
        Pool {
            classes: served.map_or_else(Vec::new, Served::classes),
            blank: served.and_then(|it| it.taught.blank()),
            events: rest.iter().map(candidate).collect(),
            taught: lessons.iter().map(lesson).collect(),
            asked: Vec::new(),
            day: Day { events: rest.iter().map(|it| id(*it)).collect(), ..Day::default() },
        }
    }

    /// Features of an event's looks, and the network's logits of them.
    fn looks(&self, event: usize) -> impl Iterator<Item = (&[f32], &[f32])> {
        looks(&self.all.events[event]).zip(self.logits[event].iter().map(|it| &**it))
    }
}

impl Served {
    pub(crate) fn of(taught: Taught) -> Option<Served> {
        fit(&taught).ok().map(|fitted| Served { fitted, taught })
    }

    pub(crate) fn classes(&self) -> Vec<String> {
        self.taught.classes.iter().map(|it| it.name.to_string()).collect()
    }

    /// By event's name, what heads that were not fitted on it say.
    pub(crate) fn out_of_fold(&self) -> BTreeMap<String, Vec<f32>> {
        let answers = self.fitted.out_of_fold().into_iter();
        answers.map(|it| (self.taught.events[it.event].id.clone(), self.probabilities(&it.together))).collect()
    }

    fn probabilities(&self, together: &Together) -> Vec<f32> {
        (0..self.taught.classes.len()).map(|it| together.probability(it, self.taught.blank())).collect()
    }
}

fn looks(event: &TaughtEvent) -> impl Iterator<Item = &[f32]> {
    event.frames.iter().flat_map(|it| &it.views).map(|it| &*it.features)
}

/// Events of named frames: what is commonest among those that are not blank.
fn taught(bursts: Vec<(String, Vec<Named>)>) -> Taught {
    let mut names: Vec<String> = bursts.iter().flat_map(|it| &it.1).map(|it| it.0.clone()).collect();
    names.sort_by_key(|it| (it != "blank", it.clone()));
    names.dedup();
    let place = |name: &str| names.iter().position(|it| it == name).unwrap_or(0);
    let dimension = bursts.first().and_then(|it| it.1.first()).map_or(0, |it| it.1.len());
    let event = |(id, frames): (String, Vec<Named>)| {
        let mut counts: BTreeMap<(bool, usize), usize> = BTreeMap::new();
        frames.iter().for_each(|it| *counts.entry((it.0 != "blank", place(&it.0))).or_default() += 1);
        let class = counts.iter().max_by_key(|it| (it.0.0, *it.1)).map_or(0, |it| it.0.1);
        let frame = |(name, features): Named| TaughtFrame {
            class: place(&name),
            views: vec![TaughtView { modality: Modality::Colour, view: View::Whole, features, second: None }],
        };
        TaughtEvent {
            group: id.clone(),
            id,
            class,
            camera: String::new(),
            stands_for: 1.0,
            frames: frames.into_iter().map(frame).collect(),
        }
    };
    Taught {
        dimension,
        events: bursts.into_iter().map(event).collect(),
        classes: names.iter().map(|it| Class { name: it.as_str().into(), scientific_name: "".into() }).collect(),
        classifier: None,
    }
}
