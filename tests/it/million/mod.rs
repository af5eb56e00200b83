//! A million events: with `EYESHINE_PROVE` set the pages, lists and keys are timed in a real browser on a store of that size, and so is
//! what the daemon and its commands do with it; else the same is looked at on a few thousand, and no time is judged.

mod stored;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use eyeshine::config::environment::Environment;
use eyeshine::config::load::{Overrides, load_in};
use eyeshine::config::{PeoplePictures, StoreConfig};
use eyeshine::domain::EventUpdate;
use eyeshine::infer::models::Contracts;
use eyeshine::metrics::Metrics;
use eyeshine::observe::store::{Store, Wanted};
use jiff::Timestamp;
use rusqlite::Connection;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::browser::Browser;
use crate::daemon::{Daemon, alone, eyeshine, is_proof, output};
use crate::http::{address, get, send};
use crate::review::{MAX_PAGE_BYTES, TIMED, next, saved};
use stored::{Made, N_RARE, RARE, SPECIES, Size, camera, make};

/// Few cameras play, and none of these: what is measured is people's.
const CONFIG: &str = "[teach]\nmin_new_labels = 0\nretrain_hours = 0\nprotected = [\"lynx\"]\n[[camera]]\nname = \"camera-00\"\n\
                      uri = \"rtsp://127.0.0.1:9/none\"\nplace = \"glade\"\n";
/// Answers by keys.
const N_ANSWERS: usize = 32;
const MAX_KEY_MS: f64 = 300.0;
const MAX_PAGE_MS: f64 = 1_000.0;
/// Filling a day's questions.
const MAX_FILL_SECS: f64 = 120.0;
const MAX_FILL_MIB: f64 = 700.0;
/// Of a save that takes pictures or vectors away.
const MAX_SAVE_MS: f64 = 300.0;

/// Of a real site, and of a sample.
fn size() -> Size {
    let end_us = Timestamp::now().as_microsecond() - 7_200_000_000;
    let whole = Size {
        events: 1_000_000,
        labelled_of: 50,
        with_vectors: 80_000,
        with_pictures: 25_000,
        moments: 12_000,
        end_us,
    };
    let sample =
        Size { events: 4_000, labelled_of: 10, with_vectors: 1_200, with_pictures: 1_000, moments: 300, end_us };
    if is_proof() { whole } else { sample }
}

struct Site {
    folder: tempfile::TempDir,
    config: PathBuf,
    made: Made,
}

impl Site {
    /// Makes the store: of the first events a head is taught, which serves.
    fn new(size: &Size) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("site.toml");
        fs::write(&config, CONFIG).unwrap();
        let settings = load_in(Some(&config), Overrides::default(), &Environment::default()).unwrap();
        let first = (if is_proof() { 400 } else { 60 }) * size.labelled_of;
        let began = Instant::now();
        let begun = make(folder.path(), &settings, size, 0, first);
        let (code, said, error) =
            output(eyeshine(folder.path()).args(["--config", config.to_str().unwrap(), "train", "--json"]));
        assert_eq!(code, 0, "{error}");
        let trained: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(trained["serving"], 1, "{trained}");
        let mut made = make(folder.path(), &settings, size, first, size.events);
        made.labels += begun.labels;
        made.questions += begun.questions;
        made.vectors += begun.vectors;
        made.pictures += begun.pictures;
        let mib = fs::metadata(folder.path().join("eyeshine.db")).unwrap().len() / 1_048_576;
        println!(
            "prove: a store of {} events, {} labels, {} questions, {} vectors, {} pictures: {mib} MiB, made in {:.0} s",
            size.events,
            made.labels,
            made.questions,
            made.vectors,
            made.pictures,
            began.elapsed().as_secs_f64()
        );
        Site { folder, config, made }
    }

    fn state(&self) -> &Path {
        self.folder.path()
    }

    fn raw(&self) -> Connection {
        Connection::open(self.state().join("eyeshine.db")).unwrap()
    }
}

