//! What people say of single events: superseded, taken back, called otherwise, each as if it had never been.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::super::fixture::{self, FEATURIZER};
use super::super::{Answer, AnswerError, FrameName, ImportedEvent, ImportedFrame, LifeStage, Sex, Species, Store};
use super::{number, raw};
use crate::domain::Change;
use crate::infer::learned::Learned;
use crate::teach::fit::fit;

const CLASSES: [&str; 3] = ["blank", "fox", "hen"];

fn say(event: Uuid, labeller: &str, classes: &[&str]) -> Answer {
    Answer {
        event,
        frame: None,
        task: "species".into(),
        labeller: labeller.into(),
        species: classes.iter().map(|it| Species::of(it)).collect(),
        verified: false,
        key: None,
        question: None,
    }
}

/// Four events of each class, said by ann of every frame, and two of which nobody has said anything.
fn site(dir: &Path) -> (Store, Vec<Uuid>) {
    let store = Store::open_beside(dir, &fixture::config()).unwrap();
    let mut events = Vec::new();
    for nth in 0..14_u8 {
        let class = usize::from(nth % 3);
        let frames = (0..2_u8).map(|frame| {
            let at = Timestamp::from_second(1_790_000_000 + i64::from(nth) * 3_600 + i64::from(frame)).unwrap();
            let picture = fixture::noise(8, at);
            let mut keepsake = fixture::keepsake(&picture, 1.0);
            let features =
                (0..6).map(|i| if i == class { 4.0 } else { f32::from((nth * 7 + frame * 3 + i as u8) % 5) });
            keepsake.embedding.features = features.collect();
            let classes = BTreeMap::from([("species".into(), CLASSES[class].to_owned())]);
            let classes = if nth < 12 { classes } else { BTreeMap::new() };
            ImportedFrame { sha256: [nth * 2 + frame; 32], keepsakes: vec![keepsake], classes }
        });
        let event = ImportedEvent {
            camera: "gate".into(),
            name: format!("e{nth}"),
            time_known: true,
            labeller: "ann".into(),
            frames: frames.collect(),
            known: Vec::new(),
        };
        store.import(&event, FEATURIZER).unwrap();
        events.push(store.imported(&[nth * 2; 32]).unwrap().unwrap());
    }
    (store, events)
}

fn head(store: &Store) -> Learned {
    fit(&store.taught("species", FEATURIZER, None).unwrap()).unwrap().alone.learned
}

fn classes(store: &Store) -> Vec<String> {
    store.taught("species", FEATURIZER, None).unwrap().classes.iter().map(|it| it.name.to_string()).collect()
}

#[test]
fn taking_a_persons_labels_back_gives_the_head_that_never_had_them() {
    let dir = tempfile::tempdir().unwrap();
    let (store, events) = site(dir.path());
    let before = head(&store);
    // Another word for what ann said, of an event and of a frame; words for what nobody had labelled; a class of his own.
    store.answer(&say(events[12], "bob", &["fox"])).unwrap();
    store.answer(&say(events[13], "bob", &["dingo"])).unwrap();
    let frame = |nth: usize| Some(FrameName::At(store.event(events[nth]).unwrap().unwrap().event.start));
    let given = store.answer(&Answer { frame: frame(1), ..say(events[1], "bob", &["dingo"]) }).unwrap();
    assert_eq!((given.superseded, given.suggested), (vec!["fox".to_owned()], None));
    store.answer(&Answer { frame: frame(2), ..say(events[2], "bob", &["fox", "hen"]) }).unwrap();
    assert_eq!(classes(&store), ["blank", "dingo", "fox", "hen"]);
    assert_ne!(head(&store), before);
    assert_eq!(store.withdraw(Some("bob"), None).unwrap(), 4);
    assert_eq!((classes(&store), head(&store)), (CLASSES.map(str::to_owned).to_vec(), before.clone()), "bit for bit");
    assert_eq!(number(&raw(dir.path()), "SELECT count(*) FROM answers WHERE withdrawn_us IS NOT NULL"), 4);
    assert_eq!(store.withdraw(Some("bob"), None).unwrap(), 0, "there is nothing left to take back");

    // By event; and what was taken back before stays so.
    store.answer(&say(events[12], "cat", &["hen"])).unwrap();
    store.answer(&say(events[13], "cat", &["fox"])).unwrap();
    assert_eq!(store.withdraw(None, Some(events[12])).unwrap(), 1);
    assert_eq!(store.withdraw(Some("cat"), Some(events[0])).unwrap(), 0);
    assert_eq!(store.withdraw(Some("cat"), Some(events[13])).unwrap(), 1);
    assert_eq!(head(&store), before);
}

