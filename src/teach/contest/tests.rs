//! Challengers that are spoiled each in another way, fitted, set against a serving head and judged as a training does it.

#![allow(clippy::unwrap_used)]

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::domain::{Class, View};
use crate::teach::fit::fit;
use crate::teach::judge::{Decision, Verdict};
use crate::teach::taught::{TaughtEvent, TaughtFrame, TaughtView};

const DIMENSION: usize = 40;
const NAMES: [&str; 6] = ["blank", "badger", "deer", "fox", "hare", "lynx"];
const BLANK: usize = 0;
const BADGER: usize = 1;
const DEER: usize = 2;
const HARE: usize = 4;
const LYNX: usize = 5;
const N_EVENTS: [usize; 6] = [60, 60, 60, 60, 60, 6];

/// Events of six species that are near each other, at three cameras, a third of them by infrared.
fn world() -> Taught {
    let mut dice = ChaCha8Rng::seed_from_u64(3);
    let mut normal = || (0..12).map(|_| dice.random_range(-0.5f32..0.5)).sum::<f32>();
    let mut around =
        |place: &[f32], spread: f32| -> Vec<f32> { place.iter().map(|it| it + spread * normal()).collect() };
    let places: Vec<Vec<f32>> = (0..NAMES.len()).map(|_| around(&[0.0; DIMENSION], 0.36)).collect();
    let mut events = Vec::new();
    for nth in 0..60 {
        for class in (0..NAMES.len()).filter(|class| nth < N_EVENTS[*class]) {
            let modality = if nth % 3 == 0 { Modality::Infrared } else { Modality::Colour };
            let here = around(&places[class], 0.75);
            let frame = |features| TaughtFrame {
                class,
                views: vec![TaughtView { modality, view: View::Whole, features, second: None }],
            };
            let frames = (0..2).map(|_| frame(around(&here, 0.2))).collect();
            let camera = ["gate", "pond", "wood"][(nth + class) % 3].to_owned();
            let group = format!("{camera} {}", nth / 4);
            events.push(TaughtEvent {
                id: format!("{}-{nth}", NAMES[class]),
                class,
                group,
                camera,
                stands_for: 1.0,
                frames,
            });
        }
    }
    let class = |name: &str| Class { name: name.into(), scientific_name: "".into() };
    Taught { dimension: DIMENSION, classes: NAMES.map(class).to_vec(), events, classifier: None }
}

/// The same events, said to show something else.
fn relabelled(taught: &Taught, class: impl Fn(usize, &TaughtEvent) -> usize) -> Taught {
    let mut other = taught.clone();
    for (i, event) in taught.events.iter().enumerate() {
        let class = class(i, event);
        other.events[i].class = class;
        other.events[i].frames.iter_mut().for_each(|it| it.class = class);
    }
    other
}

fn is_infrared(event: &TaughtEvent) -> bool {
    event.frames[0].views[0].modality == Modality::Infrared
}

/// Every `nth` event and no other.
fn every(taught: &Taught, nth: usize) -> Taught {
    Taught { events: taught.events.iter().step_by(nth).cloned().collect(), ..taught.clone() }
}

/// The head that serves was fitted on `lessons`; lynxes are protected.
fn judged(taught: &Taught, lessons: &Taught, serving: &Fitted, challenger: &Fitted) -> Verdict {
    let serving =
        Serving { events: lessons.events.iter().map(|it| &*it.id).collect(), ..Serving::of(lessons, serving) };
    contest(taught, challenger, Some(&serving), &["lynx".into()]).unwrap().judge()
}

fn failed(verdict: &Verdict) -> Vec<&str> {
    verdict.checks.iter().filter(|it| !it.passed).map(|it| &*it.name).collect()
}

#[test]
fn spoiled_challengers_are_refused_each_for_its_reason_and_an_honest_one_is_not() {
    let taught = world();
    let honest = fit(&taught).unwrap();
    // Two of three events were known when the serving head was fitted.
    let lessons = Taught {
        events: taught.events.iter().enumerate().filter(|(i, _)| i % 3 != 0).map(|it| it.1.clone()).collect(),
        ..taught.clone()
    };
    let serving = fit(&lessons).unwrap();
    let refused = |what: &str, challenger: &Fitted, reasons: &[&str]| {
        let verdict = judged(&taught, &lessons, &serving, challenger);
        assert_eq!(verdict.decision, Decision::Refused, "{what}: {verdict:?}");
        let failed = failed(&verdict);
        assert!(reasons.iter().all(|it| failed.contains(it)), "{what}: refused for {failed:?}, not for {reasons:?}");
    };
    let spoiled = |class: &dyn Fn(usize, &TaughtEvent) -> usize| fit(&relabelled(&taught, class)).unwrap();

    let n = taught.events.len();
    refused("shuffled", &spoiled(&|i, _| taught.events[(i * 101 + 7) % n].class), &["log-loss", "macro-F1"]);
    let no_hare = spoiled(&|_, it| if it.class == HARE { BADGER } else { it.class });
    refused("a species dropped", &no_hare, &["recall of hare"]);
    let infrared = spoiled(&|_, it| if is_infrared(it) { NAMES.len() - 1 - it.class } else { it.class });
    refused("infrared inverted", &infrared, &["accuracy by infrared"]);
    let pond = spoiled(&|_, it| if it.camera == "pond" { (it.class + 1) % 5 } else { it.class });
    refused("a camera mislabelled", &pond, &["accuracy at pond"]);
    let no_lynx = spoiled(&|_, it| if it.class == LYNX { DEER } else { it.class });
    refused("a protected species lost", &no_lynx, &["events of lynx newly lost"]);
    let swapped = spoiled(&|_, it| match it.class {
        BLANK => DEER,
        DEER => BLANK,
        other => other,
    });
    refused("blank and deer swapped", &swapped, &["recall of blank", "recall of deer"]);

    let mut sure = honest.clone();
    sure.alone.choice.sharpness *= 5.0;
    refused("over-confident", &sure, &["over-confidence"]);
    let mut blind = honest.clone();
    blind.alone.border.unknown.threshold = f32::MAX;
    refused("no unknowns", &blind, &["strangers called by a known name"]);
    let mut wary = honest.clone();
    wary.alone.border.unknown.threshold = f32::MIN;
    refused("all unknown", &wary, &["known events called unknown"]);

    let mut other = taught.clone();
    for view in other.events.iter_mut().flat_map(|it| &mut it.frames).flat_map(|it| &mut it.views) {
        view.features.rotate_right(DIMENSION / 3);
    }
    refused("of another featurizer", &fit(&other).unwrap(), &["its own lessons"]);

    // Of a tenth of the events, asked all the others itself.
    let tenth = fit(&every(&taught, 10)).unwrap();
    let mut few = tenth.clone();
    let asked = (0..n).filter(|i| i % 10 != 0);
    // Settled once, as those of trials are not yet.
    few.alone.choice.sharpness = 1.0;
    let itself = Serving::of(&taught, &tenth);
    let together = |event| itself.by_itself(&taught, event);
    few.alone.choice.out_of_fold = asked.map(|event| OutOfFold { event, together: together(event) }).collect();
    refused("of a tenth of the events", &few, &["log-loss"]);

    // And an honest one, where the serving head knew a fifth of the events.
    let lessons = every(&taught, 5);
    let verdict = judged(&taught, &lessons, &fit(&lessons).unwrap(), &honest);
    assert_eq!((verdict.decision, failed(&verdict)), (Decision::Promoted, vec![]), "{verdict:?}");
}
