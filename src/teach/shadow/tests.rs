//! Shadows on a real store: an honest one goes live after its events, a spoiled one is refused, and a kill at any step of either
//! harms nothing.

#![allow(clippy::unwrap_used)]

use std::process::Stdio;

use rand::RngExt;

use super::super::train::tests::{SPECIES, Site, cloud};
use super::*;
use crate::domain::{Change, Event, EventState, EventUpdate, Modality};
use crate::observe::store::fixture;
use crate::observe::store::{Answer, Species, Store};

/// A site whose head serves, and that of all its labels in the shadow beside it.
fn site(n_events: u64) -> Site {
    let mut site = Site::new();
    site.config.keep_generations = 5;
    site.label(0, 8);
    assert_eq!(site.train().serving, 1);
    site.config.shadow_events = n_events;
    site.label(8, 16);
    // The judge may find the second no better than the first: what is tried here is what comes after.
    let second = site.train();
    let number = second.manifest.unwrap().generation.number;
    if !second.shadow {
        site.generations().set_shadow(number).unwrap();
    }
    assert_eq!((site.generations().current().unwrap(), site.generations().shadow().unwrap()), (1, Some(number)));
    site
}

/// Live events, one of each species in turn, and what a person says of each where `labelled`.
fn watch(site: &Site, n: u32, labelled: bool) {
    let store = Store::open_beside(site.dir.path(), &fixture::config()).unwrap();
    for nth in 0..n {
        let class = nth as usize % SPECIES.len();
        let mut keepsake = fixture::keepsake(&fixture::frame(16, 16, [9; 3]), 1.0);
        keepsake.modality = Modality::Infrared;
        keepsake.embedding.features = cloud(class, 1_000 + nth).into();
        let event = Event { state: EventState::Ended, ..fixture::event("deer", Timestamp::now()) };
        let id = event.id;
        let update = EventUpdate { change: Change::Ended, event, keepsakes: vec![keepsake], said: Vec::new() };
        store.save(&update, &site.contracts.first.identity()).unwrap();
        if labelled {
            let species = vec![Species::of(SPECIES[class])];
            let answer = Answer {
                event: id,
                frame: None,
                task: "species".into(),
                labeller: "ann".into(),
                species,
                verified: false,
                key: None,
                question: None,
            };
            store.answer(&answer).unwrap();
        }
    }
}

fn shadows(site: &Site) -> (Shadows, Arc<Metrics>) {
    let (metrics, store) = (Metrics::new(), Store::reader(site.dir.path()));
    (Shadows::new(&site.config, site.dir.path(), &site.contracts, store, Arc::clone(&metrics)), metrics)
}

#[test]
fn an_honest_challenger_goes_live_after_its_events_and_a_restart_loses_none() {
    let site = site(30);
    let number = site.generations().shadow().unwrap().unwrap();
    let (mut first, metrics) = shadows(&site);
    first.look();
    watch(&site, 12, true);
    first.look();
    let tally = site.generations().tally().unwrap();
    assert_eq!((tally.generation, tally.against, tally.events), (number, 1, 12));
    assert!(tally.agreed >= 9 && tally.sure_disagreed <= 1, "{tally:?}");
    let shown = |outcome: &str| metrics.teaching.shadow_events.with_label_values(&["species", outcome]).get();
    assert_eq!((shown("all"), shown("same") as u64), (12, tally.agreed));
    drop(first);
    // Another daemon goes on where that one ended; nothing is counted twice.
    let (mut second, metrics) = shadows(&site);
    second.look();
    assert_eq!(site.generations().tally().unwrap(), tally);
    watch(&site, 30, false);
    second.look();
    let generations = site.generations();
    assert_eq!(
        (generations.current().unwrap(), generations.shadow().unwrap(), generations.tally()),
        (number, None, None)
    );
    let it = generations.shadowed(number).unwrap().unwrap();
    assert!(it.promoted && it.tally.events == 30, "{it:?}");
    // What it has learned of those is known; of the first twelve people have said what they were.
    assert!(it.labelled == 12 && it.right >= 9 && it.serving_right >= 6, "{it:?}");
    assert_eq!(metrics.teaching.shadow_verdicts.with_label_values(&["species", "promoted"]).get(), 1);
    assert_eq!(metrics.teaching.shadow.with_label_values(&["species"]).get(), 0);
}

