//! The GStreamer pipeline of one camera, one try.
//!
//! ```text
//! rtspsrc | souphttpsrc | v4l2src | filesrc ─ decodebin ─ videoconvert ─ appsink ─▶ intake
//! ```
//!
//! `videoconvert` only passes through where the decoder's format is one that [`picture::FORMATS`] names; nothing is
//! converted that nobody looks at. Sound and other pads are left alone.

use std::sync::{Arc, Mutex, PoisonError};

use gio::prelude::*;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;
use sha2::{Digest, Sha256};

use crate::capture::credentials::Credentials;
use crate::capture::decode_errors;
use crate::capture::error::CameraError;
use crate::capture::intake::{Intake, Pulse};
use crate::capture::picture;
use crate::capture::source::Source;
use crate::config::{CameraConfig, Tls, Transport};
use crate::metrics::CameraMetrics;

/// Seconds from 1900, where NTP begins, to 1970.
const NTP_TO_UNIX_SECS: i64 = 2_208_988_800;

/// Where a camera's intake is while the camera lives. It is taken out at the end, so that a pipeline that was left behind
/// keeps no stage from ending.
pub type Slot = Arc<Mutex<Option<Intake>>>;

/// Builds a pipeline that hands its frames to the intake; it is not playing yet.
pub fn build(
    source: &Source,
    config: &CameraConfig,
    credentials: Option<&Credentials>,
    intake: &Slot,
    pulse: &Arc<Pulse>,
    metrics: &Arc<CameraMetrics>,
) -> Result<gst::Pipeline, CameraError> {
    let pipeline = gst::Pipeline::new();
    let input = input(source, config, credentials, pulse)?;
    let decode = element("decodebin", "gstreamer1.0-plugins-base")?;
    let convert = element("videoconvert", "gstreamer1.0-plugins-base")?;
    let sink = sink(intake);
    let stream = |error: gst::glib::BoolError| CameraError::Stream(error.to_string());
    pipeline.add_many([&input, &decode, &convert, sink.upcast_ref()]).map_err(stream)?;
    gst::Element::link_many([&convert, sink.upcast_ref()]).map_err(stream)?;
    link(&input, &decode).map_err(stream)?;
    let target = convert.clone();
    decode.connect_pad_added(move |_, pad| {
        let Some(sink) = target.static_pad("sink") else { return };
        if !sink.is_linked() && is_video(pad) && pad.link(&sink).is_err() {
            tracing::debug!("a decoded pad could not be linked");
        }
    });
    // Two frames of delay are not worth a thread a core and camera, and libav's log can be told apart by its thread.
    pipeline.connect_deep_element_added(|_, _, element| {
        if element.has_property_with_type("max-threads", i32::static_type()) {
            element.set_property("max-threads", 1);
        }
    });
    listen(&pipeline, metrics);
    Ok(pipeline)
}

fn input(
    source: &Source,
    config: &CameraConfig,
    credentials: Option<&Credentials>,
    pulse: &Arc<Pulse>,
) -> Result<gst::Element, CameraError> {
    match source {
        Source::Rtsp(uri) => rtsp(uri, config, credentials, pulse),
        Source::Http(uri) => {
            if config.tls == Tls::Pin && uri.starts_with("https") {
                return Err(CameraError::HttpPin);
            }
            let it = element("souphttpsrc", "gstreamer1.0-plugins-good")?;
            it.set_property("location", uri);
            it.set_property("is-live", true);
            it.set_property("do-timestamp", true);
            it.set_property("timeout", config.connect_secs.ceil() as u32);
            it.set_property("ssl-strict", config.tls == Tls::Verify);
            if let Some(credentials) = credentials {
                it.set_property("user-id", credentials.user());
                it.set_property("user-pw", credentials.password());
            }
            Ok(it)
        }
        Source::Device(path) => {
            let it = element("v4l2src", "gstreamer1.0-plugins-good")?;
            it.set_property("device", path.display().to_string());
            Ok(it)
        }
        Source::File(path) => {
            let it = element("filesrc", "gstreamer1.0-tools")?;
            it.set_property("location", path.display().to_string());
            Ok(it)
        }
    }
}

fn rtsp(
    uri: &str,
    config: &CameraConfig,
    credentials: Option<&Credentials>,
    pulse: &Arc<Pulse>,
) -> Result<gst::Element, CameraError> {
    let it = element("rtspsrc", "gstreamer1.0-plugins-good")?;
    it.set_property("location", uri);
    it.set_property("latency", config.latency_ms);
    it.set_property_from_str("protocols", if config.transport == Transport::Tcp { "tcp" } else { "udp" });
    it.set_property("tcp-timeout", (config.connect_secs * 1e6) as u64);
    it.set_property("timeout", (config.connect_secs * 1e6) as u64);
    it.set_property("do-retransmission", false);
    if let Some(credentials) = credentials {
        it.set_property("user-id", credentials.user());
        it.set_property("user-pw", credentials.password());
    }
    match config.tls {
        Tls::Verify => {}
        Tls::Insecure => it.set_property("tls-validation-flags", gio::TlsCertificateFlags::empty()),
        Tls::Pin => {
            // With no authority every certificate is in doubt, and so is asked about.
            let none = gio::TlsFileDatabase::new("/dev/null").map_err(|error| CameraError::Pin(error.to_string()))?;
            it.set_property("tls-database", none);
            let pin = config.tls_pin.to_ascii_lowercase().replace(':', "");
            it.connect("accept-certificate", false, move |values| {
                let certificate = values.get(2).and_then(|it| it.get::<gio::TlsCertificate>().ok());
                let der = certificate.and_then(|it| it.certificate());
                let hash = der.map(|it| Sha256::digest(&*it).iter().map(|b| format!("{b:02x}")).collect::<String>());
                Some((hash.as_deref() == Some(pin.as_str())).to_value())
            });
        }
    }
    if config.trust_camera_clock {
        it.set_property("add-reference-timestamp-meta", true);
        let pulse = Arc::clone(pulse);
        it.connect_pad_added(move |_, pad| {
            let pulse = Arc::clone(&pulse);
            pad.add_probe(gst::PadProbeType::BUFFER, move |_, info| {
                if let Some(buffer) = info.buffer() {
                    note_camera_clock(buffer, &pulse);
                }
                gst::PadProbeReturn::Ok
            });
        });
    }
    Ok(it)
}

