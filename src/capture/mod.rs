//! From a camera to candidates: GStreamer, supervision, gate.

pub mod picture;

pub mod background;
pub mod gate;
pub mod lattice;
pub mod mask;
pub mod regions;
