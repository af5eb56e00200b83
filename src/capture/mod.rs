//! From a camera to candidates: GStreamer, supervision, gate.

pub mod credentials;
pub mod error;
pub mod source;

pub mod camera_clock;
pub mod decode_errors;
pub mod findings;
pub mod graph;
pub mod input;
pub mod intake;
pub mod timeline;
pub mod tls;

pub mod camera;
pub mod reach;
pub mod supervise;
pub mod teardown;
pub mod turnstile;

mod colour;
pub mod picture;
pub mod still;

pub mod background;
pub mod gate;
pub mod lattice;
pub mod mask;
pub mod regions;

pub mod tape;

#[cfg(test)]
pub(crate) mod testing;
