//! `eyeshine classify`: files through the same stages as live cameras, as fast as the machine can. Nothing is kept.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use jiff::Timestamp;

use crate::capture::gate::burst;
use crate::capture::picture::Picture;
use crate::commands::replay::{Replayed, replay};
use crate::config::{CameraConfig, Config};
use crate::domain::{Change, Event, Featurized, Frame, Observation, ObservationType};
use crate::infer::featurizer::Featurizer;
use crate::infer::head::Head;
use crate::infer::models::Models;
use crate::infer::predict::{Prediction, Predictor};
use crate::metrics::Metrics;
use crate::observe::publish::Announcement;

/// Stills of one folder that were taken within this of each other are a burst.
const BURST_GAP: Duration = Duration::from_secs(10);
/// Pictures of a burst, at most: they are held in memory together.
const MAX_BURST: usize = 16;

/// How the answers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A line for people.
    Text,
    /// A line of JSON an event or picture.
    Json,
    /// One document in MegaDetector's batch format 1.6, which Timelapse and AddaxAI read.
    Megadetector,
}

/// What was found in one file.
struct Found {
    file: PathBuf,
    /// Events of a clip; for a still one event of no length.
    events: Vec<Event>,
    failure: Option<String>,
    is_clip: bool,
}

/// Classifies files, and all files of folders. `camera` holds the gate's settings. Whether every file could be read.
pub fn classify(paths: &[PathBuf], format: Format, config: &Config, camera: &CameraConfig) -> anyhow::Result<bool> {
    let models = Models::open(&config.models)?;
    let (stills, clips) = files(paths)?;
    let mut found = Vec::new();
    if !stills.is_empty() {
        let mut featurizer =
            Featurizer::open(&models.runtime, Arc::clone(&models.contract), config.featurizer.max_batch)?;
        let head = Arc::new(models.starter());
        for burst in bursts(stills) {
            found.extend(look_at(burst, config, camera, &mut featurizer, &head)?);
        }
    }
    for clip in clips {
        found.push(watch(clip, config, camera, &models)?);
    }
    let all_read = found.iter().all(|it| it.failure.is_none());
    for it in found.iter().filter(|it| it.failure.is_some()) {
        tracing::error!(file = %it.file.display(), "{}", it.failure.as_deref().unwrap_or_default());
    }
    let mut out = io::stdout().lock();
    match format {
        Format::Text => text(&mut out, &found),
        Format::Json => json(&mut out, &found),
        Format::Megadetector => megadetector(&mut out, &found),
    }
    .context("standard output")?;
    Ok(all_read)
}

/// Stills and clips among the paths, folders walked, in order.
fn files(paths: &[PathBuf]) -> anyhow::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let (mut stills, mut clips) = (Vec::new(), Vec::new());
    let mut waiting: Vec<(PathBuf, bool)> = paths.iter().rev().map(|it| (it.clone(), true)).collect();
    while let Some((path, named)) = waiting.pop() {
        if path.is_dir() {
            let entries = path.read_dir().with_context(|| path.display().to_string())?;
            let mut inside: Vec<PathBuf> = entries.filter_map(Result::ok).map(|it| it.path()).collect();
            inside.sort();
            waiting.extend(inside.into_iter().rev().map(|it| (it, false)));
            continue;
        }
        anyhow::ensure!(path.exists(), "{}: no such file", path.display());
        let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default().to_ascii_lowercase();
        match extension.as_str() {
            "jpg" | "jpeg" | "png" => stills.push(path),
            "mp4" | "mkv" | "avi" | "mov" | "m4v" | "ts" | "mpg" | "webm" | "h264" => clips.push(path),
            // What a folder holds beside pictures is none of ours; what a person names is.
            _ if named => clips.push(path),
            _ => {}
        }
    }
    Ok((stills, clips))
}

