//! The numbers of a head, as a safetensors file.

use std::sync::Arc;

use half::f16;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::infer::classifier::Classifier;
use crate::infer::head::BLANK;
use crate::infer::learned::Learned;
use crate::infer::space::{Impressions, N_KINDS, Space};

use super::Manifest;

/// What the second featurizer's tensors are called, before their names.
const SECOND: &str = "second.";
/// The network's last layer and how much its impressions count, in heads that heed them.
const CLASSIFIER: &str = "space.classifier.weight";
const CLASSIFIER_BIAS: &str = "space.classifier.bias";
const IMPRESSION: &str = "space.impression";
const IMPRESSION_MEANS: &str = "space.impression.means";
const IMPRESSION_BASIS: &str = "space.impression.basis";

/// The numbers of a head.
#[derive(Debug, Clone, PartialEq)]
pub struct Weights {
    /// On the first featurizer's vectors.
    pub first: Learned,
    /// On the second's, where the head is one of both.
    pub second: Option<Learned>,
}

impl From<Learned> for Weights {
    fn from(first: Learned) -> Weights {
        Weights { first, second: None }
    }
}

impl Weights {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let mut tensors = tensors("", &self.first);
        tensors.extend(self.second.iter().flat_map(|it| self::tensors(SECOND, it)));
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, bytes)| TensorView::new(*dtype, shape.clone(), bytes).map(|it| (name, it)))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| error.to_string())?;
        safetensors::serialize(views, None).map_err(|error| error.to_string())
    }

    pub(super) fn from_bytes(bytes: &[u8], manifest: &Manifest) -> Result<Weights, String> {
        let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
        let second = manifest.second.as_ref().map(|_| learned(&tensors, SECOND, manifest)).transpose()?;
        Ok(Weights { first: learned(&tensors, "", manifest)?, second })
    }

    /// Every list of numbers.
    pub(super) fn lists(&self) -> impl Iterator<Item = &f32> {
        [Some(&self.first), self.second.as_ref()].into_iter().flatten().flat_map(|it| {
            let space = [&it.space.means, &it.space.basis];
            let rest = [&it.whitening, &it.means, &it.weights, &it.bias, &it.shares, &it.offsets];
            let seen = it.space.impressions.iter().flat_map(|it| it.means.iter().chain(&it.basis).chain([&it.weight]));
            space.into_iter().chain(rest).flatten().chain([&it.sharpness]).chain(seen)
        })
    }
}

/// Name, type, sides and numbers.
type Tensor = (String, Dtype, Vec<usize>, Vec<u8>);

fn tensors(prefix: &str, learned: &Learned) -> Vec<Tensor> {
    let (n, k, d) = (learned.n_classes(), learned.space.directions(), learned.space.dimension);
    let all: [(&str, Vec<usize>, &[f32]); 9] = [
        ("space.means", vec![N_KINDS, d], &learned.space.means),
        ("space.basis", vec![learned.space.parts().0, d], &learned.space.basis),
        ("whitening", vec![k, k], &learned.whitening),
        ("means", vec![n, k], &learned.means),
        ("weights", vec![n, k], &learned.weights),
        ("bias", vec![n], &learned.bias),
        ("shares", vec![n], &learned.shares),
        ("offsets", vec![n], &learned.offsets),
        ("cosine_scale", vec![1], &[learned.sharpness]),
    ];
    let named = |(name, shape, numbers): (&str, Vec<usize>, &[f32])| {
        (format!("{prefix}{name}"), Dtype::F32, shape, numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
    };
    let mut tensors: Vec<Tensor> = all.into_iter().map(named).collect();
    if let Some(it) = &learned.space.impressions {
        let (classifier, sides) = (&it.classifier, vec![it.classifier.n_classes(), it.classifier.dimension()]);
        // A head is whole: whoever imports it need not have the network's last layer.
        let halves = classifier.weights().iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect();
        tensors.push((format!("{prefix}{CLASSIFIER}"), Dtype::F16, sides, halves));
        tensors.push(named((CLASSIFIER_BIAS, vec![classifier.n_classes()], classifier.bias())));
        let (n, k) = (classifier.n_classes(), learned.space.parts().1);
        tensors.push(named((IMPRESSION_MEANS, vec![N_KINDS, n], &it.means)));
        tensors.push(named((IMPRESSION_BASIS, vec![k, n], &it.basis)));
        tensors.push(named((IMPRESSION, vec![1], &[it.weight])));
    }
    tensors
}

fn learned(tensors: &SafeTensors<'_>, prefix: &str, manifest: &Manifest) -> Result<Learned, String> {
    let n = manifest.classes.len();
    let tensor = |name: &str| tensors.tensor(&format!("{prefix}{name}")).map_err(|error| error.to_string());
    let read = |name: &str, shape: &[usize]| -> Result<Vec<f32>, String> {
        let tensor = tensor(name)?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            let (dtype, found) = (tensor.dtype(), tensor.shape());
            return Err(format!("{prefix}{name} is {dtype:?} {found:?}, not float32 {shape:?}"));
        }
        Ok(tensor.data().as_chunks().0.iter().map(|it| f32::from_le_bytes(*it)).collect())
    };
    let basis = tensor("space.basis")?;
    let [of_features, dimension] = *basis.shape() else {
        return Err(format!("{prefix}space.basis has other than two sides"));
    };
    let impressions = tensor(IMPRESSION).is_ok().then(|| -> Result<Impressions, String> {
        let (weights, bias) = (format!("{prefix}{CLASSIFIER}"), format!("{prefix}{CLASSIFIER_BIAS}"));
        let classifier = Classifier::from_tensors(tensors, &weights, &bias)?;
        if classifier.dimension() != dimension {
            let found = classifier.dimension();
            return Err(format!("{weights} takes {found} features, and {prefix}space.basis {dimension}"));
        }
        let [of_impressions, n] = *tensor(IMPRESSION_BASIS)?.shape() else {
            return Err(format!("{prefix}{IMPRESSION_BASIS} has other than two sides"));
        };
        if n != classifier.n_classes() {
            let found = classifier.n_classes();
            return Err(format!("{prefix}{IMPRESSION_BASIS} is of {n} classes, and {weights} of {found}"));
        }
        Ok(Impressions {
            classifier: Arc::new(classifier),
            means: read(IMPRESSION_MEANS, &[N_KINDS, n])?,
            basis: read(IMPRESSION_BASIS, &[of_impressions, n])?,
            weight: read(IMPRESSION, &[1])?[0],
        })
    });
    let impressions = impressions.transpose()?;
    let means = read("space.means", &[N_KINDS, dimension])?;
    let basis = read("space.basis", &[of_features, dimension])?;
    let space = Space { means, basis, dimension, impressions };
    let k = space.directions();
    Ok(Learned {
        blank: manifest.classes.first().is_some_and(|it| &*it.class.name == BLANK),
        space,
        whitening: read("whitening", &[k, k])?,
        means: read("means", &[n, k])?,
        sharpness: read("cosine_scale", &[1])?[0],
        weights: read("weights", &[n, k])?,
        bias: read("bias", &[n])?,
        shares: read("shares", &[n])?,
        offsets: read("offsets", &[n])?,
    })
}
