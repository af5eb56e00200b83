//! `eyeshine classify`: files through the same stages as live cameras, as fast as the machine can. Nothing is kept.

mod answer;

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::Context;
use jiff::Timestamp;
use uuid::Uuid;

use crate::capture::gate::burst;
use crate::capture::still;
use crate::commands::replay::replay;
use crate::commands::{serving, unless_gone};
use crate::config::{CameraConfig, Config};
use crate::domain::{Change, Event, EventUpdate, Featurized, Frame, Observation, ObservationType};
use crate::infer::featurizer::Featurizer;
use crate::infer::heads::Heads;
use crate::infer::models::Models;
use crate::infer::predict::{Prediction, Predictor};
use crate::metrics::Metrics;
use crate::observe::people::Signs;
use crate::observe::said::Hearing;

pub use answer::Format;
use answer::{Clip, Found};

/// Stills of one folder that were taken within this of each other are a burst.
const BURST_GAP: Duration = Duration::from_secs(10);
/// Pictures of a burst, at most: they are held in memory together.
const MAX_BURST: usize = 16;

/// Classifies files, and all files of folders. `camera` holds the gate's settings. Whether every file could be read.
pub fn classify(paths: &[PathBuf], format: Format, config: &Config, camera: &CameraConfig) -> anyhow::Result<bool> {
    let models = Models::open(&config.models)?;
    let Files { stills, clips, unread: mut found } = files(paths);
    if !stills.is_empty() {
        let mut featurizer =
            Featurizer::open(&models.runtime, Arc::clone(&models.contract), config.featurizer.max_batch)?;
        let heads = Arc::new(serving(config, &models)?);
        let signs = Signs::new(&config.people, &models.contract);
        for burst in bursts(stills) {
            found.extend(look_at(burst, config, camera, &mut featurizer, &heads, &signs)?);
        }
    }
    for clip in clips {
        found.push(watch(clip, config, camera, &models)?);
    }
    let all_read = found.iter().all(|it| it.failure.is_none());
    for it in found.iter().filter(|it| it.failure.is_some()) {
        tracing::error!(file = %it.file.display(), "{}", it.failure.as_deref().unwrap_or_default());
    }
    unless_gone(answer::write(&mut io::stdout().lock(), format, &found)).context("standard output")?;
    Ok(all_read)
}

/// What there is to look at.
#[derive(Default)]
struct Files {
    stills: Vec<PathBuf>,
    clips: Vec<PathBuf>,
    /// Files that are not there, and folders that cannot be listed.
    unread: Vec<Found>,
}

/// Stills and clips among the paths, folders walked, in order. Links inside of folders are followed to files alone: a
/// folder may be linked into itself.
fn files(paths: &[PathBuf]) -> Files {
    let mut files = Files::default();
    let mut waiting: Vec<(PathBuf, bool)> = paths.iter().rev().map(|it| (it.clone(), true)).collect();
    while let Some((path, named)) = waiting.pop() {
        if named && !path.exists() {
            files.unread.push(unread(path, "no such file".into()));
            continue;
        }
        if path.is_dir() {
            if !named && path.is_symlink() {
                continue;
            }
            match path.read_dir().and_then(Iterator::collect::<io::Result<Vec<_>>>) {
                Ok(entries) => {
                    let mut inside: Vec<PathBuf> = entries.into_iter().map(|it| it.path()).collect();
                    inside.sort();
                    waiting.extend(inside.into_iter().rev().map(|it| (it, false)));
                }
                Err(error) => files.unread.push(unread(path, format!("a folder that cannot be listed: {error}"))),
            }
            continue;
        }
        let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default().to_ascii_lowercase();
        match extension.as_str() {
            "jpg" | "jpeg" | "png" => files.stills.push(path),
            "mp4" | "mkv" | "avi" | "mov" | "m4v" | "ts" | "mpg" | "webm" | "h264" => files.clips.push(path),
            // What a folder holds beside pictures is none of ours; what a person names is.
            _ if named => files.clips.push(path),
            _ => {}
        }
    }
    files
}

