//! Camera settings for tests: the defaults, as a user has them.

use crate::config::CameraConfig;
use crate::config::environment::Environment;
use crate::config::load::{CameraArgument, Overrides, load_in};

/// A camera called `cam` with a URI.
pub(crate) fn config(uri: &str) -> CameraConfig {
    let overrides = Overrides {
        cameras: vec![CameraArgument { name: Some("cam".into()), uri: uri.into() }],
        ..Overrides::default()
    };
    load_in(None, overrides, &Environment::default()).unwrap().cameras.remove(0)
}
