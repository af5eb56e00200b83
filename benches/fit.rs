//! How long a head takes, whole (what its events stand for, space, recipes by cross-validation over groups, species left out
//! in turn, the head): as
//! a ratio to ridge regression in closed form on the same vectors, once, with nothing chosen, and in seconds. The vectors are
//! made up, and what the network makes of them is computed by its real last layer.
//!
//! `cargo bench --bench fit [-- EVENTS [CLASSES [ROUNDS]]]`

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use anyhow::Context;
use eyeshine::domain::{Class, Modality, View};
use eyeshine::infer::classifier::Classifier;
use eyeshine::teach::fit::alone;
use eyeshine::teach::stands_for::SITE_EVENTS;
use eyeshine::teach::taught::{Taught, TaughtEvent, TaughtFrame, TaughtView};
use faer::linalg::solvers::Solve;
use faer::{Mat, Side};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const DIMENSION: usize = 1_280;
/// Directions in which events differ: the spread falls with each, as that of real embeddings does.
const DIRECTIONS: usize = 300;

fn main() -> anyhow::Result<()> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let number = |at: usize, default: usize| {
        arguments.get(at).map_or(Ok(default), |it| it.parse()).context("EVENTS, CLASSES and ROUNDS are numbers")
    };
    let (n_events, n_classes, rounds) = (number(0, 10_000)?, number(1, 30)?, number(2, 3)?);
    let layer = Path::new("models/efficientnet-lite0.classifier.safetensors");
    let classifier =
        Classifier::read(layer).map_err(|it| anyhow::anyhow!("{}: {it}: `make setup` makes it", layer.display()))?;
    let mut taught = Taught { classifier: Some(Arc::new(classifier)), ..taught(n_events, n_classes) };
    let every = n_events.div_ceil(SITE_EVENTS).max(1);
    let site: Vec<TaughtView> = taught.events.iter().step_by(every).map(|it| it.frames[0].views[0].clone()).collect();
    let (mut counting, mut ours, mut closed) = (Vec::new(), Vec::new(), Vec::new());
    let mut said = String::new();
    for _ in 0..rounds {
        let start = Instant::now();
        taught.stand_for(&site);
        counting.push(start.elapsed().as_secs_f64());
        let fitted = alone(&taught)?;
        ours.push(start.elapsed().as_secs_f64());
        let blank = taught.blank();
        let right = fitted.choice.out_of_fold.iter();
        let right = right.filter(|it| it.together.answer(blank) == Some(taught.events[it.event].class)).count();
        said = format!(
            "out of fold {:.3} right, log-loss {:.3}, AUROC {:.3}, {:?}",
            right as f64 / n_events as f64,
            fitted.choice.loss,
            fitted.border.auroc.unwrap_or_default(),
            fitted.choice.recipe
        );
        let start = Instant::now();
        ridge(&taught)?;
        closed.push(start.elapsed().as_secs_f64());
    }
    let middle = |it: &mut Vec<f64>| {
        it.sort_by(f64::total_cmp);
        it[it.len() / 2]
    };
    let (counting, ours, closed) = (middle(&mut counting), middle(&mut ours), middle(&mut closed));
    println!(
        "fit / closed-form ridge regression: {:.1} | {n_events} events x {DIMENSION}, {n_classes} classes, {rounds} rounds",
        ours / closed
    );
    println!(
        "seconds: fit {ours:.2} (aim <= 10 for 10000 events of 30 classes), of it counting what events stand for {counting:.2} \
         | ridge regression {closed:.2}"
    );
    println!("{said}");
    Ok(())
}

/// Events of one picture each, a fifth of them blank; species are unequally common.
fn taught(n_events: usize, n_classes: usize) -> Taught {
    let mut dice = ChaCha8Rng::seed_from_u64(1);
    // Sums of four are near enough to a normal distribution.
    let mut normal = move || (0..4).map(|_| dice.random_range(-0.5f32..0.5)).sum::<f32>() * 1.73;
    let spread = |j: usize| 1.0 / (1.0 + j as f32 / 8.0);
    let basis: Vec<Vec<f32>> = (0..DIRECTIONS).map(|_| (0..DIMENSION).map(|_| normal() / 36.0).collect()).collect();
    let places: Vec<Vec<f32>> =
        (0..n_classes).map(|_| (0..DIRECTIONS).map(|j| normal() * spread(j)).collect()).collect();
    let events = (0..n_events).map(|i| {
        let class = if i % 5 == 0 { 0 } else { 1 + (i * i + i / 7) % (n_classes - 1) };
        let mut features: Vec<f32> = (0..DIMENSION).map(|_| 0.4 + 0.01 * normal()).collect();
        for j in 0..DIRECTIONS {
            let at = places[class][j] + 1.3 * normal() * spread(j);
            features.iter_mut().zip(&basis[j]).for_each(|(it, direction)| *it += at * direction);
        }
        let view = TaughtView { modality: Modality::Colour, view: View::Whole, features, second: None };
        TaughtEvent {
            id: i.to_string(),
            class,
            group: format!("day {}", i / 12),
            camera: "gate".into(),
            stands_for: 1.0,
            frames: vec![TaughtFrame { class, views: vec![view] }],
        }
    });
    let events = events.collect();
    let name = |class: usize| if class == 0 { "blank".into() } else { format!("species {class:02}").into() };
    let class = |class: usize| Class { name: name(class), scientific_name: "".into() };
    Taught { dimension: DIMENSION, classes: (0..n_classes).map(class).collect(), events, classifier: None }
}

fn ridge(taught: &Taught) -> anyhow::Result<Mat<f64>> {
    let (n, n_classes) = (taught.events.len(), taught.classes.len());
    let features = |i: usize, j: usize| f64::from(taught.events[i].frames[0].views[0].features[j]);
    let x = Mat::from_fn(n, DIMENSION, features);
    let y = Mat::from_fn(n, n_classes, |i, c| f64::from(u8::from(taught.events[i].class == c)));
    let mut products = x.transpose() * &x;
    (0..DIMENSION).for_each(|j| products[(j, j)] += 1.0);
    let factor = products.llt(Side::Lower).map_err(|_| anyhow::anyhow!("the products cannot be factored"))?;
    Ok(factor.solve(x.transpose() * &y))
}
