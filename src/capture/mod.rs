//! From a camera to candidates: GStreamer, supervision, gate.

pub mod picture;
