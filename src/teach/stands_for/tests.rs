//! Counts of a made-up site, and heads that are taught odd events as often as common ones.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::domain::{Class, Modality, View};
use crate::infer::classifier::Classifier;
use crate::infer::together::Together;
use crate::teach::directions::space;
use crate::teach::fit::by_recipe;
use crate::teach::taught::{TaughtEvent, TaughtFrame};

const DIMENSION: usize = 12;

fn view(features: Vec<f32>) -> TaughtView {
    TaughtView { modality: Modality::Colour, view: View::Whole, features, second: None }
}

/// Events of a picture each, in the order of classes.
fn taught(events: Vec<(usize, Vec<f32>)>) -> Taught {
    let event = |(nth, (class, features)): (usize, (usize, Vec<f32>))| TaughtEvent {
        id: nth.to_string(),
        class,
        group: nth.to_string(),
        camera: String::new(),
        stands_for: 1.0,
        frames: vec![TaughtFrame { class, views: vec![view(features)] }],
    };
    let n_classes = events.iter().map(|it| it.0 + 1).max().unwrap_or(0);
    let name = |it: usize| Class { name: ["deer", "fox"][it].into(), scientific_name: "".into() };
    Taught {
        dimension: DIMENSION,
        classes: (0..n_classes).map(name).collect(),
        events: events.into_iter().enumerate().map(event).collect(),
        classifier: None,
    }
}

/// Around a direction, as far as that from it.
fn near(direction: usize, far: f32, dice: &mut ChaCha8Rng) -> Vec<f32> {
    (0..DIMENSION).map(|i| f32::from(u8::from(i == direction)) + dice.random_range(-far..far)).collect()
}

fn close(found: &[f64], right: &[f64]) {
    assert!(found.iter().zip(right).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}, not {right:?}");
}

#[test]
fn each_event_stands_for_those_nearest_to_it_and_classes_weigh_what_they_did() {
    let mut dice = ChaCha8Rng::seed_from_u64(1);
    let mut of = |class: usize, directions: &[usize]| {
        directions.iter().map(|it| (class, near(*it, 0.05, &mut dice))).collect::<Vec<_>>()
    };
    let mut all = of(0, &[0, 1, 2]);
    all.extend(of(1, &[3, 4]));
    let mut it = taught(all);
    let weights = |it: &Taught| it.lessons().iter().map(|it| it.weight).collect::<Vec<f64>>();
    assert_eq!(weights(&it), [1.0; 5], "nobody counted");
    // Sixteen of one kind, four of two others, one of the next; of the last the site has seen none.
    let site: Vec<TaughtView> = [(0, 16), (1, 4), (2, 4), (3, 1)]
        .into_iter()
        .flat_map(|(direction, n)| (0..n).map(move |_| direction))
        .map(|direction| view(near(direction, 0.05, &mut dice)))
        .collect();
    it.stand_for(&site);
    let counts = |it: &Taught| it.events.iter().map(|it| it.stands_for).collect::<Vec<f64>>();
    assert_eq!(counts(&it), [16.0, 4.0, 4.0, 1.0, 1.0]);
    assert_eq!(weights(&it), [1.5, 0.75, 0.75, 1.0, 1.0], "the root of it, and 1 on average in a class");
    // Once more changes nothing; nor does a site of which nothing is known, or of which vectors are broken or of another length.
    it.stand_for(&site);
    it.stand_for(&[]);
    it.stand_for(&[view(vec![f32::NAN; DIMENSION]), view(vec![1.0])]);
    assert_eq!(counts(&it), [16.0, 4.0, 4.0, 1.0, 1.0]);
    // Fewer events weigh 1 on average, too: taught alone, and as a fold's.
    close(&weights(&it.only(|nth| nth < 2 || nth == 3)), &[4.0 / 3.0, 2.0 / 3.0, 1.0]);
    let samples = it.samples(&space(&it, &it.lessons(), 1.0).unwrap());
    close(&samples.even_weights(), &[1.5, 0.75, 0.75, 1.0, 1.0]);
    close(&samples.only(|nth| nth > 0).even_weights(), &[1.0; 4]);
}

