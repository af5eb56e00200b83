//! A trial: what the gate saw lately goes through two gates, one by the settings that hold and one by those that somebody wants. It
//! runs on a thread of its own, behind everything else, one at a time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use serde::Serialize;
use uuid::Uuid;

use super::compare::{Bursts, Difference, compare};
use super::error::SetupError;
use crate::capture::gate::Gate;
use crate::capture::tape::segment::Packed;
use crate::capture::tape::shelf::{Holdings, Shelf};
use crate::config::{EventsConfig, GateSettings};
use crate::domain::CameraName;

/// Behind everything else on the machine.
const NICENESS: i32 = 19;
/// Thousandths of what is done.
const WHOLE: u64 = 1_000;

/// What is tried, and what came of it.
#[derive(Debug)]
pub struct Trial {
    /// Its identity.
    pub id: Uuid,
    /// The camera.
    pub camera: CameraName,
    /// The settings that hold.
    pub present: GateSettings,
    /// Those that are tried.
    pub wanted: GateSettings,
    /// From when on.
    pub from: Timestamp,
    done: AtomicU64,
    stopped: AtomicBool,
    outcome: OnceLock<Outcome>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// When the first frame was taken that both gates looked at.
    pub from: Timestamp,
    /// When the last was.
    pub to: Timestamp,
    /// How many there were.
    pub frames: u64,
    /// How long it took.
    pub took_secs: f64,
    /// There was more to see than is remembered: it ended at `to`.
    pub cut_short: bool,
    /// The widths in px at which it was recorded, where less than the wanted one; else 0: so closely nobody looked.
    pub recorded_width_px: u32,
    /// What changed.
    pub difference: Difference,
}

impl Trial {
    /// How far it is, 0..=1.
    pub fn done(&self) -> f64 {
        self.done.load(Ordering::Relaxed) as f64 / WHOLE as f64
    }

    /// What came of it, once it is over.
    pub fn outcome(&self) -> Option<&Outcome> {
        self.outcome.get()
    }

    fn run(
        &self,
        frames: impl Iterator<Item = Packed>,
        to: Timestamp,
        bursts: impl Fn() -> Bursts,
        gap: SignedDuration,
    ) {
        let began = Instant::now();
        let gate = |it: &GateSettings| Gate::with(Arc::clone(&self.camera), Arc::new(it.clone()));
        let (mut present, mut wanted) = (gate(&self.present), gate(&self.wanted));
        let (mut by_present, mut by_wanted) = (bursts(), bursts());
        let span_ms = to.duration_since(self.from).as_millis().max(1);
        let (mut first, mut last, mut n, mut cut_short, mut width_px) = (None, self.from, 0, false, 0);
        for frame in frames.filter_map(Packed::unpack) {
            if self.stopped.load(Ordering::Relaxed) {
                return;
            }
            cut_short = by_present.is_full() || by_wanted.is_full();
            if frame.at > to || cut_short {
                break;
            }
            let at = frame.at;
            if let Some(moved) = present.judge_again(&frame) {
                by_present.add(at, moved);
            }
            if let Some(moved) = wanted.judge_again(&frame) {
                by_wanted.add(at, moved);
            }
            if frame.luma.width() < self.wanted.gate.width_px.min(frame.size_px.0) {
                width_px = frame.luma.width();
            }
            first.get_or_insert(at);
            (last, n) = (at, n + 1);
            let done = at.duration_since(self.from).as_millis().clamp(0, span_ms) * i128::from(WHOLE) / span_ms;
            self.done.store(u64::try_from(done).unwrap_or(0), Ordering::Relaxed);
        }
        self.done.store(WHOLE, Ordering::Relaxed);
        let outcome = Outcome {
            from: first.unwrap_or(self.from),
            to: last,
            frames: n,
            took_secs: began.elapsed().as_secs_f64(),
            cut_short,
            recorded_width_px: width_px,
            difference: compare(by_present.finish(), &by_wanted.finish(), gap),
        };
        let _ = self.outcome.set(outcome);
    }
}

/// The trials of all cameras: the last of each is remembered, and one runs.
#[derive(Debug)]
pub struct Trials {
    shelf: Shelf,
    keeps: bool,
    gap: SignedDuration,
    min_frames: u32,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    last: HashMap<CameraName, Arc<Trial>>,
    running: Option<(Arc<Trial>, JoinHandle<()>)>,
}

