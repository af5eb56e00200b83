//! Many cheap cameras: short clips, encoded beforehand and in memory, served again and again over RTSP.

use std::sync::Arc;

use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

use super::DemoError;
use super::frame::Size;
use super::scene::{Place, Scene};
use super::serve::{Server, Show};

const FPS: u32 = 10;
/// One walk to and fro: the clip ends where it begins.
const N_FRAMES: usize = 105;
/// Distinct clips; more cameras show them again.
const N_CLIPS: usize = 6;

/// The running cameras.
pub struct Relay {
    _server: Server,
    cameras: Vec<(String, String)>,
}

impl Relay {
    /// Encodes clips of 640 x 360 px in which an animal walks all the time, and serves them as `n` cameras.
    pub fn start(n: usize) -> Result<Relay, DemoError> {
        gst::init()?;
        let clips: Vec<Arc<Vec<Vec<u8>>>> =
            (0..N_CLIPS.min(n)).map(|it| encode(it as u64).map(Arc::new)).collect::<Result<_, _>>()?;
        let server = Server::start()?;
        let caps =
            gst::Caps::builder("video/x-h264").field("stream-format", "byte-stream").field("alignment", "au").build();
        let mut cameras = Vec::new();
        for i in 0..n {
            let (name, clip) = (format!("camera-{i:02}"), Arc::clone(&clips[i % clips.len()]));
            // Each begins elsewhere, so that key frames do not come all at once.
            let offset = i * 17 / 10 * 10;
            let show: Show = Arc::new(move |secs| {
                clip.get(((secs * f64::from(FPS)).round() as usize + offset) % clip.len()).cloned()
            });
            let pipeline = "h264parse ! rtph264pay name=pay0 pt=96 config-interval=1";
            let uri = server.mount(&name, caps.clone(), pipeline, FPS, show)?;
            cameras.push((name, uri));
        }
        Ok(Relay { _server: server, cameras })
    }

    /// Names and URIs.
    pub fn cameras(&self) -> &[(String, String)] {
        &self.cameras
    }
}

/// A clip as access units.
fn encode(seed: u64) -> Result<Vec<Vec<u8>>, DemoError> {
    let place = Place::ALL[seed as usize % 3];
    let scene = Scene::busy(seed, place, Size::new(640, 360)?)?;
    let description = format!(
        "appsrc name=in format=time caps=video/x-raw,format=I420,width=640,height=360,framerate={FPS}/1 ! \
         x264enc tune=zerolatency speed-preset=ultrafast bitrate=900 key-int-max=10 threads=1 ! \
         h264parse config-interval=-1 ! video/x-h264,stream-format=byte-stream,alignment=au ! appsink name=out sync=false"
    );
    let pipeline =
        gst::parse::launch(&description)?.downcast::<gst::Pipeline>().map_err(|_| DemoError::Stream(description))?;
    let find = |name: &str| pipeline.by_name(name).ok_or_else(|| DemoError::Stream(format!("no element {name}")));
    let wrong = |_| DemoError::Stream("the encoder has other ends".into());
    let input = find("in")?.downcast::<gst_app::AppSrc>().map_err(wrong)?;
    let output = find("out")?.downcast::<gst_app::AppSink>().map_err(wrong)?;
    let failed = |error: gst::StateChangeError| DemoError::Stream(error.to_string());
    pipeline.set_state(gst::State::Playing).map_err(failed)?;
    let mut units = Vec::new();
    for n in 0..N_FRAMES {
        let mut buffer = gst::Buffer::from_slice(scene.render(n as f64 / f64::from(FPS)).data);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_mseconds(n as u64 * 1000 / u64::from(FPS)));
        }
        input.push_buffer(buffer).map_err(|error| DemoError::Stream(error.to_string()))?;
    }
    input.end_of_stream().map_err(|error| DemoError::Stream(error.to_string()))?;
    while let Ok(sample) = output.pull_sample() {
        if let Some(map) = sample.buffer().and_then(|it| it.map_readable().ok()) {
            units.push(map.as_slice().to_vec());
        }
    }
    pipeline.set_state(gst::State::Null).map_err(failed)?;
    Ok(units)
}
