//! A folder of labelled pictures, of which 1, 5 and 20 a class are taught, in five draws, and all others asked about.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use eyeshine::domain::{Class, Modality, View};
use eyeshine::infer::classifier::Classifier;
use eyeshine::infer::together::Together;
use eyeshine::teach::fit::{by_recipe, fit};
use eyeshine::teach::label_file;
use eyeshine::teach::recipe::Recipe;
use eyeshine::teach::report::figures::{Asked, difference, figure};
use eyeshine::teach::taught::{Taught, TaughtEvent, TaughtFrame, TaughtView};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::frigate::frigate;
use crate::network::Network;
use crate::parts::{best, parts};
use crate::{FRIGATE, OURS};

/// Taught pictures of each class.
const SHOTS: [usize; 3] = [1, 5, 20];
const DRAWS: u64 = 5;

/// Of each head, by name, the class of each picture that was asked about.
type Answers = Vec<(&'static str, Vec<usize>)>;

struct Pictures {
    dimension: usize,
    features: Vec<Vec<f32>>,
    class: Vec<usize>,
    names: Vec<String>,
    classifier: Option<Arc<Classifier>>,
}

/// Prints the balanced accuracy of each head, by draw.
pub(crate) fn draws(table: &Path, first: u64) -> anyhow::Result<()> {
    let pictures = pictures(table)?;
    for shots in SHOTS {
        let (mut asked, mut rights) = (Vec::new(), BTreeMap::<&str, Vec<Vec<bool>>>::new());
        for draw in first..first + DRAWS {
            let (of_draw, answers) = measure(&pictures, shots, draw)?;
            for (name, answers) in answers {
                let right = of_draw.iter().zip(answers).map(|(&i, answer)| pictures.class[i] == answer);
                rights.entry(name).or_default().push(right.collect());
            }
            asked.push(of_draw);
        }
        println!("{shots} a class:");
        for (name, of_draws) in &rights {
            let balanced = |(asked, right): (&Vec<usize>, &Vec<bool>)| balanced(&pictures, asked, right);
            let figures: Vec<f64> = asked.iter().zip(of_draws).map(balanced).collect();
            let each: Vec<String> = figures.iter().map(|it| format!("{it:.3}")).collect();
            let mean = figures.iter().sum::<f64>() / figures.len() as f64;
            println!("  {name:<44} {mean:.4}  ({})", each.join(", "));
        }
        // A picture is drawn with its answers in all draws.
        let all: Vec<usize> = asked.concat();
        let ids: Vec<String> = all.iter().map(usize::to_string).collect();
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let drawn = Asked::new(all.iter().map(|&it| pictures.class[it]).collect(), &ids);
        let of = |name: &str| drawn.balanced(&rights[name].concat());
        let it = figure(&difference(&of(OURS), &of(FRIGATE)));
        println!("  {OURS} less {FRIGATE}: {:+.4} (90 % interval {:+.4} to {:+.4})", it.value, it.low, it.high);
    }
    Ok(())
}

/// Features of the square in the middle of each picture.
fn pictures(table: &Path) -> anyhow::Result<Pictures> {
    let mut network = Network::open("efficientnet-lite0")?;
    let (mut features, mut said) = (Vec::new(), Vec::new());
    for row in label_file::read(table, &[])?.into_iter().flat_map(|it| it.rows) {
        features.push(network.features(&table.parent().unwrap_or(Path::new("")).join(&row.path))?);
        said.push(row.classes[label_file::SPECIES].clone());
    }
    let mut names = said.clone();
    names.sort();
    names.dedup();
    let class = said.iter().filter_map(|it| names.binary_search(it).ok()).collect();
    let dimension = features.first().map_or(0, Vec::len);
    Ok(Pictures { dimension, features, class, names, classifier: network.classifier() })
}

/// The pictures that are asked about, and what each head that is taught a draw says of them.
fn measure(pictures: &Pictures, shots: usize, draw: u64) -> anyhow::Result<(Vec<usize>, Answers)> {
    let mut dice = ChaCha8Rng::seed_from_u64(draw);
    let mut lessons = Vec::new();
    for class in 0..pictures.names.len() {
        let mut own: Vec<usize> = (0..pictures.class.len()).filter(|&i| pictures.class[i] == class).collect();
        own.shuffle(&mut dice);
        lessons.extend(own.into_iter().take(shots));
    }
    let asked: Vec<usize> = (0..pictures.class.len()).filter(|i| !lessons.contains(i)).collect();
    let (to_learn, to_ask) = (taught(pictures, &lessons), taught(pictures, &asked));
    // The parts have the features alone, as whoever else takes a network for its features.
    let plain = Taught { classifier: None, ..to_learn.clone() };
    let space = by_recipe(&plain, &Recipe::PRIOR)?.space().clone();
    let (samples, x) = (plain.samples(&space), Taught { classifier: None, ..to_ask }.samples(&space).x);
    let mut answers: Answers = parts(&samples)?.into_iter().map(|(name, scores)| (name, best(&scores(&x)))).collect();
    let fitted = fit(&to_learn)?;
    let ours = asked.iter().map(|&i| {
        let it = fitted.alone.learned.answer(&pictures.features[i], 0);
        Together::of([(&*it.probabilities, it.closeness)], None).top().unwrap_or(0)
    });
    answers.push((OURS, ours.collect()));
    let features = |it: &[usize]| it.iter().map(|&i| &*pictures.features[i]).collect::<Vec<&[f32]>>();
    let taught: Vec<_> = features(&lessons).into_iter().zip(lessons.iter().map(|&i| pictures.class[i])).collect();
    let theirs = frigate(&taught, pictures.names.len(), &features(&asked), draw);
    let top = |it: &Vec<f32>| (0..it.len()).max_by(|a, b| it[*a].total_cmp(&it[*b])).unwrap_or(0);
    answers.push((FRIGATE, theirs.iter().map(top).collect()));
    Ok((asked, answers))
}

fn taught(p: &Pictures, lessons: &[usize]) -> Taught {
    let events = lessons.iter().map(|&i| TaughtEvent {
        id: i.to_string(),
        class: p.class[i],
        group: i.to_string(),
        camera: String::new(),
        stands_for: 1.0,
        frames: vec![TaughtFrame {
            class: p.class[i],
            views: vec![TaughtView {
                modality: Modality::Colour,
                view: View::Whole,
                features: p.features[i].clone(),
                second: None,
            }],
        }],
    });
    Taught {
        dimension: p.dimension,
        classes: p.names.iter().map(|it| Class { name: it.as_str().into(), scientific_name: "".into() }).collect(),
        events: events.collect(),
        classifier: p.classifier.clone(),
    }
}

fn balanced(p: &Pictures, asked: &[usize], right: &[bool]) -> f64 {
    let mut by: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (&i, &right) in asked.iter().zip(right) {
        let e = by.entry(p.class[i]).or_default();
        e.0 += f64::from(u8::from(right));
        e.1 += 1.0;
    }
    by.values().map(|it| it.0 / it.1).sum::<f64>() / by.len() as f64
}
