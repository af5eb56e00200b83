//! One labeller of three says something else in 10 % of the answers: where these stand among the suspects.

use std::path::Path;

use eyeshine::ask::pool::Lesson;
use eyeshine::ask::suspects::suspects;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::site::{Served, Site, id};

const DRAWS: u64 = 5;
const LABELLERS: usize = 3;
const FLIPS: f64 = 0.1;

/// Prints the share of wrong answers among the first suspects.
pub(crate) fn wrong(table: &Path) -> anyhow::Result<()> {
    let site = Site::look(table)?;
    let parts = [0.02, 0.05, 0.1, 0.2];
    let (mut all, mut caught) = (0, [0usize; 4]);
    for draw in 0..DRAWS {
        let mut dice = ChaCha8Rng::seed_from_u64(draw);
        let (mut taught, mut flipped) = (site.all.clone(), vec![false; site.len()]);
        let classes: Vec<usize> = (0..taught.classes.len()).collect();
        let labellers: Vec<usize> = (0..site.len()).map(|_| dice.random_range(0..LABELLERS)).collect();
        for (i, event) in taught.events.iter_mut().enumerate() {
            if labellers[i] > 0 || !dice.random_bool(FLIPS) {
                continue;
            }
            let others: Vec<usize> = classes.iter().copied().filter(|it| *it != event.class).collect();
            let Some(&other) = others.choose(&mut dice) else { continue };
            // An answer is of the whole event, but for frames of it that show nothing.
            let was = event.class;
            event.frames.iter_mut().filter(|it| it.class == was).for_each(|it| it.class = other);
            event.class = other;
            flipped[i] = true;
        }
        let said: Vec<String> = taught.events.iter().map(|it| taught.classes[it.class].name.to_string()).collect();
        let names: Vec<String> = taught.events.iter().map(|it| it.id.clone()).collect();
        let Some(served) = Served::of(taught) else { continue };
        let of_fold = served.out_of_fold();
        let lesson = |i: usize| Lesson {
            id: id(i),
            vector: Vec::new(),
            said: said[i].clone(),
            labeller: labellers[i].to_string(),
            settled: false,
            asked_again: false,
            out_of_fold: of_fold.get(&names[i]).cloned(),
        };
        let lessons: Vec<Lesson> = (0..site.len()).map(lesson).collect();
        let ranked = suspects(&served.classes(), &lessons);
        all += flipped.iter().filter(|it| **it).count();
        for (part, caught) in parts.iter().zip(&mut caught) {
            let first = &ranked[..((ranked.len() as f64 * part) as usize).min(ranked.len())];
            *caught += first.iter().filter(|it| flipped[it.lesson]).count();
        }
    }
    println!("{all} wrong answers in {DRAWS} draws of {} events", site.len());
    for (part, caught) in parts.iter().zip(caught) {
        println!("  among the first {:.0} % of the suspects: {:.3}", 100.0 * part, caught as f64 / all as f64);
    }
    Ok(())
}
