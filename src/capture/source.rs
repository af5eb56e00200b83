//! What a camera's URI names.

use std::fs;
use std::path::PathBuf;

use crate::capture::credentials::percent_decoded;
use crate::capture::error::CameraError;

/// How fast a file is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// A second a second, as a camera would.
    RealTime,
    /// As the machine can.
    AsFastAsPossible,
}

/// A source of frames. URIs hold no user name and no password any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// `rtsp://` or `rtsps://`.
    Rtsp(String),
    /// `http://` or `https://`: MJPEG.
    Http(String),
    /// A V4L2 device.
    Device(PathBuf),
    /// A file.
    File(PathBuf),
}

impl Source {
    /// Reads a URI, an absolute or relative path, or `/dev/videoN`.
    pub fn parse(uri: &str) -> Result<Source, CameraError> {
        match uri.split_once("://") {
            Some(("rtsp" | "rtsps", _)) => Ok(Source::Rtsp(uri.into())),
            Some(("http" | "https", _)) => Ok(Source::Http(uri.into())),
            Some(("file", path)) => Ok(Source::File(percent_decoded(path).into())),
            Some((scheme, _)) => Err(CameraError::Scheme(scheme.into())),
            None if uri.starts_with("/dev/") => Ok(Source::Device(uri.into())),
            None => Ok(Source::File(uri.into())),
        }
    }

    /// Whether it goes on whether we look or not.
    pub fn is_live(&self) -> bool {
        !matches!(self, Source::File(_))
    }

    /// What can be known of it before GStreamer is asked.
    pub fn check(&self) -> Result<(), CameraError> {
        let (Source::File(path) | Source::Device(path)) = self else { return Ok(()) };
        let it = fs::metadata(path).map_err(|source| CameraError::Open { path: path.clone(), source })?;
        match self {
            Source::File(_) if it.is_dir() => Err(CameraError::NotAFile(path.clone(), "a folder")),
            Source::File(_) if it.len() == 0 => Err(CameraError::NotAFile(path.clone(), "an empty file")),
            _ => Ok(()),
        }
    }
}
