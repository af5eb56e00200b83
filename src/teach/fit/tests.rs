//! Heads of made-up species: clouds of events around a place each, frames around their event.

#![allow(clippy::unwrap_used)]

use std::sync::Arc;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use super::*;
use crate::domain::{Class, Modality, View};
use crate::infer::classifier::Classifier;
use crate::infer::space::kind;
use crate::infer::together::Together;
use crate::teach::taught::{TaughtEvent, TaughtFrame, TaughtView};

const DIMENSION: usize = 48;
const NAMES: [&str; 6] = ["blank", "badger", "deer", "fox", "hare", "lynx"];

/// Where species live, and what happens there.
pub(crate) struct World {
    places: Vec<Vec<f32>>,
    dice: ChaCha8Rng,
}

impl World {
    pub(crate) fn new() -> World {
        let mut world = World { places: Vec::new(), dice: ChaCha8Rng::seed_from_u64(5) };
        world.places = (0..NAMES.len()).map(|_| world.around(&[0.0; DIMENSION], 1.0)).collect();
        world
    }

    fn around(&mut self, place: &[f32], spread: f32) -> Vec<f32> {
        // Sums of twelve are near enough to a normal distribution.
        let mut normal = || (0..12).map(|_| self.dice.random_range(-0.5f32..0.5)).sum::<f32>();
        place.iter().map(|it| it + spread * normal()).collect()
    }

    fn event(&mut self, class: usize, nth: usize) -> TaughtEvent {
        let here = self.around(&self.places[class].clone(), 0.7);
        let mut frame = || {
            let features = self.around(&here, 0.3);
            TaughtFrame {
                class,
                views: vec![TaughtView { modality: Modality::Colour, view: View::Whole, features, second: None }],
            }
        };
        let id = format!("{}-{nth}", NAMES[class]);
        TaughtEvent {
            group: id.clone(),
            id,
            class,
            camera: "gate".into(),
            stands_for: 1.0,
            frames: (0..4).map(|_| frame()).collect(),
        }
    }

    /// Makes one live where another does, but for this share of the way.
    pub(crate) fn move_near(&mut self, class: usize, other: usize, share: f32) {
        let there = self.places[other].clone();
        self.places[class].iter_mut().zip(there).for_each(|(it, there)| *it = there + share * (*it - there));
    }

    /// `n[class]` events of each.
    pub(crate) fn taught(&mut self, n: &[usize]) -> Taught {
        let classes = NAMES.iter().take(n.len()).map(|it| Class { name: (*it).into(), scientific_name: "".into() });
        let mut events = Vec::new();
        for (class, n) in n.iter().enumerate() {
            events.extend((0..*n).map(|nth| self.event(class, nth)));
        }
        Taught { dimension: DIMENSION, classes: classes.collect(), events, classifier: None }
    }
}

fn together(fitted: &Alone, event: &TaughtEvent) -> Together {
    let views = event.frames.iter().flat_map(|it| &it.views);
    let answers: Vec<_> = views.map(|it| fitted.learned.answer(&it.features, kind(it.modality, it.view))).collect();
    let together = Together::of(answers.iter().map(|it| (&*it.probabilities, it.closeness)), Some(0));
    together.tempered(fitted.choice.sharpness)
}

/// Share of fresh events of a class that are called by its name.
fn recall(world: &mut World, fitted: &Alone, class: usize) -> f64 {
    let fresh: Vec<TaughtEvent> = (0..60).map(|nth| world.event(class, 1_000 + nth)).collect();
    fresh.iter().filter(|it| together(fitted, it).answer(Some(0)) == Some(class)).count() as f64 / 60.0
}

