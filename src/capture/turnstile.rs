//! Cameras open one after the other. After a power cut all of them are there again at the same moment, and what a handshake, a
//! decoder and a first whole picture cost, for all at once on a small box, may be more than each has time for; so all would fail
//! together, and together try again.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use crate::capture::intake::Stop;

/// From one camera to the next: two dozen are through within two and a half seconds, and one alone does not wait.
const APART: Duration = Duration::from_millis(100);

/// Of the daemon's, for all its cameras: it is its cores that they share.
pub(super) static TURNSTILE: Turnstile = Turnstile::new(APART);

/// Lets one through at a time.
pub(super) struct Turnstile {
    apart: Duration,
    /// When it is free again.
    free: Mutex<Option<Instant>>,
}

impl Turnstile {
    const fn new(apart: Duration) -> Turnstile {
        Turnstile { apart, free: Mutex::new(None) }
    }

    /// Waits for its turn; false where the daemon ends meanwhile. Who came first goes first, and nobody waits for what another
    /// does behind it: a camera that is away holds up none.
    pub(super) fn pass(&self, stop: &Stop) -> bool {
        let now = Instant::now();
        let turn = {
            let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = free.map_or(now, |it| it.max(now));
            *free = Some(turn + self.apart);
            turn
        };
        // Nothing is ever sent: the channel closes.
        stop.recv_timeout(turn.saturating_duration_since(now)) == Err(RecvTimeoutError::Timeout)
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::thread;

    use crossbeam_channel::bounded;

    use super::*;

    #[test]
    fn cameras_that_come_at_once_pass_one_by_one_and_the_end_waits_for_none() {
        let (daemon, stop) = bounded::<Infallible>(0);
        let turnstile = Turnstile::new(Duration::from_millis(20));
        let start = Instant::now();
        let mut passed: Vec<Duration> = thread::scope(|scope| {
            let cameras: Vec<_> =
                (0..5).map(|_| scope.spawn(|| turnstile.pass(&stop).then(|| start.elapsed()))).collect();
            cameras.into_iter().filter_map(|it| it.join().expect("no panic")).collect()
        });
        passed.sort();
        assert_eq!(passed.len(), 5);
        for (nth, it) in (0..).zip(&passed) {
            assert!(*it >= Duration::from_millis(20) * nth, "{passed:?}");
        }
        let long = Turnstile::new(Duration::from_secs(3_600));
        assert!(long.pass(&stop), "the first does not wait");
        drop(daemon);
        assert!(!long.pass(&stop));
    }
}
