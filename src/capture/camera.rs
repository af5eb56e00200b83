//! One camera, supervised: `run` never fails, `attempt` may. What one camera does never touches another.

use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use gstreamer as gst;
use gstreamer::prelude::*;
use jiff::Timestamp;
use rand::RngExt;

use crate::capture::credentials::{self, Redactor};
use crate::capture::decode_errors;
use crate::capture::error::CameraError;
use crate::capture::graph::{self, Slot};
use crate::capture::intake::{FrameSender, Intake, Pulse, Stop};
use crate::capture::source::{Pace, Source};
use crate::config::CameraConfig;
use crate::domain::CameraName;
use crate::metrics::{CameraMetrics, CameraState};
use crate::pipeline::House;

/// Between looks at the bus and the pulse.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(100);
/// A pipeline that does not stop within this is left behind: a camera that hangs must not hang the daemon.
const TEARDOWN: Duration = Duration::from_secs(3);
/// Share of a wait that chance may add, so that cameras behind one switch do not come back in step.
const JITTER: f64 = 0.2;

/// A camera that is being watched.
#[derive(Debug)]
pub struct Camera {
    config: CameraConfig,
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

    fn set(&self, state: CameraState, error: Option<String>) {
        let mut trouble = self.trouble();
        if self.metrics.state() != state || error.is_some() {
            trouble.since = Timestamp::now();
            tracing::info!(camera = &*self.name, state = state.as_str(), error = error.as_deref(), "camera");
        }
        if error.is_some() || state == CameraState::Playing {
            trouble.last_error = error;
        }
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

/// Starts watching a camera. Its frames' channel closes once it is over.
pub fn spawn(config: &CameraConfig, pace: Pace, frames: FrameSender, house: &House) -> io::Result<Camera> {
    gst::init().map_err(io::Error::other)?;
    decode_errors::install();
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
    Ok(Camera { config: config.clone(), live, stop, over, thread, status })
}

impl Camera {
    /// What it was started with.
    pub fn config(&self) -> &CameraConfig {
        &self.config
    }
}

struct Supervisor {
    config: CameraConfig,
    intake: Slot,
    stop: Stop,
    status: Arc<Status>,
    pulse: Arc<Pulse>,
    metrics: Arc<CameraMetrics>,
    repeats: bool,
    once: bool,
    live: bool,
}

/// How a try ended that did not fail.
enum Outcome {
    Stopped,
    Finished,
}

impl Supervisor {
    fn run(self) {
        if !self.config.enabled {
            return self.status.set(CameraState::Disabled, None);
        }
        self.status.set(CameraState::Starting, None);
        let mut wait_secs = self.config.backoff_min_secs;
        loop {
            let started = Instant::now();
            match self.attempt() {
                Ok(Outcome::Stopped) => return,
                Ok(Outcome::Finished) if self.repeats => continue,
                Ok(Outcome::Finished) => return self.status.set(CameraState::Ended, None),
                Err((error, said)) => {
                    self.metrics.lost(error.cause());
                    let state =
                        if error.is_fatal() || !self.live { CameraState::Failed } else { CameraState::Reconnecting };
                    if started.elapsed().as_secs_f64() >= self.config.connect_secs + self.config.healthy_secs {
                        wait_secs = self.config.backoff_min_secs;
                    }
                    if error.is_fatal() {
                        wait_secs = self.config.backoff_max_secs;
                    }
                    tracing::warn!(camera = &*self.config.name, error = said, wait_secs, "camera lost");
                    self.status.set(state, Some(said));
                    // Nobody waits for a file to get better, and one that broke off would be seen twice.
                    if self.once || (!error.is_fatal() && !self.live) {
                        return;
                    }
                    let jittered = wait_secs * (1.0 + JITTER * rand::rng().random::<f64>());
                    if self.stop.recv_timeout(Duration::from_secs_f64(jittered)) == Err(RecvTimeoutError::Disconnected)
                    {
                        return;
                    }
                    wait_secs = (wait_secs * 2.0).min(self.config.backoff_max_secs);
                }
            }
        }
    }

    /// One pipeline, from its start to its end. An error comes with its text as it may be shown.
    fn attempt(&self) -> Result<Outcome, (CameraError, String)> {
        let plain = |error: CameraError| {
            let said = Redactor::new(&self.config, None).redact(&error.to_string());
            (error, said)
        };
        let (uri, credentials) = credentials::resolve(&self.config, &|name| std::env::var_os(name)).map_err(plain)?;
        let redactor = Redactor::new(&self.config, credentials.as_ref());
        let told = |error: CameraError| {
            let said = redactor.redact(&error.to_string());
            (error, said)
        };
        let source = Source::parse(&uri).map_err(told)?;
        source.check().map_err(told)?;
        if let Some(intake) = &mut *self.intake.lock().unwrap_or_else(PoisonError::into_inner) {
            intake.begin();
        }
        let pipeline =
            graph::build(&source, &self.config, credentials.as_ref(), &self.intake, &self.pulse, &self.metrics)
                .map_err(told)?;
        let outcome = match pipeline.set_state(gst::State::Playing) {
            Ok(_) => self.watch(&pipeline, &source),
            Err(_) => Err(self.first_error(&pipeline, &source)),
        };
        tear_down(pipeline);
        outcome.map_err(told)
    }

    fn watch(&self, pipeline: &gst::Pipeline, source: &Source) -> Result<Outcome, CameraError> {
        let bus = pipeline.bus().ok_or_else(|| CameraError::Stream("the pipeline has no bus".into()))?;
        let (started, n_before) = (Instant::now(), self.pulse.frames());
        let of_interest = [gst::MessageType::Error, gst::MessageType::Eos];
        loop {
            let message = bus.timed_pop_filtered(LOOK, &of_interest);
            if self.stop.try_recv() == Err(crossbeam_channel::TryRecvError::Disconnected) {
                return Ok(Outcome::Stopped);
            }
            let playing = self.pulse.frames() > n_before;
            if playing && self.status.state() != CameraState::Playing {
                self.status.set(CameraState::Playing, None);
            }
            match message.as_ref().map(|it| it.view()) {
                Some(gst::MessageView::Eos(_)) if source.is_live() => return Err(CameraError::Ended),
                Some(gst::MessageView::Eos(_)) if !playing => {
                    return Err(CameraError::NotMedia("there is no picture in it".into()));
                }
                Some(gst::MessageView::Eos(_)) => return Ok(Outcome::Finished),
                Some(gst::MessageView::Error(error)) => return Err(read_error(error, source, playing)),
                _ => {}
            }
            let silent_secs = if playing { self.silent_secs() } else { started.elapsed().as_secs_f64() };
            let patience_secs = if playing { self.config.stall_secs } else { self.config.connect_secs };
            if silent_secs > patience_secs {
                return Err(CameraError::Stall(silent_secs));
            }
        }
    }

    /// Seconds since the last frame; a frame that waits for its time or for room is no silence.
    fn silent_secs(&self) -> f64 {
        let now = self.intake.try_lock().ok().and_then(|it| it.as_ref().map(Intake::now));
        match (now, self.pulse.last()) {
            (Some(now), Some(last)) => now.saturating_sub(last).as_secs_f64(),
            _ => 0.0,
        }
    }

    fn first_error(&self, pipeline: &gst::Pipeline, source: &Source) -> CameraError {
        let bus = pipeline.bus();
        let message = bus.and_then(|it| it.timed_pop_filtered(gst::ClockTime::ZERO, &[gst::MessageType::Error]));
        match message.as_ref().map(|it| it.view()) {
            Some(gst::MessageView::Error(error)) => read_error(error, source, false),
            _ => CameraError::Stream("the pipeline does not start".into()),
        }
    }
}

/// What GStreamer's error means for the next try.
fn read_error(message: &gst::message::Error, source: &Source, playing: bool) -> CameraError {
    let error = message.error();
    let debug = message.debug().map(|it| it.to_string()).unwrap_or_default();
    let refused =
        error.matches(gst::ResourceError::NotAuthorized) || debug.contains("Unauthorized") || debug.contains("(401)");
    if refused {
        return CameraError::Refused;
    }
    if error.matches(gst::StreamError::CodecNotFound) || error.matches(gst::CoreError::MissingPlugin) {
        return CameraError::Codec(error.message().to_string());
    }
    let unreadable = [gst::StreamError::TypeNotFound, gst::StreamError::WrongType, gst::StreamError::Demux];
    if !source.is_live()
        && !playing
        && (unreadable.iter().any(|it| error.matches(*it)) || error.is::<gst::StreamError>())
    {
        return CameraError::NotMedia(error.message().to_string());
    }
    CameraError::Stream(error.message().to_string())
}

/// Stops a pipeline on a thread of its own: it may block on a camera that hangs.
fn tear_down(pipeline: gst::Pipeline) {
    let (done, waiting) = bounded::<Infallible>(0);
    let stopping = thread::Builder::new().name("teardown".into()).spawn(move || {
        if let Some(bus) = pipeline.bus() {
            bus.set_flushing(true);
        }
        let _ = pipeline.set_state(gst::State::Null);
        if let Some(bus) = pipeline.bus() {
            bus.unset_sync_handler();
        }
        drop(done);
    });
    match stopping {
        Ok(_) if waiting.recv_timeout(TEARDOWN) == Err(RecvTimeoutError::Timeout) => {
            tracing::warn!("a pipeline does not stop, and is left behind");
        }
        Ok(_) => {}
        Err(error) => tracing::error!(%error, "no thread to stop a pipeline on"),
    }
}