#[test]
fn species_are_told_apart_and_one_of_a_single_event_too() {
    let mut world = World::new();
    let taught = world.taught(&[20, 20, 20, 12, 6]);
    let fitted = alone(&taught).unwrap();
    assert_eq!(fitted.choice.out_of_fold.len(), taught.events.len(), "each event is asked once");
    let before: Vec<f64> = (0..5).map(|class| recall(&mut world, &fitted, class)).collect();
    assert!(before.iter().all(|it| *it > 0.9), "{before:?}");

    let mut more = world.taught(&[0, 0, 0, 0, 0, 1]);
    more.events.splice(0..0, taught.events);
    let fitted = alone(&more).unwrap();
    assert_eq!(fitted.choice.out_of_fold.len(), more.events.len() - 1, "the only event of a class is never asked");
    let after: Vec<f64> = (0..6).map(|class| recall(&mut world, &fitted, class)).collect();
    assert!(after[5] > 0.6, "{after:?}");
    let mean = |it: &[f64]| it.iter().take(5).sum::<f64>() / 5.0;
    assert!(mean(&after) > mean(&before) - 0.02, "{before:?}, then {after:?}");
}

#[test]
fn what_the_network_makes_of_it_itself_tells_species_of_one_event_apart() {
    let mut world = World::new();
    // As wide apart as events of one species are: of one event each there is little to be learned.
    world.places.iter_mut().flatten().for_each(|it| *it *= 0.6);
    let plain = world.taught(&[1, 1, 1, 1, 1, 1]);
    let rows: Vec<f32> = world.places.concat();
    let classifier = Arc::new(Classifier::new(&rows, vec![0.0; NAMES.len()], DIMENSION).unwrap());
    let told = Taught { classifier: Some(Arc::clone(&classifier)), ..plain.clone() };
    let (without, with) = (alone(&plain).unwrap(), alone(&told).unwrap());
    let mean = |world: &mut World, it: &Alone| (1..6).map(|class| recall(world, it, class)).sum::<f64>() / 5.0;
    let (without, all) = (mean(&mut world, &without), mean(&mut world, &with));
    assert!(all > without + 0.05, "{without}, then {all}");
    // Live candidates come with the network's own logits, stored ones without: both are told the same.
    let features = world.event(2, 7).frames[0].views[0].features.clone();
    let live = with.learned.answer_with(&features, Some(&classifier.logits(&features)), 0);
    assert_eq!(live, with.learned.answer(&features, 0));
}

#[test]
fn how_much_the_networks_own_answer_counts_is_found_and_kept_in_the_recipe() {
    let mut world = World::new();
    let taught = world.taught(&[12, 12, 12, 12]);
    // It knows nothing of these species: what it says is of chance.
    let noise: Vec<f32> = (0..6).flat_map(|_| world.around(&[0.0; DIMENSION], 1.0)).collect();
    let classifier = Classifier::new(&noise, vec![0.0; 6], DIMENSION).unwrap();
    let taught = Taught { classifier: Some(Arc::new(classifier)), ..taught };
    let fitted = alone(&taught).unwrap();
    let recipe = fitted.choice.recipe;
    assert!(recipe.impression <= Recipe::PRIOR.impression, "{recipe:?}");
    let weight = fitted.learned.space().impressions.as_ref().map(|it| f64::from(it.weight));
    assert_eq!(weight, Some(recipe.impression));
    assert_eq!(by_recipe(&taught, &recipe).unwrap(), fitted.learned, "the recipe says it all");
}

#[test]
fn the_same_events_give_the_same_head_and_the_same_frame_ten_times_is_no_more() {
    let taught = World::new().taught(&[8, 8, 8, 3]);
    let (first, second) = (alone(&taught).unwrap().learned, alone(&taught).unwrap().learned);
    assert_eq!(first, second, "bit for bit");
    let mut tenfold = taught.clone();
    for event in &mut tenfold.events {
        event.frames = std::iter::repeat_n(event.frames.clone(), 10).flatten().collect();
    }
    assert_eq!(alone(&tenfold).unwrap().learned, first, "bit for bit");
}

