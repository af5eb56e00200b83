//! What the daemon is told: `config/default.toml`, then a file, then the environment; typed, checked before anything starts.

mod camera;
mod cameras;
pub mod certificate;
pub mod check;
pub mod environment;
pub mod explained;
mod keys;
mod kinds;
pub mod load;
pub mod overlay;
mod persons;
mod shares;
mod taxa;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Deserialize;

use certificate::CertificateFiles;

pub use camera::{CameraConfig, CameraUri, GateConfig, GateSettings, Tls, Transport};
pub use persons::{PersonConfig, Role, Token};

/// Layer 0, compiled in: every key with its unit, default and reason.
pub const DEFAULT: &str = include_str!("../config/default.toml");

/// A whole configuration, each key set, each value checked. Every section belongs to the stage that reads it.
#[derive(Debug, Clone)]
pub struct Config {
    /// Everything that must survive.
    pub state: StateConfig,
    /// Featurizer and ONNX Runtime.
    pub models: ModelsConfig,
    /// The pool.
    pub featurizer: FeaturizerConfig,
    /// Page, API, metrics.
    pub web: WebConfig,
    /// Standard output.
    pub output: OutputConfig,
    /// Logging.
    pub log: LogConfig,
    /// Cameras, in the order of the file and then of the command line.
    pub cameras: Vec<CameraConfig>,
    /// The semantic gate.
    pub novelty: NoveltyConfig,
    /// Events.
    pub events: EventsConfig,
    /// People in the pictures.
    pub people: PeopleConfig,
    /// Store.
    pub store: StoreConfig,
    /// What the gates saw lately.
    pub tape: TapeConfig,
    /// Learning.
    pub teach: TeachConfig,
    /// What people are asked.
    pub ask: AskConfig,
}

/// `[state]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateConfig {
    /// The folder.
    pub dir: PathBuf,
}

/// `[models]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelsConfig {
    /// Folder of contracts and library.
    pub dir: PathBuf,
    /// Name of a contract.
    pub featurizer: String,
    /// Name of a contract; empty is none.
    pub second: String,
    /// Name of a contract that is to take the place of `featurizer`; empty is none.
    pub next: String,
    /// File name of the ONNX Runtime library.
    pub runtime: PathBuf,
    /// What names mean that the featurizer's contract does not know: every `[[taxon]]`.
    #[serde(default)]
    pub taxa: Vec<TaxonConfig>,
}

/// One `[[taxon]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaxonConfig {
    /// As the labels have it.
    pub name: String,
    /// A species, genus or family.
    pub scientific_name: String,
    /// Its family, where our table does not know its genus.
    pub family: Option<String>,
}

/// `[featurizer]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeaturizerConfig {
    /// Threads; 0 is one a core.
    pub workers: usize,
    /// Candidates a run.
    pub max_batch: usize,
    /// Looks that may wait per camera.
    pub queue_frames: usize,
    /// Frames of an event that the second featurizer looks at.
    pub second_frames: usize,
}

/// `[web]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebConfig {
    /// Address and port.
    pub listen: SocketAddr,
    /// Further host names.
    pub allowed_hosts: Vec<String>,
    /// Proxies that speak TLS before us.
    pub trusted_proxy: Vec<IpAddr>,
    /// File of our certificate, as it was named; empty: we speak no TLS.
    tls_certificate: String,
    /// File of its key, as it was named.
    tls_key: String,
    /// Where both lie.
    #[serde(skip)]
    pub certificate: Option<CertificateFiles>,
    /// How long a login lasts.
    pub session_hours: f64,
    /// Every `[[web.person]]`; none: whoever is on this machine may do everything.
    #[serde(default, rename = "person")]
    pub persons: Vec<PersonConfig>,
}

/// `[output]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutputConfig {
    /// How events are written to standard output.
    pub format: OutputFormat,
}

/// How events are written to standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputFormat {
    /// Text on a terminal, JSON elsewhere.
    Auto,
    /// A line for people.
    Text,
    /// A line for programs.
    Json,
    /// Nothing.
    None,
}

