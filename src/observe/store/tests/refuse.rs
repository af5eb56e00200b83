//! What a store refuses, in which words, and how it gets on with older ones.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;

use super::super::fixture::{self, FEATURIZER};
use super::super::{Store, StoreError, Wanted, schema};
use super::{files, number, raw};
use crate::domain::Change;
use crate::metrics::Metrics;

fn refused(dir: &Path) -> StoreError {
    Store::open(dir, &fixture::config(), Metrics::new()).expect_err("it opens")
}

#[test]
fn a_second_daemon_is_kept_out_until_the_first_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    let error = refused(dir.path());
    assert!(matches!(error, StoreError::Locked { .. }), "{error}");
    assert_eq!(error.exit_code(), 75);
    assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
    assert_eq!(Store::open_read(dir.path()).unwrap().counts().unwrap().events, 0, "others may read");
    drop(store);
    fixture::open(dir.path());
}

#[test]
fn a_later_schema_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    fixture::open(dir.path());
    raw(dir.path()).pragma_update(None, "user_version", 99).unwrap();
    let before = fs::read(dir.path().join("eyeshine.db")).unwrap();
    let schemas = schema::STEPS.len();
    for error in [refused(dir.path()), Store::open_read(dir.path()).expect_err("it opens")] {
        let newer = matches!(error, StoreError::Newer { found: 99, known, .. } if known as usize == schemas);
        assert!(newer, "{error}");
        assert_eq!(error.exit_code(), 78);
        assert!(error.to_string().contains("eyeshine.db has schema 99"), "{error}");
    }
    assert_eq!(fs::read(dir.path().join("eyeshine.db")).unwrap(), before);
}

#[test]
fn what_is_no_database_of_ours_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("eyeshine.db"), "a text file, and a rather long one at that: ".repeat(50)).unwrap();
    let error = refused(dir.path());
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert_eq!(error.exit_code(), 78);
    fs::remove_file(dir.path().join("eyeshine.db")).unwrap();
    raw(dir.path()).execute_batch("CREATE TABLE shopping (item)").unwrap();
    let error = refused(dir.path());
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert_eq!(number(&raw(dir.path()), "SELECT count(*) FROM sqlite_schema"), 1, "nothing was made in it");
}

#[test]
fn reading_where_there_is_nothing_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let error = Store::open_read(dir.path()).expect_err("it opens");
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    assert!(!dir.path().join("eyeshine.db").exists(), "reading makes nothing");
}

#[test]
fn an_older_schema_is_brought_up_to_date_after_a_copy() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("eyeshine.db");
    let known = schema::STEPS.len();
    let copy = schema::backup_path(&path, known as u32);
    let (store, _) = fixture::open(dir.path());
    let update = fixture::update(Change::Ended, "red fox", 1);
    store.save(&update, FEATURIZER).unwrap();
    drop(store);
    let with = |next: &'static str| [&schema::STEPS[..], &[next]].concat();
    let version = |path: &Path| number(&Connection::open(path).unwrap(), "PRAGMA user_version");

    // A step that fails leaves the old schema, and a copy.
    let broken = with("ALTER TABLE events ADD COLUMN weather TEXT; INSERT INTO nowhere VALUES (1);");
    let error = schema::open(&path, &broken).expect_err("the step fails");
    assert!(error.to_string().contains("nowhere"), "{error}");
    assert_eq!(version(&path), known as i64);
    assert!(raw(dir.path()).prepare("SELECT weather FROM events").is_err(), "half a step was left");
    assert!(copy.exists());

    // The next try takes the copy anew, even over an unfinished one.
    fs::write(copy.with_extension("bak.tmp"), b"half").unwrap();
    let db = schema::open(&path, &with("ALTER TABLE events ADD COLUMN weather TEXT NOT NULL DEFAULT 'dry';")).unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM events WHERE weather = 'dry'"), 1);
    assert_eq!((version(&path), version(&copy)), (known as i64 + 1, known as i64));
    assert_eq!(copy.file_name().unwrap(), &*format!("eyeshine.db.v{known}.bak"));
    let old = Connection::open(&copy).unwrap();
    assert_eq!(number(&old, "SELECT count(*) FROM events"), 1);
    assert!(old.prepare("SELECT weather FROM events").is_err());
    drop(db);

    // This program is now the older one; with the copy in its place it goes on.
    let error = refused(dir.path());
    assert!(matches!(error, StoreError::Newer { found, .. } if found as usize == known + 1), "{error}");
    fs::rename(copy, &path).unwrap();
    let (store, _) = fixture::open(dir.path());
    assert!(store.event(update.event.id).unwrap().is_some());
}

