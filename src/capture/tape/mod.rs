//! The tape: what a gate saw lately, as small grey pictures on disk, so that it can be asked again with other settings.
//!
//! ```text
//! gate ─ recorder ─▶ keeper (a thread) ─▶ segments of a minute on the shelf ─▶ the gate again, with other settings
//! ```
//!
//! Kept is one frame a second, and beside every one in which something moves, masked or not, for ten seconds of it; where it goes on,
//! fewer. What is masked is black on the tape: it
//! is never looked at, and not kept either. Days and megabytes have caps, and the oldest goes.

pub mod keeper;
pub mod recorder;
pub mod segment;
pub mod shelf;

use std::time::Duration;

use image::GrayImage;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::capture::regions::Region;
use crate::domain::{CameraName, Modality};

/// A frame as the gate saw it.
#[derive(Debug, Clone, PartialEq)]
pub struct Taped {
    /// The camera that took it.
    pub camera: CameraName,
    /// When its scene began: frames of one take follow one another on one stream time, at one size and by one set of settings.
    pub take: Timestamp,
    /// When it was taken, by the wall clock.
    pub at: Timestamp,
    /// Stream time.
    pub elapsed: Duration,
    /// Colour or infrared.
    pub modality: Modality,
    /// Width and height of the camera's own picture, px.
    pub size_px: (u32, u32),
    /// What the gate saw, without what was masked.
    pub luma: GrayImage,
}

/// A part of a picture: left edge, top edge, width and height as shares of the picture's, 0..=1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// Left edge.
    pub x: f64,
    /// Top edge.
    pub y: f64,
    /// Width.
    pub width: f64,
    /// Height.
    pub height: f64,
}

impl Share {
    /// Where a region lies in an analysed picture of `width` x `height` px.
    pub fn of(region: &Region, width: usize, height: usize) -> Share {
        let share = |part: usize, whole: usize| part as f64 / whole.max(1) as f64;
        Share {
            x: share(region.x, width),
            y: share(region.y, height),
            width: share(region.width, width),
            height: share(region.height, height),
        }
    }
}
