//! What a site sees: a view of each event of a camera in which something was, and no more than were asked for.

use super::super::Store;
use super::super::fixture::{self, FEATURIZER};
use super::labels::{event, picture};
use crate::domain::Change;

/// An event that is over, of three pictures, of which the vectors hold its number and their scores.
fn seen(store: &Store, change: Change, class: &str, nth: usize) {
    let mut it = fixture::update(change, class, 3);
    for keepsake in &mut it.keepsakes {
        keepsake.embedding.features = vec![nth as f32, 8.0 * keepsake.score].into();
    }
    store.save(&it, FEATURIZER).unwrap();
}

#[test]
fn each_event_of_a_camera_with_something_in_it_is_seen_once_at_its_best() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    assert!(store.of_site(FEATURIZER, 9).unwrap().is_empty(), "nothing was there yet");
    seen(&store, Change::Ended, "fox", 1);
    seen(&store, Change::Ended, "blank", 2);
    seen(&store, Change::Ended, "hare", 3);
    seen(&store, Change::Opened, "deer", 4);
    store.import(&event("e1", vec![picture(5, "fox")]), FEATURIZER).unwrap();
    let views = store.of_site(FEATURIZER, 9).unwrap();
    let mut features: Vec<Vec<f32>> = views.into_iter().map(|it| it.features).collect();
    features.sort_by(|a, b| a[0].total_cmp(&b[0]));
    assert_eq!(features.iter().map(|it| it[0]).collect::<Vec<_>>(), [1.0, 3.0]);
    // The best score is .12.
    assert!(features.iter().all(|it| (it[1] - 0.96).abs() < 0.001), "{features:?}");
    assert!(store.of_site("another", 9).unwrap().is_empty(), "of that featurizer there is no vector");
}

#[test]
fn of_many_as_many_as_are_wanted_are_drawn_and_always_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    (0..60).for_each(|nth| seen(&store, Change::Ended, "fox", nth));
    let drawn = |most: usize| -> Vec<usize> {
        store.of_site(FEATURIZER, most).unwrap().into_iter().map(|it| it.features[0] as usize).collect()
    };
    let mut first = drawn(20);
    assert_eq!(first, drawn(20));
    first.sort_unstable();
    first.dedup();
    assert_eq!(first.len(), 20, "none twice");
    assert!(first[0] < 30 && first[19] >= 30, "from all the time: {first:?}");
    assert_eq!(drawn(60).len(), 60, "all where there are no more");
    // One that comes to them takes the place of one at most.
    seen(&store, Change::Ended, "fox", 60);
    let then = drawn(20);
    assert!(first.iter().filter(|it| then.contains(it)).count() >= 19, "{first:?}, then {then:?}");
}

/// Of more than can be looked through rows are drawn: of what was said, of which those of events that count are a part.
#[test]
fn of_very_many_events_those_that_count_are_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    for nth in 0..90 {
        seen(&store, Change::Ended, if nth % 3 == 0 { "fox" } else { "blank" }, nth);
    }
    let mut of_pictures = (0u8..30).map(|nth| event(&format!("e{nth}"), vec![picture(100 + nth, "fox")]));
    of_pictures.try_for_each(|it| store.import(&it, FEATURIZER).map(drop)).unwrap();
    let two = store.of_site(FEATURIZER, 2).unwrap();
    assert_eq!(two.len(), 2);
    assert!(two.iter().all(|it| it.features[0] % 3.0 == 0.0), "{two:?}");
    assert_ne!(two[0].features, two[1].features);
}