/// `[log]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// tracing's filter.
    pub filter: String,
}

/// `[novelty]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoveltyConfig {
    /// Cosine distance, whole frame.
    pub whole: f32,
    /// Cosine distance, crop against the empty scene.
    pub crop: f32,
    /// Above the usual distance, in units of its spread.
    pub sigma: f32,
    /// Embeddings kept.
    pub bank: usize,
    /// Between additions.
    pub renew_secs: f64,
}

/// `[events]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventsConfig {
    /// Silence that ends an event.
    pub gap_secs: f64,
    /// Looks that open one; a look at a small cell counts less.
    pub open_looks: f32,
    /// Longest event.
    pub max_secs: f64,
    /// Below it a species is unknown.
    pub threshold: f32,
    /// Between saves of an open event.
    pub save_secs: f64,
}

/// `[people]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeopleConfig {
    /// What becomes of pictures of events that people may be in.
    pub pictures: PeoplePictures,
    /// From which on a taught head's doubt marks an event.
    pub probability: f32,
    /// From which on what people wear, carry and drive does, as long as nobody has taught `human`.
    pub starter_probability: f32,
}

/// What becomes of pictures of events that people may be in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PeoplePictures {
    /// They are pictures like all others.
    Keep,
    /// They are on disk, and shown over HTTP to those alone who have logged in to label.
    #[default]
    Hide,
    /// Neither they nor their vectors stay, or reach, the disk.
    Discard,
}

/// `[store]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreConfig {
    /// Embeddings an event.
    pub max_embeddings: usize,
    /// Pictures an event.
    pub max_pictures: usize,
    /// Blank events an hour and camera.
    pub blanks_per_hour: u32,
    /// Cap on pictures.
    pub media_max_mb: u64,
    /// Cap on the database.
    pub database_max_mb: u64,
    /// Longer side of a picture.
    pub picture_px: u32,
    /// JPEG quality.
    pub jpeg_quality: u8,
    /// `people.pictures`, for whoever opens a store.
    #[serde(skip)]
    pub people: PeoplePictures,
}

/// `[tape]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TapeConfig {
    /// How long is kept; 0: nothing is.
    pub hours: f64,
    /// Cap, a camera.
    pub max_mb: u64,
}

/// `[teach]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TeachConfig {
    /// What there may be labels and heads of.
    pub tasks: Vec<String>,
    /// Classes of which a challenger may newly lose no event.
    pub protected: Vec<String>,
    /// New labels at which the daemon retrains; 0: it does not for their number.
    pub min_new_labels: u64,
    /// From one training to the next where any label is new; 0: no schedule.
    pub retrain_hours: f64,
    /// A training that the daemon started is ended after this.
    pub retrain_max_secs: f64,
    /// Live events that a better challenger answers unheard before it serves; 0: none.
    pub shadow_events: u64,
    /// Generations of a task that are kept.
    pub keep_generations: usize,
}

/// `[ask]`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AskConfig {
    /// Questions a day and task; 0: none.
    pub questions_per_day: usize,
    /// Of these, drawn at random of all events in which something was seen.
    pub random_share: f64,
    /// Of these, drawn at random of events in which nothing was seen.
    pub blank_share: f64,
    /// Of these, drawn at random of still moments.
    pub still_share: f64,
    /// Of these, at most, about what may be of a kind that was never taught.
    pub unknown_share: f64,
    /// Of these, at most, about answers that look wrong.
    pub suspect_share: f64,
    /// How far back events are asked about.
    pub days: f64,
    /// Between two choosings, at least.
    pub refill_secs: f64,
    /// How long a question is lent to whoever opened it.
    pub lease_secs: f64,
    /// Still moments drawn of a camera a day, about; 0: none.
    pub still_moments_per_day: f64,
    /// Still moments kept, of all cameras.
    pub still_moments_kept: usize,
}
