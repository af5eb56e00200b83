//! Labelled pictures as a site's events, a head that is taught some of them, and the pool that questions are chosen from.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use eyeshine::ask::pool::{Candidate, Day, Lesson, Pool, vector};
use eyeshine::capture::picture::Picture;
use eyeshine::domain::{self, Class, Frame, Modality, View};
use eyeshine::infer::contract::Contract;
use eyeshine::infer::preprocess::Inputs;
use eyeshine::infer::runtime::Runtime;
use eyeshine::infer::session;
use eyeshine::infer::together::Together;
use eyeshine::metrics::Metrics;
use eyeshine::teach::fit::{Fitted, fit};
use eyeshine::teach::label_file;
use eyeshine::teach::taught::{Taught, TaughtEvent, TaughtFrame, TaughtView};
use jiff::Timestamp;
use ort::value::TensorRef;
use uuid::Uuid;

/// The site: all its events with what they really are.
pub(crate) struct Site {
    pub(crate) all: Taught,
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
    vector: Vec<f32>,
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
    /// Features of the square in the middle of each picture, event by event.
    pub(crate) fn look(table: &Path) -> anyhow::Result<Site> {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let runtime = Runtime::load(&models, Path::new("libonnxruntime.so.1.32.0"))?;
        let contract = Contract::load(&models, "efficientnet-lite0-int8")?;
        let mut session = session::open(&runtime, &contract)?;
        let mut inputs = Inputs::new(&contract.input, 1);
        let camera = Metrics::new().camera("bench");
        let mut bursts: Vec<(String, Vec<Named>)> = Vec::new();
        for burst in label_file::read(table, &[])? {
            let mut frames = Vec::new();
            for row in burst.rows {
                let path = table.parent().unwrap_or(Path::new("")).join(&row.path);
                let picture = image::open(&path).with_context(|| path.display().to_string())?.to_rgb8();
                let (width, height) = picture.dimensions();
                let side = width.min(height);
                let (left, top) = ((width - side) / 2, (height - side) / 2);
                let middle = image::imageops::crop_imm(&picture, left, top, side, side).to_image();
                let frame = Arc::new(Frame {
                    camera: "bench".into(),
                    number: 0,
                    at: Timestamp::UNIX_EPOCH,
                    elapsed: Duration::ZERO,
                    picture: Picture::still(middle),
                    fate: camera.receive(),
                });
                inputs.truncate(0);
                let area = frame.picture.area();
                inputs.push(&domain::Candidate { view: View::Whole, cell: None, area, frame })?;
                let input = TensorRef::from_array_view((contract.input.shape(1), inputs.numbers(0..1)))?;
                let outputs = session.run(ort::inputs![input])?;
                let features = outputs["features"].try_extract_tensor::<f32>()?.1.to_vec();
                frames.push((row.classes[label_file::SPECIES].clone(), features));
            }
            bursts.push((burst.name, frames));
        }
        Ok(Site { all: Taught { classifier: contract.classifier.clone(), ..taught(bursts) } })
    }

    pub(crate) fn len(&self) -> usize {
        self.all.events.len()
    }

    pub(crate) fn class(&self, event: usize) -> usize {
        self.all.events[event].class
    }

    /// A head of some events; none where they show only one class.
    pub(crate) fn teach(&self, events: &[usize]) -> Option<Served> {
        let mut keep = vec![false; self.len()];
        events.iter().for_each(|it| keep[*it] = true);
        Served::of(self.all.only(|it| keep[it]))
    }

    /// What a head says of an event.
    pub(crate) fn ask(&self, served: &Served, event: usize) -> Said {
        let (head, blank) = (&served.fitted.alone, served.taught.blank());
        let features: Vec<&[f32]> = looks(&self.all.events[event]).collect();
        let answers: Vec<_> = features.iter().map(|it| head.learned.answer(it, 0)).collect();
        let together = Together::of(answers.iter().map(|it| (&*it.probabilities, it.closeness)), blank);
        let together = together.tempered(head.choice.sharpness);
        let centred: Vec<Vec<f32>> = features.iter().map(|it| head.learned.space().centred(it, 0)).collect();
        let presence = answers.iter().map(|it| 1.0 - blank.map_or(0.0, |blank| it.probabilities[blank]));
        let presence: Vec<f32> = presence.collect();
        let name = &served.taught.classes[together.answer(blank).unwrap_or(0)].name;
        Said {
            class: self.all.classes.iter().position(|it| it.name == *name).unwrap_or(0),
            probabilities: served.probabilities(&together),
            strangeness: head.border.unknown.strangeness(&together) - head.border.unknown.threshold,
            vector: vector(centred.iter().map(|it| &**it).zip(presence.iter().copied())).unwrap_or_default(),
        }
    }

    /// The pool of what is not answered, where `lessons` are.
    pub(crate) fn pool(&self, served: Option<&Served>, rest: &[usize], lessons: &[usize]) -> Pool {
        let bare = |event: usize| {
            let looks: Vec<&[f32]> = looks(&self.all.events[event]).collect();
            vector(looks.into_iter().map(|it| (it, 1.0))).unwrap_or_default()
        };
        let candidate = |&event: &usize| {
            let said = served.map(|it| self.ask(it, event));
            let strangeness = said.as_ref().map(|it| it.strangeness);
            let (vector, probabilities) =
                said.map_or_else(|| (bare(event), Vec::new()), |it| (it.vector, it.probabilities));
            Candidate { id: id(event), vector, probabilities, strangeness, protected: false }
        };
        let of_fold = served.map(Served::out_of_fold).unwrap_or_default();
        let lesson = |&event: &usize| Lesson {
            id: id(event),
            vector: served.map_or_else(|| bare(event), |it| self.ask(it, event).vector),
            said: self.all.classes[self.class(event)].name.to_string(),
            labeller: "simulated".into(),
            settled: false,
            out_of_fold: of_fold.get(&self.all.events[event].id).cloned(),
        };
        Pool {
            classes: served.map_or_else(Vec::new, Served::classes),
            blank: served.and_then(|it| it.taught.blank()),
            events: rest.iter().map(candidate).collect(),
            taught: lessons.iter().map(lesson).collect(),
            asked: Vec::new(),
            day: Day { events: rest.iter().map(|it| id(*it)).collect(), moments: Vec::new(), n_moments: 0 },
        }
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
