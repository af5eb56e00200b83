//! A camera, as it was configured: where it is, how it is opened, and what its gate goes by.

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::CameraName;

/// One `[[camera]]`, its defaults filled in from `[camera_defaults]` and `[gate]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CameraConfig {
    /// Unique, `[A-Za-z0-9._-]{1,64}`.
    pub name: CameraName,
    /// rtsp, rtsps, http, https, `/dev/videoN`, a file's path or file URI. Never shown: it may hold a password.
    pub uri: CameraUri,
    /// Opened at all.
    pub enabled: bool,
    /// RTSP transport.
    pub transport: Transport,
    /// How far TLS is checked.
    pub tls: Tls,
    /// SHA-256 of the certificate, hexadecimal.
    pub tls_pin: String,
    /// User name.
    pub username: String,
    /// File with the password.
    pub password_file: PathBuf,
    /// Environment variable with the password.
    pub password_env: String,
    /// Jitter buffer.
    pub latency_ms: u32,
    /// To the first frame.
    pub connect_secs: f64,
    /// Without a frame.
    pub stall_secs: f64,
    /// First wait.
    pub backoff_min_secs: f64,
    /// Longest wait.
    pub backoff_max_secs: f64,
    /// Frames for so long forget the waits.
    pub healthy_secs: f64,
    /// Use the camera's clock.
    pub trust_camera_clock: bool,
    /// Begin a file again at its end.
    pub r#loop: bool,
    /// Frames a second that the gate looks at.
    pub analysis_fps: f64,
    /// Polygons of relative coordinates.
    pub masks: Vec<Vec<[f64; 2]>>,
    /// Place name.
    pub place: String,
    /// Degrees north.
    pub latitude: Option<f64>,
    /// Degrees east.
    pub longitude: Option<f64>,
    /// IANA time zone.
    pub time_zone: String,
    /// Since when it hangs there.
    pub since: Option<Timestamp>,
    /// The gate of this camera.
    pub gate: GateConfig,
}

/// Where a camera is, as it was configured. It may hold a password, so it cannot be printed.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct CameraUri(String);

impl CameraUri {
    /// As it was configured, for those who open it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<&str> for CameraUri {
    fn from(uri: &str) -> CameraUri {
        CameraUri(uri.into())
    }
}

impl std::fmt::Debug for CameraUri {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CameraUri(…)")
    }
}

/// RTSP transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// Interleaved.
    Tcp,
    /// RTP over UDP.
    Udp,
}

/// How far TLS is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tls {
    /// Against the system's authorities.
    Verify,
    /// Against one certificate's hash.
    Pin,
    /// Not at all.
    Insecure,
}

impl CameraConfig {
    /// What its gate goes by.
    pub fn gate_settings(&self) -> GateSettings {
        GateSettings { masks: self.masks.clone(), gate: self.gate.clone() }
    }
}

/// What a camera's gate goes by, and the set-up page may change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateSettings {
    /// Polygons of relative coordinates.
    pub masks: Vec<Vec<[f64; 2]>>,
    /// All else.
    pub gate: GateConfig,
}

/// `[gate]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GateConfig {
    /// Width of the analysed luma picture.
    pub width_px: u32,
    /// Deviation in units of a pixel's own.
    pub sigma: f32,
    /// Deviation in luma.
    pub min_luma: f32,
    /// Smallest region, share of the picture.
    pub min_area: f32,
    /// Largest share that may move.
    pub max_area: f32,
    /// Time constant of the background.
    pub background_secs: f32,
    /// Crops a frame.
    pub max_crops: usize,
    /// Margin, share of the longer side.
    pub margin: f64,
    /// Smallest side of a crop.
    pub min_crop_px: u32,
    /// Between frames without motion.
    pub time_lapse_secs: f64,
    /// How long such frames show where something moved last.
    pub linger_secs: f64,
    /// Find burnt-in clocks.
    pub find_clock: bool,
}