#[test]
fn frames_that_were_coded_anew_are_no_more_than_they_were() {
    let taught = World::new().taught(&[8, 8, 8, 3]);
    let first = alone(&taught).unwrap().learned;
    // Each frame ten times more, off by what a codec leaves: no two vectors are the same.
    let mut dice = ChaCha8Rng::seed_from_u64(9);
    let mut tenfold = taught.clone();
    for event in &mut tenfold.events {
        event.frames = std::iter::repeat_n(event.frames.clone(), 11).flatten().collect();
        let views = event.frames.iter_mut().flat_map(|it| &mut it.views);
        views.flat_map(|it| &mut it.features).for_each(|it| *it *= 1.0 + dice.random_range(-1e-6f32..1e-6));
    }
    let tenfold = alone(&tenfold).unwrap().learned;
    // Directions are what they were, or point the other way: what both say of a vector is what counts.
    for event in &taught.events {
        for view in event.frames.iter().flat_map(|it| &it.views) {
            let (a, b) = (first.answer(&view.features, 0), tenfold.answer(&view.features, 0));
            let apart = a.probabilities.iter().zip(&b.probabilities).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-3, "{}: {apart}", event.id);
        }
    }
}

#[test]
fn on_one_thread_and_on_two_it_is_the_same_head_bit_for_bit() {
    let taught = World::new().taught(&[12, 12, 9, 3, 2]);
    let on = |cores: usize| {
        let taught = &taught;
        std::thread::scope(|scope| {
            let fitted = scope.spawn(move || {
                // As many cores as this thread may run on, so many threads a fit takes.
                let all = sched_getaffinity(None).unwrap();
                let mut some = CpuSet::new();
                (0..CpuSet::MAX_CPU).filter(|it| all.is_set(*it)).take(cores).for_each(|it| some.set(it));
                sched_setaffinity(None, &some).unwrap();
                let n = std::thread::available_parallelism().unwrap().get();
                (n, fit(taught).unwrap())
            });
            fitted.join().unwrap()
        })
    };
    let ((one, alone), (several, together)) = (on(1), on(2));
    assert_eq!(one, 1);
    if several == 1 {
        println!("there is one core only: nothing is compared");
    }
    assert_eq!(alone.alone.learned, together.alone.learned);
    assert_eq!(alone.alone.border.unknown, together.alone.border.unknown);
    let said = |it: &Fitted| format!("{:?}", it.out_of_fold());
    assert_eq!(said(&alone), said(&together));
}

#[test]
fn what_was_never_taught_is_stranger_than_what_was() {
    let mut world = World::new();
    let taught = world.taught(&[20, 15, 15, 15, 15]);
    let fitted = alone(&taught).unwrap();
    assert!(fitted.border.auroc.unwrap() > 0.85, "{:?}", fitted.border);
    let unknown = fitted.border.unknown;
    let mut is_unknown = |class: usize, nth: usize| {
        let together = together(&fitted, &world.event(class, nth));
        unknown.strangeness(&together) > unknown.threshold
    };
    let rejected = (0..100).filter(|nth| is_unknown(1 + nth % 4, 2_000 + nth)).count();
    let accepted = (0..100).filter(|nth| !is_unknown(5, 3_000 + nth)).count();
    assert!(rejected <= 15 && accepted <= 40, "{rejected} known rejected, {accepted} strangers accepted");
}

#[test]
fn what_there_is_nothing_to_learn_from_is_refused() {
    let mut world = World::new();
    assert!(matches!(alone(&Taught::default()), Err(FitError::NoLabels)));
    let alike = alone(&world.taught(&[0, 4])).unwrap_err().to_string();
    assert!(alike.contains("all 4 labelled events are of one class, badger"), "{alike}");
    let mut torn = world.taught(&[2, 2]);
    torn.events[3].frames[1].views[0].features.pop();
    let torn = alone(&torn).unwrap_err().to_string();
    assert!(torn.contains("badger-1") && torn.contains("47 numbers, where 48"), "{torn}");
    // One event of each of two classes is the least that there can be.
    assert!(alone(&world.taught(&[1, 1])).is_ok());
}
