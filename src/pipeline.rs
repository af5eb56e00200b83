//! THE file: every stage and every channel, wired top to bottom in the order of the flow, drained in the same order.
//!
//! ```text
//! camera ─▶ gate ─▶ featurizer ─▶ head ─▶ events ─▶ recorder ─▶ store, then sinks
//! ```
//!
//! Each stage ends when its input closes, so joining in flow order drains in flow order. No queue is unbounded: live
//! cameras drop their oldest frame and count it, files wait.

use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use crossbeam_channel::bounded;

use crate::capture::camera::{self, Camera, Pace};
use crate::capture::gate;
use crate::clock::Clock;
use crate::config::Config;
use crate::infer::featurizer::{self, Pool};
use crate::infer::head::Head;
use crate::infer::models::Models;
use crate::infer::{predict, queue};
use crate::metrics::Metrics;
use crate::observe::{event, recorder};
use crate::observe::publish::Sink;
use crate::observe::store::Store;

/// Embedded looks that wait for the head: a batch or two of each worker.
const EMBEDDED: usize = 16;
/// Predictions and event updates that wait: seconds of a busy site.
const PREDICTED: usize = 64;

/// What the stages share.
#[derive(Debug, Clone)]
pub struct House {
    /// Every metric.
    pub metrics: Arc<Metrics>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The heads that serve; swapped between looks.
    pub heads: Arc<ArcSwap<Head>>,
}

/// The running daemon.
#[derive(Debug)]
pub struct Pipeline {
    cameras: Vec<Camera>,
    gates: Vec<JoinHandle<()>>,
    pool: Pool,
    head: JoinHandle<()>,
    events: JoinHandle<()>,
    recorder: JoinHandle<()>,
}

impl Pipeline {
    /// Starts every stage, the last first, so that nothing is sent to a stage that is not there. Returns once the
    /// models are warm; cameras connect in their own time.
    pub fn start(
        config: &Config,
        house: &House,
        models: &Models,
        store: Store,
        sinks: Vec<Box<dyn Sink>>,
        pace: Pace,
    ) -> anyhow::Result<Pipeline> {
        let House { metrics, clock, heads } = house;
        let (lanes, looks) = queue::fair(config.featurizer.queue_frames, metrics);
        let (embedded_in, embedded) = bounded(EMBEDDED);
        let (predicted_in, predicted) = bounded(PREDICTED);
        let (updated_in, updated) = bounded(PREDICTED);

        let recorder = recorder::spawn(updated, store, sinks, models.contract.identity(), Arc::clone(metrics))?;
        let events = event::spawn(&config.events, predicted, updated_in, Arc::clone(clock))?;
        let head =
            predict::spawn(&config.novelty, heads, embedded, predicted_in, Arc::clone(clock), Arc::clone(metrics))?;
        let pool = featurizer::spawn_pool(
            &models.runtime,
            &config.featurizer,
            Arc::clone(&models.contract),
            looks,
            embedded_in,
            Arc::clone(metrics),
        )?;
        let (mut cameras, mut gates) = (Vec::new(), Vec::new());
        for it in &config.cameras {
            let counters = metrics.camera(&it.name);
            let (frames_in, frames) = camera::frames(it);
            gates.push(gate::spawn(it, frames, lanes.lane(Arc::clone(&it.name)))?);
            cameras.push(camera::spawn(it, frames_in, counters, Arc::clone(clock), pace)?);
        }
        Ok(Pipeline { cameras, gates, pool, head, events, recorder })
    }

    /// The cameras, for the page.
    pub fn cameras(&self) -> &[Camera] {
        &self.cameras
    }

    /// Waits until every camera has come to its end (files do, live cameras never).
    pub fn finish(self) {
        self.cameras.iter().for_each(Camera::wait);
        self.drain();
    }

    /// Stops the cameras, and lets every stage finish what it has.
    pub fn drain(self) {
        self.cameras.into_iter().for_each(Camera::stop);
        self.gates.into_iter().for_each(join);
        self.pool.join();
        join(self.head);
        join(self.events);
        join(self.recorder);
    }
}

/// A stage that panicked is a bug of ours, and ends the process as one.
fn join(stage: JoinHandle<()>) {
    if let Err(bug) = stage.join() {
        std::panic::resume_unwind(bug);
    }
}
