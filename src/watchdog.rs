//! The service manager hears from us for as long as frames get through; where they do not, it starts the daemon anew.
//!
//! A stage that hangs fails nowhere: its queue is full, and what comes is dropped. So the sign of it is that frames are dropped
//! while none is looked at any more. Whatever stage it is, those before it wait for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

use crate::config::Config;
use crate::metrics::{CameraMetrics, Metrics};
use crate::shutdown::{Shutdown, notify};

/// So long may frames be dropped while none is looked at. 300 s: a slow disk is no hang, and a start loses what is in memory.
const PATIENCE: Duration = Duration::from_secs(300);

/// Looks whether frames get through.
#[derive(Debug)]
pub struct Watchdog {
    cameras: Vec<Arc<CameraMetrics>>,
    looked_at: u64,
    dropped: u64,
    /// Since when frames are dropped and none is looked at.
    stuck: Option<Instant>,
}

impl Watchdog {
    /// Of all cameras.
    pub fn new(config: &Config, metrics: &Metrics) -> Watchdog {
        let cameras = config.cameras.iter().map(|it| metrics.camera(&it.name)).collect();
        Watchdog { cameras, looked_at: 0, dropped: 0, stuck: None }
    }

    /// Tells the service manager as often as it asks for, until the daemon ends; does nothing where it does not ask.
    pub async fn watch(mut self, shutdown: Shutdown) {
        let Some(limit) = sd_notify::watchdog_enabled() else { return };
        let mut complained = false;
        loop {
            tokio::select! {
                () = tokio::time::sleep(limit / 3) => {}
                () = shutdown.told() => return,
            }
            if self.is_well(Instant::now()) {
                notify(&[NotifyState::Watchdog]);
            } else if !std::mem::replace(&mut complained, true) {
                tracing::error!(
                    "frames are dropped, and none is looked at any more: the service manager is to start us anew"
                );
            }
        }
    }

    fn is_well(&mut self, now: Instant) -> bool {
        let sum = |of: fn(&CameraMetrics) -> u64| self.cameras.iter().map(|it| of(it)).sum();
        let (looked_at, dropped) = (sum(CameraMetrics::n_looked_at), sum(CameraMetrics::n_dropped));
        if looked_at != self.looked_at {
            self.stuck = None;
        } else if dropped != self.dropped {
            self.stuck.get_or_insert(now);
        }
        (self.looked_at, self.dropped) = (looked_at, dropped);
        self.stuck.is_none_or(|since| now.duration_since(since) < PATIENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Dropped, Gated};

    #[test]
    fn only_frames_that_are_dropped_while_none_is_looked_at_are_a_sign() {
        let metrics = Metrics::new();
        let camera = metrics.camera("feeder");
        let mut watchdog = Watchdog { cameras: vec![Arc::clone(&camera)], looked_at: 0, dropped: 0, stuck: None };
        let start = Instant::now();
        let after = |secs| start + Duration::from_secs(secs);
        // A day in which nothing moves, then a crowd: some are dropped, and one is looked at before the next look.
        camera.receive().gated(Gated::Still);
        assert!(watchdog.is_well(after(86_400)));
        camera.receive().dropped(Dropped::QueueFull);
        assert!(watchdog.is_well(after(90_000)));
        camera.receive().classified();
        camera.receive().dropped(Dropped::QueueFull);
        assert!(watchdog.is_well(after(90_060)) && watchdog.is_well(after(180_000)));
        // Now nothing gets through; what stands still is told by the gate all the same.
        camera.receive().dropped(Dropped::QueueFull);
        assert!(watchdog.is_well(after(200_000)));
        camera.receive().gated(Gated::Still);
        assert!(watchdog.is_well(after(200_299)) && !watchdog.is_well(after(200_300)));
        camera.receive().classified();
        assert!(watchdog.is_well(after(200_400)));
    }
}