/// Runs of stills of one folder, each taken soon after the one before.
fn bursts(stills: Vec<PathBuf>) -> Vec<Vec<(PathBuf, SystemTime)>> {
    let mut bursts: Vec<Vec<(PathBuf, SystemTime)>> = Vec::new();
    for path in stills {
        let taken = path.metadata().and_then(|it| it.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        match bursts.last_mut() {
            Some(burst) if burst.len() < MAX_BURST && belongs(burst, &path, taken) => burst.push((path, taken)),
            _ => bursts.push(vec![(path, taken)]),
        }
    }
    bursts
}

fn belongs(burst: &[(PathBuf, SystemTime)], path: &Path, taken: SystemTime) -> bool {
    burst.last().is_some_and(|(last, at)| {
        let apart = taken.duration_since(*at).or_else(|_| at.duration_since(taken)).unwrap_or(Duration::MAX);
        last.parent() == path.parent() && apart <= BURST_GAP
    })
}

fn look_at(
    burst: Vec<(PathBuf, SystemTime)>,
    config: &Config,
    camera: &CameraConfig,
    featurizer: &mut Featurizer,
    head: &Arc<Head>,
) -> anyhow::Result<Vec<Found>> {
    let counters = Metrics::new().camera(&camera.name);
    let mut found: BTreeMap<u64, Found> = BTreeMap::new();
    let mut frames = Vec::new();
    for (number, (file, taken)) in (0..).zip(burst) {
        let read = image::ImageReader::open(&file).map_err(image::ImageError::from);
        let read =
            read.and_then(|it| it.with_guessed_format().map_err(image::ImageError::from)).and_then(|it| it.decode());
        let failure = match read {
            Ok(image) => {
                frames.push(Frame {
                    camera: Arc::clone(&camera.name),
                    number,
                    at: Timestamp::try_from(taken).unwrap_or(Timestamp::UNIX_EPOCH),
                    elapsed: Duration::from_secs(number),
                    picture: Picture::still(image.into_rgb8()),
                    fate: counters.receive(),
                });
                None
            }
            Err(error) => Some(format!("not a readable picture: {error}")),
        };
        found.insert(number, Found { file, events: Vec::new(), failure, is_clip: false });
    }
    let mut predictor = Predictor::new(&config.novelty);
    for look in burst::looks(camera, frames) {
        let embeddings = featurizer.featurize(&look.candidates)?;
        let prediction = predictor.predict(Featurized { look, embeddings }, head);
        let frame = &prediction.look.frame;
        frame.fate.classified();
        if let Some(found) = found.get_mut(&frame.number) {
            found.events.push(still_event(&prediction, config.events.threshold));
        }
    }
    Ok(found.into_values().collect())
}

/// A still has no before and after: the answer is that of its crops where something stands out, else of the whole.
fn still_event(prediction: &Prediction, threshold: f32) -> Event {
    let look = &prediction.look;
    let best = prediction.seen.iter().max_by(|a, b| a.presence.total_cmp(&b.presence));
    let probabilities = best.and_then(|it| it.probabilities.as_deref()).unwrap_or(&[]);
    let blank = probabilities.first().copied().unwrap_or(1.0);
    let top = (1..probabilities.len()).max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]));
    let share = top.map_or(0.0, |it| probabilities[it] / (1.0 - blank).max(f32::MIN_POSITIVE));
    let class = top.map(|it| prediction.head.classes()[it].clone());
    let generation = prediction.head.generation().clone();
    let (kind, class, probability, hint) = if blank > 1.0 - blank {
        (ObservationType::Blank, None, blank, None)
    } else if share >= threshold {
        (ObservationType::Animal, class, share, None)
    } else {
        (ObservationType::Unknown, None, share, class)
    };
    Event {
        id: uuid::Uuid::now_v7(),
        camera: Arc::clone(&look.frame.camera),
        state: crate::domain::EventState::Ended,
        start: look.frame.at,
        end: look.frame.at,
        duration_secs: 0.0,
        modality: look.modality,
        observations: vec![Observation { kind, class, probability, hint, generation }],
        looks: 1,
        media: Vec::new(),
    }
}

/// A clip through the pipeline: the events are those that `run` would have told.
fn watch(clip: PathBuf, config: &Config, camera: &CameraConfig, models: &Models) -> anyhow::Result<Found> {
    let path = clip.canonicalize().with_context(|| clip.display().to_string())?;
    let camera =
        CameraConfig { uri: path.to_string_lossy().as_ref().into(), name: name_of(&clip).into(), ..camera.clone() };
    let Replayed { events, failures } = replay(config, vec![camera], models)?;
    Ok(Found { file: clip, events, failure: failures.into_iter().next(), is_clip: true })
}

