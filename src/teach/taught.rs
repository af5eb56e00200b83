//! What people have said, as a fit sees it: events, their frames, and the vectors of these.

use std::collections::BTreeMap;

use faer::{Mat, MatRef};

use crate::domain::{Class, Modality, View};
use crate::infer::head::BLANK;
use crate::infer::space::{Space, kind};

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

    /// Every vector in the coordinates of a space.
    pub fn samples(&self, space: &Space) -> Samples {
        let (mut views, mut class, mut event) = (Vec::new(), Vec::new(), Vec::new());
        for (i, it) in self.events.iter().enumerate() {
            for frame in &it.frames {
                for view in &frame.views {
                    views.push(view);
                    class.push(frame.class);
                    event.push(i);
                }
            }
        }
        let weight = weights(&event, &class);
        let k = space.directions();
        let basis = MatRef::from_row_major_slice(&space.basis, k, self.dimension);
        let blocks: Vec<&[&TaughtView]> = views.chunks(BLOCK).collect();
        let projected = side_by_side(blocks.len(), |i| {
            let mut centred = Mat::<f32>::zeros(self.dimension, blocks[i].len());
            for (column, view) in blocks[i].iter().enumerate() {
                let of_view = space.centred(&view.features, kind(view.modality, view.view));
                of_view.iter().enumerate().for_each(|(j, it)| centred[(j, column)] = *it);
            }
            // A view a column.
            basis * &centred
        });
        let x = Mat::from_fn(views.len(), k, |i, j| f64::from(projected[i / BLOCK][(j, i % BLOCK)]));
        Samples { x, class, event, weight, n_classes: self.classes.len() }
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
    /// See [`weights`].
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

    /// The weight of each class.
    pub fn class_weights(&self) -> Vec<f64> {
        let mut weights = vec![0.0; self.n_classes];
        self.class.iter().zip(&self.weight).for_each(|(&class, weight)| weights[class] += weight);
        weights
    }
}

/// An event weighs 1 for each class that it shows, however many frames show it: ten times the same frame is no more.
pub fn weights(event: &[usize], class: &[usize]) -> Vec<f64> {
    let mut n: BTreeMap<(usize, usize), f64> = BTreeMap::new();
    event.iter().zip(class).for_each(|(&event, &class)| *n.entry((event, class)).or_default() += 1.0);
    event.iter().zip(class).map(|(&event, &class)| 1.0 / n[&(event, class)]).collect()
}
