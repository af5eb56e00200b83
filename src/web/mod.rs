//! HTTP: metrics, health, the API and the live page. Thin: it reads the store, the metrics and the cameras' status.

mod api;
mod connections;
mod guard;
mod page;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::capture::camera::Status;
use crate::config::WebConfig;
use crate::metrics::Metrics;
use crate::observe::glance::Glances;
use crate::observe::store::Store;
use crate::shutdown::Shutdown;

/// Reads of the disk at once; more wait. What needs no disk never waits for them, so that metrics tell of a slow one.
const MAX_READS: usize = 16;
/// A request that takes longer is given up: a slow client holds nothing for long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The address is taken, or none of ours.
    #[error("web.listen: {0}: {1}: is another daemon running? Choose another port with --listen")]
    Bind(SocketAddr, std::io::Error),
}

/// What is shown.
#[derive(Debug)]
pub struct Shown {
    /// Every metric.
    pub metrics: Arc<Metrics>,
    /// Events and their pictures.
    pub store: Store,
    /// How the cameras are.
    pub cameras: Vec<Arc<Status>>,
    /// What they show now.
    pub glances: Arc<Glances>,
}

/// What every answer is made from.
#[derive(Debug, Clone)]
struct App {
    metrics: Arc<Metrics>,
    store: Store,
    cameras: Arc<[Arc<Status>]>,
    glances: Arc<Glances>,
    hosts: Arc<[String]>,
    reads: Arc<tokio::sync::Semaphore>,
}

/// Takes the address, before anything else is begun.
pub fn bind(address: SocketAddr) -> Result<std::net::TcpListener, WebError> {
    let bound = std::net::TcpListener::bind(address).and_then(|it| it.set_nonblocking(true).map(|()| it));
    bound.map_err(|error| WebError::Bind(address, error))
}

/// Serves until told to end.
pub fn serve(
    runtime: &Handle,
    listener: std::net::TcpListener,
    config: &WebConfig,
    shown: Shown,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let mut hosts: Vec<String> = vec!["localhost".into(), config.listen.ip().to_string()];
    hosts.extend(config.allowed_hosts.iter().map(|it| it.to_ascii_lowercase()));
    let app = App {
        metrics: shown.metrics,
        store: shown.store,
        cameras: shown.cameras.into(),
        glances: shown.glances,
        hosts: hosts.into(),
        reads: Arc::new(tokio::sync::Semaphore::new(MAX_READS)),
    };
    let router = Router::new()
        .route("/", get(page::live))
        .route("/style.css", get(page::style))
        .route("/live.js", get(page::script))
        .route("/eyes.svg", get(page::logo))
        .route("/metrics", get(metrics_text))
        .route("/healthz", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
        .route("/api/v1/cameras", get(api::cameras))
        .route("/api/v1/cameras/{name}/picture", get(api::picture))
        .route("/api/v1/events", get(api::events))
        .route("/api/v1/events/{id}", get(api::event))
        .route("/media/{id}", get(api::media))
        .layer(middleware::from_fn_with_state(app.clone(), guard::guard))
        .with_state(app);
    let _inside = runtime.enter();
    let listener = TcpListener::from_std(listener)?;
    runtime.spawn(connections::serve(listener, router, shutdown));
    Ok(())
}

async fn metrics_text(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.text()).into_response()
}

/// Ready once models are loaded (or this would not be served) and the store can be written; cameras come and go.
async fn ready(State(app): State<App>) -> Response {
    if app.metrics.ready.get() != 1 {
        return (StatusCode::SERVICE_UNAVAILABLE, "starting\n").into_response();
    }
    let store = app.store.clone();
    match api::on_disk(&app, move || Ok(store.can_write())).await {
        Ok(true) => "ready\n".into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the store cannot be written\n").into_response(),
    }
}