#[test]
fn two_that_open_at_once_make_one_database_and_bring_it_up_to_date_once() {
    let known = schema::STEPS.len() as u32;
    for round in 0..20 {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("eyeshine.db");
        // None is there, or an old one.
        if round % 2 == 1 {
            drop(schema::open(&path, &schema::STEPS[..1]).unwrap());
        }
        let start = std::sync::Barrier::new(3);
        std::thread::scope(|scope| {
            let open = || {
                start.wait();
                schema::open(&path, &schema::STEPS).map(|it| number(&it, "PRAGMA user_version"))
            };
            let opening = [(); 3].map(|()| scope.spawn(open));
            for it in opening {
                let opened = it.join().unwrap();
                assert_eq!(opened.unwrap_or_else(|error| panic!("round {round}: {error}")), i64::from(known));
            }
        });
        assert_eq!(schema::backup_path(&path, 1).exists(), round % 2 == 1);
    }
}

#[test]
fn a_database_of_the_first_schema_is_taken_over() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("eyeshine.db");
    drop(schema::open(&path, &schema::STEPS[..1]).unwrap());
    let (store, _) = fixture::open(dir.path());
    let update = fixture::update(Change::Ended, "red fox", 1);
    store.save(&update, FEATURIZER).unwrap();
    assert_eq!(store.latest_events(1, None).unwrap()[0].event.id, update.event.id);
    assert!(store.taught("species", FEATURIZER, None).unwrap().events.is_empty());
}

