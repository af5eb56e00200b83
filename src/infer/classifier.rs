//! The network's own last layer, and what it says of a candidate: its *impression*.
//!
//! A head on the features alone has to find out again, from a handful of labels, which of 1,280 numbers tell a cat from a
//! dog. The network was shown a million pictures to learn that, and it stands in its last layer. So heads are taught on
//! both: the features, and the square roots of the network's softened probabilities, whose inner products are
//! Bhattacharyya's affinity of distributions (Hellinger's distance). Species that the network does not know have
//! impressions too: of those that they look like.

use std::fs;
use std::path::Path;

use half::f16;
use safetensors::{Dtype, SafeTensors};

use crate::infer::vector::{dot, softmax};

/// What logits are multiplied with before the softmax: networks are surer than they are right, and an impression is to tell
/// of the second and third thing that something looks like, too (knowledge distillation's temperature of 2: Hinton et al. 2015).
const SOFTNESS: f32 = 0.5;

/// From features to the network's logits.
#[derive(Debug, Clone, PartialEq)]
pub struct Classifier {
    /// `[classes][dimension]`, exact in half precision.
    weights: Vec<f32>,
    /// `[classes]`.
    bias: Vec<f32>,
    /// Length of a feature vector.
    dimension: usize,
}

impl Classifier {
    /// Of `weights` `[classes][dimension]`, which are rounded to half precision, and a bias `[classes]`.
    pub fn new(weights: &[f32], bias: Vec<f32>, dimension: usize) -> Result<Classifier, String> {
        if bias.is_empty() || dimension == 0 || weights.len() != bias.len() * dimension {
            return Err(format!("{} weights are not {} classes of {dimension} features", weights.len(), bias.len()));
        }
        let weights: Vec<f32> = weights.iter().map(|it| f16::from_f32(*it).to_f32()).collect();
        if weights.iter().chain(&bias).any(|it| !it.is_finite()) {
            return Err("a weight is no number".into());
        }
        Ok(Classifier { weights, bias, dimension })
    }

    /// Reads a safetensors file of `weight`, float16 `[classes, dimension]`, and `bias`, float32 `[classes]`.
    pub fn read(path: &Path) -> Result<Classifier, String> {
        let bytes = fs::read(path).map_err(|error| format!("{error}; `make setup` makes it"))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| error.to_string())?;
        Classifier::from_tensors(&tensors, "weight", "bias")
    }

    /// Takes it from tensors of these names.
    pub(crate) fn from_tensors(tensors: &SafeTensors<'_>, weight: &str, bias: &str) -> Result<Classifier, String> {
        let tensor = |name: &str| tensors.tensor(name).map_err(|error| error.to_string());
        let (weights, offsets) = (tensor(weight)?, tensor(bias)?);
        let [_, dimension] = *weights.shape() else { return Err(format!("{weight} has other than two sides")) };
        if weights.dtype() != Dtype::F16 || offsets.dtype() != Dtype::F32 {
            let (found, other) = (weights.dtype(), offsets.dtype());
            return Err(format!("{weight} is {found:?}, not float16, or {bias} is {other:?}, not float32"));
        }
        let of_half: Vec<f32> =
            weights.data().as_chunks().0.iter().map(|it| f16::from_le_bytes(*it).to_f32()).collect();
        let bias = offsets.data().as_chunks().0.iter().map(|it| f32::from_le_bytes(*it)).collect();
        Classifier::new(&of_half, bias, dimension)
    }

    /// How many classes the network tells apart.
    pub fn n_classes(&self) -> usize {
        self.bias.len()
    }

    /// Length of a feature vector.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// `[classes][dimension]`.
    pub(crate) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// `[classes]`.
    pub(crate) fn bias(&self) -> &[f32] {
        &self.bias
    }

    /// The network's logits of features `[dimension]`.
    pub fn logits(&self, features: &[f32]) -> Vec<f32> {
        self.weights.chunks_exact(self.dimension).zip(&self.bias).map(|(row, bias)| dot(row, features) + bias).collect()
    }
}

/// What logits say: the square roots of softened probabilities; of length 1.
pub fn impression(logits: &[f32]) -> Vec<f32> {
    let mut softened: Vec<f32> = logits.iter().map(|it| SOFTNESS * it).collect();
    softmax(&mut softened);
    softened.iter_mut().for_each(|it| *it = it.sqrt());
    softened
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logits_are_those_of_the_layer_and_impressions_have_length_one() {
        let classifier = Classifier::new(&[1.0, 0.0, 0.0, 2.0, -1.0, 0.5], vec![0.0, 1.0, 0.0], 2).unwrap();
        assert_eq!(classifier.logits(&[3.0, 1.0]), [3.0, 3.0, -2.5]);
        let seen = impression(&[3.0, 3.0, -2.5]);
        assert!((dot(&seen, &seen) - 1.0).abs() < 1e-6);
        // Two logits of 5.5 less: at half of it e^(−2.75), of which the root is taken.
        assert!((seen[2] / seen[0] - (-2.75f32 / 2.0).exp()).abs() < 1e-5, "{seen:?}");
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        assert!(Classifier::new(&[1.0; 5], vec![0.0; 2], 2).unwrap_err().contains("5 weights"));
        assert!(Classifier::new(&[f32::NAN; 4], vec![0.0; 2], 2).is_err());
    }
}
