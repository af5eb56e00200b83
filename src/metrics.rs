//! Every metric by name, in one place: typed handles over an owned Prometheus registry.

mod asking;
mod tape;
mod teaching;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

pub use asking::Asking;
pub(crate) use asking::UNASKED;
pub use tape::Tape;
pub use teaching::Teaching;

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

/// A fifth apart, so that a quantile says whether frames take a quarter longer.
const LATENCY_SECS: [f64; 39] = [
    0.001, 0.002, 0.003, 0.004, 0.005, 0.006, 0.0075, 0.009, 0.011, 0.013, 0.016, 0.019, 0.023, 0.028, 0.033, 0.04,
    0.048, 0.058, 0.07, 0.084, 0.1, 0.12, 0.145, 0.175, 0.21, 0.25, 0.3, 0.36, 0.43, 0.52, 0.62, 0.75, 0.9, 1.1, 1.5,
    2.0, 3.0, 5.0, 10.0,
];

/// All metrics of a daemon.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    received: IntCounterVec,
    gated: IntCounterVec,
    dropped: IntCounterVec,
    failed: IntCounterVec,
    classified: IntCounterVec,
    crops: IntCounterVec,
    crops_shed: IntCounterVec,
    decode_errors: IntCounterVec,
    bytes: IntCounterVec,
    state: IntGaugeVec,
    last_frame: GaugeVec,
    clock_offset: GaugeVec,
    reconnects: IntCounterVec,
    /// `eyeshine_events_total{task,class}`: ended events by observation.
    pub events: IntCounterVec,
    /// `eyeshine_events_people_total`: ended events that people may be in.
    pub events_people: IntCounter,
    /// `eyeshine_events_open`.
    pub events_open: IntGauge,
    /// `eyeshine_head_info{task,generation,featurizer}` = 1.
    pub head_info: IntGaugeVec,
    /// Of questions, and of what people say.
    pub asking: Asking,
    /// Of the tapes.
    pub tape: Tape,
    /// Of training, and of how heads do in service.
    pub teaching: Teaching,
    /// `eyeshine_build_info{version,onnxruntime,gstreamer}` = 1.
    pub build_info: IntGaugeVec,
    /// `eyeshine_ready`: 1 once models are loaded and the store is writable.
    pub ready: IntGauge,
    /// `eyeshine_inference_batch_size`: candidates a run of the network.
    pub batch_size: Histogram,
    /// `eyeshine_inference_duration_seconds`: one run of the network.
    pub inference_duration: Histogram,
    /// `eyeshine_preprocess_duration_seconds`: making one batch's input.
    pub preprocess_duration: Histogram,
    /// `eyeshine_inference_errors_total`.
    pub inference_errors: IntCounter,
    /// `eyeshine_second_featurizer_events_total{outcome}`.
    pub second_events: IntCounterVec,
    /// `eyeshine_frame_latency_seconds`: from arrival to prediction.
    pub frame_latency: Histogram,
    /// `eyeshine_queue_depth{queue}`: frames waiting.
    pub queue_depth: IntGaugeVec,
    /// `eyeshine_queue_capacity{queue}`.
    pub queue_capacity: IntGaugeVec,
    /// `eyeshine_store_errors_total{reason}`.
    pub store_errors: IntCounterVec,
    /// `eyeshine_media_bytes`: what the kept pictures take.
    pub media_bytes: IntGauge,
    /// `eyeshine_media_skipped_total{reason}`: pictures and vectors not kept, and why.
    pub media_skipped: IntCounterVec,
    /// `eyeshine_media_deleted_total`: pictures deleted to stay below the cap, to make room on the disk, or with people.
    pub media_deleted: IntCounter,
    /// `eyeshine_embeddings_deleted_total`: vectors deleted to stay below the cap, or with people.
    pub embeddings_deleted: IntCounter,
    /// `eyeshine_publish_errors_total{sink,reason}`: announcements that did not arrive.
    pub publish_errors: IntCounterVec,
}

