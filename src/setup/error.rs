//! Why a camera is not set up as somebody wants it.

use std::io;
use std::path::PathBuf;

/// Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// There is no such camera.
    #[error("setup: there is no camera {0:?}")]
    NoCamera(String),
    /// There is no such version.
    #[error("setup: {camera} has no version {number}; nothing was changed")]
    NoVersion {
        /// The camera.
        camera: String,
        /// What was asked for.
        number: u32,
    },
    /// The settings are wrong.
    #[error("setup: {}; nothing was changed", .0.join("; "))]
    Wrong(Vec<String>),
    /// Somebody else was quicker.
    #[error(
        "setup: {camera} is at version {found} by now, and not at {expected}: look at it again; nothing was changed"
    )]
    Overtaken {
        /// The camera.
        camera: String,
        /// What somebody has looked at.
        expected: u32,
        /// What holds.
        found: u32,
    },
    /// A trial is on its way.
    #[error("setup: a trial of {0} is on its way, and there is one at a time: try again when it is over")]
    Busy(String),
    /// There is nothing to try it on.
    #[error("setup: nothing is recorded of {0} of that time: there is nothing to try it on")]
    NoTape(String),
    /// A version cannot be understood.
    #[error("setup: {}: {why}: correct the file or remove it", path.display())]
    Damaged {
        /// Its file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The disk.
    #[error("setup: {}: {source}; nothing was changed", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}
