//! When a training is due, and what one that fails leaves behind.

#![allow(clippy::unwrap_used)]

use rusqlite::params;
use uuid::Uuid;

use super::*;
use crate::clock::SystemClock;
use crate::domain::{Change, Observation};
use crate::observe::store::{Store, fixture};
use crate::teach::waiting::Seen;

struct Site {
    dir: tempfile::TempDir,
    store: Store,
    metrics: Arc<Metrics>,
}

impl Site {
    fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let (store, metrics) = fixture::open(dir.path());
        Site { dir, store, metrics }
    }

    fn label(&self, classes: &[&str]) {
        let update = fixture::update(Change::Ended, "red fox", 1);
        self.store.save(&update, fixture::FEATURIZER).unwrap();
        let db = self.db();
        for class in classes {
            let id = Uuid::now_v7();
            let sql = "INSERT INTO answers (id, event, task, labeller, given_us) VALUES (?1, ?2, 'species', 'ann', 0)";
            db.execute(sql, params![id.as_bytes(), update.event.id.as_bytes()]).unwrap();
            db.execute(
                "INSERT INTO labels (answer, position, class) VALUES (?1, 0, ?2)",
                params![id.as_bytes(), class],
            )
            .unwrap();
        }
    }

    fn db(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.dir.path().join("eyeshine.db")).unwrap()
    }

    fn retrainer(&self, min_new_labels: u64, retrain_hours: f64) -> Retrainer {
        let config = TeachConfig {
            tasks: vec!["content".into(), "species".into()],
            protected: Vec::new(),
            min_new_labels,
            retrain_hours,
            retrain_max_secs: 60.0,
            shadow_events: 0,
            keep_generations: 5,
        };
        let program = Program { config: None, state_dir: self.dir.path().to_owned() };
        let (reader, metrics) = (Store::reader(self.dir.path()), Arc::clone(&self.metrics));
        Retrainer::new(&config, program, reader, Arc::new(SystemClock::default()), metrics)
    }

    fn waiting(&self) -> i64 {
        self.metrics.teaching.waiting.with_label_values(&["species"]).get()
    }
}

/// The look after the labels have settled.
fn due(it: &mut Retrainer) -> [Option<&'static str>; 2] {
    it.counted.next = Instant::now();
    it.count().unwrap();
    [0, 1].map(|task| it.due(task))
}

#[test]
fn enough_labels_are_trained_once_nobody_adds_to_them() {
    let site = Site::new();
    let mut it = site.retrainer(3, 0.0);
    assert_eq!((due(&mut it), site.waiting()), ([None, None], 0));
    site.label(&["fox", "deer"]);
    assert_eq!((due(&mut it), due(&mut it), site.waiting()), ([None; 2], [None; 2], 2));
    site.label(&["fox"]);
    assert_eq!(due(&mut it), [None, None], "they have just grown");
    assert_eq!((due(&mut it), site.waiting()), ([None, Some("labels")], 3));

    // Once a training has seen them, nothing waits; what is taken back or renamed is as good as a label.
    let labels = it.counted.labels["species"].clone();
    Generations::of(site.dir.path(), "species").set_seen(&Seen { at: Timestamp::now(), labels }).unwrap();
    assert_eq!((due(&mut it), site.waiting()), ([None, None], 0));
    site.db().execute("UPDATE answers SET withdrawn_us = 1", []).unwrap();
    due(&mut it);
    assert_eq!((due(&mut it), site.waiting()), ([None, Some("labels")], 3));
    site.db().execute("UPDATE labels SET class = 'red fox' WHERE class = 'fox'", []).unwrap();
    due(&mut it);
    assert_eq!(site.waiting(), 1 + 2 + 2 * 2, "the deer; the foxes gone, and come under another name");
}

#[test]
fn a_few_labels_wait_for_the_clock_and_none_for_nothing() {
    let site = Site::new();
    let mut it = site.retrainer(0, 24.0);
    let seen = |hours: i64| {
        let at = Timestamp::now() - jiff::SignedDuration::from_hours(hours);
        Generations::of(site.dir.path(), "species").set_seen(&Seen { at, ..Seen::default() }).unwrap();
    };
    seen(30);
    assert_eq!(due(&mut it), [None, None], "no label is new");
    site.label(&["fox"]);
    due(&mut it);
    std::fs::remove_file(Generations::of(site.dir.path(), "species").seen_file()).unwrap();
    assert_eq!(due(&mut it), [None, None], "nothing was ever trained, and the first label is no day old");
    seen(30);
    assert_eq!(due(&mut it), [None, Some("schedule")]);
    seen(20);
    assert_eq!(due(&mut it), [None, None]);
    seen(-30);
    assert_eq!(due(&mut it), [None, Some("schedule")], "the clock was set back");
}