fn unread(file: PathBuf, why: String) -> Found {
    Found { file, events: Vec::new(), failure: Some(why), clip: None }
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
    heads: &Arc<Heads>,
    signs: &Signs,
) -> anyhow::Result<Vec<Found>> {
    let counters = Metrics::new().camera(&camera.name);
    let mut found: BTreeMap<u64, Found> = BTreeMap::new();
    let mut frames = Vec::new();
    for (number, (file, taken)) in (0..).zip(burst) {
        let failure = match still::read(&file) {
            Ok(picture) => {
                frames.push(Frame {
                    camera: Arc::clone(&camera.name),
                    number,
                    at: Timestamp::try_from(taken).unwrap_or(Timestamp::UNIX_EPOCH),
                    elapsed: Duration::from_secs(number),
                    picture,
                    fate: counters.receive(),
                });
                None
            }
            Err(why) => Some(why),
        };
        found.insert(number, Found { file, events: Vec::new(), failure, clip: None });
    }
    let mut predictor = Predictor::new(&config.novelty);
    for look in burst::looks(camera, frames) {
        let embeddings = featurizer.featurize(&look.candidates)?;
        let prediction = predictor.predict(Featurized { look, embeddings }, heads);
        let frame = &prediction.look.frame;
        frame.fate.classified();
        if let Some(found) = found.get_mut(&frame.number) {
            let event = still_event(&prediction, config.events.threshold);
            // What always is there nobody knows of a still: any sign counts.
            found.events.push(Event { people: signs.linger(&prediction), ..event });
        }
    }
    Ok(found.into_values().collect())
}

/// A still has no before and after: the answer is that of its crops where something stands out, else of the whole.
fn still_event(prediction: &Prediction, threshold: f32) -> Event {
    let (look, mut hearing) = (&prediction.look, Hearing::default());
    let best = prediction.seen.iter().max_by(|a, b| a.presence.total_cmp(&b.presence));
    best.into_iter().for_each(|it| hearing.add(prediction, it, 1.0));
    let first = prediction.heads.first();
    let came_by = match hearing.said_of(&first.generation().task) {
        Some(said) if said.is_blank() => said.blank(),
        Some(said) => said.observation(None, threshold),
        None => Observation {
            kind: ObservationType::Blank,
            class: None,
            probability: 1.0,
            rank: None,
            hint: None,
            generation: first.generation().clone(),
        },
    };
    let nothing = came_by.kind == ObservationType::Blank;
    let further = prediction.heads.further().iter().filter_map(|it| {
        let said = hearing.said_of(&it.generation().task)?;
        if nothing { said.beside_blank(threshold) } else { Some(said.observation(None, threshold)) }
    });
    let observations = std::iter::once(came_by).chain(further).collect();
    Event {
        id: Uuid::now_v7(),
        camera: Arc::clone(&look.frame.camera),
        state: crate::domain::EventState::Ended,
        start: look.frame.at,
        end: look.frame.at,
        duration_secs: 0.0,
        modality: look.modality,
        observations,
        looks: 1,
        media: Vec::new(),
        people: false,
    }
}

/// A clip through the pipeline: the events are those that `run` would have told.
fn watch(clip: PathBuf, config: &Config, camera: &CameraConfig, models: &Models) -> anyhow::Result<Found> {
    let path = match clip.canonicalize() {
        Ok(path) => path,
        Err(error) => return Ok(unread(clip, format!("not a readable file: {error}"))),
    };
    let (uri, name) = (path.to_string_lossy().as_ref().into(), name_of(&clip).into());
    let camera = CameraConfig { uri, name, ..camera.clone() };
    let (Kept { events, best, last }, failures) = replay(config, vec![camera.clone()], models, Kept::add)?;
    let clip_of = Clip {
        // Where nothing was seen no frame is pointed to, and any rate will do.
        frame_rate: last.map_or(camera.analysis_fps, |(number, elapsed)| number as f64 / elapsed.as_secs_f64()),
        frame_numbers: best.into_iter().map(|(event, (_, number))| (event, number)).collect(),
    };
    Ok(Found { file: clip, events, failure: failures.into_iter().next(), clip: Some(clip_of) })
}

/// What is kept of a clip's updates: no picture.
#[derive(Default)]
struct Kept {
    events: Vec<Event>,
    /// Score and number of the most telling frame of each event.
    best: HashMap<Uuid, (f32, u64)>,
    /// Number and time of a late frame: together the frame rate.
    last: Option<(u64, Duration)>,
}

impl Kept {
    fn add(&mut self, update: EventUpdate) {
        let EventUpdate { change, event, keepsakes, .. } = update;
        for it in keepsakes {
            let best = self.best.entry(event.id).or_insert((it.score, it.frame.number));
            if it.score > best.0 {
                *best = (it.score, it.frame.number);
            }
            if it.frame.number > self.last.map_or(0, |it| it.0) && !it.frame.elapsed.is_zero() {
                self.last = Some((it.frame.number, it.frame.elapsed));
            }
        }
        if change == Change::Ended {
            self.events.push(event);
        }
    }
}

/// A camera's name made of a file's.
fn name_of(clip: &Path) -> String {
    let stem = clip.file_stem().map(|it| it.to_string_lossy().into_owned()).unwrap_or_default();
    let allowed = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '_' };
    let name: String = stem.chars().map(allowed).take(64).collect();
    if name.is_empty() { "clip".into() } else { name }
}
