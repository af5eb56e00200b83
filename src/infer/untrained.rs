//! A network of the same build that has learned nothing: what a featurizer is worth beyond its build is the difference.
//!
//! The weights of every convolution and matrix product are drawn anew (uniform, of variance 2 ÷ fan-in: He et al. 2015; from a seed), their
//! biases are 0; all else stays as it is. Untrained convolutions are a baseline that is hard to beat by accident (Saxe et al.
//! 2011). ONNX is protobuf, of which these few fields are read here: numbers are overwritten in place, nothing moves.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// `ModelProto.graph`.
const GRAPH: u64 = 7;
/// `GraphProto.node`, `GraphProto.initializer`.
const NODE: u64 = 1;
const INITIALIZER: u64 = 5;
/// `NodeProto.input`, `NodeProto.op_type`.
const INPUT: u64 = 1;
const OPERATOR: u64 = 4;
/// `TensorProto.dims`, `.data_type`, `.name`, `.raw_data`; float32 is type 1.
const DIMS: u64 = 1;
const DATA_TYPE: u64 = 2;
const NAME: u64 = 8;
const RAW_DATA: u64 = 9;
const FLOAT32: u64 = 1;

/// The network cannot be made one that has learned nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UntrainedError {
    /// It is cut short, or something else.
    #[error("it is no ONNX network")]
    NoNetwork,
    /// Nothing in it could be drawn anew: weights of another type, or in another file.
    #[error("it holds no float32 weights of a convolution or matrix product")]
    NoWeights,
}

/// Draws the weights of a network anew, given the bytes of an ONNX file; the same seed gives the same bytes.
pub fn untrained(network: &[u8], seed: u64) -> Result<Vec<u8>, UntrainedError> {
    let graph = parts(network, 0..network.len())?;
    let graph = graph.iter().find_map(|it| it.bytes(GRAPH)).ok_or(UntrainedError::NoNetwork)?;
    let (mut weights, mut biases) = (HashMap::<&[u8], bool>::new(), HashSet::<&[u8]>::new());
    let graph = parts(network, graph)?;
    for node in graph.iter().filter_map(|it| it.bytes(NODE)) {
        let node = parts(network, node)?;
        let text = |range: Range<usize>| &network[range];
        let operator = node.iter().find_map(|it| it.bytes(OPERATOR)).map(text).unwrap_or_default();
        let inputs: Vec<&[u8]> = node.iter().filter_map(|it| it.bytes(INPUT)).map(text).collect();
        if !matches!(operator, b"Conv" | b"Gemm" | b"MatMul") {
            continue;
        }
        // The weights of a matrix product stand the other way round: [in, out].
        weights.extend(inputs.get(1).map(|it| (*it, operator == b"MatMul")));
        biases.extend(inputs.get(2));
    }
    let (mut made, mut dice, mut drawn) = (network.to_vec(), ChaCha8Rng::seed_from_u64(seed), 0);
    for tensor in graph.iter().filter_map(|it| it.bytes(INITIALIZER)) {
        let Some(tensor) = Tensor::read(network, tensor)? else { continue };
        let name = &network[tensor.name];
        let limit = match weights.get(name) {
            Some(reversed) => {
                let fan_in = if *reversed {
                    tensor.dims.first().copied().unwrap_or(1)
                } else {
                    tensor.dims.iter().skip(1).product()
                };
                drawn += 1;
                (6.0 / fan_in.max(1) as f32).sqrt()
            }
            None if biases.contains(name) => 0.0,
            None => continue,
        };
        for number in made[tensor.data].chunks_exact_mut(4) {
            let it = if limit > 0.0 { dice.random_range(-limit..limit) } else { 0.0 };
            number.copy_from_slice(&it.to_le_bytes());
        }
    }
    if drawn == 0 { Err(UntrainedError::NoWeights) } else { Ok(made) }
}

/// A tensor of float32 whose numbers stand in the file one after the other.
struct Tensor {
    name: Range<usize>,
    dims: Vec<u64>,
    data: Range<usize>,
}

impl Tensor {
    fn read(file: &[u8], range: Range<usize>) -> Result<Option<Tensor>, UntrainedError> {
        let (mut it, mut is_float) = (Tensor { name: 0..0, dims: Vec::new(), data: 0..0 }, false);
        for part in parts(file, range)? {
            match part {
                Part { field: DIMS, value: Value::Number(n) } => it.dims.push(n),
                Part { field: DIMS, value: Value::Bytes(packed) } => {
                    let mut at = packed.start;
                    while at < packed.end {
                        it.dims.push(number(file, &mut at, packed.end)?);
                    }
                }
                Part { field: DATA_TYPE, value: Value::Number(n) } => is_float = n == FLOAT32,
                Part { field: NAME, value: Value::Bytes(name) } => it.name = name,
                Part { field: RAW_DATA, value: Value::Bytes(data) } => it.data = data,
                _ => {}
            }
        }
        Ok((is_float && !it.data.is_empty()).then_some(it))
    }
}

