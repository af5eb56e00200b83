//! What of a gate's frames goes to the tape. It costs the gate a copy of a small picture, and never a wait.

use std::time::Duration;

use crossbeam_channel::{Sender, TrySendError};
use prometheus::IntCounter;

use super::Taped;

/// Frames that wait for the keeper, of all cameras: each is some 60 kB, and a disk may think for a second.
pub const WAITING: usize = 64;
/// Between frames, whatever moves.
const ALWAYS: Duration = Duration::from_secs(1);
/// Further frames in which something moves, at first: some ten seconds of them, which is most visits whole …
const AT_FIRST: f64 = 50.0;
/// … and, where it goes on as wind does, so many more a second: else a day of wind would leave no room for the night.
const LATER_PER_SEC: f64 = 0.2;

/// The recorder of one camera.
#[derive(Debug)]
pub struct Recorder {
    output: Sender<Taped>,
    left_out: IntCounter,
    last: Option<Duration>,
    /// Further frames that may be kept, as of `counted`.
    further: f64,
    counted: Duration,
}

impl Recorder {
    /// What goes to `output`; what finds no room there is counted.
    pub fn new(output: Sender<Taped>, left_out: IntCounter) -> Recorder {
        Recorder { output, left_out, last: None, further: AT_FIRST, counted: Duration::ZERO }
    }

    /// Whether a frame is kept: one a second, and beside, as far as there is room, each in which something stirs.
    pub(crate) fn wants(&mut self, elapsed: Duration, stirs: bool) -> bool {
        let passed = elapsed.saturating_sub(self.counted).as_secs_f64();
        (self.further, self.counted) = (AT_FIRST.min(self.further + LATER_PER_SEC * passed), elapsed);
        let lately = |last: Duration| elapsed.saturating_sub(last) < ALWAYS;
        let further = self.last.is_some_and(lately);
        if further && !(stirs && self.further >= 1.0) {
            return false;
        }
        if further {
            self.further -= 1.0;
        }
        self.last = Some(elapsed);
        true
    }

    /// Hands a frame on; where many wait it is left out.
    pub(crate) fn send(&self, frame: Taped) {
        if let Err(TrySendError::Full(it)) = self.output.try_send(frame) {
            tracing::debug!(camera = &*it.camera, "a frame is left out of the tape: others wait to be kept");
            self.left_out.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::metrics::Metrics;

    /// How many of `secs` seconds of frames, five a second, are kept.
    fn kept(recorder: &mut Recorder, from_secs: u64, secs: u64, stirs: bool) -> usize {
        let at = |n: u64| Duration::from_secs(from_secs) + Duration::from_millis(200 * n);
        (0..secs * 5).filter(|n| recorder.wants(at(*n), stirs)).count()
    }

    #[test]
    fn a_visit_is_kept_whole_and_wind_leaves_room_for_the_night() {
        let metrics = Metrics::new();
        let (send, _taped) = crossbeam_channel::bounded(1);
        let mut recorder = Recorder::new(send, metrics.tape.frames.with_label_values(&["left_out"]));
        assert_eq!(kept(&mut recorder, 0, 60, false), 60, "one a second");
        assert_eq!(kept(&mut recorder, 60, 10, true), 50, "all of them");
        assert_eq!(kept(&mut recorder, 70, 300, false), 300);
        let hour = kept(&mut recorder, 370, 3_600, true);
        assert!((3_900..4_100).contains(&hour), "{hour} frames of an hour of wind");
        assert_eq!(kept(&mut recorder, 3_970, 600, false), 600);
        assert_eq!(kept(&mut recorder, 4_570, 10, true), 50, "and whole again");
    }
}
