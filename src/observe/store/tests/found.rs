//! What somebody looks for is found, whatever leads to it.

use std::cmp::Reverse;

use jiff::{SignedDuration, Timestamp};

use super::super::fixture::{self, FEATURIZER};
use super::super::{Answer, NewQuestion, Species, Wanted, Why};
use crate::domain::{Change, ObservationType};

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

#[test]
fn what_may_be_of_a_protected_species_is_kept_back_until_somebody_says_what_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    let update = fixture::update(Change::Ended, "dog", 1);
    store.save(&update, FEATURIZER).unwrap();
    let id = update.event.id;
    let is_hidden = || store.of_classes(&[id], &["lynx".into()]).unwrap().contains(&id);
    assert!(!is_hidden());
    let question = NewQuestion {
        task: "species".into(),
        why: Why::Protected,
        reason: "may be of a protected species".into(),
        blind: false,
        event: Some(id),
        moment: None,
        media: None,
        probability: None,
        alike: Vec::new(),
    };
    store.ask(&[question]).unwrap();
    assert!(is_hidden());
    let by_camera = Wanted { camera: Some("feeder".into()), not_of: vec!["lynx".into()], ..Wanted::default() };
    assert!(store.found(&by_camera, 9, None).unwrap().is_empty());
    let question = store.lease("species", "ann", 1, 60.0).unwrap()[0].id;
    say(&store, id, "dog", Some(question));
    assert!(!is_hidden());
    say(&store, id, "lynx", None);
    assert!(is_hidden());
    // What a taught head takes an unknown for is not kept.
    let mut update = fixture::update(Change::Ended, "dog", 0);
    let said = &mut update.event.observations[0];
    (said.kind, said.class) = (ObservationType::Unknown, None);
    store.save(&update, FEATURIZER).unwrap();
    let is_hidden = |id| store.of_classes(&[id], &["lynx".into()]).unwrap().contains(&id);
    assert!(!is_hidden(update.event.id), "the starter head takes it for nothing");
    update.event.id = uuid::Uuid::now_v7();
    update.event.observations[0].generation.number = 1;
    store.save(&update, FEATURIZER).unwrap();
    assert!(is_hidden(update.event.id));
    say(&store, update.event.id, "dog", None);
    assert!(!is_hidden(update.event.id));
}

#[test]
fn blank_ones_stand_in_the_gallery_where_there_is_a_picture_until_somebody_says_what_is_in_them() {
    let dir = tempfile::tempdir().unwrap();
    let (store, _) = fixture::open(dir.path());
    let updates =
        [("blank", 1), ("fox", 1), ("blank", 0), ("fox", 1)].map(|it| fixture::update(Change::Ended, it.0, it.1));
    updates.iter().for_each(|it| drop(store.save(it, FEATURIZER).unwrap()));
    let called = |class: &str| -> Vec<_> {
        store.events_called("species", class, None, 9).unwrap().events.iter().map(|it| it.event.id).collect()
    };
    assert_eq!(store.classes_seen("species").unwrap(), [("fox".into(), 2), ("blank".into(), 1)]);
    assert_eq!((called("blank"), called("fox").len()), (vec![updates[0].event.id], 2));
    say(&store, updates[0].event.id, "hare", None);
    assert!(called("blank").is_empty());
    assert_eq!(called("hare"), [updates[0].event.id], "what was missed is among its like");
    say(&store, updates[1].event.id, "blank", None);
    assert_eq!(called("blank"), [updates[1].event.id]);
}

fn say(store: &super::super::Store, event: uuid::Uuid, class: &str, question: Option<uuid::Uuid>) {
    let (task, labeller, species) = ("species".into(), "ann".into(), vec![Species::of(class)]);
    let (frame, verified, key) = (None, false, None);
    store.answer(&Answer { event, frame, task, labeller, species, verified, key, question }).unwrap();
}
