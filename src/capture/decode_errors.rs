//! Counts decode errors that libav conceals: its log, told apart by the streaming thread that it is written on.
//!
//! A decoder fills in what it cannot read and goes on; its log is the only place that says so. libav's lines carry no
//! object, but they are written on the thread that pushes into the decoder, and that thread belongs to one pipeline.
//! This holds because decoders run with one thread (see `pipeline.rs`).

use std::cell::RefCell;
use std::sync::{Arc, Once};

use gstreamer as gst;

use crate::metrics::CameraMetrics;

/// Categories of decoders, and the level from which a line is an error. libav warns of much that costs no pixel;
/// GStreamer's decoders say "decoding error" as a warning.
const CATEGORIES: [(&str, gst::DebugLevel); 3] = [
    ("libav", gst::DebugLevel::Error),
    ("videodecoder", gst::DebugLevel::Warning),
    ("jpegdec", gst::DebugLevel::Warning),
];

thread_local! {
    static CAMERA: RefCell<Option<Arc<CameraMetrics>>> = const { RefCell::new(None) };
}

/// Begins to listen; once a process, after `gst::init`.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Without GST_DEBUG nobody asked for GStreamer's log on stderr, and the thresholds below would bring it there.
        if std::env::var_os("GST_DEBUG").is_none() {
            gst::log::remove_default_log_function();
        }
        for (name, level) in CATEGORIES {
            gst::log::set_threshold_for_name(name, level);
        }
        gst::log::add_log_function(|category, level, _, _, _, _, _| {
            // Levels grow more talkative upwards.
            if CATEGORIES.iter().any(|&(name, from)| level <= from && category.name() == name) {
                count();
            }
        });
    });
}

/// This thread now streams for a camera, until [`leave`].
pub fn enter(camera: &Arc<CameraMetrics>) {
    // A thread that is going away has no local any more, and decodes nothing either.
    let _ = CAMERA.try_with(|it| it.replace(Some(Arc::clone(camera))));
}

/// This thread streams for nobody any more.
pub fn leave() {
    let _ = CAMERA.try_with(RefCell::take);
}

fn count() {
    let _ = CAMERA.try_with(|it| {
        if let Ok(camera) = it.try_borrow()
            && let Some(camera) = &*camera
        {
            camera.decode_errors.inc();
        }
    });
}
