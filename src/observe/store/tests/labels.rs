//! What people say: brought in beside a daemon, once, and read as a fit sees it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::super::fixture::{self, FEATURIZER};
use super::super::{Imported, ImportedEvent, ImportedFrame, Store};
use super::{number, raw};
use crate::config::{PeoplePictures, StoreConfig};
use crate::domain::{Change, Modality, View};
use crate::metrics::Metrics;

fn classes(species: &str) -> BTreeMap<String, String> {
    BTreeMap::from([("species".into(), species.into())])
}

/// A picture with a crop; `nth` is what it shows, and its hash.
pub(super) fn picture(nth: u8, species: &str) -> ImportedFrame {
    let frame = fixture::frame(64, 64, [nth, 120, 60]);
    let mut keepsakes = vec![fixture::keepsake(&frame, 1.0), fixture::keepsake(&frame, 0.9)];
    keepsakes[1].view = View::Crop;
    for (view, it) in keepsakes.iter_mut().enumerate() {
        it.embedding.features = vec![f32::from(nth), view as f32, 1.0].into();
        it.picture = view == 0;
    }
    ImportedFrame { sha256: [nth; 32], keepsakes, classes: classes(species) }
}

pub(super) fn event(name: &str, frames: Vec<ImportedFrame>) -> ImportedEvent {
    let (camera, labeller) = ("gate".into(), "ann".into());
    ImportedEvent { camera, name: name.into(), time_known: false, labeller, frames, known: Vec::new() }
}

pub(super) fn beside(dir: &Path) -> Store {
    Store::open_beside(dir, &fixture::config()).unwrap()
}

#[test]
fn pictures_are_imported_once_and_a_later_label_supersedes() {
    let dir = tempfile::tempdir().unwrap();
    let (_daemon, _) = fixture::open(dir.path());
    let store = beside(dir.path());
    let first = || event("e1", vec![picture(1, "fox"), picture(2, "blank")]);
    assert_eq!(store.import(&first(), FEATURIZER).unwrap(), Imported { pictures: 2, labels: 2 });
    assert_eq!(store.import(&first(), FEATURIZER).unwrap(), Imported::default(), "a second time nothing is new");
    assert!(store.imported(&[1; 32]).unwrap().is_some() && store.imported(&[9; 32]).unwrap().is_none());

    // More of the same event, and another word for a picture that is known.
    let mut more = event("e1", vec![picture(3, "fox")]);
    more.known = vec![([1; 32], classes("red fox")), ([2; 32], classes("blank")), ([8; 32], classes("fox"))];
    assert_eq!(store.import(&more, FEATURIZER).unwrap(), Imported { pictures: 1, labels: 2 });
    let db = raw(dir.path());
    assert_eq!(number(&db, "SELECT count(*) FROM events"), 1);
    assert_eq!(number(&db, "SELECT count(*) FROM answers"), 4, "what was said before is kept");

    let taught = store.taught("species", FEATURIZER, None).unwrap();
    let names: Vec<&str> = taught.classes.iter().map(|it| &*it.name).collect();
    assert_eq!(names, ["blank", "fox", "red fox"]);
    let [event] = &*taught.events else { panic!("{taught:?}") };
    let frames: Vec<(usize, usize)> = event.frames.iter().map(|it| (it.class, it.views.len())).collect();
    assert_eq!(frames, [(2, 2), (0, 2), (1, 2)]);
    assert_eq!(event.frames[1].views[1].features, [2.0, 1.0, 1.0]);
    assert_eq!((event.class, &event.group), (1, &event.id), "of two alike the first by name; no day is known");
    assert!(store.taught("species", "another", None).unwrap().events.is_empty());
    assert!(store.taught("content", FEATURIZER, None).unwrap().events.is_empty());
    // Imported pictures are no sightings of a camera.
    assert!(store.latest_events(10, None).unwrap().is_empty());
    assert_eq!(store.labelled().unwrap().len(), 3);
}

#[test]
fn what_nobody_could_name_teaches_nothing_and_what_is_taken_back_neither() {
    let dir = tempfile::tempdir().unwrap();
    let store = beside(dir.path());
    store.import(&event("e1", vec![picture(1, "unidentifiable"), picture(2, "fox")]), FEATURIZER).unwrap();
    store.import(&event("e2", vec![picture(3, "unknown")]), FEATURIZER).unwrap();
    let taught = store.taught("species", FEATURIZER, None).unwrap();
    assert_eq!((taught.events.len(), taught.events[0].frames.len()), (1, 1));
    let now = Timestamp::now().as_microsecond();
    raw(dir.path()).execute("UPDATE answers SET withdrawn_us = ?1", [now]).unwrap();
    assert!(store.taught("species", FEATURIZER, None).unwrap().events.is_empty());
}