fn note_camera_clock(buffer: &gst::BufferRef, pulse: &Pulse) {
    let ntp = buffer
        .iter_meta::<gst::ReferenceTimestampMeta>()
        .find(|it| it.reference().structure(0).is_some_and(|it| it.name() == "timestamp/x-ntp"));
    if let (Some(ntp), Some(pts)) = (ntp, buffer.pts()) {
        let unix_ns = i64::try_from(ntp.timestamp().nseconds()).unwrap_or(0) - NTP_TO_UNIX_SECS * 1_000_000_000;
        pulse.set_camera_clock(unix_ns, pts);
    }
}

/// Links a source that has its pad, or gets it once the camera has answered.
fn link(input: &gst::Element, decode: &gst::Element) -> Result<(), gst::glib::BoolError> {
    if input.static_pad("src").is_some() {
        return input.link(decode);
    }
    let decode = decode.clone();
    input.connect_pad_added(move |_, pad| {
        let Some(sink) = decode.static_pad("sink") else { return };
        let media = pad.current_caps().and_then(|it| it.structure(0)?.get::<String>("media").ok());
        if !sink.is_linked() && media.is_none_or(|it| it == "video") && pad.link(&sink).is_err() {
            tracing::debug!("a stream of the camera could not be linked");
        }
    });
    Ok(())
}

fn is_video(pad: &gst::Pad) -> bool {
    let caps = pad.current_caps().unwrap_or_else(|| pad.query_caps(None));
    caps.structure(0).is_some_and(|it| it.name().starts_with("video/"))
}

fn sink(intake: &Slot) -> gst_app::AppSink {
    let caps = gst_video::VideoCapsBuilder::new().format_list(picture::FORMATS).build();
    // The intake keeps the pace: the sink hands on at once, and holds nothing.
    let sink = gst_app::AppSink::builder().caps(&caps).sync(false).max_buffers(1).enable_last_sample(false).build();
    if let Some(pad) = sink.static_pad("sink") {
        pad.add_probe(gst::PadProbeType::QUERY_DOWNSTREAM, |_, info| {
            if let Some(gst::PadProbeData::Query(query)) = &mut info.data
                && let gst::QueryViewMut::Allocation(allocation) = query.view_mut()
            {
                offer(allocation);
                return gst::PadProbeReturn::Handled;
            }
            gst::PadProbeReturn::Ok
        });
    }
    let intake = Arc::clone(intake);
    sink.set_callbacks(
        gst_app::AppSinkCallbacks::builder()
            .new_sample(move |sink| {
                let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                match &mut *intake.lock().unwrap_or_else(PoisonError::into_inner) {
                    Some(intake) => intake.take(sink, &sample),
                    None => return Err(gst::FlowError::Eos),
                }
                Ok(gst::FlowSuccess::Ok)
            })
            .build(),
    );
    sink
}

/// Whoever reads strides can take the decoder's own buffers; one that asks for tight rows would be given copies.
///
/// libav decodes straight into buffers of whoever comes after it, but only of a pool that it is offered. From a pool of its
/// own, whose pictures are whole blocks high (1088 rows for 1080), it copies every frame, looked at or not.
fn offer(allocation: &mut gst::query::Allocation) {
    allocation.add_allocation_meta::<gst_video::VideoMeta>(None);
    let info = allocation.caps().and_then(|it| gst_video::VideoInfo::from_caps(it).ok());
    if let Some(size_bytes) = info.and_then(|it| u32::try_from(it.size()).ok()) {
        allocation.add_allocation_pool(Some(&gst_video::VideoBufferPool::new()), size_bytes, 0, 0);
    }
}

/// Streaming threads say which camera they work for, so that the decoder's complaints can be counted.
fn listen(pipeline: &gst::Pipeline, metrics: &Arc<CameraMetrics>) {
    let Some(bus) = pipeline.bus() else { return };
    let metrics = Arc::clone(metrics);
    bus.set_sync_handler(move |_, message| {
        if let gst::MessageView::StreamStatus(status) = message.view() {
            match status.get().0 {
                gst::StreamStatusType::Enter => decode_errors::enter(&metrics),
                gst::StreamStatusType::Leave => decode_errors::leave(),
                _ => {}
            }
        }
        gst::BusSyncReply::Pass
    });
}

fn element(name: &'static str, package: &'static str) -> Result<gst::Element, CameraError> {
    gst::ElementFactory::make(name).build().map_err(|_| CameraError::Element(name, package))
}
