//! What people have said, as a fit sees it: events, their frames, and the vectors of these.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use faer::{Mat, MatRef};

use crate::domain::{Class, Modality, View};
use crate::infer::classifier::{Classifier, impression};
use crate::infer::head::BLANK;
use crate::infer::space::{Space, centred, kind, shares};

use super::side_by_side::side_by_side;

/// Vectors that are projected together.
const BLOCK: usize = 512;

/// What a head of one task is taught on.
#[derive(Debug, Clone, Default)]
pub struct Taught {
    /// Length of every vector.
    pub dimension: usize,
    /// `blank` first where it is among them, the rest by name.
    pub classes: Vec<Class>,
    /// In the order of time.
    pub events: Vec<TaughtEvent>,
    /// The last layer of the network that the vectors are of: heads are taught its impressions, too.
    pub classifier: Option<Arc<Classifier>>,
}

/// One event of which people have said what it shows.
#[derive(Debug, Clone)]
pub struct TaughtEvent {
    /// Its name, unique in a set.
    pub id: String,
    /// What it shows: a place in [`Taught::classes`].
    pub class: usize,
    /// Camera and day, or the event itself where nobody knows when it was: what is resampled together.
    pub group: String,
    /// The camera's name; may be empty.
    pub camera: String,
    /// Events of the site that it [stands for](Taught::stand_for), 1 where nobody counted.
    pub stands_for: f64,
    /// Its frames that have a label and a vector.
    pub frames: Vec<TaughtFrame>,
}

/// One frame of it.
#[derive(Debug, Clone)]
pub struct TaughtFrame {
    /// What it shows; in an event of a fox some frames are `blank`.
    pub class: usize,
    /// Its whole picture and its crops.
    pub views: Vec<TaughtView>,
}

/// One vector of a frame.
#[derive(Debug, Clone)]
pub struct TaughtView {
    /// Colour or infrared.
    pub modality: Modality,
    /// Whole frame or crop.
    pub view: View,
    /// `[dimension]`.
    pub features: Vec<f32>,
    /// The second featurizer's, where it has seen this.
    pub second: Option<Vec<f32>>,
}

impl Taught {
    /// The place of `blank` among the classes.
    pub fn blank(&self) -> Option<usize> {
        self.classes.iter().position(|it| &*it.name == BLANK)
    }

    /// Events of each class.
    pub fn n_events(&self) -> Vec<usize> {
        let mut n = vec![0; self.classes.len()];
        self.events.iter().for_each(|it| n[it.class] += 1);
        n
    }

    /// The events of which `keep` says so, by their place, and the classes that these show.
    pub fn only(&self, keep: impl Fn(usize) -> bool) -> Taught {
        let mut events: Vec<TaughtEvent> =
            self.events.iter().enumerate().filter(|it| keep(it.0)).map(|it| it.1.clone()).collect();
        let mut shown = vec![false; self.classes.len()];
        for event in &events {
            event.frames.iter().map(|it| it.class).chain([event.class]).for_each(|it| shown[it] = true);
        }
        let place = |class: usize| shown[..class].iter().filter(|it| **it).count();
        for event in &mut events {
            event.class = place(event.class);
            event.frames.iter_mut().for_each(|it| it.class = place(it.class));
        }
        let classes = self.classes.iter().zip(&shown).filter(|it| *it.1).map(|it| it.0.clone()).collect();
        Taught { dimension: self.dimension, classes, events, classifier: self.classifier.clone() }
    }