/// One field of a message.
struct Part {
    field: u64,
    value: Value,
}

enum Value {
    Number(u64),
    /// Where they stand in the file.
    Bytes(Range<usize>),
}

impl Part {
    fn bytes(&self, field: u64) -> Option<Range<usize>> {
        match &self.value {
            Value::Bytes(range) if self.field == field => Some(range.clone()),
            _ => None,
        }
    }
}

/// The fields of the message that stands there.
fn parts(file: &[u8], range: Range<usize>) -> Result<Vec<Part>, UntrainedError> {
    let (mut at, end) = (range.start, range.end);
    let mut parts = Vec::new();
    while at < end {
        let tag = number(file, &mut at, end)?;
        let bytes = |at: &mut usize, n: u64| {
            let n = usize::try_from(n).map_err(|_| UntrainedError::NoNetwork)?;
            let to = at.checked_add(n).filter(|it| *it <= end).ok_or(UntrainedError::NoNetwork)?;
            let range = *at..to;
            *at = to;
            Ok(Value::Bytes(range))
        };
        let value = match tag & 7 {
            0 => Value::Number(number(file, &mut at, end)?),
            1 => bytes(&mut at, 8)?,
            2 => {
                let n = number(file, &mut at, end)?;
                bytes(&mut at, n)?
            }
            5 => bytes(&mut at, 4)?,
            _ => return Err(UntrainedError::NoNetwork),
        };
        parts.push(Part { field: tag >> 3, value });
    }
    Ok(parts)
}

/// A whole number of seven bits a byte, the lowest first.
fn number(file: &[u8], at: &mut usize, end: usize) -> Result<u64, UntrainedError> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let byte = file.get(*at).filter(|_| *at < end).ok_or(UntrainedError::NoNetwork)?;
        *at += 1;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err(UntrainedError::NoNetwork)
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::*;
    use crate::infer::contract::Contract;
    use crate::infer::featurizer::Featurizer;
    use crate::infer::tiny;

    #[test]
    fn the_build_stays_and_what_was_learned_goes() {
        let models = tiny::models_dir();
        let file = std::fs::read(models.join("efficientnet-lite0.onnx")).unwrap();
        let (first, second) = (untrained(&file, 1).unwrap(), untrained(&file, 2).unwrap());
        assert_eq!(first, untrained(&file, 1).unwrap(), "the same seed gives the same");
        assert!(first != second && first.len() == file.len());
        // It runs, and tells pictures apart, otherwise than the one that has learned.
        let contract = Arc::new(Contract::load(&models, "efficientnet-lite0").unwrap());
        let camera = tiny::camera("c");
        let still = |nth: u32| {
            let at = |x: u32, y: u32| image::Rgb([(x * (nth + 1)) as u8, (y * 3 + nth * 40) as u8, (x ^ y) as u8]);
            tiny::whole(&tiny::still(&camera, "c", u64::from(nth), image::RgbImage::from_fn(64, 48, at)))
        };
        let pictures: Vec<_> = (0..4).map(still).collect();
        let trained =
            Featurizer::open(&tiny::runtime(), Arc::clone(&contract), 4).unwrap().featurize(&pictures).unwrap();
        let drawn = Featurizer::open_untrained(&tiny::runtime(), contract, 4, 1).unwrap().featurize(&pictures).unwrap();
        let all_finite = drawn.iter().all(|it| it.features.iter().all(|it| it.is_finite()));
        let apart = drawn[0].features.iter().zip(drawn[1].features.iter()).any(|(a, b)| a != b);
        assert!(all_finite && apart && drawn[0].features != trained[0].features);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        assert_eq!(untrained(b"no network", 1), Err(UntrainedError::NoNetwork));
        assert_eq!(untrained(&[], 1), Err(UntrainedError::NoNetwork));
        let dir = tempfile::tempdir().unwrap();
        tiny::write(dir.path(), None);
        let tiny = std::fs::read(Path::new(dir.path()).join("tiny.onnx")).unwrap();
        assert_eq!(untrained(&tiny, 1), Err(UntrainedError::NoWeights), "it only takes means");
        assert_eq!(untrained(&tiny[..tiny.len() / 2], 1), Err(UntrainedError::NoNetwork));
    }
}
