//! A camera is tried again and again: `run` never fails, `attempt` may.

use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvTimeoutError, TryRecvError};
use gstreamer as gst;
use gstreamer::prelude::*;
use rand::RngExt;

use crate::capture::camera::Status;
use crate::capture::credentials::{self, Redactor};
use crate::capture::error::CameraError;
use crate::capture::findings::Findings;
use crate::capture::graph::{self, Slot, Try};
use crate::capture::intake::{Intake, Pulse, Stop};
use crate::capture::reach;
use crate::capture::source::Source;
use crate::capture::teardown::LeftBehind;
use crate::capture::turnstile::TURNSTILE;
use crate::config::CameraConfig;
use crate::metrics::{CameraMetrics, CameraState};

/// Between looks at the bus and the pulse.
const LOOK: gst::ClockTime = gst::ClockTime::from_mseconds(100);
/// Share of a wait that chance may add, so that cameras behind one switch do not come back in step.
const JITTER: f64 = 0.2;

/// Who keeps one camera going.
pub(super) struct Supervisor {
    pub(super) config: CameraConfig,
    pub(super) intake: Slot,
    pub(super) stop: Stop,
    pub(super) status: Arc<Status>,
    pub(super) pulse: Arc<Pulse>,
    pub(super) metrics: Arc<CameraMetrics>,
    /// A file begins again at its end.
    pub(super) repeats: bool,
    /// Nobody waits for it to get better.
    pub(super) once: bool,
    pub(super) live: bool,
}

/// How a try ended that did not fail.
enum Outcome {
    Stopped,
    Finished,
}

/// One try, from its start to its end.
struct Attempt {
    /// An error comes with its text as it may be shown.
    outcome: Result<Outcome, (CameraError, String)>,
    /// From its first frame to its last.
    played: Duration,
}

impl Supervisor {
    pub(super) fn run(self) {
        if !self.config.enabled {
            return self.status.set(CameraState::Disabled);
        }
        self.status.set(CameraState::Starting);
        let mut wait_secs = self.config.backoff_min_secs;
        let mut left_behind = LeftBehind::new(&self.config.name);
        loop {
            if !left_behind.wait_for_room(&self.stop) || (self.live && !TURNSTILE.pass(&self.stop)) {
                return;
            }
            let Attempt { outcome, played } = self.attempt(&mut left_behind);
            let (error, said) = match outcome {
                Ok(Outcome::Stopped) => return,
                Ok(Outcome::Finished) if self.repeats => continue,
                Ok(Outcome::Finished) => return self.status.set(CameraState::Ended),
                Err(it) => it,
            };
            self.metrics.lost(error.cause());
            if played.as_secs_f64() >= self.config.healthy_secs {
                wait_secs = self.config.backoff_min_secs;
            }
            if error.is_fatal() {
                wait_secs = self.config.backoff_max_secs;
            }
            let state = if error.is_fatal() || !self.live { CameraState::Failed } else { CameraState::Reconnecting };
            self.status.lose(state, said, wait_secs);
            // A file that broke off would be seen twice, unless it is to be seen again and again.
            let seen = !played.is_zero() && !self.live && !self.repeats;
            if self.once || (seen && !error.is_fatal()) {
                return;
            }
            let jittered = wait_secs * (1.0 + JITTER * rand::rng().random::<f64>());
            if self.stop.recv_timeout(Duration::from_secs_f64(jittered)) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
            wait_secs = (wait_secs * 2.0).min(self.config.backoff_max_secs);
        }
    }

    fn attempt(&self, left_behind: &mut LeftBehind) -> Attempt {
        let mut played = Duration::ZERO;
        // Before the credentials are known, the URI alone may hold a secret.
        let mut redactor = Redactor::new(&self.config, None);
        let outcome = self.play(left_behind, &mut redactor, &mut played);
        let outcome = outcome.map_err(|error| {
            let said = redactor.redact(&error.to_string());
            (error, said)
        });
        Attempt { outcome, played }
    }

