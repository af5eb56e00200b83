//! From candidates to predictions: ONNX Runtime, heads.

pub mod contract;
pub mod runtime;
pub mod session;

pub mod preprocess;
pub mod queue;

pub mod order;

pub mod featurizer;
pub mod untrained;

pub mod second;

pub mod both;
pub mod classifier;
pub mod closeness;
pub mod head;
pub mod heads;
pub mod learned;
pub mod models;
pub mod novelty;
pub mod predict;
pub mod ranks;
pub mod space;
pub mod taxonomy;
pub mod together;
pub mod unknown;
pub(crate) mod vector;

#[cfg(test)]
pub(crate) mod tiny;
