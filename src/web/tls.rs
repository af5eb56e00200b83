//! TLS of our own, and certificates that are renewed while the daemon runs: as they are every few weeks, and it runs for years.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use gio::prelude::*;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ServerConfig};

use super::WebError;
use crate::config::certificate::CertificateFiles;
use crate::metrics::Metrics;
use crate::shutdown::Shutdown;

/// How soon a renewed certificate is shown. 10 s: whoever renews it looks whether it worked.
const LOOK: Duration = Duration::from_secs(10);

/// What is shown to whoever comes.
#[derive(Debug)]
struct Served(ArcSwap<CertifiedKey>);

impl ResolvesServerCert for Served {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.load_full())
    }
}

/// The certificate that is shown, and where it came from.
pub(super) struct Tls {
    files: CertificateFiles,
    served: Arc<Served>,
    metrics: Arc<Metrics>,
}

impl Tls {
    /// Reads the certificate and its key.
    pub(super) fn new(files: CertificateFiles, metrics: Arc<Metrics>) -> Result<Tls, WebError> {
        let read = files.read().map_err(|(key, why)| WebError::Certificate(key, why))?;
        tell(&metrics, &files);
        Ok(Tls { files, served: Arc::new(Served(ArcSwap::from_pointee(read))), metrics })
    }

    /// What speaks TLS with whoever comes, 1.2 or 1.3.
    pub(super) fn acceptor(&self) -> Result<TlsAcceptor, rustls::Error> {
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let certificate: Arc<dyn ResolvesServerCert> = Arc::clone(&self.served) as _;
        let mut config =
            builder.with_safe_default_protocol_versions()?.with_no_client_auth().with_cert_resolver(certificate);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(TlsAcceptor::from(Arc::new(config)))
    }

    /// Looks again and again whether the certificate was renewed, until told to end. One that is broken leaves the former in its place.
    pub(super) async fn follow(self, shutdown: Shutdown) {
        let mut complained = String::new();
        loop {
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = shutdown.told() => return,
            }
            let files = self.files.clone();
            let Ok(read) = tokio::task::spawn_blocking(move || files.read()).await else { return };
            match read {
                Ok(read) => {
                    complained.clear();
                    if read.cert != self.served.0.load().cert {
                        tell(&self.metrics, &self.files);
                        self.served.0.store(Arc::new(read));
                        tracing::info!("web: the certificate was renewed");
                    }
                }
                // Once: it may last for days.
                Err((key, error)) if error != complained => {
                    tracing::warn!(key, error, "web: the certificate cannot be renewed: the former is shown");
                    complained = error;
                }
                Err(_) => {}
            }
        }
    }
}

/// When it ends, for alerts. The library that speaks TLS with cameras reads the date.
fn tell(metrics: &Metrics, files: &CertificateFiles) {
    let read = gio::TlsCertificate::from_file(&files.certificate);
    let ends = read.ok().and_then(|it| it.not_valid_after());
    metrics.certificate_expiry.set(ends.map_or(0, |it| it.to_unix()));
}
