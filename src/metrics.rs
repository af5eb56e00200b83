//! Every metric by name, in one place: typed handles over an owned Prometheus registry.

mod asking;
mod frames;
mod tape;
mod teaching;

use std::sync::Arc;

use prometheus::core::Collector;
use prometheus::{
    Encoder, GaugeVec, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

pub use asking::Asking;
pub(crate) use asking::UNASKED;
pub use frames::{CameraMetrics, CameraState, Dropped, Failed, Fate, Gated};
pub use tape::Tape;
pub use teaching::Teaching;

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
    /// `eyeshine_web_certificate_expiry_timestamp_seconds`: when the page's certificate ends; 0 where there is none.
    pub certificate_expiry: IntGauge,
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
            certificate_expiry: gauge(
                &r,
                "eyeshine_web_certificate_expiry_timestamp_seconds",
                "When the page's certificate ends; 0 where there is none.",
            ),
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
        Arc::new(CameraMetrics::of(self, name))
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
