//! Who means harm: refused or escaped, and the daemon goes on answering.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use eyeshine::config::environment::Environment;
use eyeshine::config::load::{Overrides, load_in};
use eyeshine::domain::{Class, EventUpdate};
use eyeshine::metrics::Metrics;
use eyeshine::observe::store::Store;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::daemon::{Daemon, is_proof};
use crate::http::{address, connect, get, say, send};
use crate::web::{daemon, site_with, update};

const SCRIPT: &str = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>";

/// How long it takes to tell of itself.
fn tells(daemon: &Daemon) -> Duration {
    let before = Instant::now();
    let answer = get(&daemon.url, "/metrics");
    assert!(answer.status == 200 && answer.text().contains("eyeshine_build_info"));
    before.elapsed()
}

#[test]
fn no_path_from_a_client_reaches_the_disk() {
    let (daemon, _) = daemon(site_with(""));
    let host = format!("Host: {}", address(&daemon.url));
    for path in [
        "/media/../eyeshine.db",
        "/media/%2e%2e/eyeshine.db",
        "/media/%2e%2e%2feyeshine.db",
        "/media/%252e%252e%252feyeshine.db",
        "/media/..%5c..%5ceyeshine.db",
        "/media/%c0%ae%c0%ae/eyeshine.db",
        "/media/%00",
        "/media//etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/../../../etc/passwd",
        "/api/v1/cameras/..%2f..%2fsite.toml/picture",
        "/api/v1/events/%2e%2e%2feyeshine.db",
        "/api/v1/generations/..%2f..%2f/1",
        "/api/v1/generations/%2e%2e/1",
        "/api/v1/generations?task=../..",
        "/login?to=/../../etc/passwd",
    ] {
        let answer = say(&daemon.url, &format!("GET {path}"), &[&host]);
        assert!([303, 400, 404].contains(&answer.status), "{path}: {}", answer.status);
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!text.contains("root:") && !text.contains("SQLite") && !text.contains("[[camera]]"), "{path}: {text}");
    }
    for path in ["/api/v1/generations/..%2f..%2f/1/promote", "/api/v1/generations/..%2fheads/rollback"] {
        assert_eq!(say(&daemon.url, &format!("POST {path}"), &[&host, "Content-Length: 0"]).status, 400, "{path}");
    }
    tells(&daemon);
}

#[test]
fn a_body_of_a_hundred_megabytes_is_refused_before_it_is_read() {
    let (daemon, events) = daemon(site_with(""));
    let host = format!("Host: {}", address(&daemon.url));
    let request = format!("POST /api/v1/events/{}/labels", events[0].id);
    let json = "Content-Type: application/json";
    let length = format!("Content-Length: {}", 100 * 1024 * 1024);
    // It is told at once, before a byte of it has come.
    let answer = say(&daemon.url, &request, &[&host, json, &length]);
    assert_eq!((answer.status, answer.json()["reason"].as_str().unwrap()), (413, "too_large"));
    // In pieces, without a word of how many.
    let mut stream = connect(&daemon.url);
    write!(stream, "{request} HTTP/1.1\r\n{host}\r\n{json}\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    let piece = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let sent = (0..1600).take_while(|_| stream.write_all(piece.as_bytes()).is_ok()).count();
    assert!(sent < 1600, "all of it was taken");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 413"), "{}", String::from_utf8_lossy(&answer));
    // One that is just small enough is read, and is no answer.
    let body = format!("{{\"species\": [{{\"class\": \"{}\"}}]}}", "x".repeat(60_000));
    let length = format!("Content-Length: {}", body.len());
    assert_eq!(send(&daemon.url, &request, &[&host, json, &length], body.as_bytes()).status, 400);
    tells(&daemon);
}

#[test]
fn thousands_of_half_open_connections_keep_nobody_out() {
    let n = if is_proof() { 10_000 } else { 2_500 };
    // Ours, not the daemon's: it must do with what it has.
    let most = getrlimit(Resource::Nofile).maximum;
    let daemon = Daemon::run(&[]);
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let mut held: Vec<TcpStream> = Vec::new();
    let mut slowest = Duration::ZERO;
    for nth in 0..n {
        let Ok(mut stream) = TcpStream::connect(address(&daemon.url)) else { continue };
        // A head without an end, and a body that never comes, by turns.
        let half = match nth % 3 {
            0 => String::new(),
            1 => format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nX-Slow", address(&daemon.url)),
            _ => format!(
                "POST /api/v1/moments/{}/labels HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
                 Content-Length: 9\r\n\r\n{{",
                uuid::Uuid::nil(),
                address(&daemon.url)
            ),
        };
        let _ = stream.write_all(half.as_bytes());
        held.push(stream);
        if nth % 250 == 0 {
            slowest = slowest.max(tells(&daemon));
        }
    }
    slowest = slowest.max(tells(&daemon));
    println!("{} half-open connections; /metrics took at most {slowest:?}", held.len());
    assert!(held.len() > n / 2 && slowest < Duration::from_secs(5), "{} {slowest:?}", held.len());
    let descriptors = std::fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count();
    assert!(descriptors < 600, "{descriptors}");
    assert!(daemon.stop().status.success());
}

#[test]
fn a_script_in_a_name_is_text_wherever_it_is_shown() {
    let site = site_with("");
    let settings = load_in(Some(&site.config), Overrides::default(), &Environment::default()).unwrap();
    let store = Store::open(site.state.path(), &settings.store, Metrics::new()).unwrap();
    let mut said: EventUpdate = update("2026-03-02T08:00:00Z".parse().unwrap(), false);
    said.event.observations[0].class = Some(Class { name: SCRIPT.into(), scientific_name: SCRIPT.into() });
    store.save(&said, "lite0-test").unwrap();
    drop(store);
    let (daemon, _) = daemon(site);
    let body = json!({"species": [{"class": SCRIPT}]}).to_string();
    let host = format!("Host: {}", address(&daemon.url));
    let length = format!("Content-Length: {}", body.len());
    let request = format!("POST /api/v1/events/{}/labels", said.event.id);
    let answer = send(&daemon.url, &request, &[&host, &length, "Content-Type: application/json"], body.as_bytes());
    assert_eq!(answer.status, 201);
    let page = get(&daemon.url, "/").text();
    assert!(page.contains("&#60;script&#62;alert") || page.contains("&lt;script&gt;alert"), "{page}");
    assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{page}");
    for path in ["/api/v1/events", "/api/v1/labels", "/nowhere/%3Cscript%3Ealert(1)%3C/script%3E"] {
        let answer = get(&daemon.url, path);
        let kind = (answer.header("content-type"), answer.header("x-content-type-options"));
        assert_eq!(kind, ("application/json", "nosniff"), "{path}");
    }
    // A form that failed says what it was told again.
    let login = say(&daemon.url, "GET /login?to=%2F%22%3E%3Cscript%3E", &[&host]);
    assert!(!String::from_utf8_lossy(&login.body).contains("<script>"), "{login:?}");
    let class = get(&daemon.url, "/api/v1/labels").json();
    assert_eq!(class[0]["species"][0]["class"], SCRIPT, "and it is kept as it was said");
    tells(&daemon);
}