    fn play(
        &self,
        left_behind: &mut LeftBehind,
        redactor: &mut Redactor,
        played: &mut Duration,
    ) -> Result<Outcome, CameraError> {
        let (uri, credentials) = credentials::resolve(&self.config, &|name| std::env::var_os(name))?;
        *redactor = Redactor::new(&self.config, credentials.as_ref());
        let source = Source::parse(&uri)?;
        source.check()?;
        let findings = Arc::new(Findings::default());
        let number = match &mut *self.intake.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(intake) => intake.begin(),
            None => return Ok(Outcome::Stopped),
        };
        let pipeline = graph::build(&Try {
            source: &source,
            config: &self.config,
            credentials: credentials.as_ref(),
            intake: &self.intake,
            number,
            pulse: &self.pulse,
            metrics: &self.metrics,
            findings: &findings,
        })?;
        let outcome = match pipeline.set_state(gst::State::Playing) {
            Ok(_) => self.watch(&pipeline, &source, &findings, played),
            Err(_) => Err(self.first_error(&pipeline, &source, &findings)),
        };
        left_behind.stop(pipeline);
        outcome.map_err(|error| if played.is_zero() { self.as_it_may_be(error, &source) } else { error })
    }

    /// The same, or why no connection can be made at all.
    fn as_it_may_be(&self, error: CameraError, source: &Source) -> CameraError {
        let (Source::Rtsp(uri) | Source::Http(uri)) = source else { return error };
        let (CameraError::Stream(_) | CameraError::Stall(_)) = error else { return error };
        let found = reach::address(uri).and_then(|it| Some((reach::why_not(&it, &self.stop)?, it)));
        found.map_or(error, |(why, address)| CameraError::Unreachable { address, why })
    }

    fn watch(
        &self,
        pipeline: &gst::Pipeline,
        source: &Source,
        findings: &Findings,
        played: &mut Duration,
    ) -> Result<Outcome, CameraError> {
        let bus = pipeline.bus().ok_or_else(|| CameraError::Stream("the pipeline has no bus".into()))?;
        let (started, mut n_frames, mut first_frame) = (Instant::now(), self.pulse.frames(), None);
        let of_interest = [gst::MessageType::Error, gst::MessageType::Eos, gst::MessageType::Element];
        loop {
            let message = bus.timed_pop_filtered(LOOK, &of_interest);
            if self.stop.try_recv() == Err(TryRecvError::Disconnected) {
                return Ok(Outcome::Stopped);
            }
            if self.pulse.frames() > n_frames {
                n_frames = self.pulse.frames();
                *played = first_frame.get_or_insert_with(Instant::now).elapsed();
                self.status.set(CameraState::Playing);
            }
            let playing = first_frame.is_some();
            match message.as_ref().map(|it| it.view()) {
                Some(gst::MessageView::Element(message)) => {
                    findings.note(message);
                    continue;
                }
                Some(gst::MessageView::Eos(_)) if source.is_live() => return Err(CameraError::Ended),
                Some(gst::MessageView::Eos(_)) if !playing => return Err(CameraError::NoVideo),
                Some(gst::MessageView::Eos(_)) => return Ok(Outcome::Finished),
                Some(gst::MessageView::Error(error)) => {
                    return Err(findings.read_error(error, source, self.config.tls, playing));
                }
                _ => {}
            }
            let silent_secs = if playing { self.silent_secs() } else { started.elapsed().as_secs_f64() };
            let patience_secs = if playing { self.config.stall_secs } else { self.config.connect_secs };
            if silent_secs > patience_secs {
                return Err(CameraError::Stall(patience_secs));
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

    fn first_error(&self, pipeline: &gst::Pipeline, source: &Source, findings: &Findings) -> CameraError {
        let of_interest = [gst::MessageType::Error, gst::MessageType::Element];
        while let Some(message) =
            pipeline.bus().and_then(|it| it.timed_pop_filtered(gst::ClockTime::ZERO, &of_interest))
        {
            match message.view() {
                gst::MessageView::Element(message) => findings.note(message),
                gst::MessageView::Error(error) => {
                    return findings.read_error(error, source, self.config.tls, false);
                }
                _ => {}
            }
        }
        CameraError::Stream("the pipeline does not start".into())
    }
}
