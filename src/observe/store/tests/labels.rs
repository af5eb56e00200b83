//! What people say: brought in beside a daemon, once, and read as a fit sees it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;

use super::super::fixture::{self, FEATURIZER};
use super::super::{Imported, ImportedEvent, ImportedFrame, Store};
use super::{number, raw};
use crate::config::StoreConfig;
use crate::domain::{Change, View};
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
    assert_eq!(store.taught("species", FEATURIZER, None).unwrap().events[0].frames[0].views.len(), 2);
}
