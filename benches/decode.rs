//! What watching a camera costs beyond decoding it: processor time a 1080p frame of Eyeshine's whole capture path
//! (pipeline, intake, gate) against `gst-launch-1.0`, which decodes the same file and throws every frame away.
//!
//! `cargo bench --bench decode [-- ROUNDS]`
//!
//! The file is a still scene with a sensor's noise, H.264 at 4 Mbit/s and 25 frames a second. The gate looks at 5 frames a
//! second, sees nothing move, and lets one a second through by the clock, as always; those looks are thrown away here.
//! Time is user and system time of all threads, as the kernel counts it; `gst-launch-1.0` pays for its own start, we for
//! our supervisor. `avdec_h264` there has its default threads (one a core); ours has one thread a camera, so the ratio to a
//! decoder with one thread is printed as well.

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::{fs, thread};

use anyhow::{Context, ensure};
use arc_swap::ArcSwap;
use eyeshine::capture::gate::Gate;
use eyeshine::capture::intake::frame_channel;
use eyeshine::capture::source::Pace;
use eyeshine::capture::{camera, gate};
use eyeshine::clock::SystemClock;
use eyeshine::config::CameraConfig;
use eyeshine::config::load::{CameraArgument, Overrides, load};
use eyeshine::infer::head::Head;
use eyeshine::infer::heads::Heads;
use eyeshine::infer::queue::fair;
use eyeshine::metrics::Metrics;
use eyeshine::pipeline::House;
use gstreamer as gst;
use gstreamer::prelude::*;
use gstreamer_app as gst_app;

const WIDTH: usize = 1920;
const HEIGHT: usize = 1080;
const FPS: u64 = 25;
/// 24 seconds: two seconds or more of processor time, of which the kernel's count shows hundredths.
const FRAMES: u64 = 600;

fn main() -> anyhow::Result<()> {
    // Cargo adds `--bench`.
    let mut arguments = std::env::args().skip(1).filter(|it| !it.starts_with("--"));
    let rounds = arguments.next().map_or(Ok(7), |it| it.parse()).context("ROUNDS must be a number")?;
    ensure!(rounds > 0, "ROUNDS must be 1 or more");
    gst::init()?;
    let dir = tempfile::tempdir()?;
    let file = dir.path().join("still.mkv");
    encode(&file)?;
    let megabit_per_sec = fs::metadata(&file)?.len() as f64 * 8e-6 / (FRAMES / FPS) as f64;
    let camera = camera(&file)?;

    let (mut to_default, mut to_single) = (Vec::new(), Vec::new());
    let (mut ours, mut default, mut single) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..=rounds {
        let (watched, launched, launched_single) =
            (watch(&camera)?, launch(&file, "max-threads=0")?, launch(&file, "max-threads=1")?);
        // The first round warms caches and clocks, and loads the plugins.
        if round > 0 {
            to_default.push(watched / launched);
            to_single.push(watched / launched_single);
            ours.push(watched);
            default.push(launched);
            single.push(launched_single);
        }
    }
    println!(
        "capture of a still 1080p camera / gst-launch decode, processor time: {} (aim <= 1.20) | \
         {FRAMES} frames, {megabit_per_sec:.1} Mbit/s, {rounds} rounds",
        spread(&mut to_default)
    );
    println!("capture / gst-launch decode with max-threads=1, as ours: {}", spread(&mut to_single));
    println!(
        "ms of processor a frame: capture {} | gst-launch {} | gst-launch max-threads=1 {}",
        spread(&mut ours),
        spread(&mut default),
        spread(&mut single)
    );
    Ok(())
}

/// `median (min–max)`.
fn spread(values: &mut [f64]) -> String {
    values.sort_by(f64::total_cmp);
    let (first, middle, last) = (values[0], values[values.len() / 2], values[values.len() - 1]);
    format!("{middle:.3} ({first:.3}–{last:.3})")
}

/// A camera as a user has it: every setting at its default.
fn camera(file: &Path) -> anyhow::Result<CameraConfig> {
    let argument = CameraArgument { name: Some("still".into()), uri: file.display().to_string() };
    let config = load(None, Overrides { cameras: vec![argument], ..Overrides::default() })?;
    config.cameras.into_iter().next().context("no camera")
}

/// Milliseconds of processor time a received frame, from the camera's start to the end of its gate.
fn watch(camera: &CameraConfig) -> anyhow::Result<f64> {
    let metrics = Metrics::new();
    let heads = Arc::new(ArcSwap::from_pointee(Heads::from(Arc::new(Head::starter(&[])))));
    let house = House { metrics: Arc::clone(&metrics), clock: Arc::new(SystemClock::default()), heads };
    let (lanes, looks) = fair(4, &metrics);
    let drop_looks = thread::spawn(move || {
        let mut n_moving = 0;
        while let Some(batch) = looks.pop_batch(8) {
            for look in batch.looks {
                n_moving += usize::from(look.motion > 0.0);
                look.frame.fate.classified();
            }
        }
        n_moving
    });
    let before = processor_secs()?.own;
    let (frames_in, frames) = frame_channel(2);
    let watching = camera::spawn(camera, Pace::AsFastAsPossible, frames_in, &house)?;
    let gate = gate::spawn(Gate::new(camera), frames, lanes.lane(Arc::clone(&camera.name)), watching.is_live())?;
    drop(lanes);
    watching.wait();
    for stage in [watching.stop(), gate] {
        stage.join().unwrap_or_else(|bug| std::panic::resume_unwind(bug));
    }
    let secs = processor_secs()?.own - before;
    let n_moving = drop_looks.join().unwrap_or_else(|bug| std::panic::resume_unwind(bug));
    let n_received = metrics.camera(&camera.name).n_received();
    ensure!(n_received == FRAMES, "{n_received} of {FRAMES} frames");
    ensure!(n_moving == 0, "the scene is not still: {n_moving} frames moved");
    Ok(secs * 1000.0 / FRAMES as f64)
}

