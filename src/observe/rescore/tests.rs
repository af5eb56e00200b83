//! What a later head says of stored vectors, beside what was said first.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use jiff::Timestamp;

use super::*;
use crate::domain::{Change, Class, EventState, EventUpdate, Generation, View};
use crate::infer::head::Taught;
use crate::infer::learned::Learned;
use crate::infer::space::{N_KINDS, Space};
use crate::infer::unknown::Unknown;
use crate::observe::store::fixture::{self, FEATURIZER};
use crate::observe::store::{Answer, Species};

/// A head that tells two directions apart, and calls unknown what lies along neither.
fn head(number: u32, names: [&str; 2]) -> Arc<Head> {
    let space = Space {
        means: vec![0.0; N_KINDS * 3],
        basis: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0],
        dimension: 3,
        impressions: None,
    };
    let learned = Learned {
        blank: true,
        whitening: space.basis.clone(),
        space,
        means: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        sharpness: 20.0,
        weights: vec![0.0; 6],
        bias: vec![0.0; 2],
        shares: vec![0.0; 2],
        offsets: vec![0.0; 2],
    };
    let unknown =
        Unknown { of_distance: 1.0, of_doubt: 0.0, of_lead: 0.0, of_second: 0.0, threshold: 0.5, reach: None };
    let classes = names.iter().map(|it| Class { name: (*it).into(), scientific_name: "".into() }).collect();
    let taught = Taught { learned, sharpness: 1.0, unknown, both: None, starter: Arc::new(Head::starter(&[])) };
    Arc::new(Head::taught(Generation { task: "species".into(), number }, classes, taught))
}

/// An event with three vectors, as the starter head answered it.
fn event(class: &str, vector: [f32; 3], minute: i64) -> EventUpdate {
    let mut update = fixture::update(Change::Ended, class, 0);
    let at = Timestamp::from_second(1_790_000_000 + 60 * minute).unwrap();
    update.event.id = Uuid::from_u128((at.as_millisecond() as u128) << 80 | 0x7000_8000 << 48 | minute as u128);
    (update.event.start, update.event.end) = (at, at);
    for _ in 0..3 {
        let mut it = fixture::keepsake(&fixture::noise(8, at), 0.5);
        it.embedding.features = vector.into();
        (it.view, it.picture) = (View::Crop, false);
        update.keepsakes.push(it);
    }
    update
}

fn run(store: &Store, head: &Arc<Head>, span: Span) -> Report {
    rescore(store, head, (FEATURIZER, None), 0.5, span, |_| ()).unwrap()
}

fn beside(dir: &Path) -> Store {
    Store::open_beside(dir, &fixture::config()).unwrap()
}

