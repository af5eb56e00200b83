//! RTSP servers on loopback, and the reserve that they show: three cameras in real time, one of which drops out and comes
//! back.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;
use gstreamer_rtsp_server as rtsp;
use gstreamer_rtsp_server::prelude::*;
use jiff::Timestamp;

use super::DemoError;
use super::frame::Size;
use super::scene::{Place, Scene};
use super::script::{Traffic, TrueVisit};

/// Frames a second of the reserve's cameras.
pub(super) const FPS: u32 = 10;
/// How the reserve's cameras encode.
pub(super) const ENCODER: &str = "x264enc tune=zerolatency speed-preset=ultrafast bitrate=3000 key-int-max=10 threads=1 ! \
                                  video/x-h264,profile=baseline";
/// Seconds that a camera is gone.
const GONE_SECS: f64 = 5.0;

/// What a mount shows at a moment (seconds from the server's start), encoded as its pipeline expects it; none while the
/// camera is gone.
pub(super) type Show = Arc<dyn Fn(f64) -> Option<Vec<u8>> + Send + Sync>;

/// An RTSP server on a port of its own.
pub(super) struct Server {
    server: rtsp::RTSPServer,
    main_loop: glib::MainLoop,
    thread: Option<JoinHandle<()>>,
    over: Arc<AtomicBool>,
    pub(super) port: u16,
    started: Instant,
}

impl Server {
    /// Starts an empty server.
    pub(super) fn start() -> Result<Server, DemoError> {
        gst::init()?;
        let context = glib::MainContext::new();
        let server = rtsp::RTSPServer::new();
        server.set_address(&Ipv4Addr::LOCALHOST.to_string());
        server.set_service("0");
        server.attach(Some(&context))?;
        let port = u16::try_from(server.bound_port()).map_err(|_| DemoError::Stream("no port on loopback".into()))?;
        let main_loop = glib::MainLoop::new(Some(&context), false);
        let running = main_loop.clone();
        let thread = thread::Builder::new().name("reserve".into()).spawn(move || {
            // With the context as the thread's own, servers' sources run here.
            let _ = running.context().with_thread_default(|| running.run());
        })?;
        let over = Arc::new(AtomicBool::new(false));
        Ok(Server { server, main_loop, thread: Some(thread), over, port, started: Instant::now() })
    }

    /// Adds a stream at `/name`: what `show` gives goes as `caps` through `pipeline`, which ends in a payloader.
    pub(super) fn mount(
        &self,
        name: &str,
        caps: gst::Caps,
        pipeline: &str,
        fps: u32,
        show: Show,
    ) -> Result<String, DemoError> {
        let mounts = self.server.mount_points().ok_or_else(|| DemoError::Stream("the server has no mounts".into()))?;
        let factory = rtsp::RTSPMediaFactory::new();
        factory.set_launch(&format!("( appsrc name=show is-live=true format=time do-timestamp=true max-buffers=2 leaky-type=downstream ! {pipeline} )"));
        factory.set_shared(true);
        let (over, started) = (Arc::clone(&self.over), self.started);
        factory.connect_media_configure(move |_, media| {
            let source = media.element().downcast::<gst::Bin>().ok().and_then(|it| it.by_name("show"));
            let Some(source) = source.and_then(|it| it.downcast::<gst_app::AppSrc>().ok()) else { return };
            source.set_caps(Some(&caps));
            let (show, over) = (Arc::clone(&show), Arc::clone(&over));
            let fed =
                thread::Builder::new().name("show".into()).spawn(move || feed(&source, fps, started, &show, &over));
            if let Err(error) = fed {
                tracing::error!(%error, "a simulated camera could not be started");
            }
        });
        mounts.add_factory(&format!("/{name}"), factory);
        Ok(format!("rtsp://127.0.0.1:{}/{name}", self.port))
    }

