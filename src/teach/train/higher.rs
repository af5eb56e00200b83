//! From labels to an answer of a higher rank: two cats that are alike, a deer and a hare.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::sync::Arc;

use rand::{RngExt, SeedableRng};

use super::Manifest;
use super::tests::{Site, event_of};
use crate::domain::{Embedding, Modality, ObservationType, Rank, View};
use crate::infer::head::Head;
use crate::infer::space::kind;
use crate::infer::together::Together;
use crate::infer::unknown::Unknown;
use crate::observe::said::Said;
use crate::observe::store::{Store, fixture};

/// What the cats share, and what is each one's own.
const SHARED: usize = 4;
const CLASSES: [&str; 4] = ["bobcat", "Eurasian lynx", "roe deer", "hare"];

/// A vector that is as much of each class as that.
fn features(parts: [f32; 4], noise: f32, seed: u64) -> Vec<f32> {
    let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let own = [0.5 * parts[0], 0.5 * parts[1], parts[2], parts[3]].into_iter().flat_map(|it| [it; 2]);
    let shared = std::iter::repeat_n(2.0 * (parts[0] + parts[1]), SHARED);
    shared.chain(own).map(|it| it + noise * dice.random_range(-1.0f32..1.0)).collect()
}

fn one(class: usize) -> [f32; 4] {
    let mut parts = [0.0; 4];
    parts[class] = 1.0;
    parts
}

#[test]
fn a_head_that_is_sure_of_the_genus_and_not_of_the_species_says_the_genus() {
    let site = Site::new();
    let store = Store::open_beside(site.path(), &fixture::config()).unwrap();
    for nth in 0..12 {
        for (class, name) in CLASSES.iter().enumerate() {
            let features = features(one(class), 0.4, u64::from(nth) * 8 + class as u64);
            store.import(&event_of(class, name, nth, features), &site.featurizer()).unwrap();
        }
    }
    let trained = site.train();
    let manifest = trained.manifest.unwrap();
    let names: Vec<&str> = manifest.classes.iter().map(|it| &*it.class.scientific_name).collect();
    assert_eq!(names, ["Lynx lynx", "Lynx rufus", "Lepus", "Capreolus capreolus"], "{names:?}");
    assert!(manifest.unknown.reach.is_some_and(|it| it > 0.0), "{:?}", manifest.unknown);

    // Two kinds of strangers are too few to find a border that heeds doubt: here four in five is sure, within the reach found.
    let border = Unknown {
        of_distance: 0.0,
        of_doubt: 1.0,
        of_lead: 0.0,
        of_second: 0.0,
        threshold: 0.2231,
        ..manifest.unknown
    };
    let weights = site.generations().weights(&manifest).unwrap();
    let manifest = site.generations().add(Manifest { unknown: border, ..manifest }, &weights).unwrap();
    let (number, starter) = (manifest.generation.number, Arc::new(Head::starter(&[])));
    let head = Arc::new(site.generations().load(number, &site.featurizer(), starter).unwrap());
    let said = |parts: [f32; 4]| {
        let embedding = Embedding { features: features(parts, 0.0, 1).into(), logits: None, second: None };
        let opinion = head.own_opinion(&embedding, kind(Modality::Infrared, View::Whole)).unwrap();
        let together = Together::of([(&*opinion.probabilities, opinion.closeness)], Some(0));
        Said { head: Arc::clone(&head), together, hint: None }.observation(None, 0.5)
    };
    // All that is said on the way from one class to another.
    let between = |one: usize, other: usize| -> BTreeSet<String> {
        let part = |at: u16| {
            let mut parts = [0.0; 4];
            (parts[one], parts[other]) = (f32::from(at) / 1_000.0, 1.0 - f32::from(at) / 1_000.0);
            said(parts).shown()
        };
        (0..=1_000).map(part).collect()
    };
    let words = |all: [&str; 3]| all.map(String::from).into();
    assert_eq!(between(0, 1), words(["bobcat", "Eurasian lynx", "Lynx (genus)"]), "{border:?}");
    assert_eq!(between(2, 3), words(["roe deer", "hare", "unknown"]), "they share no taxon but the mammals");
    let cat = said([0.5, 0.5, 0.0, 0.0]);
    assert_eq!((cat.kind, cat.rank, cat.hint), (ObservationType::Animal, Some(Rank::Genus), None));
}
