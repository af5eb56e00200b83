//! `eyeshine run`: the daemon. Everything that may refuse to start does so before the first camera is opened.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;
use crossbeam_channel::bounded;
use sd_notify::NotifyState;

use crate::ask::asker::Asker;
use crate::ask::fill::Filler;
use crate::capture::source::Pace;
use crate::capture::tape::shelf::Shelf;
use crate::capture::tape::{keeper, recorder};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, PeoplePictures};
use crate::infer::heads::Heads;
use crate::infer::models::{Contracts, Models};
use crate::metrics::Metrics;
use crate::observe::moments;
use crate::observe::publish::Sink;
use crate::observe::record::spawn_recorder;
use crate::observe::stdout::Stdout;
use crate::observe::store::Store;
use crate::pipeline::{Beside, House, Moments, Pipeline};
use crate::setup::settings::Settings;
use crate::setup::trial::Trials;
use crate::shutdown::{Shutdown, notify};
use crate::teach::follow::Follower;
use crate::teach::generations::Generations;
use crate::teach::retrain::{Program, Retrainer};
use crate::teach::shadow::Shadows;
use crate::watchdog::Watchdog;
use crate::web;

/// After the first signal everything in flight is finished within this; then the process ends as it is.
const GRACE: Duration = Duration::from_millis(4_800);

/// Who else is told of events.
#[derive(Default)]
pub struct Told(pub Vec<Box<dyn Sink>>);