impl Metrics {
    /// A registry of its own, with every metric in it.
    pub fn new() -> Arc<Metrics> {
        let r = Registry::new();
        let camera = &["camera"];
        let camera_reason = &["camera", "reason"];
        let metrics = Metrics {
            received: counters(&r, "eyeshine_camera_frames_received_total", "Frames that reached the daemon.", camera),
            gated: counters(&r, "eyeshine_camera_frames_gated_total", "Frames that ended at the gate.", camera_reason),
            dropped: counters(&r, "eyeshine_camera_frames_dropped_total", "Frames dropped.", camera_reason),
            failed: counters(
                &r,
                "eyeshine_camera_frames_failed_total",
                "Frames that could not be read or run.",
                camera_reason,
            ),
            classified: counters(&r, "eyeshine_camera_frames_classified_total", "Frames that a head has seen.", camera),
            crops: counters(&r, "eyeshine_camera_crops_classified_total", "Crops that a head has seen.", camera),
            crops_shed: counters(&r, "eyeshine_camera_crops_shed_total", "Crops left out under load.", camera),
            decode_errors: counters(&r, "eyeshine_decode_errors_total", "Errors that the decoder reported.", camera),
            bytes: counters(
                &r,
                "eyeshine_camera_bytes_received_total",
                "Bytes received from a live camera; a file counts none.",
                camera,
            ),
            state: gauges(&r, "eyeshine_camera_state", "1 for the state the camera is in.", &["camera", "state"]),
            last_frame: float_gauges(
                &r,
                "eyeshine_camera_last_frame_timestamp_seconds",
                "When the last frame came; 0 before the first.",
                camera,
            ),
            clock_offset: float_gauges(
                &r,
                "eyeshine_camera_clock_offset_seconds",
                "The camera's clock less ours, where it is trusted.",
                camera,
            ),
            reconnects: counters(
                &r,
                "eyeshine_camera_reconnects_total",
                "Times the camera was lost, by cause.",
                &["camera", "cause"],
            ),
            events: counters(&r, "eyeshine_events_total", "Ended events, by what was observed.", &["task", "class"]),
            events_people: counter(&r, "eyeshine_events_people_total", "Ended events that people may be in."),
            events_open: gauge(&r, "eyeshine_events_open", "Events that go on."),
            head_info: gauges(&r, "eyeshine_head_info", "The heads that serve.", &["task", "generation", "featurizer"]),
            asking: Asking::new(&r),
            tape: Tape::new(&r),
            teaching: Teaching::new(&r),
            build_info: gauges(&r, "eyeshine_build_info", "What runs.", &["version", "onnxruntime", "gstreamer"]),
            ready: gauge(&r, "eyeshine_ready", "1 once models are loaded and the store is writable."),
            batch_size: histogram(
                &r,
                "eyeshine_inference_batch_size",
                "Candidates a run of the network.",
                &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0],
            ),
            inference_duration: seconds(&r, "eyeshine_inference_duration_seconds", "One run of the network."),
            preprocess_duration: seconds(&r, "eyeshine_preprocess_duration_seconds", "Making the input of one run."),
            inference_errors: counter(&r, "eyeshine_inference_errors_total", "Runs of the network that failed."),
            second_events: counters(
                &r,
                "eyeshine_second_featurizer_events_total",
                "Ended events that the second featurizer has seen, skipped because it was behind, or failed at.",
                &["outcome"],
            ),
            frame_latency: histogram(
                &r,
                "eyeshine_frame_latency_seconds",
                "From a frame's arrival to its prediction.",
                &LATENCY_SECS,
            ),
            queue_depth: gauges(&r, "eyeshine_queue_depth", "What waits in a queue.", &["queue"]),
            queue_capacity: gauges(&r, "eyeshine_queue_capacity", "What a queue can hold.", &["queue"]),
            store_errors: counters(&r, "eyeshine_store_errors_total", "Writes to the store that failed.", &["reason"]),
            media_bytes: gauge(&r, "eyeshine_media_bytes", "What the kept pictures take."),
            media_skipped: counters(&r, "eyeshine_media_skipped_total", "Pictures and vectors not kept.", &["reason"]),
            media_deleted: counter(
                &r,
                "eyeshine_media_deleted_total",
                "Pictures deleted to stay below the cap, to make room on the disk, or because people may be in them.",
            ),
            embeddings_deleted: counter(
                &r,
                "eyeshine_embeddings_deleted_total",
                "Vectors deleted to keep the database below its cap, or because people may be in them.",
            ),
            publish_errors: counters(
                &r,
                "eyeshine_publish_errors_total",
                "Announcements that did not arrive.",
                &["sink", "reason"],
            ),
            registry: r,
        };
        let process = prometheus::process_collector::ProcessCollector::for_self();
        register(&metrics.registry, process);
        Arc::new(metrics)
    }

    /// The handles of one camera; every series it can have exists from now on.
    pub fn camera(&self, name: &str) -> Arc<CameraMetrics> {
        let by_reason = |family: &IntCounterVec, reason: &str| family.with_label_values(&[name, reason]);
        for cause in ["eos", "error", "stall"] {
            self.reconnects.with_label_values(&[name, cause]);
        }
        Arc::new(CameraMetrics {
            received: self.received.with_label_values(&[name]),
            gated_still: by_reason(&self.gated, "still"),
            gated_rate: by_reason(&self.gated, "rate"),
            gated_masked: by_reason(&self.gated, "masked"),
            dropped_queue_full: by_reason(&self.dropped, "queue_full"),
            dropped_shutdown: by_reason(&self.dropped, "shutdown"),
            failed_picture: by_reason(&self.failed, "picture"),
            failed_inference: by_reason(&self.failed, "inference"),
            classified: self.classified.with_label_values(&[name]),
            crops: self.crops.with_label_values(&[name]),
            crops_shed: self.crops_shed.with_label_values(&[name]),
            decode_errors: self.decode_errors.with_label_values(&[name]),
            bytes: self.bytes.with_label_values(&[name]),
            states: CameraState::ALL.map(|state| self.state.with_label_values(&[name, state.as_str()])),
            last_frame: self.last_frame.with_label_values(&[name]),
            clock_offset: self.clock_offset.with_label_values(&[name]),
            reconnects: self.reconnects.clone(),
            name: name.into(),
        })
    }

    /// Everything in Prometheus' text format 0.0.4.
    ///
    /// Families come in alphabetical order: a frame's fate is read before its receipt, so that what is in flight is
    /// never negative in one scrape.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        if let Err(error) = TextEncoder::new().encode(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "metrics could not be encoded");
        }
        String::from_utf8_lossy(&text).into_owned()
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

