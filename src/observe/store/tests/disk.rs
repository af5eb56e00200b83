//! A disk that is full takes no picture, costs no event, and passes.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use jiff::Timestamp;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use uuid::Uuid;

use super::super::fixture::{self, FEATURIZER};
use super::super::{Store, StoreError, schema};
use super::{camera, ended, files, raw};
use crate::config::CameraConfig;
use crate::domain::{Change, Event, EventUpdate};
use crate::metrics::Metrics;
use crate::observe::publish::Sink;
use crate::observe::record::spawn_recorder;

/// Tells what it is told, and whether that was on disk then.
struct Witness(Sender<(Uuid, Change, bool)>, Store);

impl Sink for Witness {
    fn publish(&mut self, event: &Event, change: Change) {
        let stored = self.1.event(event.id).is_ok_and(|it| it.is_some());
        self.0.send((event.id, change, stored)).unwrap();
    }
}

/// A way to make a disk full, and to make room again.
trait Disk {
    fn fill(&self);
    fn free(&self);
    /// The word of what is wrong with it.
    fn reason(&self) -> &'static str;
}

/// A small file system of its own.
struct Small(PathBuf);

impl Disk for Small {
    fn fill(&self) {
        let mut ballast = File::options().create(true).append(true).open(self.0.join("ballast")).unwrap();
        // Down to the last byte.
        for size in [65_536, 4096, 512, 1] {
            while ballast.write(&vec![0; size]).is_ok_and(|n| n > 0) {}
        }
    }

    fn free(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }

    fn reason(&self) -> &'static str {
        "disk_full"
    }
}

/// Where nothing may be mounted: no file may grow, which SQLite cannot tell from other errors.
struct Limited(Rlimit);

impl Disk for Limited {
    fn fill(&self) {
        setrlimit(Resource::Fsize, Rlimit { current: Some(0), maximum: self.0.maximum }).unwrap();
    }

    fn free(&self) {
        setrlimit(Resource::Fsize, Rlimit { current: self.0.current, maximum: self.0.maximum }).unwrap();
    }

    fn reason(&self) -> &'static str {
        "io"
    }
}

#[test]
fn a_full_disk_costs_pictures_and_no_event_and_passes() {
    match fixture::role() {
        Some(mount) if mount.is_empty() => {
            let dir = tempfile::tempdir().unwrap();
            return fills_up(dir.path(), &Limited(getrlimit(Resource::Fsize)));
        }
        Some(mount) => {
            let mount = Path::new(&mount);
            let disk = Small(mount.to_owned());
            pictures_make_room_for_each_other(&mount.join("own"));
            has_no_room_for_a_copy(&mount.join("update"), &disk);
            fills_up(&mount.join("state"), &disk);
            takes_rows_but_no_pictures(&mount.join("tight"), &disk);
            return is_full_from_the_start(&mount.join("full"), &disk);
        }
        None => {}
    }
    let test = concat!(module_path!(), "::a_full_disk_costs_pictures_and_no_event_and_passes");
    let program = std::env::current_exe().unwrap();
    let passes = |mut command: Command, role: &str| {
        fixture::play(&mut command, &program, test, role);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    };
    let mut limited = Command::new("sh");
    // The signal that comes with the limit would end the program.
    limited.args(["-c", "trap '' XFSZ; exec \"$@\"", "sh"]);
    passes(limited, "");
    // A mount in a namespace of its own goes with it.
    let dir = tempfile::tempdir().unwrap();
    let mounted = |then: &str| {
        let mut command = Command::new("unshare");
        let mount = format!("mount -t tmpfs -o size=8m tmpfs {} && {then}", dir.path().display());
        command.args(["--map-root-user", "--mount", "sh", "-c", &mount, "sh"]);
        command
    };
    if mounted("true").output().is_ok_and(|it| it.status.success()) {
        passes(mounted("exec \"$@\""), dir.path().to_str().unwrap());
    } else {
        println!("no file system may be mounted here: tried with a limit on files alone");
    }
}

struct Daemon {
    store: Store,
    metrics: Arc<Metrics>,
    updates: Sender<EventUpdate>,
    told: Receiver<(Uuid, Change, bool)>,
    recorder: std::thread::JoinHandle<()>,
}

