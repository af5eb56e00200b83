//! TLS of our own: what others can reach without a proxy, with a certificate that is renewed while the daemon runs.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::daemon::{eyeshine, output};
use crate::who::people;

/// A self-signed certificate and its key, as PEM, made by OpenSSL.
pub(crate) fn self_signed(dir: &Path, subject: &str) -> (PathBuf, PathBuf) {
    let (certificate, key) = (dir.join("certificate.pem"), dir.join("key.pem"));
    let made = Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(' '))
        .args(["-subj", &format!("/CN={subject}"), "-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"])
        .args(["-keyout".as_ref(), key.as_os_str(), "-out".as_ref(), certificate.as_os_str()])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    (certificate, key)
}

/// A daemon that speaks TLS, at an address that others can reach.
struct Secure {
    child: Child,
    port: u16,
    /// Held open, so that the daemon can go on logging.
    _log: BufReader<std::process::ChildStderr>,
}

impl Secure {
    fn start(state: &Path, config: &Path) -> Secure {
        let mut command = eyeshine(state);
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        command.args(["run", "--listen", &format!("0.0.0.0:{port}"), "--output", "none", "--config"]).arg(config);
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("ready") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended before it was ready");
        }
        Secure { child, port, _log: log }
    }

    /// What is answered to whoever trusts this certificate and no other.
    fn ask(&self, trusted: &Path, request: &str) -> Result<String, std::io::Error> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(trusted).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config =
            config.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots).with_no_client_auth();
        let name = "localhost".try_into().unwrap();
        let stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        let mut stream = StreamOwned::new(ClientConnection::new(Arc::new(config), name).unwrap(), stream);
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        match stream.read_to_string(&mut answer) {
            // The other side may hang up without a word once all is said.
            Err(_) if !answer.is_empty() => Ok(answer),
            Err(error) => Err(error),
            Ok(_) => Ok(answer),
        }
    }
}

impl Drop for Secure {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn others_come_by_tls_and_a_renewed_certificate_is_shown_without_a_restart() {
    let (_tokens, persons) = people();
    let dir = tempfile::tempdir().unwrap();
    let (certificate, key) = self_signed(dir.path(), "first");
    let files = format!("tls_certificate = \"{}\"\ntls_key = \"{}\"\n", certificate.display(), key.display());
    let config = dir.path().join("site.toml");
    fs::write(&config, format!("[web]\n{files}{persons}")).unwrap();
    let daemon = Secure::start(&dir.path().join("state"), &config);
    let host = format!("Host: localhost:{}\r\nConnection: close", daemon.port);
    let health = format!("GET /healthz HTTP/1.1\r\n{host}\r\n\r\n");
    let answer = daemon.ask(&certificate, &health).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("alive\n"), "{answer}");

    // A login's cookie goes by TLS alone, and by it somebody is known.
    let body = "token=ada-administers-f00d";
    let form = format!(
        "POST /login HTTP/1.1\r\n{host}\r\nOrigin: https://localhost:{}\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        daemon.port,
        body.len()
    );
    let answer = daemon.ask(&certificate, &form).unwrap();
    let cookie = answer.lines().find_map(|it| it.strip_prefix("set-cookie: ")).unwrap_or_else(|| panic!("{answer}"));
    assert!(cookie.starts_with("__Host-eyeshine=") && cookie.ends_with("; Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    let metrics = format!("GET /metrics HTTP/1.1\r\n{host}\r\nCookie: {cookie}\r\n\r\n");
    let answer = daemon.ask(&certificate, &metrics).unwrap();
    let ends = |answer: &str| -> f64 {
        let name = "eyeshine_web_certificate_expiry_timestamp_seconds ";
        answer.lines().find_map(|it| it.strip_prefix(name)).unwrap_or_else(|| panic!("{answer}")).parse().unwrap()
    };
    let left_secs = ends(&answer) - jiff::Timestamp::now().as_second() as f64;
    assert!((100_000.0..180_000.0).contains(&left_secs), "{left_secs}");

    // Whoever does not speak TLS is told nothing, and keeps nobody out.
    let mut plain = TcpStream::connect(("127.0.0.1", daemon.port)).unwrap();
    plain.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    plain.write_all(health.as_bytes()).unwrap();
    let mut said = Vec::new();
    let _ = plain.read_to_end(&mut said);
    assert!(!String::from_utf8_lossy(&said).contains("HTTP"), "{said:?}");
    let silent: Vec<TcpStream> = (0..400).filter_map(|_| TcpStream::connect(("127.0.0.1", daemon.port)).ok()).collect();
    assert!(silent.len() > 200 && daemon.ask(&certificate, &health).is_ok());

    // A key that does not go with it: the former is shown. Then the right one.
    let other = tempfile::tempdir().unwrap();
    let (renewed, renewed_key) = self_signed(other.path(), "second");
    fs::copy(&renewed_key, &key).unwrap();
    assert!(daemon.ask(&certificate, &health).is_ok());
    let first = dir.path().join("first.pem");
    fs::rename(&certificate, &first).unwrap();
    fs::copy(&renewed, &certificate).unwrap();
    let deadline = Instant::now() + Duration::from_secs(90);
    while daemon.ask(&renewed, &health).is_err() {
        assert!(Instant::now() < deadline, "the renewed certificate is not shown");
        std::thread::sleep(Duration::from_millis(500));
    }
    assert!(daemon.ask(&first, &health).is_err());
}

#[test]
fn a_certificate_that_is_none_is_said_by_its_key_and_the_daemon_does_not_start() {
    let dir = tempfile::tempdir().unwrap();
    let other = tempfile::tempdir().unwrap();
    let (certificate, key) = self_signed(dir.path(), "one");
    let (_, other_key) = self_signed(other.path(), "other");
    let empty = dir.path().join("empty.pem");
    fs::write(&empty, "").unwrap();
    let config = dir.path().join("site.toml");
    let path = |it: &Path| it.display().to_string();
    for (files, said) in [
        ((path(&certificate), String::new()), "2: web.tls_certificate: needs its private key too"),
        ((String::new(), path(&key)), "3: web.tls_key: is the key of no certificate"),
        (("/none.pem".into(), path(&key)), "2: web.tls_certificate: \"/none.pem\" cannot be read"),
        ((path(&empty), path(&key)), "empty.pem\" holds no certificate in PEM"),
        ((path(&certificate), path(&certificate)), "certificate.pem\" holds no private key in PEM"),
        ((path(&certificate), path(&other_key)), "3: web.tls_key: "),
        ((path(&certificate), path(&other_key)), "does not go with "),
    ] {
        fs::write(&config, format!("[web]\ntls_certificate = \"{}\"\ntls_key = \"{}\"\n", files.0, files.1)).unwrap();
        for command in [&["check-config"][..], &["run", "--for", "1s"]] {
            let mut command_line = eyeshine(dir.path());
            let (code, _, err) = output(command_line.args(command).arg("--config").arg(&config));
            assert!(code == 78 && err.contains(said) && !err.contains("PRIVATE"), "{command:?} {said}: {err}");
        }
    }
}
