//! Who means harm: refused or escaped, and the daemon goes on answering.

use std::collections::VecDeque;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use eyeshine::config::environment::Environment;
use eyeshine::config::load::{Overrides, load_in};
use eyeshine::demo::relay::Relay;
use eyeshine::domain::{Class, EventUpdate};
use eyeshine::metrics::Metrics;
use eyeshine::observe::store::Store;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::json;

use crate::daemon::{Daemon, Metrics as Scrape, alone, is_proof};
use crate::http::{address, connect, get, say, send};
use crate::latencies::Latencies;
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

/// A connection that says a part of something, by turns: nothing, a head without an end, a body that never comes.
fn half_open(url: &str, nth: usize) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address(url)).ok()?;
    let half = match nth % 3 {
        0 => String::new(),
        1 => format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nX-Slow", address(url)),
        _ => format!(
            "POST /api/v1/moments/{}/labels HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\n\
             Content-Length: 9\r\n\r\n{{",
            uuid::Uuid::nil(),
            address(url)
        ),
    };
    let _ = stream.write_all(half.as_bytes());
    Some(stream)
}

#[test]
fn prove_thousands_of_half_open_connections_keep_nobody_out_and_cameras_do_not_feel_them() {
    let _alone = alone();
    let (n, secs) = if is_proof() { (10_000, 30) } else { (2_500, 3) };
    // Ours, not the daemon's: it must do with what it has.
    let most = getrlimit(Resource::Nofile).maximum;
    let relay = Relay::start(2).unwrap();
    let cameras = relay.cameras();
    let args: Vec<String> =
        cameras.iter().flat_map(|(name, uri)| ["--camera".into(), format!("{name}={uri}")]).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut daemon = Daemon::run(&args);
    daemon.wait("both cameras to play", 60, |it| {
        let metrics = it.metrics();
        cameras.iter().all(|(name, _)| metrics.is_in_state(name, "playing"))
    });
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    std::thread::sleep(Duration::from_secs(2));
    let dropped = |it: &Scrape| it.sum("eyeshine_camera_frames_dropped_total", &[("reason", "queue_full")]);
    let (mut quiet, mut busy) = (Latencies::default(), Latencies::default());
    let before = daemon.metrics();
    std::thread::sleep(Duration::from_secs(secs));
    let begun = daemon.metrics();
    quiet.add(&Latencies::of(&before), &Latencies::of(&begun));

    let attack = Instant::now();
    let mut held: VecDeque<TcpStream> = VecDeque::new();
    let (mut opened, mut slowest, mut descriptors) = (0, Duration::ZERO, 0);
    // As many as that are held at once; each that the daemon let go makes room for another.
    while held.len() < n || attack.elapsed() < Duration::from_secs(secs) {
        if held.len() >= n {
            held.pop_front();
        }
        held.extend(half_open(&daemon.url, opened));
        opened += 1;
        if opened % 250 == 0 {
            slowest = slowest.max(tells(&daemon));
            descriptors = descriptors.max(fs::read_dir(format!("/proc/{}/fd", daemon.pid())).unwrap().count());
        }
        assert!(opened < 1_000_000, "{} of {n} are held", held.len());
    }
    let (over, took) = (daemon.metrics(), attack.elapsed());
    busy.add(&Latencies::of(&begun), &Latencies::of(&over));
    let rate = |frames: f64, secs: f64| frames / secs;
    println!(
        "prove: {opened} half-open connections in {:.1} s, {n} at once: /metrics took {:.0} ms at most, {descriptors} descriptors \
         at most; frames' p99 latency {:.1} ms, before {:.1} ms; {:.1} frames a second, before {:.1}; dropped {:.0}, before {:.0}",
        took.as_secs_f64(),
        1e3 * slowest.as_secs_f64(),
        1e3 * busy.quantile(0.99),
        1e3 * quiet.quantile(0.99),
        rate(busy.frames(), took.as_secs_f64()),
        rate(quiet.frames(), secs as f64),
        dropped(&over) - dropped(&begun),
        dropped(&begun) - dropped(&before),
    );
    assert!(slowest < Duration::from_secs(5) && descriptors < 700, "{slowest:?}, {descriptors}");
    assert!(cameras.iter().all(|(name, _)| over.is_in_state(name, "playing")));
    drop(held);
    let ended = daemon.stop();
    assert!(ended.status.success(), "{}", ended.log);
    assert_eq!(ended.log.matches("unaccounted=0").count(), cameras.len(), "{}", ended.log);
    if is_proof() {
        assert!(busy.quantile(0.99) <= 1.25 * quiet.quantile(0.99), "cameras feel it");
    }
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
