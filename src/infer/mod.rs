//! From candidates to predictions: ONNX Runtime, heads.

pub mod contract;
pub mod featurizer;
pub mod order;
pub mod preprocess;
pub mod queue;
pub mod runtime;
pub mod session;

#[cfg(test)]
pub(crate) mod tiny;