#[test]
fn what_was_said_under_the_second_schema_is_what_was_said_first() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("eyeshine.db");
    let event = uuid::Uuid::now_v7();
    let blob = event.simple();
    let old = schema::open(&path, &schema::STEPS[..2]).unwrap();
    old.execute_batch(&format!(
        "INSERT INTO deployments VALUES ('feeder_1', 'feeder', '', NULL, NULL, 'UTC', 0, 0, NULL);
         INSERT INTO generations VALUES ('species', 0, 0, 'lite0-test', '');
         INSERT INTO events (id, deployment, camera, start_us, end_us, duration_secs, state, modality, looks, blank)
             VALUES (x'{blob}', 'feeder_1', 'feeder', 0, 0, 1.0, 'ended', 'colour', 5, 0);
         INSERT INTO observations (id, event, position, task, generation, type, class, scientific_name, probability)
             VALUES (7, x'{blob}', 0, 'species', 0, 'animal', 'fox', 'Vulpes vulpes', .9),
                    (9, x'{blob}', 1, 'species', 0, 'animal', 'hen', 'Gallus gallus', .8);"
    ))
    .unwrap();
    drop(old);
    let (store, _) = fixture::open(dir.path());
    let stored = store.event(event).unwrap().unwrap();
    let names: Vec<String> = stored.event.observations.iter().map(|it| it.label()).collect();
    assert_eq!((names, stored.first), (vec!["fox".to_owned(), "hen".to_owned()], Vec::new()));
    let db = raw(dir.path());
    assert_eq!(number(&db, "SELECT sum(id) FROM observations WHERE current = 1 AND rescored = 0"), 16);
    assert_eq!(number(&db, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    assert!(schema::backup_path(&path, 2).exists());
    // What goes with an event still goes with it.
    db.execute_batch("PRAGMA foreign_keys = ON; DELETE FROM events").unwrap();
    assert_eq!(number(&db, "SELECT count(*) FROM observations"), 0);
}

#[test]
fn what_was_said_under_the_third_schema_still_holds() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("eyeshine.db");
    let (event, answer) = (uuid::Uuid::now_v7(), uuid::Uuid::now_v7());
    let old = schema::open(&path, &schema::STEPS[..3]).unwrap();
    old.execute_batch(&format!(
        "INSERT INTO deployments VALUES ('feeder_1', 'feeder', '', NULL, NULL, 'UTC', 0, 0, NULL);
         INSERT INTO events (id, deployment, camera, start_us, end_us, duration_secs, state, modality, looks, blank)
             VALUES (x'{0}', 'feeder_1', 'feeder', 0, 0, 1.0, 'ended', 'colour', 5, 0);
         INSERT INTO answers (id, event, task, labeller, given_us) VALUES (x'{1}', x'{0}', 'species', 'ann', 1);
         INSERT INTO labels (answer, position, class) VALUES (x'{1}', 0, 'human');",
        event.simple(),
        answer.simple()
    ))
    .unwrap();
    drop(old);
    let (store, _) = fixture::open(dir.path());
    assert!(schema::backup_path(&path, 3).exists());
    assert!(store.event(event).unwrap().unwrap().event.people);
    let recorded = store.recorded(Some("ann"), None).unwrap();
    assert_eq!((recorded.len(), store.rename("species", "human", "person").unwrap()), (1, 1));
    // Answers of before have no keys, and those of now are told apart by theirs.
    let db = raw(dir.path());
    assert_eq!(number(&db, "SELECT count(*) FROM answers WHERE client_key IS NULL AND question IS NULL"), 1);
    assert_eq!(number(&db, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
    assert_eq!(store.withdraw(Some("ann"), None).unwrap(), 1);
    assert_eq!(store.queue_state("species").unwrap(), crate::observe::store::QueueState::default());
}

#[test]
fn files_and_rows_are_brought_together_again_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    let update = fixture::update(Change::Ended, "red fox", 2);
    store.save(&update, FEATURIZER).unwrap();
    let path = |i: usize| fixture::picture_file(&store, update.keepsakes[i].id).unwrap();
    let (kept, gone) = (path(0), path(1));
    drop(store);
    fs::remove_file(gone).unwrap();
    let stray = kept.with_file_name(format!("{}.jpg", uuid::Uuid::now_v7()));
    fs::write(&stray, b"stray").unwrap();
    fs::write(stray.with_extension("tmp"), b"half").unwrap();
    let (store, metrics) = fixture::open(dir.path());
    assert_eq!(files(dir.path()), std::slice::from_ref(&kept));
    assert_eq!(store.event(update.event.id).unwrap().unwrap().event.media, [update.keepsakes[0].id]);
    assert_eq!(metrics.media_bytes.get() as u64, kept.metadata().unwrap().len());
}

#[test]
fn what_a_command_is_just_bringing_is_no_stray_to_a_daemon_that_starts() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    store.save(&fixture::update(Change::Ended, "red fox", 2), FEATURIZER).unwrap();
    let kept = files(dir.path());
    drop(store);
    let beside = Store::open_beside(dir.path(), &fixture::config()).unwrap();
    let brought = kept[0].with_file_name(format!("{}.jpg", uuid::Uuid::now_v7()));
    let old = kept[0].with_file_name(format!("{}.jpg", uuid::Uuid::now_v7()));
    fs::write(&brought, b"its row comes next").unwrap();
    fs::write(&old, b"of a crash").unwrap();
    let an_hour_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3_600);
    fs::File::options().write(true).open(&old).unwrap().set_modified(an_hour_ago).unwrap();
    drop(fixture::open(dir.path()));
    assert!(brought.exists() && !old.exists());
    drop(beside);
    drop(fixture::open(dir.path()));
    assert!(!brought.exists(), "nobody brings it any more");
    assert_eq!(files(dir.path()).len(), kept.len());
}

