//! What a camera's URI names.

use std::path::{Path, PathBuf};
use std::{fs, io};

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
        let parts = uri.split_once("://").map(|(scheme, rest)| (scheme.to_ascii_lowercase(), rest));
        match parts.as_ref().map(|(scheme, rest)| (scheme.as_str(), *rest)) {
            Some((scheme @ ("rtsp" | "rtsps"), rest)) => Ok(Source::Rtsp(format!("{scheme}://{rest}"))),
            Some((scheme @ ("http" | "https"), rest)) => Ok(Source::Http(format!("{scheme}://{rest}"))),
            Some(("file", path)) => Ok(Source::File(percent_decoded(path).into())),
            // A name and password before the `://` are no scheme, and are nobody's business.
            Some((scheme, _)) => Err(CameraError::Scheme(without_user_info(Path::new(scheme)))),
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
        let it = fs::metadata(path).map_err(|source| match self {
            // Nobody writes a device's path by mistake.
            Source::File(_) if path.is_relative() && source.kind() == io::ErrorKind::NotFound => {
                CameraError::NoSuchFile(without_user_info(path))
            }
            _ => CameraError::Open { path: path.clone(), source },
        })?;
        match self {
            Source::File(_) if it.is_dir() => Err(CameraError::NotAFile(path.clone(), "a folder")),
            Source::File(_) if it.len() == 0 => Err(CameraError::NotAFile(path.clone(), "an empty file")),
            _ => Ok(()),
        }
    }
}

/// A path that is no file may be an address without its scheme, and begin with a password.
fn without_user_info(path: &Path) -> String {
    let path = path.display().to_string();
    path.rsplit_once('@').map_or_else(|| path.clone(), |(_, rest)| format!("…@{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_from_its_address() {
        let file = |it: &str| Source::File(it.into());
        for (uri, source) in [
            ("RTSP://cam/Live", Source::Rtsp("rtsp://cam/Live".into())),
            ("Https://cam/a b", Source::Http("https://cam/a b".into())),
            ("/dev/video0", Source::Device("/dev/video0".into())),
            ("file:///a%20b/c%23d.mp4", file("/a b/c#d.mp4")),
            ("/a b/c#d 100%.mp4", file("/a b/c#d 100%.mp4")),
            ("clips/fox.mp4", file("clips/fox.mp4")),
        ] {
            assert_eq!(Source::parse(uri).unwrap(), source, "{uri}");
        }
        assert!(matches!(Source::parse("ftp://cam/"), Err(CameraError::Scheme(it)) if it == "ftp"));
        assert!(matches!(Source::parse("ann:s3cret@rtsp://cam/"), Err(CameraError::Scheme(it)) if it == "…@rtsp"));
    }

    #[test]
    fn an_address_without_its_scheme_is_told_so_and_gives_nothing_away() {
        let said = |uri: &str| Source::parse(uri).and_then(|it| it.check()).unwrap_err().to_string();
        let message = said("ann:s3cret@192.0.2.7:554/live");
        assert!(
            message.contains("rtsp://") && message.contains("192.0.2.7") && !message.contains("s3cret"),
            "{message}"
        );
        assert!(said("/nonexistent/fox.mp4").contains("/nonexistent/fox.mp4"));
    }
}
