//! Stream time and the analysis rate: pure arithmetic over time stamps that may be missing, jump or be absurd.

use std::time::Duration;

/// A longer step between two frames of a file is no time that passed, but a broken time stamp.
const MAX_STEP: Duration = Duration::from_secs(120);
/// A shorter step back is a decoder's reordering, a longer one a new count.
const REORDERING: Duration = Duration::from_secs(1);
/// Between frames that say nothing of their rate.
const USUAL_STEP: Duration = Duration::from_millis(40);
/// Frames do not wait longer than that in a live pipeline: an older one has a broken time stamp.
pub const MAX_AGE: Duration = Duration::from_secs(10);

/// A camera's stream time. It never steps back, over reconnects and loops neither.
#[derive(Debug, Default)]
pub struct Timeline {
    last: Option<Duration>,
    /// Of files: the time stamp that belongs to `last`.
    last_pts: Option<Duration>,
    /// Of files: what is between two frames, from the last good pair.
    step: Option<Duration>,
}

impl Timeline {
    /// A live frame that is `age` old now. The clock that `now` is of never steps back.
    pub fn live(&mut self, now: Duration, age: Option<Duration>) -> Duration {
        let age = age.filter(|it| *it <= MAX_AGE).unwrap_or_default();
        let elapsed = now.saturating_sub(age).max(self.last.unwrap_or_default());
        self.last = Some(elapsed);
        elapsed
    }

    /// A frame of a file with its time stamp, and how long the file says that a frame lasts.
    pub fn file(&mut self, pts: Option<Duration>, nominal: Option<Duration>) -> Duration {
        let Some(last) = self.last else {
            self.last_pts = pts;
            self.last = Some(Duration::ZERO);
            return Duration::ZERO;
        };
        let step = match (self.last_pts, pts) {
            (Some(before), Some(pts)) if pts >= before && pts - before <= MAX_STEP => {
                self.last_pts = Some(pts);
                let step = pts - before;
                self.step = Some(step).filter(|it| !it.is_zero()).or(self.step);
                step
            }
            (Some(before), Some(pts)) if pts < before && before - pts <= REORDERING => Duration::ZERO,
            _ => {
                self.last_pts = pts.or(self.last_pts);
                self.step.or(nominal).filter(|it| *it <= MAX_STEP).unwrap_or(USUAL_STEP)
            }
        };
        self.last = Some(last + step);
        last + step
    }

    /// The file begins again: its next frame follows its last one.
    pub fn begin_again(&mut self) {
        self.last_pts = None;
    }
}

/// Picks the frames that the gate looks at: the first one at or near each point of a grid in stream time.
#[derive(Debug)]
pub struct Rate {
    period: Duration,
    due: Option<Duration>,
}

impl Rate {
    /// At most `fps` frames a second, on the long run.
    pub fn new(fps: f64) -> Rate {
        let period = Duration::try_from_secs_f64(1.0 / fps).unwrap_or(Duration::MAX);
        Rate { period, due: None }
    }

    /// Whether the frame taken at `elapsed` is one to look at.
    ///
    /// A frame may come a quarter of the period early: at a camera whose own rate is the analysis rate, jitter would
    /// otherwise take every other frame.
    pub fn takes(&mut self, elapsed: Duration) -> bool {
        let due = *self.due.get_or_insert(elapsed);
        if elapsed.saturating_add(self.period / 4) < due {
            return false;
        }
        // After a gap the grid starts anew, instead of letting a burst through to make up for it.
        let late = elapsed.saturating_sub(due) >= self.period;
        self.due = Some(if late { elapsed } else { due }.saturating_add(self.period));
        true
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ms(it: u64) -> Duration {
        Duration::from_millis(it)
    }

    #[test]
    fn five_of_twentyfive_or_thirty_frames_are_taken_each_second() {
        for fps in [25, 30, 50, 7] {
            let mut rate = Rate::new(5.0);
            let taken = (0..fps * 60).filter(|i| rate.takes(ms(i * 1000 / fps))).count();
            assert!((299..=301).contains(&taken), "{taken} at {fps}");
        }
    }

    #[test]
    fn a_camera_at_the_analysis_rate_is_seen_whole_despite_jitter() {
        let mut rate = Rate::new(5.0);
        let jitter = [0i64, 30, -40, 10, -20, 45, -45, 5];
        let taken = (0..80i64).filter(|&i| rate.takes(ms((1000 + i * 200 + jitter[i as usize % 8]) as u64))).count();
        assert_eq!(taken, 80);
    }

    #[test]
    fn after_a_gap_no_burst_makes_up_for_it() {
        let mut rate = Rate::new(5.0);
        assert!(rate.takes(ms(0)));
        // The last of the second comes a little early for the next, and is taken for it.
        let taken = (0..23).filter(|i| rate.takes(ms(10_000 + i * 40))).count();
        assert_eq!(taken, 5);
    }

    #[test]
    fn a_file_goes_on_over_loops_resets_jumps_and_missing_stamps() {
        let mut time = Timeline::default();
        assert_eq!(time.file(Some(ms(800)), None), ms(0));
        assert_eq!(time.file(Some(ms(840)), None), ms(40));
        // Reordered, then a jump of a year, then none, then a new count.
        assert_eq!(time.file(Some(ms(800)), None), ms(40));
        assert_eq!(time.file(Some(Duration::from_secs(31_536_000)), None), ms(80));
        assert_eq!(time.file(None, None), ms(120));
        assert_eq!(time.file(Some(ms(0)), None), ms(160));
        time.begin_again();
        assert_eq!(time.file(Some(ms(0)), None), ms(200));
        assert_eq!(time.file(Some(ms(40)), None), ms(240));
    }

    proptest! {
        #[test]
        fn time_never_steps_back(stamps in prop::collection::vec(prop::option::of(0u64..u64::MAX), 0..200)) {
            let (mut file, mut live) = (Timeline::default(), Timeline::default());
            let (mut last_file, mut last_live, mut now) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
            for stamp in stamps {
                now += ms(13);
                let pts = stamp.map(Duration::from_nanos);
                let (f, l) = (file.file(pts, None), live.live(now, pts));
                prop_assert!(f >= last_file && l >= last_live && l <= now);
                (last_file, last_live) = (f, l);
            }
        }
    }
}
