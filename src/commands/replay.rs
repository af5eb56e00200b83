//! Files through the pipeline of `run`, as fast as the machine can: the same events come out, and nothing is kept.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use arc_swap::ArcSwap;

use crate::capture::source::Pace;
use crate::clock::FileClock;
use crate::config::{CameraConfig, Config};
use crate::domain::{Change, Event, EventUpdate};
use crate::infer::models::Models;
use crate::metrics::{CameraState, Metrics};
use crate::pipeline::{House, Pipeline};

/// What came of it.
pub(super) struct Replayed {
    /// The events in the order in which they ended; their times count from the epoch, which is each file's beginning.
    pub(super) events: Vec<Event>,
    /// Why a file could not be read to its end, one line a file.
    pub(super) failures: Vec<String>,
}

/// Replays files (the cameras' URIs) side by side, to their ends.
pub(super) fn replay(config: &Config, cameras: Vec<CameraConfig>, models: &Models) -> anyhow::Result<Replayed> {
    let config = Config { cameras, ..config.clone() };
    let house = House {
        metrics: Metrics::new(),
        clock: Arc::new(FileClock::default()),
        heads: Arc::new(ArcSwap::from_pointee(models.starter())),
    };
    let ended = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&ended);
    let pipeline = Pipeline::start(&config, &house, models, Pace::AsFastAsPossible, |updates| {
        thread::Builder::new().name("collect".into()).spawn(move || {
            let over = updates.into_iter().filter(|it: &EventUpdate| it.change == Change::Ended);
            let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
            told.extend(over.map(|it| it.event));
        })
    })?;
    let statuses: Vec<_> = pipeline.cameras().iter().map(|it| Arc::clone(it.status())).collect();
    pipeline.finish();
    let events = std::mem::take(&mut *ended.lock().unwrap_or_else(PoisonError::into_inner));
    let failed = statuses.iter().filter(|it| {
        let counters = house.metrics.camera(it.name());
        counters.state() != CameraState::Ended || counters.n_received() == 0
    });
    let why = |error: Option<String>| error.unwrap_or_else(|| "holds no picture that can be decoded".into());
    Ok(Replayed { events, failures: failed.map(|it| why(it.last_error())).collect() })
}