/// The same for a child that only decodes.
fn launch(file: &Path, threads: &str) -> anyhow::Result<f64> {
    let before = processor_secs()?.children;
    let location = format!("location={}", file.display());
    let pipeline = format!("! matroskademux ! h264parse ! avdec_h264 {threads} ! fakesink");
    let status = Command::new("gst-launch-1.0")
        .args(["-q", "filesrc", &location])
        .args(pipeline.split(' '))
        .stdin(Stdio::null())
        .status()
        .context("gst-launch-1.0")?;
    ensure!(status.success(), "gst-launch-1.0: {status}");
    Ok((processor_secs()?.children - before) * 1000.0 / FRAMES as f64)
}

struct ProcessorSecs {
    /// All threads of this process, those that ended too.
    own: f64,
    /// All children that ended.
    children: f64,
}

fn processor_secs() -> anyhow::Result<ProcessorSecs> {
    let stat = fs::read_to_string("/proc/self/stat")?;
    // The name in brackets may hold anything; utime, stime, cutime, cstime are the 14th to 17th field.
    let fields = stat.rsplit_once(')').context("/proc/self/stat")?.1;
    let ticks: Vec<u64> = fields.split_whitespace().skip(11).take(4).map_while(|it| it.parse().ok()).collect();
    let [user, system, child_user, child_system] = ticks[..] else { anyhow::bail!("/proc/self/stat: {stat}") };
    let ticks_per_sec = rustix::param::clock_ticks_per_second() as f64;
    let secs = |ticks: u64| ticks as f64 / ticks_per_sec;
    Ok(ProcessorSecs { own: secs(user + system), children: secs(child_user + child_system) })
}

/// Writes the still scene.
fn encode(file: &Path) -> anyhow::Result<()> {
    let description = format!(
        "appsrc name=in format=time block=true caps=video/x-raw,format=I420,width={WIDTH},height={HEIGHT},framerate={FPS}/1 ! \
         x264enc speed-preset=superfast bitrate=4000 key-int-max=50 ! h264parse ! matroskamux ! filesink location={}",
        file.display()
    );
    let pipeline = gst::parse::launch(&description)?
        .downcast::<gst::Pipeline>()
        .map_err(|_| anyhow::anyhow!("no pipeline: {description}"))?;
    let input = pipeline.by_name("in").and_then(|it| it.downcast::<gst_app::AppSrc>().ok()).context("no appsrc")?;
    pipeline.set_state(gst::State::Playing)?;
    let scene = scene();
    let mut seed = 1_u64;
    for n in 0..FRAMES {
        let mut picture = scene.clone();
        for some in picture[..WIDTH * HEIGHT].chunks_mut(16) {
            // xorshift64; 4 bits of noise a pixel.
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            for (i, y) in some.iter_mut().enumerate() {
                *y += (seed >> (4 * i) & 3) as u8;
            }
        }
        let mut buffer = gst::Buffer::from_slice(picture);
        if let Some(buffer) = buffer.get_mut() {
            buffer.set_pts(gst::ClockTime::from_mseconds(n * 1000 / FPS));
        }
        input.push_buffer(buffer)?;
    }
    input.end_of_stream()?;
    let bus = pipeline.bus().context("no bus")?;
    let end = bus.timed_pop_filtered(gst::ClockTime::NONE, &[gst::MessageType::Eos, gst::MessageType::Error]);
    pipeline.set_state(gst::State::Null)?;
    let is_eos = end.is_some_and(|it| it.type_() == gst::MessageType::Eos);
    ensure!(is_eos, "the still scene cannot be encoded: is x264enc there (gstreamer1.0-plugins-ugly)?");
    Ok(())
}

/// Soft hills with leaves on them, as I420.
fn scene() -> Vec<u8> {
    let (width, height) = (WIDTH / 2, HEIGHT / 2);
    let leaf = |x: usize, y: usize| ((x / 5 * 7919) ^ (y / 5 * 104_729)) % 37;
    let luma = (0..WIDTH * HEIGHT).map(|i| {
        let (x, y) = (i % WIDTH, i / WIDTH);
        let hill = 50.0 * (x as f64 / 170.0).sin() * (y as f64 / 110.0).cos();
        (105.0 + hill) as u8 + leaf(x, y) as u8
    });
    let chroma =
        |shift: usize| (0..width * height).map(move |i| (110 + (i % width + shift * i / width) * 30 / width) as u8);
    luma.chain(chroma(0)).chain(chroma(1)).collect()
}
