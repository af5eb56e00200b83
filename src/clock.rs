//! The clock, one of the two seams for tests.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Tells the time.
pub trait Clock: Debug + Send + Sync {
    /// The wall clock: it may step. For people and for the store.
    fn now(&self) -> Timestamp;
    /// Time since this clock was made: it never steps back. For time-outs and intervals.
    fn elapsed(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug)]
pub struct SystemClock(Instant);

impl Default for SystemClock {
    fn default() -> Self {
        SystemClock(Instant::now())
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// For files looked at afterwards: the wall clock stands at the epoch, so that times count from a file's beginning; and no time
/// goes by, as one that waits for its turn has not fallen silent.
#[derive(Debug, Default)]
pub struct FileClock;

impl Clock for FileClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}
