//! Of what the gates saw lately, and is kept of it.

use prometheus::{IntCounterVec, IntGaugeVec, Registry};

use super::{counters, gauges};

/// The metrics of the tapes.
#[derive(Debug)]
pub struct Tape {
    /// `eyeshine_tape_frames_total{outcome}`: frames of all cameras that were to be kept: `kept`, `left_out` as others waited, `failed`.
    pub frames: IntCounterVec,
    /// `eyeshine_tape_bytes{camera}`: what is kept of a camera, as of the last minute.
    pub bytes: IntGaugeVec,
}

impl Tape {
    pub(super) fn new(r: &Registry) -> Tape {
        let help = "Small grey frames that were to be kept, to try other settings of a gate on.";
        let tape = Tape {
            frames: counters(r, "eyeshine_tape_frames_total", help, &["outcome"]),
            bytes: gauges(r, "eyeshine_tape_bytes", "What is kept of them.", &["camera"]),
        };
        for outcome in ["kept", "left_out", "failed"] {
            tape.frames.with_label_values(&[outcome]);
        }
        tape
    }
}
