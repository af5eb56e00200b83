//! The numbers of a head, as a safetensors file.

use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};

use crate::infer::head::BLANK;
use crate::infer::learned::Learned;
use crate::infer::space::{N_KINDS, Space};

use super::Manifest;

/// What the second featurizer's tensors are called, before their names.
const SECOND: &str = "second.";

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
            .map(|(name, shape, bytes)| TensorView::new(Dtype::F32, shape.clone(), bytes).map(|it| (name, it)))
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
            space.into_iter().chain(rest).flatten().chain([&it.sharpness])
        })
    }
}

fn tensors(prefix: &str, learned: &Learned) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    let (n, k, d) = (learned.n_classes(), learned.space.directions(), learned.space.dimension);
    let all: [(&str, Vec<usize>, &[f32]); 9] = [
        ("space.means", vec![N_KINDS, d], &learned.space.means),
        ("space.basis", vec![k, d], &learned.space.basis),
        ("whitening", vec![k, k], &learned.whitening),
        ("means", vec![n, k], &learned.means),
        ("weights", vec![n, k], &learned.weights),
        ("bias", vec![n], &learned.bias),
        ("shares", vec![n], &learned.shares),
        ("offsets", vec![n], &learned.offsets),
        ("cosine_scale", vec![1], &[learned.sharpness]),
    ];
    let named = |(name, shape, numbers): (&str, Vec<usize>, &[f32])| {
        (format!("{prefix}{name}"), shape, numbers.iter().flat_map(|x| x.to_le_bytes()).collect())
    };
    all.into_iter().map(named).collect()
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
    let [k, dimension] = *basis.shape() else { return Err(format!("{prefix}space.basis has other than two sides")) };
    Ok(Learned {
        blank: manifest.classes.first().is_some_and(|it| &*it.class.name == BLANK),
        space: Space {
            means: read("space.means", &[N_KINDS, dimension])?,
            basis: read("space.basis", &[k, dimension])?,
            dimension,
        },
        whitening: read("whitening", &[k, k])?,
        means: read("means", &[n, k])?,
        sharpness: read("cosine_scale", &[1])?[0],
        weights: read("weights", &[n, k])?,
        bias: read("bias", &[n])?,
        shares: read("shares", &[n])?,
        offsets: read("offsets", &[n])?,
    })
}
