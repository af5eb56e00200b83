//! Killed at any moment, the store is whole, and has all that it said.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::bounded;
use jiff::Timestamp;
use rand::{RngExt, SeedableRng};
use uuid::Uuid;

use super::super::Store;
use super::super::fixture::{self, FEATURIZER};
use super::{bytes, ended, files, number, raw};
use crate::config::{OutputFormat, StoreConfig};
use crate::domain::{Change, EventState};
use crate::metrics::Metrics;
use crate::observe::publish::Sink;
use crate::observe::record::spawn_recorder;
use crate::observe::stdout::Stdout;

/// A sample; `EYESHINE_KILLS` asks for more.
const KILLS: usize = 15;

/// Small caps, so that pictures are replaced and deleted all the time.
fn config() -> StoreConfig {
    StoreConfig { media_max_mb: 1, ..fixture::config() }
}

#[test]
fn a_killed_daemon_loses_nothing_that_it_announced() {
    if let Some(state) = fixture::role() {
        return record_for_ever(Path::new(&state));
    }
    let test = concat!(module_path!(), "::a_killed_daemon_loses_nothing_that_it_announced");
    let dir = tempfile::tempdir().unwrap();
    let kills = std::env::var("EYESHINE_KILLS").map_or(KILLS, |it| it.parse().unwrap());
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let (mut announced, mut recovered) = (0, 0);
    for kill in 0..kills {
        let mut command = Command::new("env");
        fixture::play(&mut command, &std::env::current_exe().unwrap(), test, dir.path().to_str().unwrap());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let out = child.stdout.take().unwrap();
        let (first, announces) = bounded(1);
        let lines = thread::spawn(move || {
            let lines = BufReader::new(out).lines().map_while(Result::ok);
            let tell = |line: &String| {
                if line.starts_with('{') {
                    // Full: the first was told already.
                    let _ = first.try_send(());
                }
            };
            lines.inspect(tell).collect::<Vec<_>>()
        });
        // Half of the kills fall anywhere, the start too; the others come after the first announcement.
        if kill % 2 == 1 {
            announces.recv_timeout(Duration::from_secs(30)).expect("the child announces nothing");
        }
        thread::sleep(Duration::from_millis(rng.random_range(5..300)));
        child.kill().unwrap();
        child.wait().unwrap();
        let lines = lines.join().unwrap();
        let whole: Vec<serde_json::Value> =
            lines.iter().filter(|it| it.starts_with('{')).filter_map(|it| serde_json::from_str(it).ok()).collect();
        announced += whole.len();
        if dir.path().join("eyeshine.db").exists() {
            recovered += check(dir.path(), &whole, kill);
        }
    }
    println!("{announced} announcements, {recovered} events recovered");
    assert!(announced >= kills / 2, "only {announced} announcements: nothing was tried");
    assert!(recovered > 0, "no kill fell into an open event: nothing was tried");
}

/// Everything announced is there, and everything there is whole; gives how many events were left open.
fn check(state: &Path, announced: &[serde_json::Value], kill: usize) -> usize {
    let db = raw(state);
    let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok", "kill {kill}");
    if number(&db, "PRAGMA user_version") == 0 {
        assert!(announced.is_empty());
        return 0;
    }
    assert!(db.prepare("PRAGMA foreign_key_check").unwrap().query([]).unwrap().next().unwrap().is_none());
    let rows: Vec<(String, u64)> = db
        .prepare("SELECT file, bytes FROM media WHERE file IS NOT NULL")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    for (file, bytes) in &rows {
        let length = state.join(file).metadata().map(|it| it.len());
        assert_eq!(length.ok(), Some(*bytes), "kill {kill}: {file}");
    }
    drop(db);

    let metrics = Metrics::new();
    let store = Store::open(state, &config(), Arc::clone(&metrics)).unwrap();
    for line in announced {
        let id: Uuid = line["id"].as_str().unwrap().parse().unwrap();
        let event = store.event(id).unwrap().unwrap_or_else(|| panic!("kill {kill}: {line} is not stored")).event;
        assert!(u64::from(event.looks) >= line["looks"].as_u64().unwrap(), "kill {kill}: {line} was newer");
        if line["change"] == "ended" {
            assert_eq!(event.state, EventState::Ended, "kill {kill}: {line}");
        }
    }
    assert_eq!(files(state).len(), rows.len(), "kill {kill}: a stray file is left");
    assert_eq!(metrics.media_bytes.get() as u64, bytes(state));
    let counts = store.counts().unwrap();
    assert_eq!((counts.pictures, counts.picture_bytes), (rows.len() as u64, bytes(state)), "kill {kill}");
    assert_eq!(number(&raw(state), "SELECT count(*) FROM events"), counts.events as i64, "kill {kill}");
    let left_open = store.recover().unwrap().len();
    assert_eq!(number(&raw(state), "SELECT count(*) FROM events WHERE state = 'open'"), 0);
    left_open
}

/// The child: events without end, until it is killed.
fn record_for_ever(state: &Path) {
    let metrics = Metrics::new();
    let store = Store::open(state, &config(), Arc::clone(&metrics)).unwrap();
    let stdout = Stdout::spawn(OutputFormat::Json, &[], &metrics).unwrap().unwrap();
    let (updates, input) = bounded(1);
    let sinks: Vec<Box<dyn Sink>> = vec![Box::new(stdout)];
    spawn_recorder(input, store, sinks, FEATURIZER.into(), metrics).unwrap();
    let frame = fixture::noise(256, Timestamp::now());
    for n in 0_u32.. {
        let mut update = fixture::update(Change::Opened, "red fox", 0);
        for (look, change) in [Change::Opened, Change::Progressed, Change::Changed].into_iter().enumerate() {
            update.change = change;
            update.event.looks = 10 * (look as u32 + 1);
            // Each better than the last, so that one is replaced at every save.
            let score = 0.1 * (look as f32 + 1.0);
            update.keepsakes = vec![fixture::keepsake(&frame, score), fixture::keepsake(&frame, score)];
            updates.send(update.clone()).unwrap();
        }
        // Some are never over.
        if n % 4 != 0 {
            updates.send(ended(&update)).unwrap();
        }
    }
}
