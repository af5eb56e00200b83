//! Heads of a few pictures a class, on a folder of labelled pictures: ours, each of its parts alone with its one number
//! tuned by cross-validation, and Frigate's published recipe (a dense layer of 128 on frozen features, dropout 0.3, 50
//! epochs, no validation). Balanced accuracy of all pictures that are not taught, by draw.
//!
//! `cargo bench --bench few -- LABELS.csv [FIRST_DRAW]`: a table `path,species`, paths relative to it.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use eyeshine::capture::picture::Picture;
use eyeshine::domain::{Candidate, Class, Frame, Modality, View};
use eyeshine::infer::contract::Contract;
use eyeshine::infer::preprocess::Inputs;
use eyeshine::infer::runtime::Runtime;
use eyeshine::infer::session;
use eyeshine::infer::together::Together;
use eyeshine::metrics::Metrics;
use eyeshine::teach::directions;
use eyeshine::teach::fit::fit;
use eyeshine::teach::label_file;
use eyeshine::teach::logistic::{Care, Logistic};
use eyeshine::teach::taught::{Samples, Taught, TaughtEvent, TaughtFrame, TaughtView};
use eyeshine::teach::whitened::Scatter;
use faer::Mat;
use jiff::Timestamp;
use ort::value::TensorRef;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Taught pictures of each class.
const SHOTS: [usize; 3] = [1, 5, 20];
const DRAWS: u64 = 5;
const RIDGES: [f64; 6] = [1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 1e-6];
const SHRINKAGES: [f64; 5] = [0.1, 0.3, 0.6, 0.9, 1.0];

/// Scores `[asked][classes]` of coordinates `[asked][directions]`.
type Scores = Box<dyn Fn(&Mat<f64>) -> Mat<f64>>;

struct Pictures {
    dimension: usize,
    features: Vec<Vec<f32>>,
    class: Vec<usize>,
    names: Vec<String>,
}

fn main() -> anyhow::Result<()> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let Some(table) = arguments.first() else {
        println!("few: nothing measured: name a table of labelled pictures: cargo bench --bench few -- LABELS.csv");
        return Ok(());
    };
    let first = arguments.get(1).map_or(Ok(0), |it| it.parse()).context("FIRST_DRAW must be a number")?;
    let pictures = pictures(Path::new(table))?;
    for shots in SHOTS {
        let mut figures: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
        for draw in first..first + DRAWS {
            for (name, figure) in measure(&pictures, shots, draw)? {
                figures.entry(name).or_default().push(figure);
            }
        }
        println!("{shots} a class:");
        for (name, figures) in &figures {
            let each: Vec<String> = figures.iter().map(|it| format!("{it:.3}")).collect();
            let mean = figures.iter().sum::<f64>() / figures.len() as f64;
            println!("  {name:<44} {mean:.4}  ({})", each.join(", "));
        }
    }
    Ok(())
}

/// Features of the square in the middle of each picture.
fn pictures(table: &Path) -> anyhow::Result<Pictures> {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let runtime = Runtime::load(&models, Path::new("libonnxruntime.so.1.32.0"))?;
    let contract = Contract::load(&models, "efficientnet-lite0")?;
    let mut session = session::open(&runtime, &contract)?;
    let mut inputs = Inputs::new(&contract.input, 1);
    let camera = Metrics::new().camera("bench");
    let (mut features, mut said) = (Vec::new(), Vec::new());
    for row in label_file::read(table, &[])?.into_iter().flat_map(|it| it.rows) {
        let path = table.parent().unwrap_or(Path::new("")).join(&row.path);
        let picture = image::open(&path).with_context(|| path.display().to_string())?.to_rgb8();
        let (width, height) = picture.dimensions();
        let side = width.min(height);
        let middle =
            image::imageops::crop_imm(&picture, (width - side) / 2, (height - side) / 2, side, side).to_image();
        let frame = Arc::new(Frame {
            camera: "bench".into(),
            number: 0,
            at: Timestamp::UNIX_EPOCH,
            elapsed: Duration::ZERO,
            picture: Picture::still(middle),
            fate: camera.receive(),
        });
        inputs.truncate(0);
        inputs.push(&Candidate {
            view: View::Whole,
            cell: None,
            area: frame.picture.area(),
            frame: Arc::clone(&frame),
        })?;
        let input = TensorRef::from_array_view((contract.input.shape(1), inputs.numbers(0..1)))?;
        let outputs = session.run(ort::inputs![input])?;
        features.push(outputs["features"].try_extract_tensor::<f32>()?.1.to_vec());
        said.push(row.classes[label_file::SPECIES].clone());
    }
    let mut names = said.clone();
    names.sort();
    names.dedup();
    let class = said.iter().filter_map(|it| names.binary_search(it).ok()).collect();
    Ok(Pictures { dimension: features.first().map_or(0, Vec::len), features, class, names })
}

