//! The space that heads are taught in: an embedding less what is usual for its kind, of length 1, along the directions in
//! which what was taught differs most.
//!
//! What is usual is a mean for each modality and view: infrared frames differ from colour ones, and crops from whole
//! frames, far more than species do (centring and length: SimpleShot, Wang et al. 2019).

use crate::domain::{Modality, View};
use crate::infer::vector::{dot, normalised};

/// Kinds of candidates that have a mean of their own: modality by view.
pub const N_KINDS: usize = 4;

/// From features `[dimension]` to coordinates `[directions]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Space {
    /// `[N_KINDS][dimension]`.
    pub(crate) means: Vec<f32>,
    /// `[directions][dimension]`, orthonormal.
    pub(crate) basis: Vec<f32>,
    /// Length of a feature vector.
    pub(crate) dimension: usize,
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

impl Space {
    /// Coordinates of an embedding: how many there are.
    pub fn directions(&self) -> usize {
        self.basis.len() / self.dimension.max(1)
    }

    /// Features `[dimension]` less what is usual for their kind, of length 1.
    pub fn centred(&self, features: &[f32], kind: usize) -> Vec<f32> {
        let mean = &self.means[kind * self.dimension..(kind + 1) * self.dimension];
        let less: Vec<f32> = features.iter().zip(mean).map(|(x, mean)| x - mean).collect();
        normalised(&less)
    }

    /// Coordinates `[directions]` of features `[dimension]`.
    pub fn project(&self, features: &[f32], kind: usize) -> Vec<f32> {
        let centred = self.centred(features, kind);
        self.basis.chunks_exact(self.dimension).map(|direction| dot(direction, &centred)).collect()
    }
}
