//! From candidates to predictions: ONNX Runtime, heads.
