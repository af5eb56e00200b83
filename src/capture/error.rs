//! What can go wrong between a camera and its frames, and what that means for the next try.

use std::path::PathBuf;

/// Why a camera gives no frames. Texts name the key to edit where there is one, and hold no secret.
#[derive(Debug, thiserror::Error)]
pub enum CameraError {
    /// The scheme is none that is known.
    #[error("uri: scheme \"{0}\" is none of rtsp, rtsps, http, https, file; a device is /dev/videoN, a file its path")]
    Scheme(String),
    /// There is no such file; perhaps it was to be a camera's address.
    #[error("uri: there is no file {0}; a camera's address begins with rtsp:// or http://")]
    NoSuchFile(String),
    /// The file or device cannot be opened.
    #[error("uri: {path}: {source}")]
    Open {
        /// The file or device.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is a folder or has nothing in it.
    #[error("uri: {0} is {1}, not a video")]
    NotAFile(PathBuf, &'static str),
    /// It is there, and it is no video.
    #[error("uri: this is not a video that GStreamer can read: {0}")]
    NotMedia(String),
    /// There is sound in it, or something else, and no picture.
    #[error("uri: there is no video in it")]
    NoVideo,
    /// A codec that nothing here decodes.
    #[error("codec {0} cannot be decoded: set the camera to H.264, H.265 or MJPEG")]
    Codec(String),
    /// The password's file cannot be read.
    #[error("password_file: {path}: {source}")]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The password's environment variable is not set.
    #[error("password_env: {0} is not set, or is not UTF-8")]
    PasswordEnv(String),
    /// 401 or 403.
    #[error("the camera refused the user name or the password: set username and password_file or password_env")]
    Refused,
    /// The pin is no pin, or TLS cannot be pinned here.
    #[error("tls_pin: {0}")]
    Pin(String),
    /// The certificate is not the pinned one.
    #[error("the camera's certificate is not the pinned one: its SHA-256 is {0} (tls_pin)")]
    Certificate(String),
    /// The certificate is none that this machine trusts, and perhaps what to do.
    #[error("the camera's certificate is not trusted by this machine{0}")]
    Untrusted(String),
    /// Pinning is for RTSP.
    #[error("tls: https cannot be pinned: use tls = \"verify\" or \"insecure\", or the camera's rtsps://")]
    HttpPin,
    /// An element of GStreamer is not installed.
    #[error("GStreamer has no element \"{0}\": install {1}")]
    Element(&'static str, &'static str),
    /// Nothing takes a connection where it is to be.
    #[error("uri: {address}: {why}")]
    Unreachable {
        /// Host and port.
        address: String,
        /// Why.
        why: String,
    },
    /// GStreamer's own words, redacted.
    #[error("{0}")]
    Stream(String),
    /// No frame for as long as this may take, s. Not for as long as it took: the same trouble has the same text.
    #[error("no frame for {0} s")]
    Stall(f64),
    /// A live stream ended.
    #[error("the stream ended")]
    Ended,
}

impl CameraError {
    /// Whether it cannot work as configured, so that trying soon again is of no use.
    pub fn is_fatal(&self) -> bool {
        let may_pass = matches!(
            self,
            CameraError::Stream(_) | CameraError::Stall(_) | CameraError::Ended | CameraError::Unreachable { .. }
        );
        !may_pass
    }

    /// The label in `eyeshine_camera_reconnects_total`.
    pub fn cause(&self) -> &'static str {
        match self {
            CameraError::Stall(_) => "stall",
            CameraError::Ended => "eos",
            _ => "error",
        }
    }
}
