//! HTTP: metrics, health, the API and the pages. Thin: it reads the store, the metrics and the cameras' status.

mod answering;
mod api;
mod connections;
mod event;
mod frame;
mod gains;
mod gallery;
mod guard;
mod history;
mod learning;
mod login;
mod names;
mod page;
mod persons;
mod plot;
mod progress;
mod refused;
mod review;
mod routes;
mod said;
mod setup;
mod slowed;
mod tls;
mod who;

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::capture::camera::Status;
use crate::config::{Config, TeachConfig};
use crate::domain::Class;
use crate::infer::heads::Heads;
use crate::infer::models::Contracts;
use crate::metrics::Metrics;
use crate::observe::glance::Glances;
use crate::observe::store::Store;
use crate::setup::settings::Settings;
use crate::setup::trial::Trials;
use crate::shutdown::Shutdown;

use persons::Persons;
use slowed::Slowed;

/// Reads of the disk at once; more wait. What needs no disk never waits for them, so that metrics tell of a slow one.
const MAX_READS: usize = 16;
/// A request that takes longer is given up: a slow client holds nothing for long.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// A request's body, at most: an answer is a few hundred bytes, and many on one form some thousand.
const MAX_BODY_BYTES: usize = 64 * 1024;

/// What may be behind it where an address cannot be listened at.
fn why_taken(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => " (is another daemon running?)",
        std::io::ErrorKind::PermissionDenied => " (ports below 1024 are the system's)",
        _ => "",
    }
}

/// The page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// The address is taken, or none of ours.
    #[error("web.listen: {0}: {1}{hint}: choose another port with --listen", hint = why_taken(.1))]
    Bind(SocketAddr, std::io::Error),
    /// The certificate, or its key, is none.
    #[error("{0}: {1}")]
    Certificate(&'static str, String),
    /// No protocol is left that both sides may speak.
    #[error("web.tls_certificate: {0}")]
    Tls(#[from] tokio_rustls::rustls::Error),
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
    /// The heads that serve.
    pub heads: Arc<ArcSwap<Heads>>,
    /// The featurizers, and what names mean.
    pub contracts: Contracts,
    /// What the gates go by.
    pub settings: Arc<Settings>,
    /// What other settings would have let through.
    pub trials: Arc<Trials>,
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
    /// Who may come.
    persons: Arc<Persons>,
    slowed: Arc<Slowed>,
    proxies: Arc<[IpAddr]>,
    /// Whether we speak TLS ourselves.
    speaks_tls: bool,
    /// Tasks, and what is protected.
    teach: Arc<TeachConfig>,
    /// How long a question is on loan.
    lease_secs: f64,
    /// Where the generations are.
    state_dir: Arc<Path>,
    /// The heads that serve.
    heads: Arc<ArcSwap<Heads>>,
    /// The featurizers, and what names mean.
    contracts: Arc<Contracts>,
    /// Names that are offered to who labels.
    names: Arc<[Class]>,
    /// What the gates go by.
    settings: Arc<Settings>,
    /// What other settings would have let through.
    trials: Arc<Trials>,
}

impl App {
    fn new(config: &Config, shown: Shown) -> App {
        let mut hosts: Vec<String> = vec!["localhost".into(), config.web.listen.ip().to_string()];
        hosts.extend(config.web.allowed_hosts.iter().map(|it| it.to_ascii_lowercase()));
        App {
            metrics: shown.metrics,
            store: shown.store,
            cameras: shown.cameras.into(),
            glances: shown.glances,
            hosts: hosts.into(),
            reads: Arc::new(tokio::sync::Semaphore::new(MAX_READS)),
            persons: Arc::new(Persons::of(&config.web)),
            slowed: Arc::default(),
            proxies: config.web.trusted_proxy.iter().map(IpAddr::to_canonical).collect(),
            speaks_tls: config.web.certificate.is_some(),
            teach: Arc::new(config.teach.clone()),
            lease_secs: config.ask.lease_secs,
            state_dir: config.state.dir.as_path().into(),
            heads: shown.heads,
            names: names::known(&shown.contracts).into(),
            contracts: Arc::new(shown.contracts),
            settings: shown.settings,
            trials: shown.trials,
        }
    }

    /// Whether a browser speaks TLS, to us or to the proxy: then its cookies go no other way.
    fn is_secure(&self) -> bool {
        self.speaks_tls || !self.proxies.is_empty()
    }
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
    config: &Config,
    shown: Shown,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    let certificate = config.web.certificate.clone();
    let tls = certificate.map(|it| tls::Tls::new(it, Arc::clone(&shown.metrics))).transpose()?;
    let router = routes::router(App::new(config, shown));
    let _inside = runtime.enter();
    let listener = TcpListener::from_std(listener)?;
    let acceptor = tls.as_ref().map(tls::Tls::acceptor).transpose()?;
    runtime.spawn(connections::serve(listener, acceptor, router, shutdown.clone()));
    if let Some(tls) = tls {
        runtime.spawn(tls.follow(shutdown));
    }
    Ok(())
}

async fn metrics_text(State(app): State<App>) -> Response {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], app.metrics.text()).into_response()
}

async fn alive() -> &'static str {
    "alive\n"
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