/// Balanced accuracy of each head that is taught a draw.
fn measure(pictures: &Pictures, shots: usize, draw: u64) -> anyhow::Result<Vec<(&'static str, f64)>> {
    let mut dice = ChaCha8Rng::seed_from_u64(draw);
    let mut lessons = Vec::new();
    for class in 0..pictures.names.len() {
        let mut own: Vec<usize> = (0..pictures.class.len()).filter(|&i| pictures.class[i] == class).collect();
        own.shuffle(&mut dice);
        lessons.extend(own.into_iter().take(shots));
    }
    let asked: Vec<usize> = (0..pictures.class.len()).filter(|i| !lessons.contains(i)).collect();
    let (to_learn, to_ask) = (taught(pictures, &lessons), taught(pictures, &asked));
    let space = directions::space(&to_learn)?;
    let (samples, x) = (to_learn.samples(&space), to_ask.samples(&space).x);
    let logistic = |samples: &Samples, at: usize| -> anyhow::Result<Scores> {
        let fitted = Logistic::fit(samples, RIDGES[at], None, Care::Trial);
        Ok(Box::new(move |x| fitted.scores(x)))
    };
    let whitened = |samples: &Samples, at: usize| -> anyhow::Result<Scores> {
        let fitted = Scatter::of(samples).whitened(SHRINKAGES[at])?;
        Ok(Box::new(move |x| fitted.cosines(x)))
    };
    let ridge = tuned(&samples, RIDGES.len(), 3, &logistic)?;
    let shrinkage = tuned(&samples, SHRINKAGES.len(), 2, &whitened)?;
    let fitted = fit(&to_learn)?;
    let ours = asked.iter().map(|&i| {
        let it = fitted.alone.learned.answer(&pictures.features[i], 0);
        Together::of([(&*it.probabilities, it.closeness)], None).top().unwrap_or(0)
    });
    let right = |answers: Vec<usize>| balanced(pictures, &asked, &answers);
    Ok(vec![
        ("cosine to class means", right(best(&whitened(&samples, SHRINKAGES.len() - 1)?(&x)))),
        ("logistic regression, L2 tuned", right(best(&logistic(&samples, ridge)?(&x)))),
        ("whitened cosine, shrinkage tuned", right(best(&whitened(&samples, shrinkage)?(&x)))),
        ("Frigate's recipe", right(frigate(pictures, &lessons, &asked, draw))),
        ("eyeshine", right(ours.collect())),
    ])
}

