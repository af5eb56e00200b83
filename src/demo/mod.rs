//! The simulated reserve: real RTSP cameras on loopback whose truth is known. It is the demo, and the tests' camera.
//!
//! Scenes are painted by us, animals are photographs of Debian's `tuxpaint-stamps-default`; all that happens is a
//! function of seed, camera and moment.

pub mod animals;
pub mod frame;
mod layer;
mod noise;
mod plate;
mod sprite;

pub mod script;

pub mod scene;

pub mod relay;
pub mod serve;

pub mod film;

pub mod score;

use std::path::PathBuf;

use frame::SizeError;

/// The reserve cannot be simulated.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// No photographs.
    #[error("reserve: {path} is missing: install Debian's package of photographs: apt-get install tuxpaint-stamps-default", path = path.display())]
    NoPhotographs {
        /// What is missing.
        path: PathBuf,
    },
    /// A photograph cannot be read.
    #[error("reserve: {path}: {source}", path = path.display())]
    Photograph {
        /// The photograph.
        path: PathBuf,
        /// Why.
        source: image::ImageError,
    },
    /// A photograph shows nothing.
    #[error("reserve: {path} shows nothing", path = path.display())]
    Empty {
        /// The photograph.
        path: PathBuf,
    },
    /// A photograph cannot be scaled.
    #[error("reserve: {0}")]
    Scaling(String),
    /// The size is none for a scene.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// GStreamer refuses.
    #[error("reserve: {0}")]
    Stream(String),
    /// A file or thread cannot be had.
    #[error("reserve: {0}")]
    Io(#[from] std::io::Error),
}

impl From<gstreamer::glib::BoolError> for DemoError {
    fn from(error: gstreamer::glib::BoolError) -> DemoError {
        DemoError::Stream(error.to_string())
    }
}

impl From<gstreamer::glib::Error> for DemoError {
    fn from(error: gstreamer::glib::Error) -> DemoError {
        DemoError::Stream(error.to_string())
    }
}
