//! Merges the layers: compiled-in default, file, environment, command line.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use config::FileFormat;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use toml_edit::DocumentMut;

use super::certificate::CertificateFiles;
use super::check::{Layers, Problem};
use super::environment::Environment;
use super::{CameraConfig, Config, DEFAULT, OutputFormat, kinds, persons};

/// What the command line says, above all other layers.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// `--camera`, added to those of the file.
    pub cameras: Vec<CameraArgument>,
    /// `--listen`.
    pub listen: Option<SocketAddr>,
    /// `--state-dir`.
    pub state_dir: Option<PathBuf>,
    /// `--output`.
    pub output: Option<OutputFormat>,
    /// No camera is opened, and nobody is served: passwords, tokens and certificates, which the service alone may be able to
    /// read, need not be there.
    pub without_secrets: bool,
}

impl Overrides {
    pub(super) fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for camera in &self.cameras {
            if let Err(message) = kinds::uri(&camera.uri) {
                problems.push(Problem::elsewhere("command line", "--camera", message));
            }
        }
        if let Some(Err(message)) = self.listen.map(|it| kinds::listen(&it.to_string())) {
            problems.push(Problem::elsewhere("command line", "--listen", message));
        }
        problems
    }
}

/// Reads an address to listen at, or says how one is written.
pub fn listen(text: &str) -> Result<SocketAddr, String> {
    kinds::address(text)
}

/// `[NAME=]URI`. Debug shows no URI: it may hold a password.
#[derive(Clone, PartialEq, Eq)]
pub struct CameraArgument {
    /// What stands before the first `=`, if that is a camera's name.
    pub name: Option<String>,
    /// The rest.
    pub uri: String,
}

impl fmt::Debug for CameraArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CameraArgument").field("name", &self.name).finish_non_exhaustive()
    }
}

impl FromStr for CameraArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<CameraArgument, String> {
        let (name, uri) = match text.split_once('=') {
            Some((name, uri)) if kinds::is_camera_name(name) => (Some(name.to_owned()), uri),
            // Addresses and paths may have the sign in them, too.
            Some((name, _)) if !name.contains(['/', ':']) && !Path::new(text).exists() => {
                return Err(format!("a camera is called by 1 to 64 of A-Z a-z 0-9 . _ -, and not {name:?}"));
            }
            _ => (None, text),
        };
        if uri.is_empty() {
            return Err("names no camera: must be [NAME=]URI".into());
        }
        Ok(CameraArgument { name, uri: uri.to_owned() })
    }
}

