//! Of a camera, and of what becomes of each of its frames.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prometheus::{Gauge, IntCounter, IntCounterVec, IntGauge};

use super::Metrics;

/// Why a frame ended at the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gated {
    /// Nothing moved, and the time-lapse did not ask.
    Still,
    /// Above the camera's analysis rate.
    Rate,
    /// All that moved lies under a mask.
    Masked,
}

/// Why a frame was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// A newer frame took its place in a full queue.
    QueueFull,
    /// The daemon was ending.
    Shutdown,
}

/// Why a frame failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failed {
    /// Its pixels could not be read.
    Picture,
    /// The featurizer refused it.
    Inference,
}

/// The states of a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraState {
    /// Connecting for the first time.
    Starting,
    /// Frames come.
    Playing,
    /// It was lost; the next try is waited for.
    Reconnecting,
    /// It cannot work as configured; tried again rarely.
    Failed,
    /// Switched off in the config.
    Disabled,
    /// A finite source came to its end.
    Ended,
}

impl CameraState {
    /// All of them, in the order of a camera's life.
    pub const ALL: [CameraState; 6] = [
        CameraState::Starting,
        CameraState::Playing,
        CameraState::Reconnecting,
        CameraState::Failed,
        CameraState::Disabled,
        CameraState::Ended,
    ];

    /// The word in metrics and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            CameraState::Starting => "starting",
            CameraState::Playing => "playing",
            CameraState::Reconnecting => "reconnecting",
            CameraState::Failed => "failed",
            CameraState::Disabled => "disabled",
            CameraState::Ended => "ended",
        }
    }
}

/// The handles of one camera.
#[derive(Debug)]
pub struct CameraMetrics {
    name: Arc<str>,
    received: IntCounter,
    gated_still: IntCounter,
    gated_rate: IntCounter,
    gated_masked: IntCounter,
    dropped_queue_full: IntCounter,
    dropped_shutdown: IntCounter,
    failed_picture: IntCounter,
    failed_inference: IntCounter,
    classified: IntCounter,
    states: [IntGauge; 6],
    reconnects: IntCounterVec,
    /// Crops classified.
    pub crops: IntCounter,
    /// Crops left out under load.
    pub crops_shed: IntCounter,
    /// Errors that the decoder reported.
    pub decode_errors: IntCounter,
    /// Bytes received from a live camera; a file counts none.
    pub bytes: IntCounter,
    /// When the last frame came, Unix seconds.
    pub last_frame: Gauge,
    /// The camera's clock less ours, seconds.
    pub clock_offset: Gauge,
}

impl CameraMetrics {
    pub(super) fn of(all: &Metrics, name: &str) -> CameraMetrics {
        let by_reason = |family: &IntCounterVec, reason: &str| family.with_label_values(&[name, reason]);
        for cause in ["eos", "error", "stall"] {
            all.reconnects.with_label_values(&[name, cause]);
        }
        CameraMetrics {
            received: all.received.with_label_values(&[name]),
            gated_still: by_reason(&all.gated, "still"),
            gated_rate: by_reason(&all.gated, "rate"),
            gated_masked: by_reason(&all.gated, "masked"),
            dropped_queue_full: by_reason(&all.dropped, "queue_full"),
            dropped_shutdown: by_reason(&all.dropped, "shutdown"),
            failed_picture: by_reason(&all.failed, "picture"),
            failed_inference: by_reason(&all.failed, "inference"),
            classified: all.classified.with_label_values(&[name]),
            crops: all.crops.with_label_values(&[name]),
            crops_shed: all.crops_shed.with_label_values(&[name]),
            decode_errors: all.decode_errors.with_label_values(&[name]),
            bytes: all.bytes.with_label_values(&[name]),
            states: CameraState::ALL.map(|state| all.state.with_label_values(&[name, state.as_str()])),
            last_frame: all.last_frame.with_label_values(&[name]),
            clock_offset: all.clock_offset.with_label_values(&[name]),
            reconnects: all.reconnects.clone(),
            name: name.into(),
        }
    }