fn register<C: Collector + 'static>(registry: &Registry, collector: C) {
    registry.register(Box::new(collector)).expect("a metric's name is registered once: this is a bug");
}

fn counter(registry: &Registry, name: &str, help: &str) -> IntCounter {
    let it = IntCounter::new(name, help).expect("a metric's name is valid: this is a bug");
    register(registry, it.clone());
    it
}

fn counters(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    let it = IntCounterVec::new(Opts::new(name, help), labels).expect("a metric's name is valid: this is a bug");
    register(registry, it.clone());
    it
}

fn gauge(registry: &Registry, name: &str, help: &str) -> IntGauge {
    let it = IntGauge::new(name, help).expect("a metric's name is valid: this is a bug");
    register(registry, it.clone());
    it
}

fn gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    let it = IntGaugeVec::new(Opts::new(name, help), labels).expect("a metric's name is valid: this is a bug");
    register(registry, it.clone());
    it
}

fn float_gauges(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> GaugeVec {
    let it = GaugeVec::new(Opts::new(name, help), labels).expect("a metric's name is valid: this is a bug");
    register(registry, it.clone());
    it
}

fn histogram(registry: &Registry, name: &str, help: &str, buckets: &[f64]) -> Histogram {
    let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
    let it = Histogram::with_opts(opts).expect("a metric's name is valid: this is a bug");
    register(registry, it.clone());
    it
}

fn seconds(registry: &Registry, name: &str, help: &str) -> Histogram {
    histogram(registry, name, help, &[0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0])
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
