//! Events with people: how they are marked, by heads and by persons, who is shown their pictures, and that what is discarded is in
//! no byte of any file.

use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use super::super::fixture::{self, FEATURIZER};
use super::super::{Answer, Saved, Shown, Species, Store, StoreError, Wanted, schema};
use super::erase::{found, traces, update};
use super::{ended, files, raw};
use crate::config::{PeoplePictures, StoreConfig};
use crate::domain::{Change, EventState, EventUpdate, ObservationType};
use crate::metrics::Metrics;

fn open(dir: &Path, people: PeoplePictures) -> (Store, Arc<Metrics>) {
    let metrics = Metrics::new();
    let config = StoreConfig { people, ..fixture::config() };
    (Store::open(dir, &config, Arc::clone(&metrics)).unwrap(), metrics)
}

fn at(hours: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + hours * 3_600).unwrap()
}

fn answer(event: Uuid, task: &str, class: &str) -> Answer {
    let (task, species) = (task.into(), vec![Species::of(class)]);
    Answer { event, frame: None, task, labeller: "ann".into(), species, verified: false, key: None, question: None }
}

#[test]
fn what_a_later_head_says_marks_too() {
    let dir = tempfile::tempdir().unwrap();
    for (people, picture_stays) in [(PeoplePictures::Hide, true), (PeoplePictures::Discard, false)] {
        let (store, _) = open(&dir.path().join(picture_stays.to_string()), people);
        let hiker = update("red fox", at(0), 1);
        store.save(&hiker, FEATURIZER).unwrap();
        let id = hiker.event.id;
        let picture = store.event(id).unwrap().unwrap().event.media[0];
        assert!(matches!(store.shown(picture).unwrap(), Shown::At(_)));
        let mut said = hiker.event.observations[0].clone();
        said.kind = ObservationType::Human;
        store.rescore("species", FEATURIZER, &[(id, vec![said])]).unwrap();
        assert!(store.event(id).unwrap().unwrap().event.people);
        assert_eq!(store.shown(picture).unwrap(), if picture_stays { Shown::Hidden } else { Shown::Missing });
    }
}

#[test]
fn a_mark_stays_until_a_person_says_what_else_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), PeoplePictures::Hide);
    let mut person = update("red fox", at(0), 1);
    person.event.people = true;
    let fox = update("red fox", at(1), 2);
    store.save(&person, FEATURIZER).unwrap();
    store.save(&fox, FEATURIZER).unwrap();
    let (person, fox) = (person.event.id, fox.event.id);
    let marked = |event| store.event(event).unwrap().unwrap().event.people;
    let ids = |people: bool| {
        let wanted = Wanted { people: Some(people), ..Wanted::default() };
        store.found(&wanted, 9, None).unwrap().iter().map(|it| it.event.id).collect::<Vec<_>>()
    };
    assert_eq!((ids(true), ids(false)), (vec![person], vec![fox]));
    assert!(matches!(store.shown(store.event(fox).unwrap().unwrap().event.media[0]).unwrap(), Shown::At(_)));
    let picture = store.event(person).unwrap().unwrap().event.media[0];
    assert_eq!(store.shown(picture).unwrap(), Shown::Hidden);
    assert_eq!(store.shown(Uuid::nil()).unwrap(), Shown::Missing);

    // A later save without the sign takes no mark away.
    let mut again = store.event(person).unwrap().unwrap().event;
    again.people = false;
    let saved = store
        .save(&EventUpdate { change: Change::Ended, event: again, keepsakes: vec![], said: Vec::new() }, FEATURIZER);
    assert!(matches!(saved.unwrap(), Saved::Stored { people: true, .. }));

    for (task, class, holds) in [
        ("species", "unidentifiable", true),
        ("species", "badger", false),
        ("content", "human", true),
        ("content", "vehicle", true),
        ("content", "animal", false),
        ("species", "human", true),
        ("species", "blank", false),
    ] {
        store.answer(&answer(person, task, class)).unwrap();
        assert_eq!(marked(person), holds, "{task}: {class}");
    }
    assert!(matches!(store.shown(picture).unwrap(), Shown::At(_)));
    store.withdraw(Some("ann"), None).unwrap();
    assert!(marked(person) && !marked(fox), "as if nobody had said anything");
    store.answer(&answer(fox, "species", "hiker")).unwrap();
    assert!(!marked(fox));
    store.rename("species", "hiker", "human").unwrap();
    assert!(marked(fox), "the class is called otherwise");
    // One frame with a fox says nothing of the others.
    let frame = store.event(person).unwrap().unwrap().event.media[0];
    let of_frame =
        Answer { frame: Some(super::super::FrameName::Picture(frame)), ..answer(person, "species", "red fox") };
    store.answer(&of_frame).unwrap();
    assert!(marked(person));
}

#[test]
fn an_answer_that_says_or_guesses_people_or_their_cars_marks() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = open(dir.path(), PeoplePictures::Hide);
    let hours = std::cell::Cell::new(0);
    let marked = |change: &dyn Fn(&mut crate::domain::Observation)| {
        hours.set(hours.get() + 1);
        let mut it = update("red fox", at(hours.get()), 1);
        change(&mut it.event.observations[0]);
        store.save(&it, FEATURIZER).unwrap();
        store.event(it.event.id).unwrap().unwrap().event.people
    };
    assert!(!marked(&|_| {}));
    assert!(marked(&|it| it.kind = ObservationType::Human));
    assert!(marked(&|it| it.kind = ObservationType::Vehicle));
    assert!(marked(&|it| {
        it.generation.task = "content".into();
        it.class.as_mut().unwrap().name = "human".into();
    }));
    assert!(marked(&|it| {
        it.kind = ObservationType::Unknown;
        it.hint = it.class.take();
        it.hint.as_mut().unwrap().name = "vehicle".into();
    }));
}

