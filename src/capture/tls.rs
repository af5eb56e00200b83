//! Whose certificate an `rtsps://` camera may show: one that the machine trusts, the pinned one, or any.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::sync::Arc;

use gio::prelude::*;
use gstreamer as gst;
use sha2::{Digest, Sha256};

use crate::capture::error::CameraError;
use crate::capture::findings::Findings;
use crate::config::{CameraConfig, Tls};

/// An authority that signs nothing: its key was never kept. A database of authorities must have one.
const SIGNS_NOTHING: &str = include_str!("signs_nothing.pem");

/// Tells `rtspsrc` what to accept; what it refused stands in the findings.
pub fn check_certificate(
    rtsp: &gst::Element,
    config: &CameraConfig,
    findings: &Arc<Findings>,
) -> Result<(), CameraError> {
    let pin = match config.tls {
        Tls::Insecure => {
            rtsp.set_property("tls-validation-flags", gio::TlsCertificateFlags::empty());
            return Ok(());
        }
        Tls::Verify => None,
        Tls::Pin => {
            // With no authority that signs anything, every certificate is in doubt, and so is asked about.
            rtsp.set_property("tls-database", no_authority().map_err(CameraError::Pin)?);
            Some(config.tls_pin.to_ascii_lowercase().replace(':', ""))
        }
    };
    let findings = Arc::clone(findings);
    // Only what fails the usual checks is asked about.
    rtsp.connect("accept-certificate", false, move |values| {
        let certificate = values.get(2).and_then(|it| it.get::<gio::TlsCertificate>().ok());
        let hash = certificate.and_then(|it| it.certificate()).map(|it| sha256_hex(&it)).unwrap_or_default();
        let accepts = pin.as_deref() == Some(hash.as_str());
        if !accepts {
            findings.refuse_certificate(hash);
        }
        Some(accepts.to_value())
    });
    Ok(())
}

/// A database is read from a file: here from one that is in memory alone.
fn no_authority() -> Result<gio::TlsFileDatabase, String> {
    let file = rustix::fs::memfd_create(c"authorities", rustix::fs::MemfdFlags::CLOEXEC);
    let mut file = File::from(file.map_err(|error| error.to_string())?);
    file.write_all(SIGNS_NOTHING.as_bytes()).map_err(|error| error.to_string())?;
    gio::TlsFileDatabase::new(format!("/proc/self/fd/{}", file.as_raw_fd())).map_err(|error| error.to_string())
}

fn sha256_hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}