#[test]
fn a_class_that_is_called_otherwise_was_never_called_anything_else() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, events) = site(one.path());
    let (plain, same) = site(other.path());
    assert_eq!(events, same, "the same table gives the same events everywhere");
    // `aardvark` would stand before `blank` by name, and moves every other class.
    store.answer(&say(events[12], "bob", &["aardvark"])).unwrap();
    store.answer(&say(events[1], "bob", &["aardvark", "fox"])).unwrap();
    store.answer(&say(events[4], "bob", &["aardvark"])).unwrap();
    store.answer(&say(events[4], "cat", &["hen"])).unwrap();
    plain.answer(&say(events[12], "bob", &["fox"])).unwrap();
    plain.answer(&say(events[1], "bob", &["fox"])).unwrap();
    plain.answer(&say(events[4], "bob", &["fox"])).unwrap();
    plain.answer(&say(events[4], "cat", &["hen"])).unwrap();
    assert_eq!(store.rename("species", "aardvark", "aardvark").unwrap(), 3, "it is what it was");
    assert_eq!(classes(&store), ["blank", "aardvark", "fox", "hen"]);
    assert_eq!(store.rename("species", "aardvark", "fox").unwrap(), 3);
    assert_eq!(head(&store), head(&plain));
    // What was superseded is called so too, once it holds again.
    for it in [&store, &plain] {
        it.withdraw(Some("cat"), None).unwrap();
    }
    assert_eq!(head(&store), head(&plain));
    assert_eq!(classes(&store), CLASSES);
    let db = raw(one.path());
    assert_eq!(number(&db, "SELECT count(*) FROM labels WHERE class = 'aardvark'"), 0);

    // A new name where there was none moves its class, and changes nothing else.
    assert_eq!(store.rename("species", "fox", "red fox").unwrap(), plain.rename("species", "fox", "red fox").unwrap());
    assert_eq!(classes(&store), ["blank", "hen", "red fox"]);
    assert_eq!(head(&store), head(&plain));
    let error = store.rename("species", "fxo", "fox").unwrap_err().to_string();
    assert_eq!(error, "labels: no label of species says \"fxo\"; they say red fox, hen, blank");
    assert!(store.rename("content", "fox", "dog").unwrap_err().to_string().contains("there are none"));
}

#[test]
fn an_answer_says_what_was_suggested_how_many_and_who_agrees() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    let update = fixture::update(Change::Ended, "red fox", 2);
    store.save(&update, FEATURIZER).unwrap();
    let id = update.event.id;
    let mut answer = say(id, "ann", &["badger"]);
    answer.species[0] = Species {
        count: Some(2),
        sex: Some(Sex::Female),
        life_stage: Some(LifeStage::Juvenile),
        ..Species::of("badger")
    };
    answer.verified = true;
    let given = store.answer(&answer).unwrap();
    assert_eq!((given.superseded, given.suggested), (Vec::new(), Some((0, "red fox".into()))));
    let db = raw(dir.path());
    let row = "SELECT count(*) FROM answers JOIN labels ON answer = id WHERE generation = 0 AND guess = 'red fox'
               AND verified = 1 AND count = 2 AND sex = 'female' AND life_stage = 'juvenile' AND class = 'badger'";
    assert_eq!(number(&db, row), 1);
    // A clock that was set back does not bring an earlier word back.
    let late = Uuid::from_u128(u128::MAX >> 1);
    db.execute_batch("PRAGMA foreign_keys = OFF").unwrap();
    db.execute("UPDATE answers SET id = ?1", [late.as_bytes()]).unwrap();
    db.execute("UPDATE labels SET answer = ?1", [late.as_bytes()]).unwrap();
    assert_eq!(store.answer(&say(id, "bob", &["stoat", "fox"])).unwrap().superseded, ["badger"]);
    assert_eq!(store.answer(&say(id, "bob", &["stoat"])).unwrap().superseded, ["stoat", "fox"]);

    // Two that become one add up; what differs is not known.
    let mut both = say(id, "cat", &["stoat", "ermine"]);
    both.species[0] = Species { count: Some(2), sex: Some(Sex::Male), ..Species::of("stoat") };
    both.species[1] = Species { count: Some(1), sex: Some(Sex::Female), ..Species::of("ermine") };
    store.answer(&both).unwrap();
    store.rename("species", "ermine", "stoat").unwrap();
    let one = "SELECT count(*) FROM labels WHERE class = 'stoat' AND count = 3 AND sex IS NULL";
    assert_eq!(number(&db, one), 1);
    assert_eq!(store.answer(&say(id, "cat", &["fox"])).unwrap().superseded, ["stoat"]);
}