#[test]
fn a_spoiled_challenger_is_refused_kept_and_not_served() {
    let mut site = Site::new();
    site.config.keep_generations = 5;
    site.label(0, 10);
    site.train();
    site.config.shadow_events = 24;
    // It mixes up its species, and nobody has labelled anything: that it says otherwise is enough.
    let bad = site.spoil();
    site.generations().promote(1).unwrap();
    site.generations().set_shadow(bad).unwrap();
    let (mut shadows, metrics) = shadows(&site);
    shadows.look();
    watch(&site, 24, false);
    shadows.look();
    let generations = site.generations();
    assert_eq!((generations.current().unwrap(), generations.shadow().unwrap()), (1, None));
    let it = generations.shadowed(bad).unwrap().unwrap();
    assert!(!it.promoted && it.reason.contains("events named otherwise"), "{it:?}");
    assert!(it.checks.iter().any(|it| !it.passed && it.bound > MAX_DISAGREED), "{it:?}");
    assert!(generations.manifest(bad).is_ok(), "it is kept");
    assert_eq!(metrics.teaching.shadow_verdicts.with_label_values(&["species", "refused"]).get(), 1);
}

#[test]
fn labels_prove_a_challenger_worse_that_says_nothing_otherwise_surely() {
    let site = site(30);
    let generations = site.generations();
    let number = generations.shadow().unwrap().unwrap();
    watch(&site, 30, true);
    let featurizer = site.contracts.first.identity();
    let taught = Store::reader(site.dir.path()).taught("species", &featurizer, None).unwrap();
    let head = |number| incumbent(&generations, number, (&featurizer, None)).unwrap().unwrap();
    let tally = Tally { generation: number, against: 1, events: 30, agreed: 30, ..Tally::default() };
    assert!(decide(tally.clone(), &taught, (&head(number), &head(1)), &[]).promoted);
    let bad = site.spoil();
    let it = decide(Tally { generation: bad, ..tally }, &taught, (&head(bad), &head(1)), &[]);
    assert!(!it.promoted && it.reason.contains("labelled: log-loss"), "{it:?}");
    assert!(it.right < it.serving_right, "{it:?}");
}

#[test]
fn a_person_a_newer_challenger_and_another_head_that_serves_end_a_trial() {
    let site = site(30);
    let generations = site.generations();
    let number = generations.shadow().unwrap().unwrap();
    let (mut shadows, _) = shadows(&site);
    shadows.look();
    watch(&site, 3, false);
    shadows.look();
    assert_eq!(generations.tally().unwrap().events, 3);
    // A newer one begins anew.
    let newer = site.spoil();
    generations.promote(1).unwrap();
    assert_eq!(generations.shadow().unwrap(), None, "by hand it ends");
    generations.set_shadow(newer).unwrap();
    generations.set_shadow(number).unwrap();
    shadows.look();
    assert_eq!(generations.tally().unwrap().events, 0);
    // Deleting it ends it too.
    assert!(!generations.prune(2).unwrap().contains(&number), "it is needed");
    generations.remove(number).unwrap();
    assert_eq!((generations.shadow().unwrap(), generations.tally()), (None, None));
    shadows.look();
    assert_eq!(generations.current().unwrap(), 1);
}

#[test]
fn a_shadow_killed_around_any_write_leaves_a_head_that_serves() {
    if let Some(state) = fixture::role() {
        let mut site = Site::new();
        site.config.shadow_events = 12;
        let (dir, metrics) = (Path::new(&state), Metrics::new());
        let mut shadows = Shadows::new(&site.config, dir, &site.contracts, Store::reader(dir), metrics);
        return (0..2).for_each(|_| shadows.look());
    }
    let test = concat!(module_path!(), "::a_shadow_killed_around_any_write_leaves_a_head_that_serves");
    let site = site(12);
    let generations = site.generations();
    let number = generations.shadow().unwrap().unwrap();
    let began =
        Tally { generation: number, against: 1, begun: Timestamp::now(), up_to: Timestamp::now(), ..Tally::default() };
    generations.set_tally(&began).unwrap();
    watch(&site, 12, false);
    let (heads, before) = (site.dir.path().join("heads"), site.dir.path().join("heads-before"));
    super::super::train::tests::copy(&heads, &before);
    let (mut kills, mut at) = (0, rand::rng().random_range(1..=2));
    loop {
        super::super::train::tests::copy(&before, &heads);
        let mut child = super::super::train::tests::child(test, site.dir.path(), at);
        let status = child.stdout(Stdio::null()).status().unwrap();
        let serving = generations.current().unwrap();
        assert!(serving == 1 || serving == number, "at step {at}: {serving} serves");
        generations.weights(&generations.manifest(serving).unwrap()).unwrap();
        let (mut shadows, _) = shadows(&site);
        (0..2).for_each(|_| shadows.look());
        let ended = generations.shadowed(number).unwrap().unwrap();
        assert!(ended.promoted, "at step {at}: {ended:?}");
        assert_eq!((generations.current().unwrap(), generations.shadow().unwrap()), (number, None), "at step {at}");
        if status.success() {
            break;
        }
        (kills, at) = (kills + 1, at + 2);
    }
    assert!(kills >= 10, "only {kills} kills: nothing was tried");
}
