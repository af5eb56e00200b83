//! Still moments: answered, taken back, called otherwise; hidden until somebody has said that nobody is in them; gone without a
//! trace.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::super::fixture::{self, FEATURIZER};
use super::super::{
    AnswerError, Eraser, MomentAnswer, NewMoment, NewQuestion, Shown, Species, Store, Which, Why, schema,
};
use super::erase::found;
use super::{bytes, files, number, raw};
use crate::config::{PeoplePictures, StoreConfig};
use crate::domain::{Change, Modality};
use crate::metrics::Metrics;

fn at(secs: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + secs).unwrap()
}

/// A moment whose picture is so many bytes like no other's.
fn moment(captured_at: Timestamp, size: usize) -> NewMoment {
    let id = Uuid::now_v7();
    let jpeg = id.as_bytes().iter().map(|it| it.wrapping_mul(31) ^ 0x5a).cycle().take(size).collect();
    let (camera, modality) = ("feeder".into(), Modality::Infrared);
    NewMoment { id, camera, captured_at, modality, probability: 0.001, stands_secs: 4_320.0, jpeg }
}

fn ask(store: &Store, moment: Uuid) -> Uuid {
    let question = NewQuestion {
        task: "species".into(),
        why: Why::Still,
        reason: "random check".into(),
        blind: true,
        event: None,
        moment: Some(moment),
        media: Some(moment),
        probability: Some(0.5),
        alike: Vec::new(),
    };
    assert_eq!(store.ask(&[question]).unwrap(), 1);
    store.open_questions("species").unwrap().iter().find(|it| it.moment == Some(moment)).unwrap().id
}

fn say(question: Uuid, class: &str) -> MomentAnswer {
    MomentAnswer { question, key: None, labeller: "ann".into(), species: vec![Species::of(class)] }
}

#[test]
fn a_moment_is_answered_once_and_is_no_lesson() {
    let dir = tempfile::tempdir().unwrap();
    let (store, metrics) = fixture::open(dir.path());
    let it = moment(at(0), 500);
    assert!(store.save_moment(&it, 9).unwrap());
    let stored = store.moment(it.id).unwrap().unwrap();
    assert_eq!((stored.captured_at, stored.stands_secs, stored.people_said), (at(0), 4_320.0, None));
    assert!(!stored.time_zone.is_empty());
    let question = ask(&store, it.id);
    let keyed = MomentAnswer { key: Some("k".into()), ..say(question, "blank") };
    let first = store.answer_moment(&keyed).unwrap();
    let other = MomentAnswer { species: vec![Species::of("fox")], ..keyed.clone() };
    assert!(matches!(store.answer_moment(&other), Err(AnswerError::KeyUsed(_))));
    let again = store.answer_moment(&keyed).unwrap();
    assert_eq!((again.id, again.again, again.frame), (first.id, true, Some(at(0))));
    assert_eq!(metrics.asking.answers.with_label_values(&["still"]).get(), 1);
    assert_eq!(store.queue_state("species").unwrap().answered_today, 1);
    assert!(store.taught("species", FEATURIZER, None).unwrap().events.is_empty());
    assert!(store.label_counts().unwrap().is_empty(), "nothing to train on");
    assert!(store.answer_moment(&say(Uuid::now_v7(), "blank")).is_err());

    // Undone it is asked again; what is renamed or taken back is so here too.
    let undone = store.undo("species", "ann").unwrap().unwrap();
    assert_eq!((&*undone.said, undone.answers, undone.question.unwrap().id), ("blank", 1, question));
    let second = store.answer_moment(&say(question, "fox")).unwrap();
    assert_eq!(second.superseded, Vec::<String>::new());
    assert_eq!(store.rename("species", "fox", "red fox").unwrap(), 1);
    assert_eq!(store.answer_moment(&say(question, "badger")).unwrap().superseded, ["red fox"]);
    assert_eq!(store.withdraw(Some("ann"), None).unwrap(), 2);
    assert_eq!(store.open_questions("species").unwrap().len(), 1);
}

#[test]
fn a_moment_is_hidden_until_somebody_says_that_nobody_is_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    let it = moment(at(0), 500);
    store.save_moment(&it, 9).unwrap();
    let question = ask(&store, it.id);
    assert_eq!(store.shown(it.id).unwrap(), Shown::Hidden);
    assert!(matches!(store.shown_to(it.id, true).unwrap(), Shown::At(_)));
    for (class, hidden) in [("unknown", true), ("blank", false), ("vehicle", true), ("fox", false)] {
        store.answer_moment(&say(question, class)).unwrap();
        assert_eq!(store.shown(it.id).unwrap() == Shown::Hidden, hidden, "{class}");
    }
    store.withdraw(Some("ann"), None).unwrap();
    assert_eq!(store.shown(it.id).unwrap(), Shown::Hidden);
    drop(store);

    // Where they are not to stay, none does, from the start on: in no byte of any file.
    let traces = vec![("its picture".to_owned(), it.jpeg[..64].to_vec())];
    assert_eq!(found(dir.path(), &traces).len(), 1);
    let config = StoreConfig { people: PeoplePictures::Discard, ..fixture::config() };
    let store = Store::open(dir.path(), &config, Metrics::new()).unwrap();
    store.probe().unwrap();
    assert_eq!(found(dir.path(), &traces), Vec::<String>::new());
    assert!(!store.save_moment(&moment(at(1), 500), 9).unwrap());
    assert_eq!((files(dir.path()).len(), store.counts().unwrap().picture_bytes), (0, 0));
    // What people said of it stays, and counts.
    assert!(!store.moment(it.id).unwrap().unwrap().has_picture);
}