/// As an unprivileged user: root may write anywhere.
#[test]
fn a_folder_that_cannot_be_written_is_refused_with_its_name() {
    let test = concat!(module_path!(), "::a_folder_that_cannot_be_written_is_refused_with_its_name");
    if let Some(state) = fixture::role() {
        let state = Path::new(&state);
        let error = refused(state);
        assert!(matches!(error, StoreError::Unwritable { .. }), "{error}");
        assert_eq!(error.exit_code(), 75);
        assert!(error.to_string().contains(state.to_str().unwrap()), "{error}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    mode(dir.path(), 0o755);
    // The build's own folder may be closed to others.
    let program = dir.path().join("program");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    mode(&program, 0o755);
    let (empty, used, locked) = (dir.path().join("empty"), dir.path().join("used"), dir.path().join("locked"));
    // Nothing may be made in it; the folder may be written, its database not; and it may not even be looked into.
    for folder in [&empty, &used, &locked] {
        fs::create_dir(folder).unwrap();
    }
    fixture::open(&used);
    mode(&used.join("eyeshine.db"), 0o444);
    mode(&used.join("lock"), 0o666);
    mode(&used.join("media"), 0o777);
    mode(&used, 0o777);
    mode(&empty, 0o555);
    mode(&locked, 0o000);
    for state in [&empty, &used, &locked, &empty.join("new")] {
        let mut command = if rustix::process::geteuid().is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
            command
        } else {
            Command::new("env")
        };
        fixture::play(&mut command, &program, test, state.to_str().unwrap());
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{}: {said}", state.display());
    }
    mode(&locked, 0o755);
}

#[test]
fn what_was_said_under_the_fourth_schema_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("eyeshine.db");
    let (event, ids) = (uuid::Uuid::now_v7(), [(); 3].map(|()| uuid::Uuid::now_v7()));
    let old = schema::open(&path, &schema::STEPS[..4]).unwrap();
    let answers = [(0, "hare", "NULL"), (1, "fox", "7"), (2, "fox", "NULL")].map(|(nth, class, withdrawn)| {
        let answer = ids[nth].simple();
        format!(
            "INSERT INTO answers (id, event, task, labeller, given_us, withdrawn_us)
                 VALUES (x'{answer}', x'{0}', 'species', 'ann', 1, {withdrawn});
             INSERT INTO labels (answer, position, class) VALUES (x'{answer}', 0, '{class}');",
            event.simple(),
        )
    });
    old.execute_batch(&format!(
        "INSERT INTO deployments VALUES ('feeder_1', 'feeder', '', NULL, NULL, 'UTC', 0, 0, NULL);
         INSERT INTO generations VALUES ('species', 0, 0, 'lite0-test', '');
         INSERT INTO events (id, deployment, camera, start_us, end_us, duration_secs, state, modality, looks, blank)
             VALUES (x'{0}', 'feeder_1', 'feeder', 0, 0, 1.0, 'ended', 'colour', 5, 0);
         INSERT INTO observations (event, task, task_position, rescored, current, position, generation, type, class, probability)
             VALUES (x'{0}', 'species', 0, 0, 1, 0, 0, 'animal', 'hare', .9);
         {1}",
        event.simple(),
        answers.concat(),
    ))
    .unwrap();
    drop(old);
    let (store, _) = fixture::open(dir.path());
    assert!(schema::backup_path(&path, 4).exists());
    let counts = store.label_counts().unwrap().remove("species").unwrap();
    assert_eq!((counts["hare"], counts["fox"]), ([1, 0], [2, 1]));
    let named: Vec<String> = store.classes_named("species").unwrap().into_iter().map(|it| it.class).collect();
    assert_eq!(named, ["hare", "fox"]);
    let wanted = Wanted { class: Some("hare".into()), camera: Some("feeder".into()), ..Wanted::default() };
    assert_eq!(store.found(&wanted, 9, None).unwrap()[0].event.id, event);
}