fn taught(p: &Pictures, lessons: &[usize]) -> Taught {
    let events = lessons.iter().map(|&i| TaughtEvent {
        id: i.to_string(),
        class: p.class[i],
        group: i.to_string(),
        camera: String::new(),
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
    }
}
fn balanced(p: &Pictures, asked: &[usize], answers: &[usize]) -> f64 {
    let mut by: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for (&i, &a) in asked.iter().zip(answers) {
        let e = by.entry(p.class[i]).or_default();
        e.0 += f64::from(u8::from(p.class[i] == a));
        e.1 += 1.0;
    }
    by.values().map(|it| it.0 / it.1).sum::<f64>() / by.len() as f64
}
fn best(scores: &Mat<f64>) -> Vec<usize> {
    (0..scores.nrows())
        .map(|i| (0..scores.ncols()).max_by(|a, b| scores[(i, *a)].total_cmp(&scores[(i, *b)])).unwrap_or(0))
        .collect()
}
/// The setting that names most lessons rightly which it was not fitted on, in 5 deals; `default` where no class has two.
fn tuned(
    lessons: &Samples,
    n_settings: usize,
    default: usize,
    of: &impl Fn(&Samples, usize) -> anyhow::Result<Scores>,
) -> anyhow::Result<usize> {
    let mut seen = vec![0; lessons.n_classes];
    let deal = |&class: &usize| {
        seen[class] += 1;
        seen[class] % 5
    };
    let deals: Vec<usize> = lessons.class.iter().map(deal).collect();
    if seen.iter().all(|it| *it < 2) {
        return Ok(default);
    }
    let mut right = vec![0; n_settings];
    for deal in 0..5 {
        let (rest, asked) = (lessons.only(|i| deals[i] != deal), lessons.only(|i| deals[i] == deal));
        for (setting, right) in right.iter_mut().enumerate().filter(|_| !asked.class.is_empty()) {
            let answers = best(&of(&rest, setting)?(&asked.x));
            *right += answers.iter().zip(&asked.class).filter(|it| it.0 == it.1).count();
        }
    }
    Ok((0..n_settings).max_by_key(|&it| (right[it], it == default)).unwrap_or(default))
}

/// Frigate's: Dense 128 (ReLU), dropout 0.3, softmax; Adam 1e-3, batches of 32, 50 epochs.
/// Adam at 1e-3, batches of 32.
fn frigate(p: &Pictures, lessons: &[usize], asked: &[usize], seed: u64) -> Vec<usize> {
    const H: usize = 128;
    let dimension = p.dimension;
    let c = p.names.len();
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let limit = (6.0 / (dimension + H) as f32).sqrt();
    let mut w1: Vec<f32> = (0..dimension * H).map(|_| dice.random_range(-limit..limit)).collect();
    let limit = (6.0 / (c + H) as f32).sqrt();
    let mut w2: Vec<f32> = (0..c * H).map(|_| dice.random_range(-limit..limit)).collect();
    let (mut b1, mut b2) = (vec![0.0f32; H], vec![0.0f32; c]);
    let mut moments: Vec<(Vec<f32>, Vec<f32>)> =
        [w1.len(), w2.len(), H, c].iter().map(|&n| (vec![0.0; n], vec![0.0; n])).collect();
    let mut t = 0;
    let mut order = lessons.to_vec();
    for _ in 0..50 {
        order.shuffle(&mut dice);
        for batch in order.chunks(32) {
            t += 1;
            let mut g: Vec<Vec<f32>> = vec![vec![0.0; w1.len()], vec![0.0; w2.len()], vec![0.0; H], vec![0.0; c]];
            for &i in batch {
                let x = &p.features[i];
                let keep: Vec<f32> =
                    (0..H).map(|_| if dice.random_range(0.0f32..1.0) < 0.3 { 0.0 } else { 1.0 / 0.7 }).collect();
                let h0: Vec<f32> =
                    (0..H).map(|j| (b1[j] + dot(&w1[j * dimension..(j + 1) * dimension], x)).max(0.0)).collect();
                let h: Vec<f32> = h0.iter().zip(&keep).map(|(a, k)| a * k).collect();
                let mut z: Vec<f32> = (0..c).map(|k| b2[k] + dot(&w2[k * H..(k + 1) * H], &h)).collect();
                let top = z.iter().copied().fold(f32::MIN, f32::max);
                z.iter_mut().for_each(|z| *z = (*z - top).exp());
                let s: f32 = z.iter().sum();
                let d: Vec<f32> = z
                    .iter()
                    .enumerate()
                    .map(|(k, z)| (z / s - f32::from(u8::from(k == p.class[i]))) / batch.len() as f32)
                    .collect();
                let mut dh = vec![0.0f32; H];
                for k in 0..c {
                    g[3][k] += d[k];
                    for j in 0..H {
                        g[1][k * H + j] += d[k] * h[j];
                        dh[j] += d[k] * w2[k * H + j];
                    }
                }
                for j in 0..H {
                    if h0[j] > 0.0 && keep[j] > 0.0 {
                        let e = dh[j] * keep[j];
                        g[2][j] += e;
                        g[0][j * dimension..(j + 1) * dimension].iter_mut().zip(x).for_each(|(g, x)| *g += e * x);
                    }
                }
            }
            let (c1, c2) = (1.0 - 0.9f32.powi(t), 1.0 - 0.999f32.powi(t));
            for (w, (g, (m, v))) in [&mut w1, &mut w2, &mut b1, &mut b2].into_iter().zip(g.iter().zip(&mut moments)) {
                for q in 0..w.len() {
                    m[q] = 0.9 * m[q] + 0.1 * g[q];
                    v[q] = 0.999 * v[q] + 0.001 * g[q] * g[q];
                    w[q] -= 1e-3 * (m[q] / c1) / ((v[q] / c2).sqrt() + 1e-7);
                }
            }
        }
    }
    asked
        .iter()
        .map(|&i| {
            let h: Vec<f32> = (0..H)
                .map(|j| (b1[j] + dot(&w1[j * dimension..(j + 1) * dimension], &p.features[i])).max(0.0))
                .collect();
            let z: Vec<f32> = (0..c).map(|k| b2[k] + dot(&w2[k * H..(k + 1) * H], &h)).collect();
            (0..c).max_by(|a, b| z[*a].total_cmp(&z[*b])).unwrap_or(0)
        })
        .collect()
}
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut s = [0.0f32; 16];
    for (x, y) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        for i in 0..16 {
            s[i] += x[i] * y[i];
        }
    }
    s.iter().sum()
}
