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
use gstreamer as gst;
use gstreamer_video as gst_video;
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
    gst::init()?;
    let stills = ring(32, |i| Ok(still(i)))?;
    let decoded = ring(32, decoded)?;

    let (mut ratios, mut ratios_decoded) = (Vec::new(), Vec::new());
    let (mut ours, mut ours_decoded, mut theirs) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let with_stills = pool(&runtime, &contract, workers, &stills)?;
        let raw = raw(&runtime, &contract, workers, &stills)?;
        let with_decoded = pool(&runtime, &contract, workers, &decoded)?;
        // The first round warms caches and clocks.
        if round > 0 {
            ratios.push(with_stills / raw);
            ratios_decoded.push(with_decoded / raw);
            ours.push(with_stills);
            ours_decoded.push(with_decoded);
            theirs.push(raw);
        }
    }
    println!(
        "featurizer pool / raw ONNX Runtime: {} (aim >= 0.92) | {name}, {workers} threads, batch {BATCH}, {rounds} rounds",
        spread(&mut ratios, 3)
    );
    println!("the same from 1080p frames as a decoder gives them: {}", spread(&mut ratios_decoded, 3));
    println!(
        "featurizations/s: pool {} | of 1080p {} | raw {}",
        spread(&mut ours, 0),
        spread(&mut ours_decoded, 0),
        spread(&mut theirs, 0)
    );
    let (still, decoded) = (preprocess(&contract, &stills)?, preprocess(&contract, &decoded)?);
    println!("preprocessing of one candidate: {still:.3} ms, of a 1080p frame {decoded:.3} ms");
    Ok(())
}

/// `median (min–max)`.
fn spread(values: &mut [f64], digits: usize) -> String {
    values.sort_by(f64::total_cmp);
    let (first, middle, last) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    format!("{middle:.digits$} ({first:.digits$}–{last:.digits$})")
}

/// Frames of one camera, each with another picture.
fn ring(count: u32, picture: impl Fn(u32) -> anyhow::Result<Picture>) -> anyhow::Result<Vec<Arc<Frame>>> {
    let camera = Metrics::new().camera("bench");
    let frame = |i: u32| {
        Ok(Arc::new(Frame {
            camera: "bench".into(),
            number: i.into(),
            at: Timestamp::UNIX_EPOCH,
            elapsed: Duration::from_millis(200 * u64::from(i)),
            picture: picture(i)?,
            fate: camera.receive(),
        }))
    };
    (0..count).map(frame).collect()
}

/// 640 x 360 px.
fn still(i: u32) -> Picture {
    Picture::still(RgbImage::from_fn(640, 360, |x, y| {
        Rgb([(x * 2 + i * 31) as u8, (y * 3 + x * i) as u8, (x * y / (i + 1)) as u8])
    }))
}

/// 1920 x 1080 px, I420.
fn decoded(i: u32) -> anyhow::Result<Picture> {
    let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::I420, 1920, 1080).build()?;
    let data: Vec<u8> = (0..info.size() as u32).map(|n| (n * (i + 3) / 7 + n / 1920) as u8).collect();
    Ok(Picture::decoded(gst::Buffer::from_mut_slice(data), &info)?)
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
    let config = FeaturizerConfig { workers, max_batch: BATCH, queue_frames: 4, second_frames: 1 };
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
