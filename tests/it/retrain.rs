//! Retraining beside a daemon: a label becomes a live head by itself, and a training that comes to grief harms nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use eyeshine::capture::picture::Picture;
use eyeshine::config::{PeoplePictures, StoreConfig};
use eyeshine::demo::relay::Relay;
use eyeshine::domain::{CaptureMethod, Embedding, Frame, Keepsake, Modality, View};
use eyeshine::infer::contract::Contract;
use eyeshine::metrics;
use eyeshine::observe::store::{ImportedEvent, ImportedFrame, Store};
use image::{Rgb, RgbImage};
use jiff::Timestamp;
use uuid::Uuid;

use crate::daemon::{Daemon, Metrics, alone, is_proof};
use crate::latencies::Latencies;
use crate::teach::{ANIMALS, Site, serves, text};

const DIMENSION: usize = 1280;

fn verdicts(daemon: &Daemon, verdict: &str) -> f64 {
    daemon.metrics().sum("eyeshine_train_verdicts_total", &[("task", "species"), ("verdict", verdict)])
}

fn of_species(metrics: &Metrics, family: &str) -> f64 {
    metrics.sum(family, &[("task", "species")])
}

#[test]
fn a_label_given_while_the_daemon_runs_becomes_a_live_head() {
    let site = Site::new();
    let config = site.config("min_new_labels = 1");
    let (taught, more) = (site.table("taught", &ANIMALS[..2], 4), site.table("more", &ANIMALS[2..], 2));
    let mut daemon = Daemon::start_in_folder(&site.state(), "run", &["--config", text(&config)]);
    assert_eq!(of_species(&daemon.metrics(), "eyeshine_train_last_run_timestamp_seconds"), 0.0);
    // While a table comes in, a head may be made of its first half already.
    let knows = |species: &str, n_events: u64| {
        let current = fs::read_to_string(site.state().join("heads/species/current")).unwrap_or_default();
        let head = fs::read(site.state().join(format!("heads/species/{}/head.json", current.trim())));
        let Ok(Ok(head)) = head.map(|it| serde_json::from_slice::<serde_json::Value>(&it)) else { return false };
        let classes = head["classes"].as_array().unwrap();
        classes.iter().any(|it| it["name"] == species && it["events"] == n_events)
    };
    site.done(&["label", "import", text(&taught)]);
    daemon.wait("the first head", 60, |_| knows("fox", 4));
    site.done(&["label", "import", text(&more)]);
    daemon.wait("a head that knows the hen", 60, |it| {
        let current = fs::read_to_string(site.state().join("heads/species/current")).unwrap();
        knows("hen", 2) && serves(it, current.trim())
    });
    daemon.wait("the daemon's word", 60, |it| verdicts(it, "promoted") >= 2.0 && children(it.pid()).is_empty());
    assert_eq!(verdicts(&daemon, "failed"), 0.0);
    daemon.wait("its scores", 60, |it| {
        let labels = [("task", "species"), ("score", "balanced_accuracy")];
        it.metrics().sum("eyeshine_head_held_out_score", &labels) > 0.5
    });
    daemon.wait("no label that waits", 60, |it| of_species(&it.metrics(), "eyeshine_labels_waiting") == 0.0);
    let metrics = daemon.metrics();
    assert!(of_species(&metrics, "eyeshine_train_duration_seconds") > 0.0);
    let times = ["eyeshine_train_last_run_timestamp_seconds", "eyeshine_train_last_success_timestamp_seconds"];
    assert!(times.iter().all(|it| of_species(&metrics, it) > 1.7e9), "{}", metrics.0);
    let shown = site.done(&["heads", "show", "1"]);
    assert!(shown.contains("\"cause\": \"labels\""), "{shown}");
    let log = daemon.stop().log;
    assert!(log.contains("promoted: it knows what the head that serves does not"), "{log}");
}

/// The children of a process.
fn children(pid: u32) -> Vec<u32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let of_thread = |it: fs::DirEntry| fs::read_to_string(it.path().join("children")).unwrap_or_default();
    let all: Vec<String> = threads.map_while(Result::ok).map(of_thread).collect();
    let all = all.iter().flat_map(|it| it.split_whitespace()).map(|it| it.parse().unwrap());
    // Between its fork and its own program a child is nothing yet.
    let is_training =
        |pid: &u32| fs::read_to_string(format!("/proc/{pid}/cmdline")).is_ok_and(|it| it.contains("train"));
    all.filter(is_training).collect()
}

