//! The element that a camera's encoded stream comes from, set up for its kind: network, device or file.

use std::sync::{Arc, OnceLock};

use gstreamer as gst;
use gstreamer::prelude::*;

use crate::capture::camera_clock;
use crate::capture::error::CameraError;
use crate::capture::findings::Findings;
use crate::capture::graph::{Try, element};
use crate::capture::source::Source;
use crate::capture::tls;
use crate::config::{Tls, Transport};
use crate::metrics::CameraMetrics;

/// Makes the element; it belongs to no pipeline yet.
pub fn make(it: &Try<'_>) -> Result<gst::Element, CameraError> {
    match it.source {
        Source::Rtsp(uri) => rtsp(uri, it),
        Source::Http(uri) => http(uri, it),
        Source::Device(path) => {
            let device = element("v4l2src", "gstreamer1.0-plugins-good")?;
            device.set_property("device", path.display().to_string());
            count_bytes(&device, it.metrics);
            Ok(device)
        }
        Source::File(path) => {
            let file = element("filesrc", "gstreamer1.0-tools")?;
            file.set_property("location", path.display().to_string());
            Ok(file)
        }
    }
}

fn http(uri: &str, it: &Try<'_>) -> Result<gst::Element, CameraError> {
    if it.config.tls == Tls::Pin && uri.starts_with("https") {
        return Err(CameraError::HttpPin);
    }
    let http = element("souphttpsrc", "gstreamer1.0-plugins-good")?;
    http.set_property("location", uri);
    http.set_property("is-live", true);
    http.set_property("do-timestamp", true);
    // The supervisor's patience comes first, and knows a stall from an error.
    let patience_secs = it.config.connect_secs.max(it.config.stall_secs);
    http.set_property("timeout", patience_secs.ceil() as u32 + 2);
    http.set_property("ssl-strict", it.config.tls == Tls::Verify);
    // Who tries again is the supervisor, which counts it and waits in between.
    http.set_property("retries", 0);
    log_in(&http, it);
    count_bytes(&http, it.metrics);
    Ok(http)
}

fn rtsp(uri: &str, it: &Try<'_>) -> Result<gst::Element, CameraError> {
    let config = it.config;
    let rtsp = element("rtspsrc", "gstreamer1.0-plugins-good")?;
    rtsp.set_property("location", uri);
    rtsp.set_property("latency", config.latency_ms);
    rtsp.set_property_from_str("protocols", if config.transport == Transport::Tcp { "tcp" } else { "udp" });
    rtsp.set_property("tcp-timeout", (config.connect_secs * 1e6) as u64);
    rtsp.set_property("timeout", (config.connect_secs * 1e6) as u64);
    rtsp.set_property("do-retransmission", false);
    log_in(&rtsp, it);
    if uri.starts_with("rtsps") {
        tls::check_certificate(&rtsp, config, it.findings)?;
    }
    only_video(&rtsp, it.findings);
    let (name, metrics, pulse) = (Arc::clone(&config.name), Arc::clone(it.metrics), Arc::clone(it.pulse));
    let watch_clock = config.trust_camera_clock;
    if watch_clock {
        rtsp.set_property("add-reference-timestamp-meta", true);
    }
    rtsp.connect_pad_added(move |_, pad| {
        count_bytes_at(pad, &metrics);
        if watch_clock {
            camera_clock::watch(pad, &name, &pulse);
        }
    });
    Ok(rtsp)
}

fn log_in(element: &gst::Element, it: &Try<'_>) {
    if let Some(credentials) = it.credentials {
        element.set_property("user-id", credentials.user());
        element.set_property("user-pw", credentials.password());
    }
}

/// Sets up the first video stream and nothing else: sound and metadata are not asked for, so nobody has to read them.
fn only_video(rtsp: &gst::Element, findings: &Arc<Findings>) {
    let (findings, chosen) = (Arc::clone(findings), OnceLock::new());
    rtsp.connect("select-stream", false, move |values| {
        let number = values.get(1).and_then(|it| it.get::<u32>().ok());
        let caps = values.get(2).and_then(|it| it.get::<Option<gst::Caps>>().ok()).flatten();
        let media = caps.as_ref().and_then(|it| it.structure(0)?.get::<String>("media").ok());
        let is_video = media.is_none_or(|it| it == "video");
        // The streams are gone through again where the camera refused a transport.
        let takes = is_video && number == *chosen.get_or_init(|| number);
        findings.offered(is_video);
        Some(takes.to_value())
    });
}

fn count_bytes(element: &gst::Element, metrics: &Arc<CameraMetrics>) {
    if let Some(pad) = element.static_pad("src") {
        count_bytes_at(&pad, metrics);
    }
}

fn count_bytes_at(pad: &gst::Pad, metrics: &Arc<CameraMetrics>) {
    let metrics = Arc::clone(metrics);
    for_each_buffer(pad, move |_, buffer| metrics.bytes.inc_by(buffer.size() as u64));
}

/// Shows every buffer that leaves a pad, alone or in a list.
pub(super) fn for_each_buffer(pad: &gst::Pad, see: impl Fn(&gst::Pad, &gst::BufferRef) + Send + Sync + 'static) {
    pad.add_probe(gst::PadProbeType::BUFFER | gst::PadProbeType::BUFFER_LIST, move |pad, info| {
        if let Some(buffer) = info.buffer() {
            see(pad, buffer);
        }
        if let Some(list) = info.buffer_list() {
            list.iter().for_each(|it| see(pad, it));
        }
        gst::PadProbeReturn::Ok
    });
}