/// Everything that is wrong with a configuration: one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Problem>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, problem) in self.0.iter().enumerate() {
            let newline = if nth > 0 { "\n" } else { "" };
            write!(f, "{newline}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// The whole configuration, or everything that is wrong with it.
pub fn load(path: Option<&Path>, overrides: Overrides) -> Result<Config, ConfigErrors> {
    load_in(path, overrides, &Environment::of_process())
}

/// [`load`] in another environment than the process's own.
pub fn load_in(path: Option<&Path>, overrides: Overrides, environment: &Environment) -> Result<Config, ConfigErrors> {
    let layers = Layers::read(path, environment).map_err(ConfigErrors)?;
    let problems = layers.problems(&overrides, environment);
    if !problems.is_empty() {
        return Err(ConfigErrors(problems));
    }
    let from_environment = DocumentMut::from(layers.environment.clone()).to_string();
    let mut merged: Map<String, Value> = config::Config::builder()
        .add_source(config::File::from_str(DEFAULT, FileFormat::Toml))
        .add_source(config::File::from_str(&layers.file.text, FileFormat::Toml))
        .add_source(config::File::from_str(&from_environment, FileFormat::Toml))
        .build()
        .and_then(config::Config::try_deserialize)
        .map_err(|error| unforeseen("", error))?;

    let defaults = table(&mut merged, "camera_defaults");
    let gate = table(&mut merged, "gate");
    let mut cameras = Vec::new();
    for camera in camera_tables(&mut merged, overrides.cameras) {
        cameras.push(complete(camera, &defaults, &gate, environment)?);
    }
    // A section of its own for people; what reads the names of classes is that of the models.
    if let (Some(taxa), Some(Value::Object(models))) = (merged.remove("taxon"), merged.get_mut("models")) {
        models.insert("taxa".into(), taxa);
    }
    let mut config = Config {
        state: section(&mut merged, "state")?,
        models: section(&mut merged, "models")?,
        featurizer: section(&mut merged, "featurizer")?,
        web: section(&mut merged, "web")?,
        output: section(&mut merged, "output")?,
        log: section(&mut merged, "log")?,
        cameras,
        novelty: section(&mut merged, "novelty")?,
        teach: section(&mut merged, "teach")?,
        ask: section(&mut merged, "ask")?,
        events: section(&mut merged, "events")?,
        people: section(&mut merged, "people")?,
        store: section(&mut merged, "store")?,
        tape: section(&mut merged, "tape")?,
    };
    config.store.people = config.people.pictures;
    if overrides.without_secrets {
        config.web.persons.clear();
    }
    for person in &mut config.web.persons {
        let token = persons::token(&person.token_file.to_string_lossy(), &person.token_env, environment);
        person.token = token.map_err(|(key, message)| unforeseen(&format!("web.person.{key}"), message))?;
    }
    let web = &mut config.web;
    web.certificate = CertificateFiles::of(&web.tls_certificate, &web.tls_key, environment);
    if let Some(dir) = overrides.state_dir.or_else(|| environment.state_directory()) {
        config.state.dir = dir;
    }
    if let Some(listen) = overrides.listen {
        config.web.listen = listen;
    }
    if let Some(format) = overrides.output {
        config.output.format = format;
    }
    Ok(config)
}

/// The file's cameras, then those of the command line; who has no name is called cam1, cam2 …
fn camera_tables(merged: &mut Map<String, Value>, arguments: Vec<CameraArgument>) -> Vec<Map<String, Value>> {
    let of_file = match merged.remove("camera") {
        Some(Value::Array(tables)) => tables,
        _ => Vec::new(),
    };
    let mut cameras: Vec<Map<String, Value>> =
        of_file.into_iter().filter_map(|it| if let Value::Object(it) = it { Some(it) } else { None }).collect();
    let mut names: Vec<String> = cameras.iter().filter_map(|it| it.get("name")?.as_str().map(str::to_owned)).collect();
    names.extend(arguments.iter().filter_map(|it| it.name.clone()));
    for argument in arguments {
        let name = argument.name.unwrap_or_else(|| {
            let free = (1..).map(|nth| format!("cam{nth}")).find(|it| !names.contains(it));
            let name = free.expect("there is always a number that is free: this is a bug");
            names.push(name.clone());
            name
        });
        cameras.push(Map::from_iter([("name".into(), name.into()), ("uri".into(), argument.uri.into())]));
    }
    cameras
}

/// Fills in what a camera does not say itself.
fn complete(
    mut camera: Map<String, Value>,
    defaults: &Map<String, Value>,
    gate: &Map<String, Value>,
    environment: &Environment,
) -> Result<CameraConfig, ConfigErrors> {
    fill(&mut camera, defaults);
    let mut own_gate = table(&mut camera, "gate");
    fill(&mut own_gate, gate);
    camera.insert("gate".into(), Value::Object(own_gate));
    // A day becomes that day's beginning where the camera hangs.
    if let Some(Value::String(since)) = camera.get("since") {
        let zone = camera.get("time_zone").and_then(Value::as_str).unwrap_or("UTC");
        let zone = TimeZone::get(zone).map_err(|error| unforeseen("camera.time_zone", error))?;
        let since = kinds::moment(since, &zone).map_err(|error| unforeseen("camera.since", error))?;
        camera.insert("since".into(), since.to_string().into());
    }
    let mut camera: CameraConfig =
        serde_json::from_value(Value::Object(camera)).map_err(|error| unforeseen("camera", error))?;
    if !camera.password_file.as_os_str().is_empty() {
        camera.password_file = environment.credential(&camera.password_file);
    }
    Ok(camera)
}

fn fill(table: &mut Map<String, Value>, defaults: &Map<String, Value>) {
    for (key, value) in defaults {
        table.entry(key).or_insert_with(|| value.clone());
    }
}

fn table(merged: &mut Map<String, Value>, name: &str) -> Map<String, Value> {
    match merged.remove(name) {
        Some(Value::Object(table)) => table,
        _ => Map::new(),
    }
}

fn section<T: DeserializeOwned>(merged: &mut Map<String, Value>, name: &str) -> Result<T, ConfigErrors> {
    let table = Value::Object(table(merged, name));
    serde_json::from_value(table).map_err(|error| unforeseen(name, error))
}

/// What the check should have found first.
fn unforeseen(key: &str, error: impl fmt::Display) -> ConfigErrors {
    ConfigErrors(vec![Problem::elsewhere("configuration", key, error.to_string())])
}
