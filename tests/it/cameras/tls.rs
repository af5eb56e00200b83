//! Whose certificate is accepted: rtsps with a self-signed one, as cameras have.

use std::process::Command;

use super::rtsp::{H264, MOVING, Options, Server};
use super::{Site, last_error};
use crate::tls::self_signed;

/// A self-signed certificate and its SHA-256.
fn certificate(site: &Site) -> (gio::TlsCertificate, String) {
    let (pem, key) = self_signed(&site.path(""), "camera");
    let said =
        Command::new("openssl").args("x509 -noout -fingerprint -sha256 -in".split(' ')).arg(&pem).output().unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let hash = said.trim().rsplit('=').next().unwrap().replace(':', "");
    (gio::TlsCertificate::from_files(&pem, &key).unwrap(), hash)
}

#[test]
fn a_self_signed_certificate_plays_if_it_is_pinned_or_unchecked_and_else_says_why_not() {
    let mut site = Site::new();
    let (certificate, hash) = certificate(&site);
    let server = Server::start(Options { certificate: Some(certificate), ..Options::default() });
    let uri = server.mount("live", &format!("{MOVING} ! {H264}"));
    let other = hash.replace(['A', '0', '7'], "B");
    site.camera("insecure", &uri, "tls = \"insecure\"");
    site.camera("pinned", &uri, &format!("tls = \"pin\"\ntls_pin = \"{hash}\""));
    site.camera("mismatch", &uri, &format!("tls = \"pin\"\ntls_pin = \"{other}\""));
    site.camera("unknown", &uri, "");
    let mut daemon = site.run();
    for camera in ["insecure", "pinned"] {
        daemon.wait(&format!("frames of {camera}"), 60, |it| it.metrics().frames(camera) >= 5.0);
    }
    for camera in ["mismatch", "unknown"] {
        daemon.wait(&format!("{camera} to fail"), 30, |it| it.metrics().is_in_state(camera, "failed"));
        assert_eq!(daemon.metrics().frames(camera), 0.0);
    }
    let hash = hash.to_ascii_lowercase();
    let error = last_error(&daemon, "mismatch");
    assert!(error.contains("not the pinned one") && error.contains(&hash), "{error}");
    let error = last_error(&daemon, "unknown");
    assert!(error.contains("not trusted") && error.contains(&format!("tls_pin = \"{hash}\"")), "{error}");
}
