//! What must fit together about cameras: names, passwords, pins, places.

use toml_edit::Value;

use super::check::{self, Layers, Origin, Problem};
use super::environment::Environment;
use super::kinds;
use super::load::Overrides;

/// Checks every camera, those of the command line too, as it will be once its defaults are filled in.
pub(super) fn check(layers: &Layers, overrides: &Overrides, environment: &Environment, problems: &mut Vec<Problem>) {
    let cameras = layers.cameras();
    let mut names: Vec<&str> = Vec::new();
    for camera in &cameras {
        let Some((key, Some(name))) = camera.table.get_key_value("name").map(|(key, it)| (key, it.as_str())) else {
            continue;
        };
        if names.contains(&name) && kinds::is_camera_name(name) {
            let message = format!("two cameras are named \"{name}\"; each needs a name of its own");
            problems.push(layers.file.problem(key.span(), "camera.name", message));
        }
        names.push(name);
    }
    for camera in &overrides.cameras {
        let Some(name) = camera.name.as_deref() else { continue };
        if names.contains(&name) {
            let message = format!("there is a camera \"{name}\" already; each needs a name of its own");
            problems.push(Problem::elsewhere("command line", "--camera", message));
        }
        names.push(name);
    }
    for camera in cameras.iter().map(Some).chain(overrides.cameras.iter().map(|_| None)) {
        let it = Camera { layers, environment, own: camera };
        it.check(problems);
        it.check_password(!overrides.without_secrets, problems);
    }
}

/// One camera with its defaults.
struct Camera<'a> {
    layers: &'a Layers,
    environment: &'a Environment,
    /// `None`: it comes from the command line, and has defaults only.
    own: Option<&'a check::Camera<'a>>,
}

impl<'a> Camera<'a> {
    fn check(&self, problems: &mut Vec<Problem>) {
        if self.text("tls") == "pin" && self.text("tls_pin").is_empty() {
            let message = "tls = \"pin\" needs the certificate's SHA-256 here, 64 hexadecimal digits";
            problems.push(self.problem("tls_pin", "tls", message));
        }
        if let (Some(min), Some(max)) = (self.number("backoff_min_secs"), self.number("backoff_max_secs"))
            && min > max
        {
            let message = format!("must be at least backoff_min_secs ({min}), is {max}");
            problems.push(self.problem("backoff_max_secs", "backoff_min_secs", message));
        }
        for (one, other) in [("latitude", "longitude"), ("longitude", "latitude")] {
            if self.get(one).is_some() && self.get(other).is_none() {
                problems.push(self.problem(one, one, format!("is given without {other}; both or none")));
            }
        }
    }

    fn check_password(&self, must_be_there: bool, problems: &mut Vec<Problem>) {
        let (file, variable) = (self.text("password_file"), self.text("password_env"));
        if !file.is_empty() && !variable.is_empty() {
            let message = "password_file is given too; only one of them can hold the password";
            problems.push(self.problem("password_env", "password_file", message));
        }
        if !file.is_empty() && must_be_there {
            let path = self.environment.credential(file.as_ref());
            let found = match std::fs::metadata(&path) {
                Ok(it) if it.is_file() => std::fs::File::open(&path).map(|_| ()).map_err(|it| it.to_string()),
                Ok(_) => Err("it is no file".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = found {
                let in_service = self.environment.get("CREDENTIALS_DIRECTORY").is_none() && !file.contains('/');
                let hint = if in_service { "; systemd gives a name alone to the service only" } else { "" };
                let message = format!("\"{}\" cannot be read: {error}{hint}", path.display());
                problems.push(self.problem("password_file", "password_file", message));
            }
        }
        if !variable.is_empty() && must_be_there && self.environment.get(variable).is_none() {
            let message = format!("the environment variable {} is not set", variable.escape_debug());
            problems.push(self.problem("password_env", "password_env", message));
        }
    }

    fn get(&self, key: &str) -> Option<(&'a Value, Origin)> {
        self.layers.of_camera(self.own.map(|it| it.table), key)
    }

    fn text(&self, key: &str) -> &'a str {
        self.get(key).and_then(|(it, _)| it.as_str()).unwrap_or_default()
    }

    fn number(&self, key: &str) -> Option<f64> {
        self.get(key).and_then(|(it, _)| kinds::number(it))
    }

    /// A problem of `key`, shown where that stands; where it is only a default, where its `partner` does.
    fn problem(&self, key: &str, partner: &str, message: impl Into<String>) -> Problem {
        let origin = |key| self.get(key).map(|(_, origin)| origin).filter(|it| !matches!(it, Origin::Default));
        let name = format!("camera.{key}");
        match origin(key).or_else(|| origin(partner)) {
            Some(Origin::File(at)) => self.layers.file.problem(at, &name, message),
            Some(Origin::Environment(variable)) => Problem::elsewhere("environment", &variable, message),
            Some(Origin::Default) | None => {
                self.layers.file.problem(self.own.and_then(|it| it.span.clone()), &name, message)
            }
        }
    }
}