    /// Every vector that is another, in order. An event weighs what it [stands for](super::stands_for), 1 on average, for each
    /// class that it shows, however many frames show it; and the same vector ten times is one of ten times the weight, so that ten
    /// times the same frames give the same head.
    pub(super) fn lessons(&self) -> Vec<Lesson<'_>> {
        let mut lessons = self.plain_lessons();
        if let Some(it) = self.last_layer() {
            impress(&mut lessons, it);
        }
        lessons
    }

    /// The same without impressions, which take far more room than all else of them.
    pub(super) fn plain_lessons(&self) -> Vec<Lesson<'_>> {
        let mut lessons: Vec<Lesson<'_>> = Vec::new();
        let blank = self.blank();
        for (event, it) in self.events.iter().enumerate() {
            let mut places: HashMap<(usize, usize, Bits<'_>), usize> = HashMap::new();
            let mut n_of_class: BTreeMap<usize, usize> = BTreeMap::new();
            let from = lessons.len();
            let mut times: Vec<usize> = Vec::new();
            for (class, view) in it.frames.iter().flat_map(|it| it.views.iter().map(|view| (it.class, view))) {
                *n_of_class.entry(class).or_default() += 1;
                let kind = kind(view.modality, view.view);
                let place = *places.entry((class, kind, Bits(&view.features))).or_insert_with(|| {
                    let impression = Vec::new();
                    lessons.push(Lesson { event, class, kind, features: &view.features, impression, weight: 0.0 });
                    times.push(0);
                    times.len() - 1
                });
                times[place] += 1;
            }
            let stands_for = it.stands_for.max(1.0).sqrt();
            // A quotient of whole numbers: ten of fifty is, to the bit, one of five.
            for (lesson, times) in lessons[from..].iter_mut().zip(times) {
                lesson.weight = times as f64 / n_of_class[&lesson.class] as f64;
                if Some(lesson.class) != blank {
                    lesson.weight *= stands_for;
                }
            }
        }
        let scales = evened(self.classes.len(), lessons.iter().map(|it| (it.class, it.event, it.weight)));
        lessons.iter_mut().for_each(|it| it.weight *= scales[it.class]);
        lessons
    }

    /// The last layer, where it is of vectors like these.
    pub(super) fn last_layer(&self) -> Option<&Arc<Classifier>> {
        self.classifier.as_ref().filter(|it| it.dimension() == self.dimension)
    }

    /// Every [lesson](Taught::lessons) in the coordinates of a space.
    pub fn samples(&self, space: &Space) -> Samples {
        let mut lessons = self.lessons();
        if let Some(it) = space.impressions.as_ref().filter(|_| self.last_layer().is_none()) {
            impress(&mut lessons, &it.classifier);
        }
        self.samples_of(&lessons, space)
    }

    /// The same, of lessons that have impressions where the space has.
    pub(super) fn samples_of(&self, lessons: &[Lesson<'_>], space: &Space) -> Samples {
        let own = projected(lessons, &space.basis, self.dimension, |it| centred(it.features, &space.means, it.kind));
        let x = match &space.impressions {
            None => own,
            Some(it) => {
                let of_impression = |lesson: &Lesson<'_>| centred(&lesson.impression, &it.means, lesson.kind);
                let seen = projected(lessons, &it.basis, it.classifier.n_classes(), of_impression);
                let (n_own, n_seen) = space.parts();
                let (of_own, of_seen) = shares(it.weight);
                let (of_own, of_seen) = (f64::from(of_own), f64::from(of_seen));
                let at =
                    |i: usize, j: usize| if j < n_own { of_own * own[(i, j)] } else { of_seen * seen[(i, j - n_own)] };
                Mat::from_fn(lessons.len(), n_own + n_seen, at)
            }
        };
        Samples {
            x,
            class: lessons.iter().map(|it| it.class).collect(),
            event: lessons.iter().map(|it| it.event).collect(),
            weight: lessons.iter().map(|it| it.weight).collect(),
            n_classes: self.classes.len(),
        }
    }
}

/// Coordinates `[lessons][directions]` along a basis `[directions][dimension]`.
fn projected(
    lessons: &[Lesson<'_>],
    basis: &[f32],
    dimension: usize,
    centred: impl Fn(&Lesson<'_>) -> Vec<f32> + Sync,
) -> Mat<f64> {
    let basis = MatRef::from_row_major_slice(basis, basis.len() / dimension.max(1), dimension);
    let blocks: Vec<&[Lesson<'_>]> = lessons.chunks(BLOCK).collect();
    let projected = side_by_side(blocks.len(), |i| {
        let mut columns = Mat::<f32>::zeros(dimension, blocks[i].len());
        for (column, lesson) in blocks[i].iter().enumerate() {
            centred(lesson).iter().enumerate().for_each(|(j, it)| columns[(j, column)] = *it);
        }
        // A view a column.
        basis * &columns
    });
    let at = |lesson: usize, direction: usize| f64::from(projected[lesson / BLOCK][(direction, lesson % BLOCK)]);
    Mat::from_fn(lessons.len(), basis.nrows(), at)
}

/// Says of each lesson what the network itself makes of it.
pub(super) fn impress(lessons: &mut [Lesson<'_>], classifier: &Classifier) {
    let (n, dimension) = (classifier.n_classes(), classifier.dimension());
    let weights = MatRef::from_row_major_slice(classifier.weights(), n, dimension);
    let blocks: Vec<&[Lesson<'_>]> = lessons.chunks(BLOCK).collect();
    let seen = side_by_side(blocks.len(), |i| {
        // A lesson a column. A vector of another length is refused before anything is fitted on it.
        let at = |features: &[f32], j: usize| features.get(j).copied().unwrap_or_default();
        let features = Mat::from_fn(dimension, blocks[i].len(), |j, column| at(blocks[i][column].features, j));
        let products = weights * &features;
        let logits = |column: usize| (0..n).map(|j| products[(j, column)] + classifier.bias()[j]).collect::<Vec<f32>>();
        (0..blocks[i].len()).map(|column| impression(&logits(column))).collect::<Vec<_>>()
    });
    for (lesson, seen) in lessons.iter_mut().zip(seen.into_iter().flatten()) {
        lesson.impression = seen;
    }
}

/// A vector that is taught, and what it is of.
#[derive(Debug, Clone)]
pub(super) struct Lesson<'a> {
    /// A place in [`Taught::events`].
    pub(super) event: usize,
    /// A place in [`Taught::classes`].
    pub(super) class: usize,
    /// See [`kind`].
    pub(super) kind: usize,
    /// `[dimension]`.
    pub(super) features: &'a [f32],
    /// What the network itself makes of them, `[classes]`; empty where its last layer is not known.
    pub(super) impression: Vec<f32>,
    /// Of what its event weighs for that class.
    pub(super) weight: f64,
}

/// Numbers that are the same to the bit.
struct Bits<'a>(&'a [f32]);

impl PartialEq for Bits<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0.len() == other.0.len() && self.0.iter().zip(other.0).all(|(a, b)| a.to_bits() == b.to_bits())
    }
}

impl Eq for Bits<'_> {}

impl Hash for Bits<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Some tell as much as all: what differs at all mostly differs here.
        self.0.iter().step_by(16).for_each(|it| state.write_u32(it.to_bits()));
    }
}

