//! One camera: its thread, and how it is, for people. What one camera does never touches another.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, Once, PoisonError};
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use gstreamer as gst;
use gstreamer::prelude::*;
use jiff::Timestamp;

use crate::capture::decode_errors;
use crate::capture::intake::{FrameSender, Intake, Pulse};
use crate::capture::source::{Pace, Source};
use crate::capture::supervise::Supervisor;
use crate::config::CameraConfig;
use crate::domain::CameraName;
use crate::metrics::{CameraMetrics, CameraState};
use crate::pipeline::House;

/// A camera that is being watched.
#[derive(Debug)]
pub struct Camera {
    live: bool,
    /// Its drop is the signal.
    stop: Sender<Infallible>,
    over: Receiver<Infallible>,
    thread: JoinHandle<()>,
    status: Arc<Status>,
}

/// How a camera is, for people.
#[derive(Debug)]
pub struct Status {
    name: CameraName,
    place: String,
    time_zone: String,
    metrics: Arc<CameraMetrics>,
    pulse: Arc<Pulse>,
    trouble: Mutex<Trouble>,
}

#[derive(Debug)]
struct Trouble {
    since: Timestamp,
    last_error: Option<String>,
}

impl Status {
    /// Its name.
    pub fn name(&self) -> &CameraName {
        &self.name
    }

    /// Where it hangs.
    pub fn place(&self) -> &str {
        &self.place
    }

    /// The time zone of its deployment.
    pub fn time_zone(&self) -> &str {
        &self.time_zone
    }

    /// The state it is in.
    pub fn state(&self) -> CameraState {
        self.metrics.state()
    }

    /// Since when it is in its state.
    pub fn since(&self) -> Timestamp {
        self.trouble().since
    }

    /// What went wrong last, without secrets.
    pub fn last_error(&self) -> Option<String> {
        self.trouble().last_error.clone()
    }

    /// When the last frame came.
    pub fn last_frame_at(&self) -> Option<Timestamp> {
        let secs = self.metrics.last_frame.get();
        (secs > 0.0).then(|| Timestamp::from_millisecond((secs * 1_000.0) as i64).ok()).flatten()
    }

    /// Width and height, px.
    pub fn size_px(&self) -> Option<(u32, u32)> {
        self.pulse.size()
    }

    /// Frames a second that arrive.
    pub fn fps(&self) -> f64 {
        self.pulse.fps()
    }

    pub(super) fn set(&self, state: CameraState) {
        let mut trouble = self.trouble();
        if self.metrics.state() != state {
            trouble.since = Timestamp::now();
            tracing::info!(camera = &*self.name, state = state.as_str(), "camera");
        }
        if state == CameraState::Playing {
            trouble.last_error = None;
        }
        self.metrics.set_state(state);
    }

    /// It was lost. A camera that is away for weeks says so once, and again when it says something else.
    pub(super) fn lose(&self, state: CameraState, error: String, wait_secs: f64) {
        let mut trouble = self.trouble();
        let changed = self.metrics.state() != state;
        if changed {
            trouble.since = Timestamp::now();
        }
        if changed || trouble.last_error.as_ref() != Some(&error) {
            tracing::warn!(camera = &*self.name, state = state.as_str(), error, wait_secs, "camera lost");
        } else {
            tracing::debug!(camera = &*self.name, state = state.as_str(), error, wait_secs, "camera still lost");
        }
        trouble.last_error = Some(error);
        self.metrics.set_state(state);
    }

    fn trouble(&self) -> std::sync::MutexGuard<'_, Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Camera {
    /// Whether frames are lost that are not taken; a file's wait.
    pub fn is_live(&self) -> bool {
        self.live
    }

    /// How it is.
    pub fn status(&self) -> &Arc<Status> {
        &self.status
    }

    /// Waits until it has come to its end.
    pub fn wait(&self) {
        // Nothing is ever sent: the channel closes.
        let _ = self.over.recv();
    }

    /// Tells it to end, without waiting.
    pub fn stop(self) -> JoinHandle<()> {
        drop(self.stop);
        self.thread
    }
}

/// Meets GIO's sockets on one thread, before any camera has one.
///
/// GLib deadlocks where two threads come upon them at once, one by making a class that names the type of an address
/// (`rtspsrc`) and one by registering that type (`souphttpsrc`, as its plugin is loaded): no camera would ever play.
fn meet_sockets() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        drop(gio::SocketClient::new());
        gio::Socket::ensure_type();
        for name in ["rtspsrc", "souphttpsrc"] {
            // One that is missing is told of where a camera needs it.
            let _ = gst::ElementFactory::find(name).map(|it| it.load());
        }
    });
}

/// Starts watching a camera. Its frames' channel closes once it is over.
pub fn spawn(config: &CameraConfig, pace: Pace, frames: FrameSender, house: &House) -> io::Result<Camera> {
    gst::init().map_err(io::Error::other)?;
    decode_errors::install();
    meet_sockets();
    let metrics = house.metrics.camera(&config.name);
    let pulse = Arc::new(Pulse::default());
    let status = Arc::new(Status {
        name: Arc::clone(&config.name),
        place: config.place.clone(),
        time_zone: config.time_zone.clone(),
        metrics: Arc::clone(&metrics),
        pulse: Arc::clone(&pulse),
        trouble: Mutex::new(Trouble { since: Timestamp::now(), last_error: None }),
    });
    // What cannot be parsed cannot be a file, which alone is not live.
    let live = Source::parse(config.uri.expose()).map_or(true, |it| it.is_live());
    let (stop, stopped) = bounded(0);
    let (ended, over) = bounded(0);
    let intake = Intake::new(
        Arc::clone(&config.name),
        config.analysis_fps,
        live,
        pace,
        frames,
        Arc::clone(&metrics),
        Arc::clone(&house.clock),
        stopped.clone(),
        Arc::clone(&pulse),
    );
    let supervisor = Supervisor {
        config: config.clone(),
        intake: Arc::new(Mutex::new(Some(intake))),
        stop: stopped,
        status: Arc::clone(&status),
        pulse,
        metrics,
        repeats: pace == Pace::RealTime && config.r#loop,
        once: pace == Pace::AsFastAsPossible,
        live,
    };
    let name: String = format!("cam-{}", config.name).chars().take(15).collect();
    let thread = thread::Builder::new().name(name).spawn(move || {
        let intake = Arc::clone(&supervisor.intake);
        supervisor.run();
        // Its frames' channel closes with it.
        intake.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(ended);
    })?;
    Ok(Camera { live, stop, over, thread, status })
}