/// A camera's name made of a file's.
fn name_of(clip: &Path) -> String {
    let stem = clip.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = stem.chars().map(allowed).take(64).collect();
    if name.is_empty() { "clip".into() } else { name }
}

fn text(out: &mut impl Write, found: &[Found]) -> io::Result<()> {
    for it in found {
        if it.events.is_empty() && it.failure.is_none() {
            writeln!(out, "{}: no event", it.file.display())?;
        }
        for event in &it.events {
            let what: Vec<String> = event.observations.iter().map(said).collect();
            write!(out, "{}: ", it.file.display())?;
            if it.is_clip {
                let from = seconds_in(event);
                write!(out, "{from:.1} s, for {:.1} s: ", event.duration_secs)?;
            }
            writeln!(out, "{}", what.join(", "))?;
        }
    }
    Ok(())
}

/// Seconds from the beginning of a clip, which is at the epoch.
fn seconds_in(event: &Event) -> f64 {
    event.start.as_millisecond() as f64 / 1_000.0
}

fn said(observation: &Observation) -> String {
    let percent = 100.0 * observation.probability;
    match &observation.hint {
        Some(hint) => format!("{} (perhaps {}, {percent:.0} %)", observation.label(), hint.name),
        None => format!("{} {percent:.0} %", observation.label()),
    }
}

fn json(out: &mut impl Write, found: &[Found]) -> io::Result<()> {
    for it in found {
        for event in &it.events {
            let mut line = serde_json::to_value(Announcement { change: Change::Ended, event })?;
            line["file"] = it.file.display().to_string().into();
            if it.is_clip {
                let from_secs = seconds_in(event);
                line["from_secs"] = from_secs.into();
                line["to_secs"] = (from_secs + event.duration_secs).into();
            }
            writeln!(out, "{line}")?;
        }
        if let Some(failure) = &it.failure {
            writeln!(out, "{}", serde_json::json!({ "change": "failed", "file": it.file, "failure": failure }))?;
        }
    }
    Ok(())
}

/// Format 1.6: whole-frame detections with our classes as their classifications.
fn megadetector(out: &mut impl Write, found: &[Found]) -> io::Result<()> {
    let mut names: BTreeMap<String, usize> = BTreeMap::new();
    for observation in found.iter().flat_map(|it| &it.events).flat_map(|it| &it.observations) {
        let next = names.len() + 1;
        names.entry(observation.label()).or_insert(next);
    }
    let image = |it: &Found| {
        let file = it.file.display().to_string();
        if let Some(failure) = &it.failure {
            return serde_json::json!({ "file": file, "failure": failure, "detections": null });
        }
        let seen = it.events.iter().flat_map(|it| &it.observations).filter(|it| it.kind != ObservationType::Blank);
        let detections: Vec<serde_json::Value> = seen
            .map(|it| {
                let category = match it.kind {
                    ObservationType::Human => "2",
                    ObservationType::Vehicle => "3",
                    _ => "1",
                };
                // Confidences must be floats in the document: 1 alone is refused by readers.
                let confidence = f64::from(it.probability).clamp(0.001, 0.999);
                let class = names.get(&it.label()).map(usize::to_string).unwrap_or_default();
                serde_json::json!({
                    "category": category, "conf": confidence, "bbox": [0.0, 0.0, 1.0, 1.0],
                    "classifications": [[class, confidence]],
                })
            })
            .collect();
        serde_json::json!({ "file": file, "detections": detections })
    };
    let document = serde_json::json!({
        "info": { "format_version": "1.6", "detector": format!("eyeshine {}", env!("CARGO_PKG_VERSION")) },
        "detection_categories": { "1": "animal", "2": "person", "3": "vehicle" },
        "classification_categories":
            names.iter().map(|(name, id)| (id.to_string(), name.clone())).collect::<BTreeMap<_, _>>(),
        "images": found.iter().map(image).collect::<Vec<_>>(),
    });
    writeln!(out, "{document:#}")
}