#[test]
fn what_somebody_else_trains_or_erases_is_waited_for_and_no_failure() {
    let site = Site::new();
    let mut it = site.retrainer(1, 0.0);
    site.label(&["fox"]);
    let lock = Generations::of(site.dir.path(), "species").lock().unwrap();
    for _ in 0..2 {
        it.counted.next = Instant::now();
        it.look();
    }
    assert!(it.training.is_none() && it.tasks[1].not_before.is_some());
    let failed = site.metrics.teaching.verdicts.with_label_values(&["species", "failed"]).get();
    assert_eq!((failed, it.tasks[1].failures, site.waiting()), (0, 0, 1));
    drop(lock);
    it.tasks[1].not_before = None;
    it.look();
    assert!(it.training.is_some());
}

/// The program is the test's own, which knows no `train`: it says so, and fails.
#[test]
fn a_training_that_fails_is_counted_and_tried_again_later_and_later() {
    let site = Site::new();
    let mut it = site.retrainer(1, 0.0);
    site.label(&["fox"]);
    for failures in 1..=3 {
        it.counted.next = Instant::now();
        it.look();
        if it.training.is_none() {
            it.look();
        }
        assert!(it.training.is_some(), "after {failures}: {:?}", it.tasks[1]);
        let deadline = Instant::now() + Duration::from_secs(30);
        while it.training.is_some() {
            assert!(Instant::now() < deadline);
            thread::sleep(Duration::from_millis(10));
            it.look();
        }
        let failed = site.metrics.teaching.verdicts.with_label_values(&["species", "failed"]).get();
        assert_eq!((failed, it.tasks[1].failures), (u64::from(failures), failures));
        assert!(site.waiting() > 0);
        assert_eq!(due(&mut it), [None, None], "not at once");
        let wait = it.tasks[1].not_before.unwrap() - Instant::now();
        let expected = FIRST_BACKOFF * (1 << (failures - 1));
        assert!(wait <= expected && wait > expected - Duration::from_secs(5), "{wait:?}");
        it.tasks[1].not_before = None;
    }
}

#[test]
fn how_a_head_does_in_service_is_counted_by_event() {
    let site = Site::new();
    // The starter head said "red fox" each time.
    site.label(&["deer", "red fox"]);
    site.label(&["deer"]);
    site.label(&[]);
    let service = site.store.service(&Generation { task: "species".into(), number: 0 }).unwrap();
    assert_eq!((service.labelled, service.agreed, service.answered, service.unknown), (2, 1, 3, 0));
    let later = Generation { task: "species".into(), number: 1 };
    let other = site.store.service(&later).unwrap();
    assert_eq!((other.labelled, other.answered), (0, 0));
    // What a later head says of them is no proof of it: it may have been fitted on them.
    for it in site.store.latest_events(3, None).unwrap() {
        let said = Observation { generation: later.clone(), ..fixture::observation("deer") };
        site.store.rescore("species", fixture::FEATURIZER, &[(it.event.id, vec![said])]).unwrap();
    }
    assert_eq!(site.store.service(&later).unwrap(), other);
    let first = site.store.service(&Generation { task: "species".into(), number: 0 }).unwrap();
    assert_eq!(first, service);
}

#[test]
fn how_a_further_task_s_head_does_is_counted_by_its_own_observations() {
    let site = Site::new();
    let mut update = fixture::update(Change::Ended, "red fox", 1);
    let generation = Generation { task: "content".into(), number: 4 };
    update.event.observations.push(Observation { generation: generation.clone(), ..fixture::observation("human") });
    site.store.save(&update, fixture::FEATURIZER).unwrap();
    let (db, answer) = (site.db(), Uuid::now_v7());
    let sql = "INSERT INTO answers (id, event, task, labeller, given_us) VALUES (?1, ?2, 'content', 'ann', 0)";
    db.execute(sql, params![answer.as_bytes(), update.event.id.as_bytes()]).unwrap();
    let sql = "INSERT INTO labels (answer, position, class) VALUES (?1, 0, 'human')";
    db.execute(sql, params![answer.as_bytes()]).unwrap();
    let service = site.store.service(&generation).unwrap();
    assert_eq!((service.labelled, service.agreed, service.answered, service.unknown), (1, 1, 1, 0));
}