    /// Counts a frame as received; what it gives back must be settled.
    pub fn receive(self: &Arc<Self>) -> Fate {
        self.received.inc();
        Fate { camera: Arc::clone(self), settled: AtomicBool::new(false) }
    }

    /// Sets exactly one state.
    pub fn set_state(&self, state: CameraState) {
        for (gauge, it) in self.states.iter().zip(CameraState::ALL) {
            gauge.set(i64::from(it == state));
        }
    }

    /// The state it is in.
    pub fn state(&self) -> CameraState {
        let on = self.states.iter().position(|gauge| gauge.get() == 1);
        on.map_or(CameraState::Starting, |i| CameraState::ALL[i])
    }

    /// Counts a loss; cause is `eos`, `error` or `stall`.
    pub fn lost(&self, cause: &str) {
        self.reconnects.with_label_values(&[&*self.name, cause]).inc();
    }

    /// Frames received so far.
    pub fn n_received(&self) -> u64 {
        self.received.get()
    }

    /// Frames that a head has seen, or that could not be looked at.
    pub fn n_looked_at(&self) -> u64 {
        self.classified.get() + self.failed_picture.get() + self.failed_inference.get()
    }

    /// Frames for which there was no room.
    pub fn n_dropped(&self) -> u64 {
        self.dropped_queue_full.get()
    }

    /// Frames whose fate is settled so far.
    pub fn n_settled(&self) -> u64 {
        [
            &self.gated_still,
            &self.gated_rate,
            &self.gated_masked,
            &self.dropped_queue_full,
            &self.dropped_shutdown,
            &self.failed_picture,
            &self.failed_inference,
            &self.classified,
        ]
        .iter()
        .map(|it| it.get())
        .sum()
    }
}

/// What becomes of a received frame. It is settled once; one that nobody settled was lost in the shutdown, and is
/// counted so when it goes.
#[derive(Debug)]
pub struct Fate {
    camera: Arc<CameraMetrics>,
    settled: AtomicBool,
}

impl Fate {
    /// It ended at the gate.
    pub fn gated(&self, reason: Gated) {
        self.settle(match reason {
            Gated::Still => &self.camera.gated_still,
            Gated::Rate => &self.camera.gated_rate,
            Gated::Masked => &self.camera.gated_masked,
        });
    }

    /// It was dropped.
    pub fn dropped(&self, reason: Dropped) {
        self.settle(match reason {
            Dropped::QueueFull => &self.camera.dropped_queue_full,
            Dropped::Shutdown => &self.camera.dropped_shutdown,
        });
    }

    /// It failed.
    pub fn failed(&self, reason: Failed) {
        self.settle(match reason {
            Failed::Picture => &self.camera.failed_picture,
            Failed::Inference => &self.camera.failed_inference,
        });
    }

    /// A head has seen it.
    pub fn classified(&self) {
        self.settle(&self.camera.classified);
    }

    /// The handles of the camera it came from.
    pub fn camera(&self) -> &CameraMetrics {
        &self.camera
    }

    fn settle(&self, counter: &IntCounter) {
        if !self.settled.swap(true, Ordering::Relaxed) {
            counter.inc();
        }
    }
}

impl Drop for Fate {
    fn drop(&mut self) {
        self.dropped(Dropped::Shutdown);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fate_is_settled_once_and_an_unsettled_one_is_counted_when_it_goes() {
        let metrics = Metrics::new();
        let camera = metrics.camera("feeder");
        let fate = camera.receive();
        fate.gated(Gated::Still);
        fate.classified();
        drop(fate);
        drop(camera.receive());
        assert_eq!((camera.n_received(), camera.n_settled()), (2, 2));
        let text = metrics.text();
        assert!(text.contains(r#"eyeshine_camera_frames_gated_total{camera="feeder",reason="still"} 1"#), "{text}");
        assert!(
            text.contains(r#"eyeshine_camera_frames_dropped_total{camera="feeder",reason="shutdown"} 1"#),
            "{text}"
        );
        assert!(text.contains(r#"eyeshine_camera_frames_classified_total{camera="feeder"} 0"#), "{text}");
    }
}
