//! What another featurizer has not seen, and could.

use jiff::Timestamp;
use uuid::Uuid;

use super::super::fixture::{self, FEATURIZER};
use super::super::{Answer, Coverage, Of, Species, Store};
use super::{number, raw};
use crate::domain::{Area, Change, EventUpdate, View};

const OTHER: &str = "vit-test";

/// An event with a whole picture, a crop of it without a file, and a vector of which there is no picture.
fn event(minute: i64) -> EventUpdate {
    let mut update = fixture::update(Change::Ended, "red fox", 0);
    let at = Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap();
    (update.event.start, update.event.end) = (at, at);
    let (frame, later) = (fixture::noise(32, at), fixture::noise(32, at + jiff::SignedDuration::from_secs(1)));
    update.keepsakes =
        vec![fixture::keepsake(&frame, 0.9), fixture::keepsake(&frame, 0.8), fixture::keepsake(&later, 0.7)];
    update.keepsakes[1].view = View::Crop;
    update.keepsakes[1].area = Area { x: 4.0, y: 8.0, width: 16.0, height: 16.0 };
    update.keepsakes[1..].iter_mut().for_each(|it| it.picture = false);
    update
}

#[test]
fn what_a_featurizer_lacks_is_found_in_pictures_that_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (daemon, _) = fixture::open(dir.path());
    let events = [event(0), event(1), event(2)];
    events.iter().for_each(|it| drop(daemon.save(it, FEATURIZER).unwrap()));
    let store = Store::open_beside(dir.path(), &fixture::config()).unwrap();
    let answer = Answer {
        event: events[1].event.id,
        frame: None,
        task: "species".into(),
        labeller: "ann".into(),
        species: vec![Species::of("fox")],
        verified: false,
        key: None,
        question: None,
    };
    store.answer(&answer).unwrap();
    let coverage = |of| store.coverage(OTHER, of).unwrap();
    assert_eq!(coverage(Of::All), Coverage { done: 0, left: 6, lost: 3 });
    assert_eq!(coverage(Of::Labelled), Coverage { done: 0, left: 2, lost: 1 });
    assert_eq!(store.coverage(FEATURIZER, Of::All).unwrap(), Coverage { done: 9, left: 0, lost: 0 });

    // The latest first; a crop is cut out of its whole.
    let first = store.lacking(OTHER, Of::All, None, 2).unwrap();
    assert_eq!(
        first.iter().map(|it| it.id).collect::<Vec<_>>(),
        [events[2].keepsakes[0].id, events[1].keepsakes[0].id]
    );
    let of = |update: &EventUpdate| update.keepsakes[..2].iter().map(|it| (it.id, it.area)).collect::<Vec<_>>();
    assert_eq!(first[1].parts, of(&events[1]));
    assert_eq!(first[1].area, events[1].keepsakes[0].area);
    let rest = store.lacking(OTHER, Of::All, Some((first[1].captured_us, first[1].id)), 2).unwrap();
    assert_eq!(rest.iter().map(|it| it.id).collect::<Vec<_>>(), [events[0].keepsakes[0].id]);
    let labelled = store.lacking(OTHER, Of::Labelled, None, 9).unwrap();
    assert_eq!(labelled, first[1..]);

    // What was seen is not asked for again, what is gone is left out, and what was there stays.
    let vectors: Vec<(Uuid, Vec<f32>)> = of(&events[1]).into_iter().map(|it| (it.0, vec![1.0, 2.0])).collect();
    store.add_vectors(OTHER, &vectors).unwrap();
    store.add_vectors(OTHER, &[(vectors[0].0, vec![9.0]), (Uuid::now_v7(), vec![1.0])]).unwrap();
    assert_eq!(coverage(Of::Labelled), Coverage { done: 2, left: 0, lost: 1 });
    assert!(store.lacking(OTHER, Of::Labelled, None, 9).unwrap()[0].parts.is_empty());
    let sum = "SELECT count(*) * 100 + sum(length(vector)) FROM embeddings WHERE featurizer = 'vit-test'";
    assert_eq!(number(&raw(dir.path()), sum), 208);
    assert_eq!(store.lost_labels(OTHER).unwrap(), []);
    assert!(store.is_below(100_000_000).unwrap() && !store.is_below(1_000).unwrap());
}

#[test]
fn labels_of_events_without_a_picture_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let (daemon, _) = fixture::open(dir.path());
    let mut bare = event(0);
    bare.keepsakes.iter_mut().for_each(|it| it.picture = false);
    for it in [&bare, &event(1)] {
        daemon.save(it, FEATURIZER).unwrap();
    }
    let store = Store::open_beside(dir.path(), &fixture::config()).unwrap();
    for (task, class) in [("species", "hen"), ("species", "fox"), ("content", "animal")] {
        let (event, labeller) = (bare.event.id, "ann".into());
        let species = vec![Species::of(class)];
        store
            .answer(&Answer {
                event,
                frame: None,
                task: task.into(),
                labeller,
                species,
                verified: false,
                key: None,
                question: None,
            })
            .unwrap();
    }
    let lost = store.lost_labels(OTHER).unwrap();
    assert_eq!(lost.len(), 1);
    assert_eq!((lost[0].event, &*lost[0].camera, lost[0].start), (bare.event.id, "feeder", bare.event.start));
    let classes: Vec<(&str, Vec<&str>)> =
        lost[0].classes.iter().map(|(task, all)| (&**task, all.iter().map(String::as_str).collect())).collect();
    assert_eq!(classes, [("content", vec!["animal"]), ("species", vec!["fox"])], "the latest word holds");
    store.withdraw(Some("ann"), None).unwrap();
    assert_eq!(store.lost_labels(OTHER).unwrap(), [], "what was taken back is not lost");
}
