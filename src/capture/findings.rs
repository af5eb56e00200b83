//! What went wrong in a try: GStreamer's error, read together with what callbacks and other messages found out before.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use gstreamer as gst;

use crate::capture::error::CameraError;
use crate::capture::source::Source;
use crate::config::Tls;

/// What is found out about a camera in one try, and GStreamer's errors do not say.
#[derive(Debug, Default)]
pub struct Findings {
    /// SHA-256 of a certificate that was not accepted.
    certificate: Mutex<Option<String>>,
    /// What nothing here decodes.
    undecodable: Mutex<Option<String>>,
    offers_other: AtomicBool,
    offers_video: AtomicBool,
}

impl Findings {
    /// A certificate was not accepted.
    pub fn refuse_certificate(&self, sha256: String) {
        *lock(&self.certificate) = Some(sha256);
    }

    /// The source has a stream of video, or of something else.
    pub fn offered(&self, is_video: bool) {
        let flag = if is_video { &self.offers_video } else { &self.offers_other };
        flag.store(true, Ordering::Relaxed);
    }

    /// Reads a message that comes before an error: which decoder is missing.
    pub fn note(&self, message: &gst::message::Element) {
        let Some(it) = message.structure().filter(|it| it.name() == "missing-plugin") else { return };
        let media = it.get::<gst::Caps>("detail").ok().and_then(|it| {
            let it = it.structure(0)?;
            let name = |field| it.get::<String>(field).ok();
            let codec = name("encoding-name").or_else(|| name("codec-id")).or_else(|| name("format"));
            Some((it.name().to_string(), codec))
        });
        if let Some((media, codec)) = media {
            // Sound that cannot be decoded is of no concern, unless there is nothing else.
            let is_video = !media.starts_with("audio/");
            let mut undecodable = lock(&self.undecodable);
            if is_video || undecodable.is_none() {
                let described = it.get::<String>("name").ok();
                *undecodable = codec.or(described).or(Some(media));
            }
        }
    }

    /// What GStreamer's error means for the next try.
    pub fn read_error(&self, message: &gst::message::Error, source: &Source, tls: Tls, playing: bool) -> CameraError {
        let error = message.error();
        let debug = message.debug().map(|it| it.to_string()).unwrap_or_default();
        if let Some(sha256) = lock(&self.certificate).clone() {
            return if tls == Tls::Pin {
                CameraError::Certificate(sha256)
            } else {
                CameraError::Untrusted(format!("; to trust it nevertheless: tls = \"pin\", tls_pin = \"{sha256}\""))
            };
        }
        if error.matches(gio::TlsError::BadCertificate) || debug.contains("Unacceptable TLS certificate") {
            return CameraError::Untrusted(String::new());
        }
        let refused = error.matches(gst::ResourceError::NotAuthorized)
            || debug.contains("Unauthorized")
            || debug.contains("(401)")
            || debug.contains("(403)");
        if refused {
            return CameraError::Refused;
        }
        if let Some(codec) = lock(&self.undecodable).clone().filter(|_| !playing) {
            return CameraError::Codec(codec);
        }
        // decodebin says so too of sound that it was told to leave alone.
        let is_codec = error.matches(gst::StreamError::CodecNotFound) || error.matches(gst::CoreError::MissingPlugin);
        let only_sound = is_codec && debug.contains("(audio/");
        if (only_sound || self.has_no_video()) && !playing {
            return CameraError::NoVideo;
        }
        let unreadable = error.is::<gst::StreamError>() && !is_codec;
        if !source.is_live() && !playing && unreadable {
            return CameraError::NotMedia(error.message().to_string());
        }
        CameraError::Stream(error.message().to_string())
    }

    fn has_no_video(&self) -> bool {
        self.offers_other.load(Ordering::Relaxed) && !self.offers_video.load(Ordering::Relaxed)
    }
}

fn lock<T>(it: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}