#[test]
fn a_frame_is_named_by_its_picture_or_nearly_by_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let (store, events) = site(dir.path());
    let (event, start) = (events[0], store.event(events[0]).unwrap().unwrap().event.start);
    let of = |frame| store.answer(&Answer { frame: Some(frame), ..say(event, "ann", &["fox"]) });
    let second = start + SignedDuration::from_secs(1);
    let half = SignedDuration::from_millis(400);
    assert_eq!(of(FrameName::At(second + half)).unwrap().frame, Some(second));
    assert_eq!(of(FrameName::At(start + half)).unwrap().frame, Some(start));
    let picture = store.event(event).unwrap().unwrap().event.media[0];
    assert!(of(FrameName::Picture(picture)).unwrap().frame.is_some());

    let late = of(FrameName::At(start + SignedDuration::from_secs(9))).unwrap_err().to_string();
    assert!(late.contains(&format!("has no frame of {}", start + SignedDuration::from_secs(9))), "{late}");
    assert!(late.contains(&format!("its frames are of {start}, {second}")), "{late}");
    let other = store.event(events[1]).unwrap().unwrap().event.media[0];
    assert!(matches!(of(FrameName::Picture(other)), Err(AnswerError::NoFrame { .. })));
    let nobody = store.withdraw(Some("bob"), None).unwrap_err().to_string();
    assert_eq!(nobody, "labels: nobody called \"bob\" has given a label; labels are of ann");
    let nothing = Uuid::now_v7();
    assert!(matches!(store.answer(&say(nothing, "ann", &["fox"])), Err(AnswerError::NoEvent(it)) if it == nothing));
    assert!(matches!(store.withdraw(None, Some(nothing)), Err(AnswerError::NoEvent(_))));
    assert_eq!(number(&raw(dir.path()), "SELECT count(*) FROM answers WHERE withdrawn_us IS NOT NULL"), 0);
}

#[test]
fn the_totals_are_those_of_the_labels_whatever_becomes_of_them() {
    let dir = tempfile::tempdir().unwrap();
    let (store, events) = site(dir.path());
    let counted = |what: &str| {
        let db = raw(dir.path());
        let sql = "SELECT count(*) FROM (
            SELECT task, class, given, withdrawn FROM label_totals
            EXCEPT SELECT a.task, l.class, count(*), count(a.withdrawn_us) FROM labels l JOIN answers a ON a.id = l.answer
                GROUP BY a.task, l.class)";
        assert_eq!(number(&db, sql), 0, "{what}");
        let classes = "SELECT count(DISTINCT a.task || l.class) FROM labels l JOIN answers a ON a.id = l.answer";
        assert_eq!(number(&db, "SELECT count(*) FROM label_totals"), number(&db, classes), "{what}");
    };
    counted("imported");
    let names = || -> Vec<(String, bool)> {
        store.classes_named("species").unwrap().into_iter().map(|it| (it.class, it.is_said)).collect()
    };
    let named = names();
    let with_dingo = |is_said| [&named[..], &[("dingo".to_owned(), is_said)]].concat();
    store.answer(&say(events[12], "bob", &["dingo", "hen"])).unwrap();
    store.answer(&say(events[13], "bob", &["dingo"])).unwrap();
    assert_eq!(names(), with_dingo(true));
    counted("said");
    store.withdraw(Some("bob"), Some(events[13])).unwrap();
    counted("taken back");
    store.withdraw(Some("bob"), None).unwrap();
    counted("all taken back");
    assert_eq!(names(), with_dingo(false), "nobody says so any more, and its place is kept");
    // One that says both becomes one; what was taken back is called otherwise, too.
    store.rename("species", "dingo", "hen").unwrap();
    counted("called otherwise");
    assert_eq!(names(), named, "of what is called otherwise no place is left");
    store.rename("species", "fox", "red fox").unwrap();
    counted("called as nothing was");
    let db = raw(dir.path());
    db.execute_batch("PRAGMA foreign_keys = ON").unwrap();
    db.execute("DELETE FROM events WHERE id = ?1", [events[12].as_bytes()]).unwrap();
    counted("erased");
    db.execute("DELETE FROM events", []).unwrap();
    counted("all erased");
    assert_eq!(number(&db, "SELECT count(*) FROM label_totals"), 0);
}