/// Waits for a training, and sends it a signal.
fn catch(daemon: &Daemon, signal: &str) -> u32 {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        // Its first act is to step back behind everybody.
        if let Some(child) = children(daemon.pid()).first().filter(|it| niceness(**it) == "19") {
            assert!(Command::new("kill").args([signal, &child.to_string()]).status().unwrap().success());
            return *child;
        }
        assert!(Instant::now() < deadline, "no training began");
        thread::sleep(Duration::from_millis(2));
    }
}

fn niceness(process: u32) -> String {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").and_then(|it| it.1.split(' ').nth(16)).unwrap_or_default().to_owned()
}

#[test]
fn a_training_that_hangs_or_is_killed_harms_nothing_and_ends_with_the_daemon() {
    let site = Site::new();
    let config = site.config("min_new_labels = 1\nretrain_max_secs = 2");
    let taught = site.table("taught", &ANIMALS[..2], 4);
    site.done(&["label", "import", text(&taught)]);

    let mut daemon = Daemon::start_in_folder(&site.state(), "run", &["--config", text(&config)]);
    let hung = catch(&daemon, "-STOP");
    let arguments = fs::read_to_string(format!("/proc/{hung}/cmdline")).unwrap();
    assert!(arguments.contains("train"), "{arguments}");
    daemon.wait("its end", 20, |it| verdicts(it, "failed") == 1.0);
    assert!(children(daemon.pid()).is_empty(), "it is reaped");
    assert!(serves(&daemon, "0") && of_species(&daemon.metrics(), "eyeshine_labels_waiting") > 0.0);
    let log = daemon.stop().log;
    assert!(log.contains("training failed, the head that serves goes on: it was ended after 2 s"), "{log}");

    let mut daemon = Daemon::start_in_folder(&site.state(), "run", &["--config", text(&config)]);
    catch(&daemon, "-KILL");
    daemon.wait("word of the kill", 20, |it| verdicts(it, "failed") == 1.0);
    assert!(daemon.stop().log.contains("signal: 9"), "why it failed is said");

    let config = site.config("min_new_labels = 1");
    let daemon = Daemon::start_in_folder(&site.state(), "run", &["--config", text(&config)]);
    let hung = catch(&daemon, "-STOP");
    let ended = daemon.stop();
    assert!(ended.status.success() && ended.took < Duration::from_secs(5), "{:?}: {}", ended.took, ended.log);
    assert!(!Path::new(&format!("/proc/{hung}")).exists(), "it ended with the daemon");
    let (code, out, err) = site.run(&["train"]);
    assert_eq!(code, 0, "{out}{err}");
}

/// A store with made-up vectors, a cloud for each species: what is measured is time, not how right a head is.
struct MadeUp {
    store: Store,
    featurizer: String,
}

impl MadeUp {
    fn new(state: &Path) -> MadeUp {
        let config = StoreConfig {
            max_embeddings: 8,
            max_pictures: 3,
            blanks_per_hour: 60,
            media_max_mb: 1_000,
            database_max_mb: 1_000,
            picture_px: 64,
            jpeg_quality: 80,
            people: PeoplePictures::Hide,
        };
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
        let contract = Contract::load(&models, "efficientnet-lite0-int8").unwrap();
        MadeUp { store: Store::open_beside(state, &config).unwrap(), featurizer: contract.identity() }
    }

    fn label(&self, species: &str, nth: u32) {
        let mut state = nth.wrapping_mul(2_654_435_761) ^ species.bytes().fold(7, |it, b| it * 31 + u32::from(b));
        let seed = species.bytes().fold(1_u32, |it, b| it.wrapping_mul(131).wrapping_add(u32::from(b)));
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0
        };
        let of_species = |i: usize| (seed.wrapping_mul(i as u32 + 1) >> 7) % 5 == 0;
        let camera = metrics::Metrics::new().camera("gate");
        let at = Timestamp::from_second(1_770_000_000 + i64::from(nth) * 3_600).unwrap();
        let frame = Arc::new(Frame {
            camera: "gate".into(),
            number: 0,
            at,
            elapsed: Duration::ZERO,
            picture: Picture::still(RgbImage::from_pixel(16, 16, Rgb([seed as u8, nth as u8, 9]))),
            fate: camera.receive(),
        });
        let mut keepsake = |view| Keepsake {
            id: Uuid::now_v7(),
            frame: Arc::clone(&frame),
            area: frame.picture.area(),
            view,
            method: CaptureMethod::ActivityDetection,
            modality: Modality::Colour,
            embedding: Embedding {
                features: (0..DIMENSION).map(|i| noise() + if of_species(i) { 0.5 } else { 0.0 }).collect(),
                logits: None,
                second: None,
            },
            score: 0.5,
            picture: view == View::Whole,
        };
        let keepsakes = vec![keepsake(View::Whole), keepsake(View::Crop)];
        let mut sha256 = [seed as u8; 32];
        sha256[..4].copy_from_slice(&nth.to_le_bytes());
        sha256[4..8].copy_from_slice(&seed.to_le_bytes());
        let classes = BTreeMap::from([("species".to_owned(), species.to_owned())]);
        let event = ImportedEvent {
            camera: "gate".into(),
            name: format!("{species}-{nth}"),
            time_known: true,
            labeller: "ann".into(),
            frames: vec![ImportedFrame { sha256, keepsakes, classes }],
            known: Vec::new(),
        };
        self.store.import(&event, &self.featurizer).unwrap();
    }
}

