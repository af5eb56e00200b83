//! The reserve as files: what its cameras would have shown, encoded as it would have been, as fast as the machine can.

use std::path::{Path, PathBuf};

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::DemoError;
use super::frame::Size;
use super::scene::Scene;
use super::script::TrueVisit;
use super::serve::{ENCODER, FPS, ReserveConfig, each_place, raw_caps};

/// Frames rendered ahead of the encoder, at most.
const AHEAD: u64 = 8;

/// A filmed reserve.
#[derive(Debug)]
pub struct Films {
    /// Names of cameras, and their files.
    pub cameras: Vec<(String, PathBuf)>,
    /// What is to be seen in them.
    pub truth: Vec<TrueVisit>,
}

impl Films {
    /// Films a reserve into `folder`, a file a place; no camera drops out.
    pub fn record(config: &ReserveConfig, folder: &Path) -> Result<Films, DemoError> {
        let size = Size::new(config.size.0, config.size.1)?;
        let filmed = each_place(|place| {
            let scene = Scene::new(config.seed, place, size, config.secs, config.traffic)?;
            let file = folder.join(format!("{}.mkv", place.name()));
            film(&scene, size, config.secs, &file)?;
            Ok(((place.name().to_owned(), file), scene.truth()))
        })?;
        let (cameras, truth): (Vec<_>, Vec<_>) = filmed.into_iter().unzip();
        let truth = truth.into_iter().flatten().filter(|it| it.from_secs < config.secs);
        let truth = truth.map(|it| TrueVisit { to_secs: it.to_secs.min(config.secs), ..it }).collect();
        Ok(Films { cameras, truth })
    }
}

/// Films the first `secs` seconds of a scene.
fn film(scene: &Scene, size: Size, secs: f64, file: &Path) -> Result<(), DemoError> {
    gst::init()?;
    let description =
        format!("appsrc name=show format=time ! {ENCODER} ! h264parse ! matroskamux ! filesink name=file");
    let pipeline =
        gst::parse::launch(&description)?.downcast::<gst::Pipeline>().map_err(|_| DemoError::Stream(description))?;
    let find = |name: &str| pipeline.by_name(name).ok_or_else(|| DemoError::Stream(format!("no element {name}")));
    find("file")?.set_property("location", file.to_string_lossy().as_ref());
    let show = find("show")?.downcast::<gst_app::AppSrc>().map_err(|_| DemoError::Stream("no appsrc".into()))?;
    show.set_caps(Some(&raw_caps(size)));
    let bus = pipeline.bus().ok_or_else(|| DemoError::Stream("no bus".into()))?;
    pipeline.set_state(gst::State::Playing).map_err(|it| DemoError::Stream(it.to_string()))?;
    let filmed = shoot(scene, secs, &show, &bus);
    // Whatever became of it: a pipeline must not be dropped while it plays.
    let stopped = pipeline.set_state(gst::State::Null);
    filmed?;
    stopped.map(drop).map_err(|it| DemoError::Stream(it.to_string()))
}

/// Renders the frames of a scene, one after the other, from the moment that a server's first frame has, so that both show
/// the very same pictures. It never waits for room without asking whether anybody is left to make some.
fn shoot(scene: &Scene, secs: f64, show: &gst_app::AppSrc, bus: &gst::Bus) -> Result<(), DemoError> {
    let failed = |error: gst::FlowError| DemoError::Stream(error.to_string());
    for n in 1..=(secs * f64::from(FPS)) as u64 {
        while show.current_level_buffers() >= AHEAD {
            outcome(bus.timed_pop_filtered(gst::ClockTime::MSECOND, &[gst::MessageType::Error]))?;
        }
        let mut buffer = gst::Buffer::from_slice(scene.render(n as f64 / f64::from(FPS)).data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_mseconds(n * 1_000 / u64::from(FPS)));
        }
        show.push_buffer(buffer).map_err(failed)?;
    }
    show.end_of_stream().map_err(failed)?;
    outcome(bus.timed_pop_filtered(gst::ClockTime::NONE, &[gst::MessageType::Eos, gst::MessageType::Error]))
}

fn outcome(message: Option<gst::Message>) -> Result<(), DemoError> {
    match message.as_ref().map(|it| it.view()) {
        Some(gst::MessageView::Error(error)) => Err(DemoError::Stream(error.error().to_string())),
        _ => Ok(()),
    }
}
