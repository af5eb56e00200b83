//! What somebody looks for is found, whatever leads to it.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};

use super::super::Wanted;
use super::super::fixture::{self, FEATURIZER};
use crate::domain::Change;

#[test]
fn what_is_found_is_what_looking_at_each_event_finds() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    let start: Timestamp = "2026-11-24T07:00:00Z".parse().unwrap();
    let mut ids = Vec::new();
    for nth in 0..60_usize {
        let mut update = fixture::update(Change::Ended, ["fox", "blank", "hare", "fox", "human"][nth % 5], 0);
        update.event.start = start + SignedDuration::from_hours(nth as i64);
        update.event.camera = ["gate", "trail", "hide"][nth * nth % 7 % 3].into();
        update.event.people = nth % 4 == 0;
        // Two heads may call an event the same.
        if nth % 10 == 3 {
            let mut other = update.event.observations[0].clone();
            other.generation.task = "content".into();
            update.event.observations.push(other);
        }
        store.save(&update, FEATURIZER).unwrap();
        ids.push(update.event.id);
    }
    ids.sort_by_key(|it| Reverse(*it));
    let all: Vec<_> = ids.iter().filter_map(|it| store.event(*it).unwrap()).collect();
    assert_eq!(all.len(), 60);
    let middle = all[30].event.id;
    let called =
        |it: &super::super::StoredEvent, class: &str| it.event.observations.iter().any(|it| it.label() == class);
    let mut n_found = 0;
    for people in [None, Some(true), Some(false)] {
        for class in [None, Some("fox"), Some("blank"), Some("human"), Some("nothing")] {
            for camera in [None, Some("gate"), Some("hide"), Some("nowhere")] {
                for (not_of, before) in
                    [(None, None), (None, Some(middle)), (Some("hare"), None), (Some("fox"), Some(middle))]
                {
                    let wanted = Wanted {
                        people,
                        class: class.map(str::to_owned),
                        camera: camera.map(str::to_owned),
                        not_of: not_of.map(str::to_owned).into_iter().collect(),
                    };
                    let expected: Vec<_> = all
                        .iter()
                        .filter(|it| before.is_none_or(|before| it.event.id < before))
                        .filter(|it| people.is_none_or(|people| it.event.people == people))
                        .filter(|it| people == Some(true) || class == Some("blank") || !it.event.is_blank())
                        .filter(|it| class.is_none_or(|class| called(it, class)))
                        .filter(|it| camera.is_none_or(|camera| &*it.event.camera == camera))
                        .filter(|it| not_of.is_none_or(|not_of| !called(it, not_of)))
                        .map(|it| it.event.id)
                        .collect();
                    let found = store.found(&wanted, 100, before).unwrap();
                    assert_eq!(
                        found.iter().map(|it| it.event.id).collect::<Vec<_>>(),
                        expected,
                        "{wanted:?} {before:?}"
                    );
                    n_found += usize::from(!expected.is_empty());
                }
            }
        }
    }
    assert!(n_found > 80, "{n_found}");
}
