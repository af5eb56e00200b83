//! `web.tls_certificate` and `web.tls_key`: by which a browser knows that it speaks with this daemon.

use std::path::{Path, PathBuf};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::sign::CertifiedKey;

use super::check::{Layers, Problem};
use super::environment::Environment;

/// Both files, found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM: the daemon's certificate, then those between it and its authority.
    pub certificate: PathBuf,
    /// PEM: the private key.
    pub key: PathBuf,
}

impl CertificateFiles {
    /// Where they lie; `None`: TLS is not spoken.
    pub(super) fn of(certificate: &str, key: &str, environment: &Environment) -> Option<CertificateFiles> {
        let found = |file: &str| environment.credential(Path::new(file));
        (!certificate.is_empty() && !key.is_empty())
            .then(|| CertificateFiles { certificate: found(certificate), key: found(key) })
    }

    /// Reads both, or says of which key what is wrong. The key itself is never told of.
    pub fn read(&self) -> Result<CertifiedKey, (&'static str, String)> {
        const KEY: &str = "web.tls_key";
        const CERTIFICATE: &str = "web.tls_certificate";
        let broken = |path: &Path, what: &str, error: pem::Error| match error {
            pem::Error::Io(error) => format!("\"{}\" cannot be read: {error}", path.display()),
            _ => format!("\"{}\" holds no {what} in PEM", path.display()),
        };
        let of_certificate = |it| (CERTIFICATE, broken(&self.certificate, "certificate", it));
        let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&self.certificate).and_then(Iterator::collect);
        let chain = chain.map_err(of_certificate)?;
        if chain.is_empty() {
            return Err(of_certificate(pem::Error::NoItemsFound));
        }
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|it| (KEY, broken(&self.key, "private key", it)))?;
        CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| {
            (KEY, format!("\"{}\" does not go with \"{}\": {error}", self.key.display(), self.certificate.display()))
        })
    }
}

/// Checks both, where one is given.
pub(super) fn check(layers: &Layers, environment: &Environment, problems: &mut Vec<Problem>) {
    let text = |key| {
        let (value, origin) = layers.of_section("web", key);
        (value.and_then(|it| it.as_str()).unwrap_or_default(), origin)
    };
    let (certificate, key) = (text("tls_certificate"), text("tls_key"));
    match (certificate.0, key.0) {
        ("", "") => {}
        (_, "") => {
            let message = "needs its private key too: name its file in web.tls_key";
            problems.push(layers.problem_at(&certificate.1, "web.tls_certificate", message));
        }
        ("", _) => {
            let message = "is the key of no certificate: name its file in web.tls_certificate";
            problems.push(layers.problem_at(&key.1, "web.tls_key", message));
        }
        (files_certificate, files_key) => {
            let files = CertificateFiles::of(files_certificate, files_key, environment);
            if let Some(Err((name, message))) = files.map(|it| it.read()) {
                let origin = if name == "web.tls_key" { &key.1 } else { &certificate.1 };
                problems.push(layers.problem_at(origin, name, &message));
            }
        }
    }
}
