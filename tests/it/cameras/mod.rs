//! Cameras as they are in the field: every transport, codec and login, and all the ways in which they fail. Servers and files
//! are real.

mod clock;
pub(crate) mod http;
mod leak;
mod login;
mod lost;
mod pictures;
mod rtsp;
mod tls;

use std::fmt::Write;
use std::path::PathBuf;

use gstreamer as gst;
use gstreamer::prelude::*;
use serde_json::Value;
use tempfile::TempDir;

use crate::daemon::{Daemon, Metrics};

/// A site: a configuration in a folder of its own.
struct Site {
    dir: TempDir,
    text: String,
}

impl Site {
    /// Lost cameras are tried again soon.
    fn new() -> Site {
        let text = "[camera_defaults]\nbackoff_min_secs = 0.2\nbackoff_max_secs = 1.0\n".into();
        Site { dir: tempfile::tempdir().unwrap(), text }
    }

    /// Adds a camera with further keys, as lines of TOML.
    fn camera(&mut self, name: &str, uri: &str, keys: &str) {
        let uri = toml::Value::from(uri);
        writeln!(self.text, "\n[[camera]]\nname = \"{name}\"\nuri = {uri}\n{keys}").unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn run(&self) -> Daemon {
        let config = self.path("site.toml");
        std::fs::write(&config, &self.text).unwrap();
        Daemon::run(&["--config", config.to_str().unwrap()])
    }
}

impl Metrics {
    fn of(&self, family: &str, camera: &str) -> f64 {
        self.sum(&format!("eyeshine_camera_{family}"), &[("camera", camera)])
    }

    fn frames(&self, camera: &str) -> f64 {
        self.of("frames_received_total", camera)
    }

    fn n_lost(&self, camera: &str) -> f64 {
        self.of("reconnects_total", camera)
    }
}

/// What the API says of a camera.
fn shown(daemon: &Daemon, camera: &str) -> Value {
    let cameras: Value = serde_json::from_str(&daemon.get("/api/v1/cameras").unwrap().1).unwrap();
    cameras.as_array().unwrap().iter().find(|it| it["name"] == camera).unwrap().clone()
}

fn last_error(daemon: &Daemon, camera: &str) -> String {
    shown(daemon, camera)["last_error"].as_str().unwrap_or_default().to_owned()
}

/// Makes a file: the pipeline's end goes into it.
fn make(path: &std::path::Path, pipeline: &str) {
    gst::init().unwrap();
    let pipeline = gst::parse::launch(&format!("{pipeline} ! filesink name=file")).unwrap();
    let pipeline = pipeline.downcast::<gst::Pipeline>().unwrap();
    pipeline.by_name("file").unwrap().set_property("location", path.to_str().unwrap());
    pipeline.set_state(gst::State::Playing).unwrap();
    let ends = [gst::MessageType::Eos, gst::MessageType::Error];
    let end = pipeline.bus().unwrap().timed_pop_filtered(gst::ClockTime::from_seconds(60), &ends).unwrap();
    assert!(matches!(end.view(), gst::MessageView::Eos(_)), "{}: {end:?}", path.display());
    pipeline.set_state(gst::State::Null).unwrap();
}
