//! THE file: every stage and every channel, wired top to bottom in the order of the flow, drained in the same order.
//!
//! ```text
//! camera ─▶ gate ─▶ featurizer ─▶ head ─▶ glance ─▶ events ─▶ second featurizer ─▶ recorder ─▶ store, then sinks
//!           └▶ still moments, tape (threads of their own, for which no gate waits)
//! ```
//!
//! Each stage ends when its input closes, so joining in flow order drains in flow order. No queue is unbounded: live
//! cameras drop their oldest frame and count it, files wait.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::capture::camera::{self, Camera};
use crate::capture::gate::draws::{Draws, Moment};
use crate::capture::gate::{self, Followed, Gate};
use crate::capture::intake::frame_channel;
use crate::capture::source::Pace;
use crate::capture::tape::Taped;
use crate::capture::tape::recorder::Recorder;
use crate::clock::Clock;
use crate::config::{CameraConfig, Config, PeoplePictures};
use crate::domain::EventUpdate;
use crate::infer::featurizer::{self, Pool};
use crate::infer::heads::Heads;
use crate::infer::models::Models;
use crate::infer::second::Second;
use crate::infer::{predict, queue};
use crate::metrics::Metrics;
use crate::observe::glance::{self, Glances};
use crate::observe::people::Signs;
use crate::observe::{event, reconsider};

/// Frames that wait for their gate, a camera: it is quicker than any camera, so that more would only be older.
const FRAMES: usize = 2;
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
    /// The heads that serve, one a task; swapped between looks.
    pub heads: Arc<ArcSwap<Heads>>,
}

/// Where still moments go, and how many a camera are drawn a day.
#[derive(Debug)]
pub struct Moments {
    /// Who keeps them.
    pub output: Sender<Moment>,
    /// About so many.
    pub per_day: f64,
}

/// What the gates of a daemon do beside: follow what people save, draw still moments, record what they see. The default: nothing.
#[derive(Debug, Default)]
pub struct Beside {
    /// What each gate goes by; what stands not here goes by the config.
    pub settings: Followed,
    /// Where still moments go, where they are kept.
    pub moments: Option<Moments>,
    /// Where what the gates see goes, where that is kept.
    pub tape: Option<Sender<Taped>>,
}

impl Beside {
    fn gate(&self, camera: &CameraConfig, metrics: &Metrics) -> Gate {
        let draws = |to: &Moments| Draws::new(to.per_day, camera.analysis_fps, rand::random(), to.output.clone());
        let record =
            |it: &Sender<Taped>| Recorder::new(it.clone(), metrics.tape.frames.with_label_values(&["left_out"]));
        let gate = Gate::new(camera)
            .drawing(self.moments.as_ref().filter(|to| to.per_day > 0.0).map(draws))
            .recording(self.tape.as_ref().map(record));
        match self.settings.get(&camera.name) {
            Some(live) => gate.following(Arc::clone(live)),
            None => gate,
        }
    }
}

/// The running flow.
#[derive(Debug)]
pub struct Pipeline {
    cameras: Vec<Camera>,
    gates: Vec<JoinHandle<()>>,
    pool: Pool,
    head: JoinHandle<()>,
    glance: JoinHandle<()>,
    glances: Arc<Glances>,
    events: JoinHandle<()>,
    second: Option<JoinHandle<()>>,
    ending: Arc<AtomicBool>,
    recorder: JoinHandle<()>,
}

impl Pipeline {
    /// Starts every stage, the last first, so that nothing is sent to a stage that is not there. Returns once the
    /// models are warm; cameras connect in their own time.
    ///
    /// `beside` is what the gates do for others. `record` starts the last stage: the store's recorder, or a printer where nothing is to be kept.
    pub fn start(
        config: &Config,
        house: &House,
        models: &Models,
        pace: Pace,
        beside: Beside,
        record: impl FnOnce(Receiver<EventUpdate>) -> io::Result<JoinHandle<()>>,
    ) -> anyhow::Result<Pipeline> {
        let (lanes, looks) = queue::fair(config.featurizer.queue_frames, &house.metrics);
        let (embedded_in, embedded) = bounded(EMBEDDED);
        let (predicted_in, predicted) = bounded(PREDICTED);
        let (glanced_in, glanced) = bounded(PREDICTED);
        let (updated_in, updated) = bounded(PREDICTED);
        let (settled_in, settled) = bounded(PREDICTED);

        let ending = Arc::new(AtomicBool::new(false));
        let second = Second::open(models)?;
        let recorder = record(if second.is_some() { settled } else { updated.clone() })?;
        let reconsider = |it| {
            reconsider::spawn(it, config, pace, updated, settled_in, Arc::clone(&ending), Arc::clone(&house.metrics))
        };
        let second = second.map(reconsider).transpose()?;
        let signs = Signs::new(&config.people, &models.contract);
        let events = event::spawn(&config.events, signs.clone(), house, glanced, updated_in)?;
        let glances = Arc::new(Glances::new(config.cameras.iter().map(|it| Arc::clone(&it.name))));
        let hidden = (config.people.pictures != PeoplePictures::Keep).then_some(signs);
        let glance = glance::spawn(Arc::clone(&glances), hidden, predicted, glanced_in)?;
        let head = predict::spawn(&config.novelty, house, embedded, predicted_in)?;
        let pool = featurizer::spawn_pool(
            &models.runtime,
            &config.featurizer,
            Arc::clone(&models.contract),
            looks,
            embedded_in,
            Arc::clone(&house.metrics),
        )?;
        let (mut cameras, mut gates) = (Vec::new(), Vec::new());
        for it in &config.cameras {
            let (frames_in, frames) = frame_channel(FRAMES);
            let camera = camera::spawn(it, pace, frames_in, house)?;
            gates.push(gate::spawn(
                beside.gate(it, &house.metrics),
                frames,
                lanes.lane(Arc::clone(&it.name)),
                camera.is_live(),
            )?);
            cameras.push(camera);
        }
        Ok(Pipeline { cameras, gates, pool, head, glance, glances, events, second, ending, recorder })
    }

    /// The cameras, for those who want to see how they are.
    pub fn cameras(&self) -> &[Camera] {
        &self.cameras
    }

    /// What they show now.
    pub fn glances(&self) -> &Arc<Glances> {
        &self.glances
    }

    /// Waits until every camera has come to its end, as files do and live cameras never, and drains.
    pub fn finish(self) {
        self.cameras.iter().for_each(Camera::wait);
        self.drain();
    }

    /// Stops the cameras, and lets every stage finish what it has.
    pub fn drain(self) {
        let Pipeline { cameras, gates, pool, head, glance, glances: _, events, second, ending, recorder } = self;
        ending.store(true, Ordering::Relaxed);
        // All are told before any is waited for.
        let supervisors: Vec<JoinHandle<()>> = cameras.into_iter().map(Camera::stop).collect();
        supervisors.into_iter().for_each(join);
        gates.into_iter().for_each(join);
        pool.join();
        [head, glance, events].into_iter().chain(second).chain([recorder]).for_each(join);
    }
}

/// A stage that panicked is a bug of ours, and ends the process as one.
fn join(stage: JoinHandle<()>) {
    if let Err(bug) = stage.join() {
        std::panic::resume_unwind(bug);
    }
}