impl Daemon {
    fn start(state: &Path) -> Daemon {
        let (store, metrics) = fixture::open(state);
        let (tell, told) = unbounded();
        let (updates, input) = bounded(4);
        let witness: Vec<Box<dyn Sink>> = vec![Box::new(Witness(tell, store.clone()))];
        let recorder = spawn_recorder(input, store.clone(), witness, FEATURIZER.into(), Arc::clone(&metrics)).unwrap();
        Daemon { store, metrics, updates, told, recorder }
    }

    /// What is told next, which must be on disk.
    fn hears(&self) -> (Uuid, Change) {
        let (id, change, stored) = self.told.recv_timeout(Duration::from_secs(90)).expect("nothing is told");
        assert!(stored, "it was told before it was stored");
        (id, change)
    }

    /// Whether the disk refuses for good: every hurried try of a save, and the first of those that follow. A log that was
    /// just emptied may take a few rows more.
    fn is_refused(&self, disk: &impl Disk) -> bool {
        let tried = self.errors(disk.reason());
        while !self.store.is_writable() {
            if self.errors(disk.reason()) >= tried + 4 {
                return true;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }

    fn errors(&self, reason: &str) -> u64 {
        self.metrics.store_errors.with_label_values(&[reason]).get()
    }
}

fn fox() -> EventUpdate {
    let mut update = fixture::update(Change::Opened, "red fox", 0);
    update.keepsakes = vec![fixture::keepsake(&fixture::noise(256, Timestamp::now()), 0.5)];
    update
}

/// The disk fills while the daemon runs: events wait, unheard, and are saved and told once there is room.
fn fills_up(state: &Path, disk: &impl Disk) {
    let daemon = Daemon::start(state);
    let before = fox();
    daemon.updates.send(before.clone()).unwrap();
    assert_eq!(daemon.hears(), (before.event.id, Change::Opened));
    assert!(daemon.store.is_writable());

    let mut waiting = Vec::new();
    while !daemon.is_refused(disk) {
        disk.fill();
        let update = fox();
        waiting.push(update.event.id);
        daemon.updates.send_timeout(update, Duration::from_secs(10)).expect("the flow stands still");
        assert!(waiting.len() < 900, "the disk is never full");
    }
    let mut last = fox();
    daemon.updates.send(last.clone()).unwrap();
    last.change = Change::Progressed;
    daemon.updates.send(last.clone()).unwrap();
    daemon.updates.send(ended(&last)).unwrap();
    daemon.updates.send(ended(&before)).unwrap();
    assert!(daemon.store.probe().is_err() && !daemon.store.is_writable());
    assert!(daemon.errors(disk.reason()) > 2);

    disk.free();
    for id in waiting {
        assert_eq!(daemon.hears(), (id, Change::Opened));
    }
    assert_eq!(daemon.hears(), (last.event.id, Change::Ended), "what nobody heard in time is told as one");
    assert_eq!(daemon.hears(), (before.event.id, Change::Ended));
    let after = fox();
    daemon.updates.send(after.clone()).unwrap();
    assert_eq!(daemon.hears(), (after.event.id, Change::Opened));
    assert!(daemon.store.is_writable());
    assert!(fixture::picture_file(&daemon.store, after.keepsakes[0].id).unwrap().exists());
    assert!(daemon.metrics.media_skipped.with_label_values(&["write"]).get() > 0, "pictures were lost silently");
    assert_eq!(daemon.errors("lost"), 0);
    let unfinished = files(state).into_iter().find(|it| it.extension().is_none_or(|it| it != "jpg"));
    assert_eq!(unfinished, None, "half a picture was left");
    drop(daemon.updates);
    daemon.recorder.join().unwrap();
    assert_eq!(daemon.metrics.events.with_label_values(&["species", "red fox"]).get(), 2);
}

/// Room for rows, none for pictures: the event is stored without.
fn takes_rows_but_no_pictures(state: &Path, disk: &Small) {
    let (store, metrics) = fixture::open(state);
    store.save(&fox(), FEATURIZER).unwrap();
    let kept = files(state).len();
    disk.fill();
    // Room for the rows of a save, and even for a picture: but that is kept for rows.
    let ballast = File::options().write(true).open(disk.0.join("ballast")).unwrap();
    ballast.set_len(ballast.metadata().unwrap().len() - 250_000).unwrap();
    let update = fox();
    store.save(&update, FEATURIZER).unwrap();
    assert!(store.event(update.event.id).unwrap().unwrap().event.media.is_empty());
    assert_eq!(metrics.media_skipped.with_label_values(&["write"]).get(), 1);
    assert_eq!(metrics.store_errors.with_label_values(&["disk_full"]).get(), 1);
    assert_eq!(files(state).len(), kept);
    disk.free();
}

/// Pictures alone fill the disk, long before their cap: the oldest go, and the latest are kept.
fn pictures_make_room_for_each_other(state: &Path) {
    let (store, metrics) = fixture::open(state);
    let large = |_| {
        let mut update = fox();
        update.keepsakes = vec![fixture::keepsake(&fixture::noise(700, Timestamp::now()), 0.5)];
        update
    };
    let seen: Vec<EventUpdate> = (0..24).map(large).collect();
    for it in &seen {
        store.save(it, FEATURIZER).unwrap();
    }
    let has_picture = |it: &EventUpdate| !store.event(it.event.id).unwrap().unwrap().event.media.is_empty();
    assert!(metrics.media_deleted.get() > 0, "the disk was never full: {} files", files(state).len());
    let kept: Vec<bool> = seen.iter().map(has_picture).collect();
    assert!(kept.iter().rev().take(3).all(|it| *it) && !kept[0], "{kept:?}");
    assert_eq!(metrics.media_skipped.with_label_values(&["write"]).get(), 0);
    assert_eq!(metrics.media_bytes.get() as u64, super::bytes(state));
    drop(store);
    fs::remove_dir_all(state).unwrap();
}

/// The copy before an update of the schema does not fit: it is not begun, and says how much it would take.
fn has_no_room_for_a_copy(state: &Path, disk: &Small) {
    drop(fixture::open(state));
    let database = state.join("eyeshine.db");
    let next = [&schema::STEPS[..], &["UPDATE ballast SET data = zeroblob(1);"]].concat();
    raw(state).execute_batch("CREATE TABLE ballast AS SELECT randomblob(500000) AS data").unwrap();
    disk.fill();
    let ballast = disk.0.join("ballast");
    let length = ballast.metadata().unwrap().len();
    File::options().write(true).open(&ballast).unwrap().set_len(length - 300_000).unwrap();
    let error = schema::open(&database, &next).expect_err("there is no room");
    assert!(matches!(error, StoreError::NoRoom { .. }) && error.to_string().contains("make 1 MB of room"), "{error}");
    disk.free();
    schema::open(&database, &next).unwrap();
    let unfinished = |it: &fs::DirEntry| it.path().extension().is_some_and(|it| it == "tmp");
    assert!(!fs::read_dir(state).unwrap().any(|it| unfinished(&it.unwrap())));
    fs::remove_dir_all(state).unwrap();
}

/// The disk is full before the daemon starts: it runs, not ready, until there is room.
fn is_full_from_the_start(state: &Path, disk: &Small) {
    fs::create_dir(state).unwrap();
    File::create(state.join("lock")).unwrap();
    disk.fill();
    let daemon = Daemon::start(state);
    assert!(!daemon.store.is_writable());
    let camera = CameraConfig { place: "at the brook".into(), ..camera() };
    daemon.store.register_deployment(&camera).expect("a full disk is no reason to end");
    let update = fox();
    daemon.updates.send(update.clone()).unwrap();
    assert_eq!(daemon.store.latest_events(1, None).unwrap(), []);
    assert!(daemon.told.recv_timeout(Duration::from_millis(300)).is_err(), "it was told, and is not stored");
    disk.free();
    assert_eq!(daemon.hears(), (update.event.id, Change::Opened));
    assert!(daemon.store.is_writable());
    assert_eq!(daemon.store.event(update.event.id).unwrap().unwrap().place, "at the brook");
}