impl Trials {
    /// On the tapes of a shelf; `events` says what an event is, and `keeps` whether any more is recorded.
    pub fn new(shelf: Shelf, events: &EventsConfig, keeps: bool) -> Trials {
        let gap = SignedDuration::try_from_secs_f64(events.gap_secs).unwrap_or(SignedDuration::from_secs(3));
        // `as` saturates.
        let min_frames = events.open_looks.ceil().max(1.0) as u32;
        Trials { shelf, keeps, gap, min_frames, state: Mutex::default() }
    }

    /// Whether anything is recorded at all.
    pub fn keeps(&self) -> bool {
        self.keeps
    }

    /// Silence that ends an event, and within which two are the same.
    pub fn gap(&self) -> SignedDuration {
        self.gap
    }

    /// What is recorded of a camera.
    pub fn holdings(&self, camera: &CameraName) -> Result<Option<Holdings>, SetupError> {
        self.shelf.holdings(camera).map_err(|source| self.unreadable(source))
    }

    /// A recorded picture, JPEG.
    pub fn picture(&self, camera: &CameraName, at_ms: i64) -> Result<Option<Vec<u8>>, SetupError> {
        self.shelf.picture(camera, at_ms).map_err(|source| self.unreadable(source))
    }

    /// The last trial of a camera.
    pub fn last(&self, camera: &str) -> Option<Arc<Trial>> {
        self.state().last.get(camera).cloned()
    }

    /// Whether somebody could have seen what becomes of events by these settings in the place of those.
    pub fn has_tried(&self, camera: &str, present: &GateSettings, wanted: &GateSettings) -> bool {
        self.last(camera).is_some_and(|it| it.outcome().is_some() && it.wanted == *wanted && it.present == *present)
    }

    /// Begins one, on what was recorded from then on; another of the same camera is ended for it.
    pub fn begin(
        &self,
        camera: &CameraName,
        present: GateSettings,
        wanted: GateSettings,
        from: Timestamp,
    ) -> Result<Arc<Trial>, SetupError> {
        let nothing = || SetupError::NoTape(camera.to_string());
        let held = self.holdings(camera)?.ok_or_else(nothing)?;
        let (from, to) = (from.max(held.from), Timestamp::now());
        if from > held.to {
            return Err(nothing());
        }
        let mut state = self.state();
        if let Some((trial, thread)) = state.running.take() {
            if !thread.is_finished() && trial.camera != *camera {
                let busy = trial.camera.to_string();
                state.running = Some((trial, thread));
                return Err(SetupError::Busy(busy));
            }
            trial.stopped.store(true, Ordering::Relaxed);
            // It looks after each frame.
            let _ = thread.join();
        }
        let trial = Arc::new(Trial {
            id: Uuid::now_v7(),
            camera: Arc::clone(camera),
            present,
            wanted,
            from,
            done: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
            outcome: OnceLock::new(),
        });
        let frames = self.shelf.frames(camera, from).map_err(|source| self.unreadable(source))?;
        let (gap, min_frames, tried) = (self.gap, self.min_frames, Arc::clone(&trial));
        let thread = thread::Builder::new().name("trial".into()).spawn(move || {
            if let Err(error) = setpriority_process(Some(gettid()), NICENESS) {
                tracing::debug!(%error, "a trial runs at the priority of all else");
            }
            tried.run(frames, to, || Bursts::new(gap, min_frames), gap);
        });
        let thread = thread.map_err(|source| self.unreadable(source))?;
        state.last.insert(Arc::clone(camera), Arc::clone(&trial));
        state.running = Some((Arc::clone(&trial), thread));
        Ok(trial)
    }

    /// Ends what runs, and waits for that: it looks after each frame.
    pub fn end(&self) {
        if let Some((trial, thread)) = self.state().running.take() {
            trial.stopped.store(true, Ordering::Relaxed);
            let _ = thread.join();
        }
    }

    fn unreadable(&self, source: std::io::Error) -> SetupError {
        SetupError::Io { path: self.shelf.dir().to_owned(), source }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