#[test]
fn a_later_head_answers_anew_and_what_was_said_first_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (daemon, _) = fixture::open(dir.path());
    let mut unknown = event("blank", [0.0, 1.0, 0.0], 1);
    unknown.event.observations[0].kind = ObservationType::Unknown;
    let dog = Class { name: "dog".into(), scientific_name: "Canis familiaris".into() };
    unknown.event.observations[0].hint = Some(dog.clone());
    let mut open = event("hare", [1.0, 0.0, 0.0], 5);
    open.event.state = EventState::Open;
    let mut bare = event("hare", [1.0, 0.0, 0.0], 6);
    bare.keepsakes.clear();
    let all = [
        event("hare", [1.0, 0.0, 0.0], 0),
        unknown,
        event("hare", [0.0, 0.0, 1.0], 2),
        event("fox", [0.9, 0.1, 0.0], 3),
        event("blank", [1.0, 0.0, 0.0], 4),
        open,
        bare,
    ];
    all.iter().for_each(|it| drop(daemon.save(it, FEATURIZER).unwrap()));
    let store = beside(dir.path());
    let report = run(&store, &head(1, ["fox", "hen"]), Span::default());
    let changes = |pairs: &[(&str, &str)]| {
        let mut all: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for (from, to) in pairs {
            *all.entry((*from).into()).or_default().entry((*to).into()).or_default() += 1;
        }
        all
    };
    let expected = Report {
        events: 5,
        already: 0,
        without_vectors: 1,
        answered: 4,
        changed: 3,
        named: 1,
        unnamed: 1,
        changes: changes(&[("hare", "fox"), ("unknown", "hen"), ("hare", "unknown")]),
    };
    assert_eq!(report, expected);
    let stored = |i: usize| store.event(all[i].event.id).unwrap().unwrap();
    let label = |it: &[Observation]| it.iter().map(Observation::label).collect::<Vec<_>>().join(" ");
    assert_eq!((label(&stored(0).event.observations), label(&stored(0).first)), ("fox".into(), "hare".into()));
    assert_eq!(stored(0).event.observations[0].generation.number, 1);
    assert_eq!(stored(0).first, all[0].event.observations, "to the last bit");
    // Who labels it sees what holds.
    let answer = Answer {
        event: all[0].event.id,
        frame: None,
        task: "species".into(),
        labeller: "ann".into(),
        species: vec![Species::of("dingo")],
        verified: false,
        key: None,
        question: None,
    };
    assert_eq!(store.answer(&answer).unwrap().suggested, Some((1, "fox".into())));
    // What the starter head had said of it is the hint of an unknown.
    let hint = stored(2).event.observations[0].hint.clone().unwrap();
    assert_eq!(&*hint.name, "hare");
    // Where both say the same the later one's answer holds, and the first stays.
    assert_eq!((label(&stored(3).event.observations), label(&stored(3).first)), ("fox".into(), "fox".into()));
    for i in [4, 5, 6] {
        assert_eq!((stored(i).event.observations, stored(i).first), (all[i].event.observations.clone(), Vec::new()));
    }

    // A second time nothing is to be done.
    let before: Vec<_> = (0..7).map(stored).collect();
    let again = run(&store, &head(1, ["fox", "hen"]), Span::default());
    assert_eq!((again.events, again.already, again.answered, again.changed), (5, 4, 0, 0));
    assert_eq!(before, (0..7).map(stored).collect::<Vec<_>>());

    // The next head's answer takes the place of this one's; the first stays the first.
    let report = run(&store, &head(2, ["badger", "hen"]), Span::default());
    assert_eq!(report.changes, changes(&[("fox", "badger"), ("fox", "badger")]));
    assert_eq!((label(&stored(0).event.observations), label(&stored(0).first)), ("badger".into(), "hare".into()));
    assert_eq!(stored(2).event.observations[0].hint, Some(hint));

    // The starter head serves again: what it had said holds, and it can say nothing else of vectors alone.
    let report = run(&store, &Arc::new(Head::starter(&[])), Span::default());
    assert_eq!((report.answered, report.already, report.without_vectors, report.changed), (4, 1, 0, 4));
    assert_eq!(
        (0..7).map(|i| stored(i).event.observations).collect::<Vec<_>>(),
        all.clone().map(|it| it.event.observations)
    );
    assert!((0..7).all(|i| stored(i).first.is_empty()));
}

#[test]
fn a_span_is_kept_to_and_what_was_cut_short_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (daemon, _) = fixture::open(dir.path());
    let all: Vec<EventUpdate> = (0..150).map(|minute| event("hare", [1.0, 0.0, 0.0], minute)).collect();
    all.iter().for_each(|it| drop(daemon.save(it, FEATURIZER).unwrap()));
    let store = beside(dir.path());
    let span = Span { since: Some(all[10].event.start), until: Some(all[20].event.start) };
    let head = head(1, ["fox", "hen"]);
    assert_eq!(run(&store, &head, span).changed, 10);
    let label = |i: usize| store.event(all[i].event.id).unwrap().unwrap().event.observations[0].label();
    assert_eq!([9, 10, 19, 20].map(label), ["hare", "fox", "fox", "hare"]);
    let report = run(&store, &head, Span::default());
    assert_eq!((report.events, report.already, report.answered), (150, 10, 140));
    // More of an event is told as if it had just happened: whatever was said of less of it goes.
    daemon.save(&all[3], FEATURIZER).unwrap();
    assert_eq!(label(3), "hare");
    assert_eq!(run(&store, &head, Span::default()).answered, 1);
}

#[test]
fn several_animals_of_an_event_are_followed_as_they_are_live() {
    let dir = tempfile::tempdir().unwrap();
    let mut both = event("hare", [1.0, 0.0, 0.0], 0);
    both.event.observations.push(fixture::observation("dog"));
    let hens = event("hen", [0.0, 1.0, 0.0], 0).keepsakes;
    both.keepsakes.extend(hens.into_iter().map(|mut it| {
        it.area.x += 1_000.0;
        it
    }));
    let store = beside(dir.path());
    store.save(&both, FEATURIZER).unwrap();
    let report = run(&store, &head(1, ["fox", "hen"]), Span::default());
    let changes: Vec<_> = report.changes.into_iter().collect();
    assert_eq!(changes, [("dog and hare".to_owned(), BTreeMap::from([("fox and hen".to_owned(), 1)]))]);
}