/// Vectors in the coordinates of a space, and what each is of.
#[derive(Debug, Clone)]
pub struct Samples {
    /// `[samples][directions]`.
    pub x: Mat<f64>,
    /// Places in [`Taught::classes`].
    pub class: Vec<usize>,
    /// Places in [`Taught::events`].
    pub event: Vec<usize>,
    /// See [`Taught::lessons`].
    pub weight: Vec<f64>,
    /// How many classes there are, with samples or without.
    pub n_classes: usize,
}

impl Samples {
    /// Those of which `keep` says so, by sample.
    pub fn only(&self, keep: impl Fn(usize) -> bool) -> Samples {
        let kept: Vec<usize> = (0..self.class.len()).filter(|i| keep(*i)).collect();
        Samples {
            x: Mat::from_fn(kept.len(), self.x.ncols(), |i, j| self.x[(kept[i], j)]),
            class: kept.iter().map(|&i| self.class[i]).collect(),
            event: kept.iter().map(|&i| self.event[i]).collect(),
            weight: kept.iter().map(|&i| self.weight[i]).collect(),
            n_classes: self.n_classes,
        }
    }

    /// The same in a space that is other in how much impressions count alone; the first `n_own` coordinates are of features.
    pub(super) fn weighed_anew(&self, n_own: usize, from: f64, to: f64) -> Samples {
        let ((own, seen), (own_then, seen_then)) = (shares(to as f32), shares(from as f32));
        let (own, seen) = (f64::from(own / own_then), f64::from(seen / seen_then));
        let x =
            Mat::from_fn(self.x.nrows(), self.x.ncols(), |i, j| self.x[(i, j)] * if j < n_own { own } else { seen });
        Samples { x, ..self.clone() }
    }

    /// The weight of each class.
    pub fn class_weights(&self) -> Vec<f64> {
        let mut weights = vec![0.0; self.n_classes];
        self.class.iter().zip(&self.weight).for_each(|(&class, weight)| weights[class] += weight);
        weights
    }

    /// Their weights made such that each class has one for each event of it among them: where some were left out, those that stand
    /// for much may be among these.
    pub fn even_weights(&self) -> Vec<f64> {
        let of = |i: usize| (self.class[i], self.event[i], self.weight[i]);
        let scales = evened(self.n_classes, (0..self.class.len()).map(of));
        self.class.iter().zip(&self.weight).map(|(&class, weight)| scales[class] * weight).collect()
    }
}

/// What weights are multiplied with, by class, so that each class has one for each of its events; of a class, an event and a weight.
fn evened(n_classes: usize, weights: impl Iterator<Item = (usize, usize, f64)>) -> Vec<f64> {
    let (mut sums, mut events) = (vec![0.0; n_classes], vec![0usize; n_classes]);
    let mut known: HashSet<(usize, usize)> = HashSet::new();
    for (class, event, weight) in weights {
        sums[class] += weight;
        events[class] += usize::from(known.insert((class, event)));
    }
    sums.iter().zip(events).map(|(sum, n)| if n > 0 { n as f64 / sum } else { 1.0 }).collect()
}