    pub(super) fn started(&self) -> Instant {
        self.started
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.main_loop.quit();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// Pushes frames in real time until the client is gone, the camera drops out, or the server ends. Who asks while the camera
/// is gone gets an answer once it is back, as of a camera that starts up.
fn feed(source: &gst_app::AppSrc, fps: u32, started: Instant, show: &Show, over: &AtomicBool) {
    let period = Duration::from_secs(1) / fps;
    let mut n = started.elapsed().as_nanos() / period.as_nanos() + 1;
    let mut begun = false;
    while !over.load(Ordering::Relaxed) {
        let due = started + Duration::from_secs_f64(n as f64 / f64::from(fps));
        thread::sleep(due.saturating_duration_since(Instant::now()));
        let Some(frame) = show(n as f64 / f64::from(fps)) else {
            if begun {
                break;
            }
            n += 1;
            continue;
        };
        begun = true;
        if source.push_buffer(gst::Buffer::from_slice(frame)).is_err() {
            return;
        }
        // What is late is left out, as a camera would.
        n = (n + 1).max(started.elapsed().as_nanos() / period.as_nanos());
    }
    let _ = source.end_of_stream();
}

/// The caps of a scene's pictures.
pub(super) fn raw_caps(size: Size) -> gst::Caps {
    gst::Caps::builder("video/x-raw")
        .field("format", "I420")
        .field("width", size.width() as i32)
        .field("height", size.height() as i32)
        .field("framerate", gst::Fraction::new(FPS as i32, 1))
        .build()
}

/// What the reserve is to be.
#[derive(Debug, Clone)]
pub struct ReserveConfig {
    /// All that happens is made of it.
    pub seed: u64,
    /// Size of the pictures, px.
    pub size: (usize, usize),
    /// For how long visits are planned.
    pub secs: f64,
    /// How much goes on; none: wind and no animal.
    pub traffic: Option<Traffic>,
    /// One camera drops out and comes back.
    pub drop_out: bool,
}

/// What is made of each place, in their order, side by side.
pub(super) fn each_place<T: Send>(make: impl Fn(Place) -> Result<T, DemoError> + Sync) -> Result<Vec<T>, DemoError> {
    thread::scope(|scope| {
        let make = &make;
        let making: Vec<_> = Place::ALL.into_iter().map(|place| scope.spawn(move || make(place))).collect();
        making.into_iter().map(|it| it.join().unwrap_or_else(|bug| std::panic::resume_unwind(bug))).collect()
    })
}

/// The running reserve.
pub struct Reserve {
    server: Server,
    cameras: Vec<(String, String)>,
    truth: Vec<TrueVisit>,
    began: Timestamp,
    gone: Option<(String, f64)>,
}

impl Reserve {
    /// Paints the scenes, and begins to serve them.
    pub fn start(config: &ReserveConfig) -> Result<Reserve, DemoError> {
        let size = Size::new(config.size.0, config.size.1)?;
        let scenes = each_place(|place| Scene::new(config.seed, place, size, config.secs, config.traffic))?;
        let server = Server::start()?;
        let began = Timestamp::now() - jiff::SignedDuration::try_from(server.started().elapsed()).unwrap_or_default();
        let mut reserve = Reserve { server, cameras: Vec::new(), truth: Vec::new(), began, gone: None };
        for (place, scene) in Place::ALL.into_iter().zip(scenes) {
            let truth = scene.truth();
            let gap = (config.drop_out && place == Place::Feeder).then(|| gap(&truth, config.secs)).flatten();
            reserve.gone = reserve.gone.or(gap.map(|it| (place.name().into(), it)));
            reserve.truth.extend(truth);
            let show: Show = Arc::new(move |secs| {
                let gone = gap.is_some_and(|from| (from..from + GONE_SECS).contains(&secs));
                (!gone).then(|| scene.render(secs).data)
            });
            let pipeline = format!("{ENCODER} ! rtph264pay name=pay0 pt=96 config-interval=1");
            let uri = reserve.server.mount(place.name(), raw_caps(size), &pipeline, FPS, show)?;
            reserve.cameras.push((place.name().into(), uri));
        }
        Ok(reserve)
    }

    /// Names and URIs.
    pub fn cameras(&self) -> &[(String, String)] {
        &self.cameras
    }

    /// When second 0 of the truth was.
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// What is true, as far as it has happened by now; a visit that is going on counts as over now.
    pub fn truth(&self) -> Vec<TrueVisit> {
        let now = self.server.started().elapsed().as_secs_f64();
        let begun = self.truth.iter().filter(|it| it.from_secs < now).cloned();
        begun.map(|it| TrueVisit { to_secs: it.to_secs.min(now), ..it }).collect()
    }

    /// What will be true, as far as visits are planned.
    pub fn planned(&self) -> &[TrueVisit] {
        &self.truth
    }

    /// Which camera drops out, and when (seconds).
    pub fn gone(&self) -> Option<&(String, f64)> {
        self.gone.as_ref()
    }
}

/// A moment at which nobody is there, for as long as the camera is gone and some seconds around.
fn gap(truth: &[TrueVisit], secs: f64) -> Option<f64> {
    let mut ends: Vec<f64> = truth.iter().map(|it| it.to_secs + 3.0).collect();
    ends.push(6.0);
    ends.sort_by(f64::total_cmp);
    let free = |from: f64| truth.iter().all(|it| it.to_secs + 2.5 < from || it.from_secs > from + GONE_SECS + 4.0);
    ends.into_iter().find(|from| *from + GONE_SECS + 5.0 < secs && free(*from))
}