#[test]
fn what_people_have_labelled_stays_when_the_database_is_full() {
    let dir = tempfile::tempdir().unwrap();
    beside(dir.path()).import(&event("e1", vec![picture(1, "fox")]), FEATURIZER).unwrap();
    let metrics = Metrics::new();
    let config = StoreConfig { database_max_mb: 0, ..fixture::config() };
    let store = Store::open(dir.path(), &config, Arc::clone(&metrics)).unwrap();
    store.save(&fixture::update(Change::Ended, "red fox", 3), FEATURIZER).unwrap();
    assert!(metrics.embeddings_deleted.get() > 0);
    let n_labelled = || store.taught("species", FEATURIZER, None).unwrap().events[0].frames[0].views.len();
    assert_eq!(n_labelled(), 2);
    // Nothing is left that may go; then something comes.
    store.save(&fixture::update(Change::Ended, "red fox", 0), FEATURIZER).unwrap();
    let before = metrics.embeddings_deleted.get();
    store.save(&fixture::update(Change::Ended, "red fox", 3), FEATURIZER).unwrap();
    assert_eq!((metrics.embeddings_deleted.get(), n_labelled()), (before + 3, 2));
    // What is taken back is labelled no longer.
    store.withdraw(Some("ann"), None).unwrap();
    store.save(&fixture::update(Change::Ended, "red fox", 0), FEATURIZER).unwrap();
    assert_eq!(number(&raw(dir.path()), "SELECT count(*) FROM embeddings"), 0);
}

/// The same picture, taken then.
fn taken(at: Timestamp, mut it: ImportedFrame) -> ImportedFrame {
    for keepsake in &mut it.keepsakes {
        let frame = Arc::clone(&fixture::noise(8, at));
        (keepsake.area, keepsake.frame) = (frame.picture.area(), frame);
    }
    it
}

fn at(us: i64) -> Timestamp {
    Timestamp::from_microsecond(1_790_000_000_000_000 + us).unwrap()
}

#[test]
fn a_table_that_grew_makes_an_event_longer_and_takes_back_nothing_that_was_said_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = beside(dir.path());
    let first = vec![taken(at(0), picture(1, "fox")), taken(at(9_000_000), picture(2, "fox"))];
    store.import(&event("e1", first), FEATURIZER).unwrap();
    let id = store.imported(&[1; 32]).unwrap().unwrap();
    raw(dir.path())
        .execute_batch(
            "UPDATE observations SET current = 0;
             INSERT INTO observations (event, task, task_position, rescored, current, position, generation, type, class, probability)
                 SELECT event, task, 0, 1, 1, 0, 0, 'animal', 'fox', .9 FROM observations;",
        )
        .unwrap();
    let mut colour = taken(at(3_000_000), picture(3, "fox"));
    colour.keepsakes.iter_mut().for_each(|it| it.modality = Modality::Colour);
    assert_eq!(store.import(&event("e1", vec![colour]), FEATURIZER).unwrap(), Imported { pictures: 1, labels: 1 });
    let grown = store.event(id).unwrap().unwrap().event;
    assert_eq!((grown.start, grown.end, grown.duration_secs), (at(0), at(9_000_000), 9.0));
    assert_eq!((grown.looks, grown.modality, grown.observations[0].label()), (3, Modality::Infrared, "fox".into()));
    store.import(&event("e1", vec![taken(at(11_000_000), picture(4, "fox"))]), FEATURIZER).unwrap();
    let grown = store.event(id).unwrap().unwrap().event;
    assert_eq!((grown.start, grown.end, grown.looks), (at(0), at(11_000_000), 4));
    // One that was cut short before it took down hashes is made good by the next, and counts nothing twice.
    raw(dir.path()).execute_batch("UPDATE media SET sha256 = NULL; DELETE FROM answers").unwrap();
    let again = vec![taken(at(11_000_000), picture(4, "fox"))];
    assert_eq!(store.import(&event("e1", again), FEATURIZER).unwrap(), Imported { pictures: 1, labels: 1 });
    assert_eq!(store.event(id).unwrap().unwrap().event.looks, 4);
}

#[test]
fn a_row_put_before_known_ones_of_the_same_second_is_a_frame_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let store = beside(dir.path());
    let known = vec![taken(at(0), picture(1, "fox")), taken(at(1), picture(2, "hen"))];
    store.import(&event("e1", known), FEATURIZER).unwrap();
    let mut more = event("e1", vec![taken(at(0), picture(3, "hare"))]);
    more.known = vec![([1; 32], classes("fox")), ([2; 32], classes("hen"))];
    assert_eq!(store.import(&more, FEATURIZER).unwrap(), Imported { pictures: 1, labels: 1 });
    assert_eq!(store.import(&more, FEATURIZER).unwrap(), Imported::default());
    let db = raw(dir.path());
    assert_eq!(number(&db, "SELECT count(DISTINCT captured_us) FROM media"), 3);
    let taught = store.taught("species", FEATURIZER, None).unwrap();
    let classes: Vec<usize> = taught.events[0].frames.iter().map(|it| it.class).collect();
    assert_eq!(classes, [0, 2, 1], "what was said of each frame holds");
}

#[test]
fn pictures_of_people_from_a_table_that_grew_stay_where_others_are_discarded() {
    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig { people: PeoplePictures::Discard, ..fixture::config() };
    let store = Store::open_beside(dir.path(), &config).unwrap();
    store.import(&event("e1", vec![taken(at(0), picture(1, "human"))]), FEATURIZER).unwrap();
    let more = event("e1", vec![taken(at(1), picture(2, "human"))]);
    assert_eq!(store.import(&more, FEATURIZER).unwrap(), Imported { pictures: 1, labels: 1 });
    assert_eq!(store.taught("species", FEATURIZER, None).unwrap().events[0].frames.len(), 2);
    // Where there is room for nothing there is no row to put a label to.
    let config = StoreConfig { media_max_mb: 0, database_max_mb: 0, ..config };
    let full = Store::open_beside(dir.path(), &config).unwrap();
    assert_eq!(
        full.import(&event("e2", vec![taken(at(2), picture(3, "fox"))]), FEATURIZER).unwrap(),
        Imported::default()
    );
}
