//! How much of ONNX Runtime's own speed the featurizer pool keeps: both in one run, in turns, as a ratio.
//!
//! `cargo bench --bench featurizer [-- CONTRACT [ROUNDS]]`

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use eyeshine::capture::picture::Picture;
use eyeshine::config::FeaturizerConfig;
use eyeshine::domain::{Candidate, CaptureMethod, Frame, Look, Modality, View};
use eyeshine::infer::contract::Contract;
use eyeshine::infer::featurizer::spawn_pool;
use eyeshine::infer::preprocess::Inputs;
use eyeshine::infer::queue::fair;
use eyeshine::infer::runtime::Runtime;
use eyeshine::infer::session;
use eyeshine::metrics::Metrics;
use image::{Rgb, RgbImage};
use jiff::Timestamp;
use ort::value::TensorRef;

const CAMERAS: usize = 8;
const BATCH: usize = 8;
/// Candidates each side runs in one round: a second or two.
const PER_ROUND: usize = 640;

fn main() -> anyhow::Result<()> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with("--")).collect();
    let name = arguments.first().map_or("efficientnet-lite0-int8", |it| it.as_str());
    let rounds = arguments.get(1).map_or(Ok(7), |it| it.parse()).context("ROUNDS must be a number")?;
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let runtime = Runtime::load(&models, Path::new("libonnxruntime.so.1.32.0"))?;
    let contract = Arc::new(Contract::load(&models, name)?);
    let workers = thread::available_parallelism()?.get();
    let frames = ring(&Metrics::new(), 32);

    let mut ratios = Vec::new();
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..=rounds {
        let pool = pool(&runtime, &contract, workers, &frames)?;
        let raw = raw(&runtime, &contract, workers, &frames)?;
        // The first round warms caches and clocks.
        if round > 0 {
            ratios.push(pool / raw);
            ours.push(pool);
            theirs.push(raw);
        }
    }
    println!(
        "featurizer pool / raw ONNX Runtime: {} (aim >= 0.92) | {name}, {workers} threads, batch {BATCH}, {rounds} rounds",
        spread(&mut ratios, 3)
    );
    println!("featurizations/s: pool {} | raw {}", spread(&mut ours, 0), spread(&mut theirs, 0));
    println!("preprocessing of one candidate: {:.3} ms", preprocess(&contract, &frames)?);
    Ok(())
}

/// `median (min–max)`.
fn spread(values: &mut [f64], digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    let (first, middle, last) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    format!("{middle:.digits$} ({first:.digits$}–{last:.digits$})")
}

/// Stills of 640 x 360 px, each another.
fn ring(metrics: &Metrics, count: u32) -> Vec<Arc<Frame>> {
    let camera = metrics.camera("bench");
    let still = |i: u32| {
        let image = RgbImage::from_fn(640, 360, |x, y| {
            Rgb([(x * 2 + i * 31) as u8, (y * 3 + x * i) as u8, (x * y / (i + 1)) as u8])
        });
        Arc::new(Frame {
            camera: "bench".into(),
            number: i.into(),
            at: Timestamp::UNIX_EPOCH,
            elapsed: Duration::from_millis(200 * u64::from(i)),
            picture: Picture::still(image),
            fate: camera.receive(),
        })
    };
    (0..count).map(still).collect()
}

fn look(frame: &Arc<Frame>) -> Look {
    Look {
        frame: Arc::clone(frame),
        modality: Modality::Colour,
        method: CaptureMethod::ActivityDetection,
        motion: 0.1,
        light: 2,
        candidates: vec![whole(frame)],
    }
}

fn whole(frame: &Arc<Frame>) -> Candidate {
    Candidate { view: View::Whole, cell: None, area: frame.picture.area(), frame: Arc::clone(frame) }
}

/// Candidates a second of the saturated pool, from the queue to the end of the order.
fn pool(runtime: &Runtime, contract: &Arc<Contract>, workers: usize, frames: &[Arc<Frame>]) -> anyhow::Result<f64> {
    let metrics = Metrics::new();
    let (lanes, looks) = fair(4, &metrics);
    let (out, done) = crossbeam_channel::bounded(64);
    let config = FeaturizerConfig { workers, max_batch: BATCH, queue_frames: 4 };
    let pool = spawn_pool(runtime, &config, Arc::clone(contract), looks, out, metrics)?;
    let start = Instant::now();
    let seconds = thread::scope(|scope| {
        for camera in 0..CAMERAS {
            let lane = lanes.lane(format!("camera-{camera}").into());
            scope.spawn(move || {
                let mine = frames.iter().cycle().skip(camera * 5).take(PER_ROUND / CAMERAS);
                mine.map(look).all(|it| lane.send_waiting(it).is_ok())
            });
        }
        drop(lanes);
        let count: usize = done.iter().map(|it| it.embeddings.len()).sum();
        assert_eq!(count, PER_ROUND, "the pool lost something");
        start.elapsed().as_secs_f64()
    });
    pool.join();
    Ok(PER_ROUND as f64 / seconds)
}

/// Candidates a second of `Session::run` in a loop on a ready tensor: as many threads, each with a session.
fn raw(runtime: &Runtime, contract: &Contract, workers: usize, frames: &[Arc<Frame>]) -> anyhow::Result<f64> {
    let mut inputs = Inputs::new(&contract.input, BATCH);
    for frame in &frames[..BATCH] {
        inputs.push(&whole(frame))?;
    }
    let numbers = inputs.numbers(0..BATCH);
    let mut sessions = Vec::new();
    for _ in 0..workers {
        let mut session = session::open(runtime, contract)?;
        session.run(ort::inputs![TensorRef::from_array_view((contract.input.shape(BATCH), numbers))?])?;
        sessions.push(session);
    }
    let runs = PER_ROUND / BATCH / workers;
    let start = Instant::now();
    thread::scope(|scope| {
        let running: Vec<_> = sessions
            .iter_mut()
            .map(|session| {
                scope.spawn(move || -> ort::Result<()> {
                    for _ in 0..runs {
                        session
                            .run(ort::inputs![TensorRef::from_array_view((contract.input.shape(BATCH), numbers))?])?;
                    }
                    Ok(())
                })
            })
            .collect();
        running.into_iter().try_for_each(|it| it.join().unwrap_or_else(|bug| std::panic::resume_unwind(bug)))
    })?;
    Ok((runs * workers * BATCH) as f64 / start.elapsed().as_secs_f64())
}

/// Milliseconds to cut out, resize, normalise and lay out one candidate, on one thread.
fn preprocess(contract: &Contract, frames: &[Arc<Frame>]) -> anyhow::Result<f64> {
    let mut inputs = Inputs::new(&contract.input, 1);
    let start = Instant::now();
    let candidates: Vec<Candidate> = frames.iter().cycle().take(1024).map(whole).collect();
    for candidate in &candidates {
        inputs.truncate(0);
        inputs.push(candidate)?;
    }
    Ok(start.elapsed().as_secs_f64() * 1000.0 / candidates.len() as f64)
}
