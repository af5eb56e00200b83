//! The space that heads are taught in: an embedding, and the network's impression of the same, each less what is usual for
//! its kind and of a stated length, along the directions in which what was taught differs most.
//!
//! What is usual is a mean for each modality and view: infrared frames differ from colour ones, and crops from whole
//! frames, far more than species do (centring and length: SimpleShot, Wang et al. 2019).

use std::sync::Arc;

use crate::domain::{Modality, View};
use crate::infer::classifier::{Classifier, impression};
use crate::infer::vector::{dot, normalised};

/// Kinds of candidates that have a mean of their own: modality by view.
pub const N_KINDS: usize = 4;

/// From features `[dimension]` to coordinates `[directions]`: those of the features, then those of the impression.
#[derive(Debug, Clone, PartialEq)]
pub struct Space {
    /// `[N_KINDS][dimension]`: of features.
    pub(crate) means: Vec<f32>,
    /// `[directions of features][dimension]`, orthonormal.
    pub(crate) basis: Vec<f32>,
    /// Length of a feature vector.
    pub(crate) dimension: usize,
    /// Where the network's own answer counts.
    pub(crate) impressions: Option<Impressions>,
}

/// What the network itself makes of features, and how much that counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Impressions {
    /// The network's last layer.
    pub(crate) classifier: Arc<Classifier>,
    /// `[N_KINDS][classes]`.
    pub(crate) means: Vec<f32>,
    /// `[directions of impressions][classes]`, orthonormal.
    pub(crate) basis: Vec<f32>,
    /// Length of an impression where that of the features is 1.
    pub(crate) weight: f32,
}

/// Which mean a candidate is compared with: 0..[`N_KINDS`].
pub fn kind(modality: Modality, view: View) -> usize {
    let modality = match modality {
        Modality::Colour => 0,
        Modality::Infrared => 1,
    };
    let view = match view {
        View::Whole => 0,
        View::Crop | View::Empty => 1,
    };
    2 * modality + view
}

/// `values` less what is usual for their kind, of length 1; `means` are `[N_KINDS][values]`.
pub(crate) fn centred(values: &[f32], means: &[f32], kind: usize) -> Vec<f32> {
    let n = means.len() / N_KINDS;
    let mean = &means[kind * n..(kind + 1) * n];
    normalised(&values.iter().zip(mean).map(|(x, mean)| x - mean).collect::<Vec<_>>())
}

/// What the coordinates of features and of their impression are multiplied with, so that both together have length 1.
pub(crate) fn shares(weight: f32) -> (f32, f32) {
    let whole = (1.0 + weight * weight).sqrt();
    (1.0 / whole, weight / whole)
}

impl Impressions {
    /// The network's impression of features less what is usual for their kind, of length 1.
    fn centred(&self, features: &[f32], logits: Option<&[f32]>, kind: usize) -> Vec<f32> {
        let seen = match logits.filter(|at| at.len() == self.classifier.n_classes()) {
            Some(logits) => impression(logits),
            None => impression(&self.classifier.logits(features)),
        };
        centred(&seen, &self.means, kind)
    }
}

impl Space {
    /// Coordinates of features, and of their impression: how many there are.
    pub(crate) fn parts(&self) -> (usize, usize) {
        let of_impressions = |it: &Impressions| it.basis.len() / it.classifier.n_classes();
        (self.basis.len() / self.dimension.max(1), self.impressions.as_ref().map_or(0, of_impressions))
    }

    /// Features `[dimension]` and their impression, each less what is usual for its kind, side by side, and together of length
    /// 1: where they lie before any directions are taken. `logits` are as in [`Space::project`].
    pub fn centred(&self, features: &[f32], logits: Option<&[f32]>, kind: usize) -> Vec<f32> {
        let mut own = centred(features, &self.means, kind);
        let Some(it) = &self.impressions else { return own };
        let (of_features, of_impressions) = shares(it.weight);
        own.iter_mut().for_each(|x| *x *= of_features);
        own.extend(it.centred(features, logits, kind).iter().map(|x| of_impressions * x));
        own
    }

    /// Coordinates of an embedding: how many there are.
    pub fn directions(&self) -> usize {
        let (features, impressions) = self.parts();
        features + impressions
    }

    /// Coordinates `[directions]` of features `[dimension]`; `logits` are the network's of the same, where it was asked.
    pub fn project(&self, features: &[f32], logits: Option<&[f32]>, kind: usize) -> Vec<f32> {
        let along = |basis: &[f32], of: &[f32], share: f32| -> Vec<f32> {
            basis.chunks_exact(of.len()).map(|direction| share * dot(direction, of)).collect()
        };
        let own = centred(features, &self.means, kind);
        let Some(it) = &self.impressions else { return along(&self.basis, &own, 1.0) };
        let (of_features, of_impressions) = shares(it.weight);
        let mut at = along(&self.basis, &own, of_features);
        at.extend(along(&it.basis, &it.centred(features, logits, kind), of_impressions));
        at
    }
}