#[test]
fn what_is_blank_weighs_what_it_did_in_events_of_something_too() {
    let mut dice = ChaCha8Rng::seed_from_u64(4);
    let mut it = taught((0..4).map(|nth| (usize::from(nth > 0), near(nth, 0.05, &mut dice))).collect());
    it.classes[0].name = "blank".into();
    // The second event begins with nothing in it.
    let empty = TaughtFrame { class: 0, views: vec![view(near(0, 0.05, &mut dice))] };
    it.events[1].frames.insert(0, empty);
    let mut site = vec![view(near(1, 0.05, &mut dice)); 9];
    site.extend([2, 3].map(|direction| view(near(direction, 0.05, &mut dice))));
    it.stand_for(&site);
    assert_eq!(it.events[1].stands_for, 9.0);
    let lessons = it.lessons();
    assert_eq!(lessons.iter().map(|it| it.class).collect::<Vec<_>>(), [0, 0, 1, 1, 1]);
    close(&lessons.iter().map(|it| it.weight).collect::<Vec<_>>(), &[1.0, 1.0, 1.8, 0.6, 0.6]);
}

#[test]
fn what_holds_no_number_stands_for_nothing() {
    let mut dice = ChaCha8Rng::seed_from_u64(5);
    let mut it =
        taught(vec![(0, vec![f32::NAN; DIMENSION]), (0, near(0, 0.05, &mut dice)), (1, near(1, 0.05, &mut dice))]);
    let site: Vec<TaughtView> = [0, 0, 0, 1, 1].map(|direction| view(near(direction, 0.05, &mut dice))).into();
    it.stand_for(&site);
    assert_eq!(it.events.iter().map(|it| it.stands_for).collect::<Vec<_>>(), [1.0, 3.0, 2.0]);
}

#[test]
fn what_the_network_itself_makes_of_it_counts_for_what_lies_near() {
    let at = |it: &[(usize, f32)]| {
        let mut features = vec![0.05f32; DIMENSION];
        it.iter().for_each(|(i, x)| features[*i] = *x);
        features
    };
    // By their features half of the site's lie near to the first, and the network takes them for the second.
    let mut it = taught(vec![(0, at(&[(0, 1.0)])), (1, at(&[(1, 1.0)])), (1, at(&[(5, 1.0)]))]);
    let mut site = vec![view(at(&[(0, 1.0), (1, 0.9)])); 6];
    site.extend(vec![view(at(&[(5, 1.0)])); 6]);
    let counts = |it: &Taught| it.events.iter().map(|it| it.stands_for).collect::<Vec<f64>>();
    it.stand_for(&site);
    assert_eq!(counts(&it), [6.0, 1.0, 6.0]);
    let mut rows = vec![0.0f32; 2 * DIMENSION];
    (rows[1], rows[DIMENSION + 1]) = (40.0, -40.0);
    it.classifier = Some(Arc::new(Classifier::new(&rows, vec![-20.0, 20.0], DIMENSION).unwrap()));
    it.stand_for(&site);
    assert_eq!(counts(&it), [1.0, 6.0, 6.0]);
}

/// One event in twenty of two species is odd, and people were asked about as many odd ones as common ones.
#[test]
fn a_head_that_was_asked_about_the_odd_names_what_is_common_better() {
    let mut dice = ChaCha8Rng::seed_from_u64(3);
    // The odd ones of each lie on the other's side, and further out.
    let common = |class: usize, dice: &mut ChaCha8Rng| {
        let mut it = near(0, 0.08, dice);
        it[1] += if class == 0 { 0.35 } else { -0.35 };
        it
    };
    let odd = |class: usize, dice: &mut ChaCha8Rng| {
        let mut it = near(0, 0.08, dice);
        it[1] += if class == 0 { -0.9 } else { 0.9 };
        it[2] += 0.9;
        it
    };
    let mut labelled = Vec::new();
    for class in 0..2 {
        (0..3).for_each(|_| labelled.push((class, common(class, &mut dice))));
        (0..3).for_each(|_| labelled.push((class, odd(class, &mut dice))));
    }
    let fresh: Vec<(usize, Vec<f32>)> = (0..400)
        .map(|nth| (nth % 2, if nth % 40 < 2 { odd(nth % 2, &mut dice) } else { common(nth % 2, &mut dice) }))
        .collect();
    let site: Vec<TaughtView> = fresh.iter().step_by(3).map(|it| view(it.1.clone())).collect();
    let plain = taught(labelled);
    let mut weighed = plain.clone();
    weighed.stand_for(&site);
    let nearest_mean = Recipe { shrinkage: 1.0, share: 0.0, ..Recipe::PRIOR };
    let right = |of: &Taught| {
        let head = by_recipe(of, &nearest_mean).unwrap();
        let answer = |features: &[f32]| {
            let it = head.answer(features, 0);
            Together::of([(&*it.probabilities, it.closeness)], None).answer(None)
        };
        fresh.iter().filter(|it| answer(&it.1) == Some(it.0)).count() as f64 / fresh.len() as f64
    };
    let (before, after) = (right(&plain), right(&weighed));
    assert!(before < 0.7 && after > 0.9, "{before}, then {after}");
}