#[test]
fn what_is_discarded_is_in_no_byte_of_any_file_and_the_event_is_still_counted() {
    let dir = tempfile::tempdir().unwrap();
    // Before: a daemon that hides them; a copy of its database is left from an update.
    let (store, _) = open(dir.path(), PeoplePictures::Hide);
    let mut old = update("quagga", at(0), 30);
    old.event.people = true;
    store.save(&old, FEATURIZER).unwrap();
    let copy = schema::backup_path(&dir.path().join("eyeshine.db"), 2);
    raw(dir.path()).execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    let mut gone = content(dir.path(), &old);
    drop(store);

    // What is there goes when the daemon that discards starts.
    let (store, metrics) = open(dir.path(), PeoplePictures::Discard);
    store.probe().unwrap();
    assert_eq!(found(dir.path(), &gone), Vec::<String>::new());
    assert_eq!((metrics.media_deleted.get(), metrics.embeddings_deleted.get()), (2, 2));

    // Marked late: what was saved of it goes at once, what comes is not taken.
    let mut late = update("okapi", at(1), 31);
    late.event.state = EventState::Open;
    store.save(&late, FEATURIZER).unwrap();
    let saved = content(dir.path(), &late);
    assert!(found(dir.path(), &saved).len() >= saved.len(), "the search finds what is there");
    gone.extend(saved);
    late.event.people = true;
    late.keepsakes = update("okapi", at(1), 32).keepsakes;
    assert_eq!(store.save(&late, FEATURIZER).unwrap(), Saved::Stored { media: vec![], people: true });
    // Its vectors are known beforehand; there is no picture to search for.
    gone.extend(content(dir.path(), &late));
    assert_eq!(found(dir.path(), &gone), Vec::<String>::new());

    // Said by a person, beside the daemon, of an event long over.
    let fox = update("red fox", at(2), 3);
    let mut said = update("kudu", at(3), 33);
    store.save(&fox, FEATURIZER).unwrap();
    store.save(&said, FEATURIZER).unwrap();
    gone.extend(content(dir.path(), &said));
    let config = StoreConfig { people: PeoplePictures::Discard, ..fixture::config() };
    let beside = Store::open_beside(dir.path(), &config).unwrap();
    beside.answer(&answer(said.event.id, "species", "human")).unwrap();
    assert_eq!(found(dir.path(), &gone), Vec::<String>::new());
    said.keepsakes = update("kudu", at(3), 34).keepsakes;
    store.save(&said, FEATURIZER).unwrap();
    assert!(store.event(said.event.id).unwrap().unwrap().event.media.is_empty());

    // The animals' stay, and every event is there.
    assert_eq!(files(dir.path()).len(), 2);
    assert!(fox.keepsakes.iter().all(|it| matches!(store.shown(it.id).unwrap(), Shown::At(_))));
    let counts = store.counts().unwrap();
    assert_eq!((counts.events, counts.pictures, counts.picture_bytes), (4, 2, super::bytes(dir.path())));
    store.save(&ended(&late), FEATURIZER).unwrap();
    assert_eq!(metrics.media_bytes.get() as u64, super::bytes(dir.path()));
    let skipped = metrics.media_skipped.with_label_values(&["people"]).get();
    assert_eq!(skipped, 4, "those that came after the mark");
    let event = store.event(late.event.id).unwrap().unwrap().event;
    assert_eq!(event.observations[0].label(), "okapi");
}

/// What is to be found of an event's pictures and vectors, less what its row says.
fn content(dir: &Path, update: &EventUpdate) -> Vec<(String, Vec<u8>)> {
    let event = update.event.id.to_string();
    traces(dir, update, &[]).into_iter().filter(|it| !it.0.starts_with(&event)).collect()
}

#[test]
fn what_is_said_holds_though_the_pictures_cannot_go_yet() {
    let dir = tempfile::tempdir().unwrap();
    let (store, metrics) = open(dir.path(), PeoplePictures::Discard);
    let said = update("kudu", at(0), 1);
    store.save(&said, FEATURIZER).unwrap();
    let picture = &files(dir.path())[0];
    // A folder cannot be removed as a file.
    std::fs::remove_file(picture).unwrap();
    std::fs::create_dir(picture).unwrap();
    std::fs::write(picture.join("note.txt"), "in the way").unwrap();
    store.answer(&answer(said.event.id, "species", "human")).expect("it is on disk");
    assert_eq!(store.recorded(Some("ann"), None).unwrap().len(), 1);
    let n_failed =
        |metrics: &Metrics| StoreError::REASONS.map(|it| metrics.store_errors.with_label_values(&[it]).get());
    assert_eq!(n_failed(&metrics).iter().sum::<u64>(), 1);
    drop(store);
    let (store, metrics) = open(dir.path(), PeoplePictures::Discard);
    assert_eq!(n_failed(&metrics).iter().sum::<u64>(), 1, "a daemon starts all the same");
    std::fs::remove_dir_all(picture).unwrap();
    store.save(&update("fox", at(1), 2), FEATURIZER).unwrap();
    let media = format!("SELECT count(*) FROM media WHERE event = x'{}'", said.event.id.simple());
    assert_eq!(super::number(&raw(dir.path()), &media), 0, "tried again");
}