/// Milliseconds that something took, and what it gave.
fn timed<T>(work: impl FnOnce() -> T) -> (f64, T) {
    let began = Instant::now();
    let done = work();
    (began.elapsed().as_secs_f64() * 1e3, done)
}

fn median(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// The 95th of a hundred.
fn p95(times: &mut [f64]) -> f64 {
    times.sort_by(f64::total_cmp);
    times[(times.len() * 95 / 100).min(times.len() - 1)]
}

/// Resident memory of a process at its most, MiB.
fn most_mib(pid: u32) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix("VmHWM:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}

/// Speed is judged where it is what is to be shown.
fn at_most(what: &str, took: f64, most: f64) {
    assert!(!is_proof() || took <= most, "{what}: {took:.0}, where {most:.0} are allowed");
}

#[test]
fn prove_a_million_events_are_in_nobodys_way() {
    let _alone = alone();
    let size = size();
    let site = Site::new(&size);
    if !is_proof() {
        let db = site.raw();
        let broken =
            db.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get::<_, i64>(0)).unwrap();
        assert_eq!(broken, 0, "the store is none that a daemon makes");
    }
    migrate(&site);
    let (secs, daemon) =
        timed(|| Daemon::start_in_folder(site.state(), "run", &["--config", site.config.to_str().unwrap()]));
    println!("prove: ready {:.1} s after it was started", secs / 1e3);
    at_most("ready, ms", secs, 30_000.0);
    labels_while_questions_are_chosen(&site, &daemon);
    lists(&site, &daemon);
    pages(&site, &daemon);
    let mib = most_mib(daemon.pid());
    println!("prove: memory of the daemon at its most {mib:.0} MiB");
    at_most("memory, MiB", mib, MAX_FILL_MIB);
    let log = daemon.stop().log;
    let chosen: Vec<f64> = log.lines().filter(|it| it.contains("questions chosen")).filter_map(took).collect();
    println!("prove: a day's questions chosen in {chosen:.1?} s");
    assert!(!chosen.is_empty(), "{log}");
    chosen.iter().for_each(|it| at_most("questions chosen, s", *it, MAX_FILL_SECS));
    reads(&site);
    retention(&site);
    erase(&site);
}

/// The step to the newest schema, from the one before, as the first start after an update takes it.
fn migrate(site: &Site) {
    let before = "DROP INDEX observations_called; DROP INDEX events_camera; DROP TABLE label_totals;
        DROP TABLE question_alike;
        DROP TRIGGER label_totals_more; DROP TRIGGER label_totals_renamed; DROP TRIGGER label_totals_less;
        DROP TRIGGER label_totals_gone; DROP TRIGGER label_totals_withdrawn;
        ALTER TABLE questions DROP COLUMN blank; ALTER TABLE fillings DROP COLUMN blanks; PRAGMA user_version = 4;";
    site.raw().execute_batch(before).unwrap();
    let settings = load_in(Some(&site.config), Overrides::default(), &Environment::default()).unwrap();
    let (ms, store) = timed(|| Store::open(site.state(), &settings.store, Metrics::new()).unwrap());
    println!("prove: brought up to date from schema 4, with a copy of it, in {:.1} s", ms / 1e3);
    assert!(store.can_write());
    fs::remove_file(site.state().join("eyeshine.db.v4.bak")).unwrap();
}

fn took(line: &str) -> Option<f64> {
    let (_, rest) = line.split_once("took_secs")?;
    let number: String =
        rest.chars().skip_while(|it| !it.is_ascii_digit()).take_while(|it| it.is_ascii_digit() || *it == '.').collect();
    number.parse().ok()
}

/// Answers are taken down while the day's questions are chosen: nobody waits for that.
fn labels_while_questions_are_chosen(site: &Site, daemon: &Daemon) {
    let reader = Store::reader(site.state());
    let deadline = Instant::now() + Duration::from_secs(900);
    let mut times = Vec::new();
    for event in site.made.newest.iter().take(5).cycle() {
        if times.len() > 4 && reader.queue_state("species").unwrap().open as usize >= N_ANSWERS + 4 {
            break;
        }
        assert!(Instant::now() < deadline, "no questions in a quarter of an hour");
        let body = json!({ "species": [{ "class": "red fox" }] }).to_string();
        let host = format!("Host: {}", address(&daemon.url));
        let length = format!("Content-Length: {}", body.len());
        let request = format!("POST /api/v1/events/{event}/labels");
        let headers = [&*host, "Sec-Fetch-Site: same-origin", "Content-Type: application/json", &*length];
        let (ms, answer) = timed(|| send(&daemon.url, &request, &headers, body.as_bytes()));
        assert!([200, 201].contains(&answer.status), "{}", answer.text());
        times.push(ms);
        std::thread::sleep(Duration::from_millis(100));
    }
    let (half, most, worst) = (median(&mut times), p95(&mut times), times[times.len() - 1]);
    println!(
        "prove: an answer is on disk, while questions are chosen: median {half:.0} ms, 95th of a hundred {most:.0} ms, worst \
         {worst:.0} ms, of {}",
        times.len()
    );
    at_most("an answer on disk, ms", most, MAX_KEY_MS);
}

/// Every list of the API, with every filter.
fn lists(site: &Site, daemon: &Daemon) {
    let middle: Vec<u8> = site
        .raw()
        .query_row("SELECT id FROM events ORDER BY id LIMIT 1 OFFSET (SELECT events / 2 FROM totals)", [], |row| {
            row.get(0)
        })
        .unwrap();
    let middle = Uuid::from_slice(&middle).unwrap();
    let event = site.made.newest[0];
    let mut paths = vec![
        "/api/v1/cameras".to_owned(),
        "/api/v1/generations".into(),
        "/api/v1/generations/species/1".into(),
        "/api/v1/labels?limit=500".into(),
        "/api/v1/labels?limit=500&labeller=ann".into(),
        "/api/v1/labels?limit=500&labeller=nobody".into(),
        format!("/api/v1/labels?event={event}"),
        format!("/api/v1/labels?event={event}&labeller=ann&before={middle}"),
        format!("/api/v1/events/{event}"),
        "/metrics".into(),
    ];
    for people in ["", "&people=true", "&people=false"] {
        for class in ["", SPECIES[0], SPECIES[9], RARE, "human", "blank", "nothing"] {
            let class = if class.is_empty() { String::new() } else { format!("&class={}", class.replace(' ', "%20")) };
            for camera in [String::new(), format!("&camera={}", camera(3)), "&camera=none".into()] {
                for before in [String::new(), format!("&before={middle}")] {
                    paths.push(format!("/api/v1/events?limit=200{people}{class}{camera}{before}"));
                }
            }
        }
    }
    let mut times: Vec<(f64, &str)> = Vec::new();
    for path in &paths {
        let (ms, answer) = timed(|| get(&daemon.url, path));
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        times.push((ms, path));
    }
    let of = |class: &str| {
        let class = class.replace(' ', "%20");
        get(&daemon.url, &format!("/api/v1/events?limit=200&class={class}")).json().as_array().unwrap().len()
    };
    assert_eq!(
        (of(RARE), of(SPECIES[0]), of("nothing")),
        (N_RARE, 200, 0),
        "what is asked for is found, however long ago it was"
    );
    times.sort_by(|a, b| b.0.total_cmp(&a.0));
    let slowest: Vec<String> = times.iter().take(3).map(|it| format!("{} {:.0} ms", it.1, it.0)).collect();
    let mut all: Vec<f64> = times.iter().map(|it| it.0).collect();
    println!(
        "prove: {} lists of the API: median {:.0} ms; the slowest: {}",
        all.len(),
        median(&mut all),
        slowest.join(", ")
    );
    at_most(times[0].1, times[0].0, MAX_PAGE_MS);
}

/// Every page, as a browser shows it for the first time, and then keys.
fn pages(site: &Site, daemon: &Daemon) {
    let Some(mut browser) = Browser::start() else { return };
    browser.resize(1440, 900);
    let event = *site.made.newest.last().unwrap();
    let labelled = site
        .raw()
        .query_row("SELECT event FROM answers ORDER BY id LIMIT 1", [], |row| row.get::<_, [u8; 16]>(0))
        .unwrap();
    let paths = [
        "/".to_owned(),
        "/review".into(),
        "/gallery".into(),
        format!("/gallery?species={}", SPECIES[9]),
        format!("/gallery?species={RARE}"),
        format!("/gallery?like={event}"),
        format!("/events/{event}"),
        format!("/events/{}", Uuid::from_bytes(labelled)),
        "/progress".into(),
        "/history".into(),
    ];
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for path in &paths {
        let path = path.replace(' ', "%20");
        let bytes: usize =
            [&*path, "/style.css", "/answers.js", "/review.js"].iter().map(|it| get(&daemon.url, it).body.len()).sum();
        assert!(bytes <= MAX_PAGE_BYTES, "{path}: {bytes} bytes");
        sizes.insert(
            path.split(['?', '#']).next().unwrap().split('/').nth(1).map_or("", |it| match it {
                "" => "live",
                "review" => "review",
                "gallery" => "gallery",
                "events" => "event",
                "progress" => "progress",
                _ => "history",
            }),
            bytes,
        );
    }
    println!("prove: bytes of pages with style and script, without pictures: {sizes:?}");
    for path in &paths {
        let path = path.replace(' ', "%20");
        browser.go(&format!("{}{path}", daemon.url));
        let ms = browser.eval("(() => { const it = performance.getEntriesByType('navigation')[0]; return it.loadEventEnd - it.startTime; })()");
        let ms = ms.as_f64().unwrap();
        println!("prove: {path}: {ms:.0} ms until all of it is there, pictures too");
        at_most(&path, ms, MAX_PAGE_MS);
    }
    browser.go(&format!("{}/review", daemon.url));
    browser.eval(TIMED);
    for nth in 0..N_ANSWERS {
        // Some are about still moments, which have no event.
        let question = browser.text("document.querySelector('.card').dataset.question");
        browser.press(["1", "2", "b"][nth % 3]);
        next(&mut browser, &question);
    }
    saved(&mut browser);
    let took = browser.eval("window.took");
    let mut took: Vec<f64> = took.as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    assert!(took.len() >= N_ANSWERS - 2, "{took:?}");
    println!(
        "prove: from key to next picture: median {:.0} ms, 95th of a hundred {:.0} ms, of {}",
        median(&mut took),
        p95(&mut took),
        took.len()
    );
    at_most("from key to next picture, ms", median(&mut took), MAX_KEY_MS);
}

/// What only a role without places asks, and what teaching reads.
fn reads(site: &Site) {
    let reader = Store::open_read(site.state()).unwrap();
    let not_of = vec![RARE.to_owned()];
    for camera in [camera(3), "none".to_owned()] {
        let wanted = Wanted { camera: Some(camera.clone()), not_of: not_of.clone(), ..Wanted::default() };
        let (ms, found) = timed(|| reader.found(&wanted, 200, None).unwrap());
        println!("prove: events of {camera}, as who may only look sees them: {ms:.0} ms, {}", found.len());
        at_most("events of a camera, ms", ms, MAX_PAGE_MS);
    }
    let settings = load_in(Some(&site.config), Overrides::default(), &Environment::default()).unwrap();
    let featurizer = Contracts::load(&settings.models).unwrap().first.identity();
    let (ms, taught) = timed(|| reader.taught("species", &featurizer, None).unwrap());
    println!("prove: what a head is taught: {} events read in {ms:.0} ms", taught.events.len());
    assert!(
        taught.events.len() + 100 > site.made.labels * 8 / 10 && taught.events.len() <= site.made.labels + 100,
        "{}",
        taught.events.len()
    );
    drop(taught);
    let (ms, _) = timed(|| reader.taught_lately("species", (&featurizer, None), 1_500).unwrap());
    println!("prove: the latest 1,500 of them: {ms:.0} ms");
    let (ms, counts) = timed(|| reader.label_counts().unwrap());
    println!("prove: labels counted in {ms:.1} ms");
    let given: u64 = counts["species"].values().map(|it| it[0]).sum();
    let there = site.raw().query_row("SELECT count(*) FROM labels", [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(given, there as u64, "the totals are those of the labels");
}

/// Saves of a store whose pictures and vectors are above their caps: the oldest that nobody has labelled go, and no save takes long.
fn retention(site: &Site) {
    let settings = load_in(Some(&site.config), Overrides::default(), &Environment::default()).unwrap();
    let pictures = Store::open_read(site.state()).unwrap().counts().unwrap();
    let config = StoreConfig {
        media_max_mb: pictures.picture_bytes / 1_000_000 - 6,
        database_max_mb: 1,
        ..settings.store.clone()
    };
    let metrics = Metrics::new();
    let (ms, store) = timed(|| Store::open(site.state(), &config, std::sync::Arc::clone(&metrics)).unwrap());
    println!("prove: opened, with {} pictures above the cap, in {:.1} s", metrics.media_deleted.get(), ms / 1e3);
    assert!((100..300).contains(&metrics.media_deleted.get()), "{}", metrics.media_deleted.get());
    at_most("a store opened, ms", ms, 30_000.0);
    let mut times: Vec<f64> = (0..20).map(|_| timed(|| store.save(&update(), "lite0-test").unwrap()).0).collect();
    let (deleted, first) = (metrics.embeddings_deleted.get(), times[0]);
    let (half, worst) = (median(&mut times), times[times.len() - 1]);
    println!(
        "prove: saves that take {deleted} vectors away: the first {first:.0} ms, median {half:.0} ms, worst {worst:.0} ms"
    );
    assert_eq!(deleted, 2_000, "a hundred at a save");
    at_most("a save, ms", half, MAX_SAVE_MS);
    let labelled = "SELECT count(*) FROM answers a WHERE a.withdrawn_us IS NULL AND NOT EXISTS (SELECT 1 FROM media m JOIN embeddings v ON v.media = m.id WHERE m.event = a.event)";
    assert_eq!(
        site.raw().query_row(labelled, [], |row| row.get::<_, i64>(0)).unwrap(),
        0,
        "what people have labelled stays"
    );
    drop(store);
    let config = StoreConfig { people: PeoplePictures::Discard, ..settings.store };
    let (ms, store) = timed(|| Store::open(site.state(), &config, Metrics::new()).unwrap());
    let mut times: Vec<f64> = (0..20).map(|_| timed(|| store.save(&update(), "lite0-test").unwrap()).0).collect();
    let (opened, half) = (ms / 1e3, median(&mut times));
    println!(
        "prove: opened to discard pictures with people in {opened:.1} s; saves then: median {half:.0} ms, worst {:.0} ms",
        times[19]
    );
    at_most("a save that discards, ms", half, MAX_SAVE_MS);
}

/// A fox that has just gone: no blank event, of which only some an hour are stored.
fn update() -> EventUpdate {
    let mut update = crate::web::update(Timestamp::now(), false);
    update.event.camera = "camera-00".into();
    update.event.media.clear();
    EventUpdate { keepsakes: Vec::new(), ..update }
}

/// For good: the database is written anew.
fn erase(site: &Site) {
    let event = site.made.newest[site.made.newest.len() / 2].to_string();
    let mut command: Command = eyeshine(site.state());
    command.args(["--config", site.config.to_str().unwrap(), "erase", "--event", &event, "--yes"]);
    let (ms, (code, _, error)) = timed(|| output(&mut command));
    println!("prove: an event erased, the database written anew, in {:.1} s", ms / 1e3);
    assert_eq!(code, 0, "{error}");
    assert!(Store::open_read(site.state()).unwrap().event(event.parse().unwrap()).unwrap().is_none());
}
