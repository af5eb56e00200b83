//! The GStreamer pipeline of one camera, one try.
//!
//! ```text
//! rtspsrc | souphttpsrc | v4l2src | filesrc ─ decodebin ─ videoconvert ─ appsink ─▶ intake
//! ```
//!
//! `videoconvert` only passes through where the decoder's format is one that [`picture::FORMATS`] names; nothing is
//! converted that nobody looks at. Sound and what else a source may have is neither asked for nor decoded.

use std::sync::{Arc, Mutex, PoisonError};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_video as gst_video;

use crate::capture::credentials::Credentials;
use crate::capture::decode_errors;
use crate::capture::error::CameraError;
use crate::capture::findings::Findings;
use crate::capture::input;
use crate::capture::intake::{Intake, Pulse};
use crate::capture::picture;
use crate::capture::source::Source;
use crate::config::CameraConfig;
use crate::metrics::CameraMetrics;

/// Where a camera's intake is while the camera lives. It is taken out at the end, so that a pipeline that was left behind
/// keeps no stage from ending.
pub type Slot = Arc<Mutex<Option<Intake>>>;

/// One try at a camera.
#[derive(Clone, Copy)]
pub struct Try<'a> {
    /// What is opened.
    pub source: &'a Source,
    /// How.
    pub config: &'a CameraConfig,
    /// As whom.
    pub credentials: Option<&'a Credentials>,
    /// Where the frames go.
    pub intake: &'a Slot,
    /// The intake takes frames of this try only.
    pub number: u64,
    /// Of the camera.
    pub pulse: &'a Arc<Pulse>,
    /// Of the camera.
    pub metrics: &'a Arc<CameraMetrics>,
    /// What callbacks learn.
    pub findings: &'a Arc<Findings>,
}

/// Builds a pipeline that hands its frames to the intake; it is not playing yet.
pub fn build(it: &Try<'_>) -> Result<gst::Pipeline, CameraError> {
    let pipeline = gst::Pipeline::new();
    let input = input::make(it)?;
    let decode = element("decodebin", "gstreamer1.0-plugins-base")?;
    // What cannot become a picture is not decoded at all.
    decode.set_property("caps", gst::Caps::builder("video/x-raw").any_features().build());
    decode.set_property("expose-all-streams", false);
    let convert = element("videoconvert", "gstreamer1.0-plugins-base")?;
    let sink = sink(it.intake, it.number);
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
        // MJPEG over HTTP is one stream: without being told so, decodebin waits for others until its queues are full.
        if element.has_property_with_type("single-stream", bool::static_type()) {
            element.set_property("single-stream", true);
        }
    });
    listen(&pipeline, it.metrics);
    Ok(pipeline)
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

fn sink(intake: &Slot, number: u64) -> gst_app::AppSink {
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
                    // A pipeline that was left behind may still have something to say.
                    Some(intake) if intake.is_of(number) => intake.take(sink, &sample),
                    _ => return Err(gst::FlowError::Eos),
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

pub(super) fn element(name: &'static str, package: &'static str) -> Result<gst::Element, CameraError> {
    gst::ElementFactory::make(name).build().map_err(|_| CameraError::Element(name, package))
}