#[test]
fn prove_a_label_is_live_in_seconds_and_cameras_do_not_feel_it() {
    let _alone = alone();
    let (n_events, labels) = if is_proof() { (2_000, 8) } else { (60, 2) };
    let site = Site::new();
    let config = site.config("min_new_labels = 1");
    let made_up = MadeUp::new(&site.state());
    for nth in 0..n_events {
        made_up.label(["badger", "boar", "deer", "fox", "hare", "lynx", "marten", "wolf"][nth as usize % 8], nth);
    }
    let relay = Relay::start(4).unwrap();
    let cameras = relay.cameras();
    let mut args = vec!["--config".to_owned(), text(&config).to_owned()];
    args.extend(cameras.iter().flat_map(|(name, uri)| ["--camera".into(), format!("{name}={uri}")]));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut daemon = Daemon::start_in_folder(&site.state(), "run", &args);
    daemon.wait("the first head", 300, |it| serves(it, "1"));
    daemon.wait("all cameras to play", 60, |it| {
        let metrics = it.metrics();
        cameras.iter().all(|(name, _)| metrics.is_in_state(name, "playing"))
    });
    daemon.wait("word of the first head", 60, |it| verdicts(it, "promoted") == 1.0);
    thread::sleep(Duration::from_secs(5));
    let (mut quiet, mut busy) = (Latencies::default(), Latencies::default());
    let (mut slowest, mut training_secs) = (0.0_f64, 0.0_f64);
    for nth in 0..labels {
        let label = Instant::now();
        made_up.label(&format!("new species {nth}"), 100_000 + nth);
        let began = |it: &Daemon| of_species(&it.metrics(), "eyeshine_train_last_run_timestamp_seconds");
        let before = began(&daemon);
        daemon.wait("the training", 60, |it| began(it) > before);
        let (from, training) = (Latencies::of(&daemon.metrics()), Instant::now());
        daemon.wait("its verdict", 300, |it| verdicts(it, "promoted") == f64::from(nth + 2));
        let (to, took) = (Latencies::of(&daemon.metrics()), training.elapsed());
        daemon.wait("the new head", 10, |it| serves(it, &(nth + 2).to_string()));
        slowest = slowest.max(label.elapsed().as_secs_f64());
        training_secs = training_secs.max(took.as_secs_f64());
        busy.add(&from, &to);
        thread::sleep(Duration::from_secs(1));
        let from = Latencies::of(&daemon.metrics());
        thread::sleep(took.max(Duration::from_secs(2)));
        quiet.add(&from, &Latencies::of(&daemon.metrics()));
    }
    let (p99, p99_quiet) = (busy.quantile(0.99), quiet.quantile(0.99));
    println!(
        "prove: {n_events} labelled events, {labels} labels of new species one by one: live {slowest:.1} s after the label at the \
         slowest (training {training_secs:.1} s); frames' p99 latency {:.1} ms while it trained ({:.0} frames), {:.1} ms \
         while not ({:.0}): {:.2}",
        1e3 * p99,
        busy.frames(),
        1e3 * p99_quiet,
        quiet.frames(),
        p99 / p99_quiet,
    );
    assert_eq!(verdicts(&daemon, "failed"), 0.0);
    let log = daemon.stop().log;
    assert_eq!(log.matches("unaccounted=0").count(), cameras.len(), "{log}");
    if is_proof() {
        assert!(slowest <= 10.0, "{slowest} s");
        assert!(p99 <= 1.25 * p99_quiet, "{p99} s, and {p99_quiet} s without");
    }
}
