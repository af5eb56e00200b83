//! `eyeshine run`: the daemon. Everything that may refuse to start does so before the first camera is opened.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use arc_swap::ArcSwap;

use crate::capture::source::Pace;
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::infer::models::Models;
use crate::metrics::Metrics;
use crate::observe::publish::Sink;
use crate::observe::record::spawn_recorder;
use crate::observe::stdout::Stdout;
use crate::observe::store::Store;
use crate::pipeline::{House, Pipeline};
use crate::shutdown::Shutdown;
use crate::web;

/// After the first signal everything in flight is finished within this; then the process ends as it is.
const GRACE: Duration = Duration::from_secs(5);

/// Runs until told to end. `more` are told of events beside standard output.
pub fn run(config: &Config, shutdown: &Shutdown, more: Vec<Box<dyn Sink>>) -> anyhow::Result<()> {
    let metrics = Metrics::new();
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let models = Models::open(&config.models)?;
    let store = Store::open(&config.state.dir, &config.store, Arc::clone(&metrics))?;
    for camera in &config.cameras {
        store.register_deployment(camera)?;
    }
    let listener = web::bind(config.web.listen)?;
    let heads = Arc::new(ArcSwap::from_pointee(models.starter()));
    let house = House { metrics: Arc::clone(&metrics), clock, heads };
    say_what_runs(&house, &models);

    let mut sinks = more;
    if let Some(stdout) = Stdout::spawn(config.output.format, &config.cameras, &metrics).context("standard output")? {
        sinks.push(Box::new(stdout));
    }
    let identity: Arc<str> = models.contract.identity().into();
    let (kept, counters) = (store.clone(), Arc::clone(&metrics));
    let pipeline = Pipeline::start(config, &house, &models, Pace::RealTime, |updates| {
        spawn_recorder(updates, kept, sinks, identity, counters)
    })?;
    let server = web::serve(listener, config, &house, store, pipeline.cameras(), shutdown)?;
    metrics.ready.set(1);
    tracing::info!(address = %config.web.listen, cameras = config.cameras.len(), "ready");
    shutdown.ready();

    shutdown.wait();
    tracing::info!("ending: what is in flight is finished first");
    let _exit = shutdown.enforce(GRACE);
    pipeline.drain();
    server.join();
    balance(config, &metrics);
    Ok(())
}

fn say_what_runs(house: &House, models: &Models) {
    let metrics = &house.metrics;
    let gstreamer = gstreamer::version_string();
    metrics.build_info.with_label_values(&[env!("CARGO_PKG_VERSION"), models.runtime.version(), &gstreamer]).set(1);
    let head = house.heads.load();
    let generation = head.generation();
    let number = generation.number.to_string();
    metrics.head_info.with_label_values(&[&*generation.task, &number, &models.contract.identity()]).set(1);
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