#[test]
fn moments_count_below_the_cap_of_pictures_and_the_oldest_go() {
    let dir = tempfile::tempdir().unwrap();
    let metrics = Metrics::new();
    let config = StoreConfig { media_max_mb: 1, ..fixture::config() };
    let store = Store::open(dir.path(), &config, std::sync::Arc::clone(&metrics)).unwrap();
    let moments: Vec<NewMoment> = (0..4).map(|nth| moment(at(nth), 300_000)).collect();
    let answered = {
        store.save_moment(&moments[0], 9).unwrap();
        ask(&store, moments[0].id)
    };
    store.answer_moment(&say(answered, "blank")).unwrap();
    for it in &moments[1..] {
        assert!(store.save_moment(it, 9).unwrap());
        assert!(bytes(dir.path()) <= 1_000_000);
        assert_eq!(metrics.media_bytes.get() as u64, bytes(dir.path()));
    }
    let kept = |nth: usize| store.moment(moments[nth].id).unwrap().is_some_and(|it| it.has_picture);
    assert_eq!([0, 1, 2, 3].map(kept), [true, false, true, true], "what somebody has answered goes last");
    // A picture of an event that comes later takes the place of the oldest moment.
    let mut update = fixture::update(Change::Ended, "red fox", 0);
    update.keepsakes = vec![fixture::keepsake(&fixture::noise(512, at(60)), 0.5)];
    store.save(&update, FEATURIZER).unwrap();
    assert_eq!([0, 2, 3].map(kept), [true, false, true]);
    assert_eq!(store.counts().unwrap().pictures as usize, files(dir.path()).len());
    // Their own cap is kept, too.
    store.save_moment(&moment(at(70), 100), 2).unwrap();
    assert_eq!(number(&raw(dir.path()), "SELECT count(*) FROM moments WHERE file IS NOT NULL"), 2);
    assert_eq!(metrics.media_bytes.get() as u64, bytes(dir.path()));
    drop(store);
    // A picture that somebody deleted, and a start: rows and files are brought together.
    let store = Store::open(dir.path(), &config, Metrics::new()).unwrap();
    let n_files = files(dir.path()).len();
    drop(store);
    files(dir.path()).iter().for_each(|it| std::fs::remove_file(it).unwrap());
    let store = Store::open(dir.path(), &config, Metrics::new()).unwrap();
    assert_eq!((n_files, store.counts().unwrap().pictures), (3, 0));
    assert!(store.moment(moments[0].id).unwrap().is_some(), "what was said of it stays");
}

fn erase(dir: &Path, which: &Which) -> BTreeSet<Uuid> {
    let eraser = Eraser::open(dir, &fixture::config()).unwrap();
    let ids: BTreeSet<Uuid> = eraser.choose(which).unwrap().0.iter().map(|it| it.id).collect();
    eraser.begin(&ids).unwrap();
    eraser.delete(&ids).unwrap();
    eraser.cleanse(&ids).unwrap();
    eraser.finish().unwrap();
    ids
}

#[test]
fn erased_moments_are_in_no_byte_of_any_file_and_an_event_takes_those_of_its_time() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    let event = super::erase::update("quagga", at(0), 1);
    store.save(&event, FEATURIZER).unwrap();
    let moments: Vec<NewMoment> = [1, 600, 1_200, 90_000].map(|secs| moment(at(secs), 600)).into();
    assert!(moments.iter().all(|it| store.save_moment(it, 9).unwrap()));
    let question = ask(&store, moments[1].id);
    store.answer_moment(&MomentAnswer { labeller: "Zebedee".into(), ..say(question, "human") }).unwrap();
    let copy = schema::backup_path(&dir.path().join("eyeshine.db"), 4);
    raw(dir.path()).execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    let traces = |nth: usize| {
        let it = &moments[nth];
        let text = it.id.to_string().into_bytes();
        vec![
            ("its picture".to_owned(), it.jpeg[..64].to_vec()),
            ("its identity".to_owned(), it.id.as_bytes().to_vec()),
            ("its name".to_owned(), text),
        ]
    };
    let there = |nth: usize| !found(dir.path(), &traces(nth)).is_empty();
    assert!((0..4).all(there), "the search finds what is there");
    let by = vec![("who".to_owned(), b"Zebedee".to_vec()), ("the question".to_owned(), question.as_bytes().to_vec())];
    assert!(!found(dir.path(), &by).is_empty());

    // The event, which goes on for 2.5 s, with the moment of its time.
    assert_eq!(erase(dir.path(), &Which { event: Some(event.event.id), ..Which::default() }).len(), 1);
    assert_eq!([0, 1, 2, 3].map(there), [false, true, true, true]);
    // Those with people; and a span.
    assert_eq!(erase(dir.path(), &Which { people: true, ..Which::default() }), BTreeSet::from([moments[1].id]));
    assert_eq!(found(dir.path(), &by), Vec::<String>::new());
    let span = (at(1_000), at(1_000) + SignedDuration::from_hours(1));
    assert_eq!(erase(dir.path(), &Which { span: Some(span), ..Which::default() }), BTreeSet::from([moments[2].id]));
    assert_eq!([0, 1, 2, 3].map(there), [false, false, false, true]);
    assert_eq!(files(dir.path()).len(), 1);
    store.save_moment(&moment(at(100_000), 600), 9).unwrap();
    assert_eq!(store.counts().unwrap().picture_bytes, bytes(dir.path()));
}
