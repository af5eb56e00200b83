//! From candidates to predictions: ONNX Runtime, heads.

pub mod head;
pub mod novelty;
pub mod predict;
