//! Files through the pipeline of `run`, as fast as the machine can: the same events come out, and nothing is kept.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use arc_swap::ArcSwap;

use crate::capture::source::Pace;
use crate::clock::FileClock;
use crate::commands::serving;
use crate::config::{CameraConfig, Config};
use crate::domain::EventUpdate;
use crate::infer::models::Models;
use crate::metrics::{CameraState, Metrics};
use crate::pipeline::{Beside, House, Pipeline};

/// Replays files (the cameras' URIs) side by side, to their ends: what `add` made of all updates, and for each file that
/// could not be read to its end a line that says why. Times count from the epoch, which is each file's beginning.
pub(super) fn replay<T: Default + Send + 'static>(
    config: &Config,
    cameras: Vec<CameraConfig>,
    models: &Models,
    add: fn(&mut T, EventUpdate),
) -> anyhow::Result<(T, Vec<String>)> {
    let config = Config { cameras, ..config.clone() };
    let house = House {
        metrics: Metrics::new(),
        clock: Arc::new(FileClock),
        heads: Arc::new(ArcSwap::from_pointee(serving(&config, models)?)),
    };
    let all = Arc::new(Mutex::new(T::default()));
    let kept = Arc::clone(&all);
    let pipeline = Pipeline::start(&config, &house, models, Pace::AsFastAsPossible, Beside::default(), |updates| {
        thread::Builder::new().name("collect".into()).spawn(move || {
            let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
            updates.into_iter().for_each(|it| add(&mut kept, it));
        })
    })?;
    let statuses: Vec<_> = pipeline.cameras().iter().map(|it| Arc::clone(it.status())).collect();
    pipeline.finish();
    let failed = statuses.iter().filter(|it| {
        let counters = house.metrics.camera(it.name());
        counters.state() != CameraState::Ended || counters.n_received() == 0
    });
    let why = |error: Option<String>| error.unwrap_or_else(|| "holds no picture that can be decoded".into());
    let failures = failed.map(|it| why(it.last_error())).collect();
    let kept = std::mem::take(&mut *all.lock().unwrap_or_else(PoisonError::into_inner));
    Ok((kept, failures))
}