/// Runs until told to end, or for a while. `path` is where the configuration stands; `told` is asked once everything that
/// may refuse has not.
pub fn run(
    config: &Config,
    path: Option<&Path>,
    duration: Option<Duration>,
    told: impl FnOnce(&Metrics) -> Told,
) -> anyhow::Result<()> {
    let metrics = Metrics::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .thread_name("people")
        .enable_all()
        .build()
        .context("no threads for HTTP and signals")?;
    let listener = web::bind(config.web.listen)?;
    let store = Store::open(&config.state.dir, &config.store, Arc::clone(&metrics))?;
    let models = Models::open(&config.models)?;
    for camera in &config.cameras {
        store.register_deployment(camera)?;
    }
    let starter = Arc::new(models.starter());
    let heads = Arc::new(ArcSwap::from_pointee(Heads::from(Arc::clone(&starter))));
    let program = Program { config: path.map(Path::to_owned), state_dir: config.state.dir.clone() };
    let reader = Store::reader(&config.state.dir);
    let (first, second) = ((*models.contract).clone(), models.second.as_deref().cloned());
    let contracts = Contracts { first, second, taxonomy: models.taxonomy.clone() };
    let shadows = Shadows::new(&config.teach, &config.state.dir, &contracts, reader.clone(), Arc::clone(&metrics));
    let retrainer = Retrainer::new(&config.teach, program, reader, Arc::clone(&clock), Arc::clone(&metrics));
    let retrainer =
        retrainer.migrating(if config.models.next == config.models.featurizer { "" } else { &config.models.next });
    let filler = Filler::new(config, &contracts, store.clone(), Arc::clone(&clock));
    let asker = Asker::new(filler, &config.teach.tasks, Arc::clone(&clock), Arc::clone(&metrics));
    let house = House { metrics: Arc::clone(&metrics), clock, heads: Arc::clone(&heads) };
    let (dir, identity) = (&config.state.dir, models.contract.identity());
    for task in &config.teach.tasks {
        match Generations::of(dir, task).take_up(&identity) {
            Ok(None) => {}
            Ok(Some(generation)) => tracing::info!(task, generation, "the featurizer is another: a head of it serves"),
            Err(error) => tracing::error!(task, "whether a head of this featurizer waits cannot be told: {error}"),
        }
    }
    let mut follower =
        Follower::new(dir, &config.teach.tasks, identity, starter, Arc::clone(&heads), Arc::clone(&metrics));
    follower.look();

    let Told(mut sinks) = told(&metrics);
    if let Some(stdout) = Stdout::spawn(config.output.format, &config.cameras, &metrics).context("standard output")? {
        sinks.push(Box::new(stdout));
    }
    let identity: Arc<str> = models.contract.identity().into();
    let (kept, counters) = (store.clone(), Arc::clone(&metrics));
    let (drawn_in, drawn) = bounded(moments::WAITING);
    let (ask, quality) = (&config.ask, config.store.jpeg_quality);
    let cap = (ask.still_moments_kept, quality);
    let settings = Arc::new(Settings::open(dir, &config.cameras)?);
    let keeper =
        moments::spawn(drawn, store.clone(), settings.followed(), cap, Arc::clone(&metrics)).context("no thread")?;
    // Of these nobody knows whether people are in them.
    let keeps = config.people.pictures != PeoplePictures::Discard;
    let drawn = keeps.then_some(Moments { output: drawn_in, per_day: ask.still_moments_per_day });
    let shelf = Shelf::of(dir, &config.tape);
    let (taped_in, taped) = bounded(recorder::WAITING);
    let tape = (keeps && shelf.keeps()).then_some(taped_in);
    if tape.is_none() {
        shelf.clear().context("what was recorded could not be removed")?;
    }
    let taper = keeper::spawn(taped, shelf.clone(), Arc::clone(&metrics)).context("no thread")?;
    let trials = Arc::new(Trials::new(shelf, &config.events, tape.is_some()));
    let beside = Beside { settings: settings.followed(), moments: drawn, tape };
    let pipeline = Pipeline::start(config, &house, &models, Pace::RealTime, beside, |updates| {
        spawn_recorder(updates, kept, sinks, identity, counters)
    })?;
    say_what_runs(&metrics, &models);
    let (following, running) = bounded(0);
    let follower = follower.spawn(running.clone()).context("no thread")?;
    let retrainer = retrainer.spawn(running.clone()).context("no thread")?;
    let shadows = shadows.spawn(running.clone()).context("no thread")?;
    let asker = asker.spawn(running).context("no thread")?;
    let shutdown = Shutdown::listen(runtime.handle(), duration).context("signals")?;
    let shown = web::Shown {
        metrics: Arc::clone(&metrics),
        store,
        cameras: pipeline.cameras().iter().map(|it| Arc::clone(it.status())).collect(),
        glances: Arc::clone(pipeline.glances()),
        heads,
        contracts,
        settings,
        trials: Arc::clone(&trials),
    };
    web::serve(runtime.handle(), listener, config, shown, shutdown.clone())?;
    metrics.ready.set(1);
    tracing::info!(address = %config.web.listen, cameras = config.cameras.len(), "ready");
    notify(&[NotifyState::Ready, NotifyState::Status("watching")]);
    runtime.spawn(Watchdog::new(config, &metrics).watch(shutdown.clone()));

    shutdown.wait(runtime.handle());
    tracing::info!("ending: what is in flight is finished first");
    notify(&[NotifyState::Stopping]);
    let in_time = Shutdown::enforce(GRACE).context("no thread")?;
    drop(following);
    let _ = follower.join();
    // Choosing questions, and comparing two heads, may take longer than there is time. They end with the process: what they write is
    // whole, or not there.
    drop((asker, shadows));
    trials.end();
    pipeline.drain();
    // A training of its own, which it ends, loses nothing; what is in flight would be lost.
    let _ = (keeper.join(), taper.join(), retrainer.join());
    drop(in_time);
    runtime.shutdown_timeout(Duration::from_millis(100));
    balance(config, &metrics);
    Ok(())
}

fn say_what_runs(metrics: &Metrics, models: &Models) {
    let gstreamer = gstreamer::version_string();
    metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION"), models.runtime.version(), &gstreamer]).set(1);
}

/// Says for each camera what became of its frames: nothing is lost silently.
fn balance(config: &Config, metrics: &Metrics) {
    for camera in &config.cameras {
        let counters = metrics.camera(&camera.name);
        let (received, settled) = (counters.n_received(), counters.n_settled());
        let unaccounted = received.saturating_sub(settled);
        tracing::info!(camera = &*camera.name, received, unaccounted, "frames");
    }
}
