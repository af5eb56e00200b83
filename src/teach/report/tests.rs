//! Reports on made-up events, of which it is known how much each sight sees.

#![allow(clippy::unwrap_used)]

use rand::RngExt;

use super::*;
use crate::domain::{Class, Modality, View};
use crate::teach::taught::{TaughtEvent, TaughtFrame, TaughtView};
use verdict::Word;

const DIMENSION: usize = 32;
const NAMES: [&str; 4] = ["badger", "deer", "fox", "hare"];

/// Which events there are: class, modality, camera.
type Plot = (usize, Modality, &'static str);

/// Vectors in which species are `apart` by so much, and cameras by so much.
fn seen(plots: &[Plot], apart: f32, of_camera: f32, seed: u64) -> Taught {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let mut around = |place: &[f32], spread: f32| -> Vec<f32> {
        let mut normal = || (0..12).map(|_| dice.random_range(-0.5f32..0.5)).sum::<f32>();
        place.iter().map(|it| it + spread * normal()).collect()
    };
    let places: Vec<Vec<f32>> = NAMES.iter().map(|_| around(&[0.0; DIMENSION], apart)).collect();
    let cameras: BTreeMap<&str, Vec<f32>> = plots
        .iter()
        .map(|it| it.2)
        .collect::<std::collections::BTreeSet<_>>()
        .into_iter()
        .map(|it| (it, around(&[0.0; DIMENSION], of_camera)))
        .collect();
    let mut event = |(nth, &(class, modality, camera)): (usize, &Plot)| {
        let place: Vec<f32> = places[class].iter().zip(&cameras[camera]).map(|(a, b)| a + b).collect();
        let here = around(&place, 0.6);
        let mut frame = || {
            let views = vec![TaughtView { modality, view: View::Whole, features: around(&here, 0.3), second: None }];
            TaughtFrame { class, views }
        };
        let frames = (0..2).map(|_| frame()).collect();
        TaughtEvent {
            id: nth.to_string(),
            class,
            group: nth.to_string(),
            camera: camera.into(),
            stands_for: 1.0,
            frames,
        }
    };
    let classes = NAMES.iter().map(|it| Class { name: (*it).into(), scientific_name: "".into() }).collect();
    Taught {
        dimension: DIMENSION,
        classes,
        events: plots.iter().enumerate().map(&mut event).collect(),
        classifier: None,
    }
}

fn sight(name: &str, kind: Kind) -> Sight {
    Sight {
        name: name.into(),
        kind,
        cut: String::new(),
        serves: kind == Kind::Featurizer && name == "first",
        classifier: None,
    }
}

fn gathered(seen: Vec<Taught>) -> Gathered {
    Gathered { pictures: 2 * seen[0].events.len(), seen, left_out: 0, unread: Vec::new() }
}

fn plots(n: usize, of: impl Fn(usize) -> (Modality, &'static str)) -> Vec<Plot> {
    (0..n).map(|nth| (nth % NAMES.len(), of(nth).0, of(nth).1)).collect()
}

fn shuffled(mut taught: Taught) -> Taught {
    let mut classes: Vec<usize> = taught.events.iter().map(|it| it.class).collect();
    classes.shuffle(&mut ChaCha8Rng::seed_from_u64(3));
    for (event, class) in taught.events.iter_mut().zip(classes) {
        event.class = class;
        event.frames.iter_mut().for_each(|it| it.class = class);
    }
    taught
}

#[test]
fn features_that_see_are_appropriate_and_shuffled_labels_turn_the_verdict() {
    let plots = plots(80, |_| (Modality::Colour, "gate"));
    let sights = [sight("first", Kind::Featurizer), sight("drawn", Kind::Untrained), sight("pixels", Kind::Pixels)];
    let seen = vec![seen(&plots, 0.6, 0.0, 1), seen(&plots, 0.0, 0.0, 2), seen(&plots, 0.15, 0.0, 3)];
    let it = report(&gathered(seen.clone()), &sights).unwrap();
    let said = it.colour.said.unwrap();
    assert_eq!((said.verdict.word, said.asked), (Word::Appropriate, 80), "{said:#?}");
    assert!(said.sights[0].scores.balanced_accuracy.low > 0.8, "{said:#?}");
    assert!(said.sights[1].difference.unwrap().high < -0.3, "{said:#?}");
    assert!(said.shuffled.balanced_accuracy.value < 0.45, "{:?}", said.shuffled);
    assert!(said.other_cameras.is_none() && said.verdict.advice[0].starts_with("keep the featurizer"), "{said:#?}");
    assert!(it.infrared.said.is_none() && it.infrared.why_not.unwrap().starts_with("0 events"));
    let points: Vec<f64> = said.curve.unwrap().points.iter().map(|it| it.balanced_accuracy.value).collect();
    assert!(points.len() == 4 && points[0] > 0.4 && points[3] > points[0], "1, 2, 5 and 10 a class: {points:?}");

    let turned = report(&gathered(seen.into_iter().map(shuffled).collect()), &sights).unwrap();
    let said = turned.colour.said.unwrap();
    assert_eq!(said.verdict.word, Word::Not, "{said:#?}");
    assert!(said.verdict.advice[0].contains("do not rely") || said.verdict.advice[0].contains("before you rely"));
    assert!(said.curve.is_none_or(|it| it.next_point_events.is_none()), "chance foretells nothing");
}

#[test]
fn a_better_featurizer_is_named_and_what_sees_nothing_is_not_appropriate() {
    let plots = plots(64, |_| (Modality::Infrared, "gate"));
    let sights = [sight("first", Kind::Featurizer), sight("other", Kind::Featurizer), sight("pixels", Kind::Pixels)];
    let seen = vec![seen(&plots, 0.0, 0.0, 1), seen(&plots, 0.8, 0.0, 2), seen(&plots, 0.0, 0.0, 3)];
    let said = report(&gathered(seen.clone()), &sights).unwrap().infrared.said.unwrap();
    let names_other = |it: &Said| it.verdict.advice.iter().any(|it| it.starts_with("other sees more than first"));
    let answer = [sight("first", Kind::Featurizer), sight("other", Kind::Answer), sight("pixels", Kind::Pixels)];
    let of_answer = report(&gathered(seen), &answer).unwrap().infrared.said.unwrap();
    assert!(!names_other(&of_answer), "no featurizer can serve at that cut: {:?}", of_answer.verdict);
    assert_eq!(said.verdict.word, Word::Not, "{said:#?}");
    assert!(names_other(&said), "{:?}", said.verdict);
    assert!(said.sights[1].difference.unwrap().low > 0.2);
}

#[test]
fn other_cameras_and_the_other_light_show_what_is_lost_there() {
    let cameras = ["gate", "pond", "ridge"];
    let two = |nth: usize| {
        let modality = if (nth / NAMES.len()).is_multiple_of(2) { Modality::Colour } else { Modality::Infrared };
        (modality, cameras[nth / 8 % 3])
    };
    let plots = plots(144, two);
    let sights = [sight("first", Kind::Featurizer), sight("pixels", Kind::Pixels)];
    let report_with = |of_camera: f32| {
        let seen = vec![seen(&plots, 0.6, of_camera, 1), seen(&plots, 0.0, 0.0, 2)];
        report(&gathered(seen), &sights).unwrap()
    };
    let alike = report_with(0.0);
    let (there, back) = (alike.colour_to_infrared.unwrap(), alike.infrared_to_colour.unwrap());
    assert!(there.events == 72 && there.classes == 4 && there.balanced_accuracy.value > 0.8, "{there:?}");
    assert!(back.balanced_accuracy.value > 0.8, "{back:?}");
    let same = alike.colour.said.unwrap().other_cameras.unwrap();
    assert!(same.events == 72 && same.difference.value.abs() < 0.1, "{same:?}");
    let differ = report_with(1.5).colour.said.unwrap();
    let lost = differ.other_cameras.unwrap();
    assert!(lost.difference.value < same.difference.value - 0.05, "{lost:?}, where cameras are alike {same:?}");
}

#[test]
fn too_little_is_said_to_be_too_little() {
    let plots = plots(5, |_| (Modality::Colour, "gate"));
    let it = report(&gathered(vec![seen(&plots, 1.0, 0.0, 1)]), &[sight("first", Kind::Featurizer)]).unwrap();
    assert!(it.colour.said.is_none() && it.colour.why_not.unwrap().contains("5 events"));
    let none = Gathered { seen: Vec::new(), pictures: 0, left_out: 0, unread: Vec::new() };
    assert_eq!(report(&none, &[]).unwrap().events, 0);
}
