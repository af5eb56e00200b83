//! Still moments, drawn at random of time: by what people see in them it is known how much the gate misses.
//!
//! The draws come at the times of a Poisson process, whatever the frames do, and one that falls into a frame that the gate
//! lets through, or leaves out for another reason, comes to nothing. So every second of still time is as likely as any other,
//! and each moment stands for as much of it. It costs a comparison a frame; the picture is made elsewhere.

use std::time::Duration;

use crossbeam_channel::{Sender, TrySendError};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::domain::{Frame, Modality};

/// Seconds of a day.
const DAY_SECS: f64 = 86_400.0;
/// Frames further apart than this many of their usual distances have a hole between them, of which nothing is known.
const HOLE: f64 = 10.0;

/// A frame in which the gate saw nothing, as it was drawn. Its fate is settled.
#[derive(Debug)]
pub struct Moment {
    /// The frame.
    pub frame: Frame,
    /// Colour or infrared.
    pub modality: Modality,
    /// With which this frame was drawn, 0..=1.
    pub probability: f64,
    /// How much still time it stands for.
    pub stands_secs: f64,
}

/// The draws of one camera.
#[derive(Debug)]
pub struct Draws {
    /// The mean time between draws.
    every_secs: f64,
    /// Frames further apart have a hole between them.
    hole: Duration,
    rng: ChaCha8Rng,
    last: Option<Duration>,
    due: Duration,
    output: Sender<Moment>,
}

impl Draws {
    /// About `per_day` moments of a camera that is looked at `fps` times a second, were it still all day. A `seed` gives the
    /// same draws again.
    pub fn new(per_day: f64, fps: f64, seed: u64, output: Sender<Moment>) -> Draws {
        let hole = Duration::try_from_secs_f64(HOLE / fps).unwrap_or(Duration::MAX);
        let rng = ChaCha8Rng::seed_from_u64(seed);
        Draws { every_secs: DAY_SECS / per_day, hole, rng, last: None, due: Duration::ZERO, output }
    }

    /// Whether a draw falls between the frame before this one and this one: how likely that was. Asked of every frame.
    pub(super) fn draw(&mut self, elapsed: Duration) -> Option<f64> {
        let last = self.last.replace(elapsed);
        let since = last.map(|it| elapsed.saturating_sub(it)).filter(|it| *it <= self.hole);
        let Some(since) = since else {
            // Waiting has no memory: from here on it is as likely as ever.
            self.put_off(elapsed);
            return None;
        };
        if elapsed < self.due {
            return None;
        }
        self.put_off(elapsed);
        Some(-(-since.as_secs_f64() / self.every_secs).exp_m1())
    }

    fn put_off(&mut self, now: Duration) {
        // In 0..1, so that its logarithm's argument is never 0.
        let wait_secs = -(1.0 - self.rng.random::<f64>()).ln() * self.every_secs;
        self.due = now.saturating_add(Duration::try_from_secs_f64(wait_secs).unwrap_or(Duration::MAX));
    }

    /// Sends a frame that was drawn and turned out to be still. Where others wait it is left out: that has nothing to do with
    /// what it shows.
    pub(super) fn send(&self, frame: Frame, modality: Modality, probability: f64) {
        let moment = Moment { frame, modality, probability, stands_secs: self.every_secs };
        if let Err(TrySendError::Full(it)) = self.output.try_send(moment) {
            tracing::debug!(camera = &*it.frame.camera, "a still moment is left out: others wait to be kept");
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// The draws of a day of frames at `fps`, by the frame.
    fn day(draws: &mut Draws, fps: f64, from: Duration) -> Vec<(Duration, f64)> {
        let n = (DAY_SECS * fps) as u32;
        let at = |i: u32| from + Duration::from_secs_f64(f64::from(i) / fps);
        (0..n).filter_map(|i| draws.draw(at(i)).map(|it| (at(i), it))).collect()
    }

    #[test]
    fn about_as_many_are_drawn_as_are_asked_for_and_each_as_likely_as_it_says() {
        let (output, _keep) = crossbeam_channel::bounded(1);
        for fps in [1.0, 5.0] {
            let mut draws = Draws::new(200.0, fps, 7, output.clone());
            let drawn: Vec<_> =
                (0..10).flat_map(|nth| day(&mut draws, fps, Duration::from_secs(nth * 86_400))).collect();
            // 2000 expected; the standard deviation of a Poisson count is its root.
            assert!(drawn.len().abs_diff(2_000) < 180, "{} at {fps} frames a second", drawn.len());
            // What the frames were drawn with adds up to what was drawn: 432,000 frames a day at 5 a second.
            let expected = drawn[0].1 * DAY_SECS * fps * 10.0;
            assert!((expected - 2_000.0).abs() < 4.0, "{expected}");
            // No hour is better than another.
            let day = drawn.iter().filter(|it| it.0.as_secs() % 86_400 < 43_200).count();
            assert!(day.abs_diff(drawn.len() - day) < 180, "{day} of {} by day", drawn.len());
        }
        let again = |seed| day(&mut Draws::new(20.0, 1.0, seed, output.clone()), 1.0, Duration::ZERO);
        assert_eq!(again(3), again(3));
        assert_ne!(again(3), again(4));
    }

    #[test]
    fn a_hole_between_frames_is_no_still_time() {
        let (output, _keep) = crossbeam_channel::bounded(1);
        let mut draws = Draws::new(86_400.0, 5.0, 1, output);
        // A draw a second on average, and a frame an hour.
        assert!((0..1_000).all(|hour| draws.draw(Duration::from_secs(hour * 3_600)).is_none()));
    }
}
