//! How `classify` answers: text for people, a line of JSON an event, or one document as MegaDetector writes it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io::{self, Write};
use std::path::PathBuf;

use uuid::Uuid;

use crate::domain::{Change, Event, Observation, ObservationType};
use crate::observe::publish::{Announcement, in_words};

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
pub(super) struct Found {
    pub(super) file: PathBuf,
    /// Events of a clip; for a still one event of no length.
    pub(super) events: Vec<Event>,
    pub(super) failure: Option<String>,
    /// What only a clip has.
    pub(super) clip: Option<Clip>,
}

/// Where in a clip its events are.
pub(super) struct Clip {
    /// Frames a second.
    pub(super) frame_rate: f64,
    /// The most telling frame of each event, counted from 0.
    pub(super) frame_numbers: HashMap<Uuid, u64>,
}

/// Writes what was found in all files.
pub(super) fn write(out: &mut impl Write, format: Format, found: &[Found]) -> io::Result<()> {
    match format {
        Format::Text => text(out, found),
        Format::Json => json(out, found),
        Format::Megadetector => megadetector(out, found),
    }?;
    out.flush()
}

fn text(out: &mut impl Write, found: &[Found]) -> io::Result<()> {
    for it in found {
        if it.events.is_empty() && it.failure.is_none() {
            writeln!(out, "{}: no event", it.file.display())?;
        }
        for event in &it.events {
            write!(out, "{}: ", it.file.display())?;
            if it.clip.is_some() {
                let from = seconds_in(event);
                write!(out, "{from:.1} s, for {:.1} s: ", event.duration_secs)?;
            }
            writeln!(out, "{}", in_words(event, said))?;
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
        Some(hint) => format!("{} (perhaps {}, {percent:.0} %)", observation.shown(), hint.name),
        None => format!("{} {percent:.0} %", observation.shown()),
    }
}

fn json(out: &mut impl Write, found: &[Found]) -> io::Result<()> {
    for it in found {
        for event in &it.events {
            let mut line = serde_json::to_value(Announcement { change: Change::Ended, event })?;
            line["file"] = it.file.display().to_string().into();
            if it.clip.is_some() {
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

/// Format 1.6: whole-frame detections with our classes as their classifications. It has one list of classes, and whoever
/// reads it takes the likeliest of a detection: so the first task's stand there, and of further ones people and vehicles alone.
fn megadetector(out: &mut impl Write, found: &[Found]) -> io::Result<()> {
    let mut classes: BTreeMap<String, String> = BTreeMap::new();
    for observation in found.iter().flat_map(|it| &it.events).flat_map(detected) {
        let next = (classes.len() + 1).to_string();
        classes.entry(observation.label()).or_insert(next);
    }
    let document = serde_json::json!({
        "info": { "format_version": "1.6", "detector": format!("eyeshine {}", env!("CARGO_PKG_VERSION")) },
        "detection_categories": { "1": "animal", "2": "person", "3": "vehicle" },
        "classification_categories": classes.iter().map(|(name, id)| (id, name)).collect::<BTreeMap<_, _>>(),
        "images": found.iter().map(|it| image(it, &classes)).collect::<Vec<_>>(),
    });
    writeln!(out, "{document:#}")
}

fn image(found: &Found, classes: &BTreeMap<String, String>) -> serde_json::Value {
    let file = found.file.display().to_string();
    if let Some(failure) = &found.failure {
        return serde_json::json!({ "file": file, "failure": failure, "detections": null });
    }
    let mut detections = Vec::new();
    for event in &found.events {
        let frame_number = found.clip.as_ref().map(|it| it.frame_numbers.get(&event.id).copied().unwrap_or_default());
        let seen = detected(event).into_iter().filter(|it| it.kind != ObservationType::Blank);
        detections.extend(seen.map(|it| detection(it, frame_number, classes)));
    }
    let mut image = serde_json::json!({ "file": file, "detections": detections });
    if let Some(clip) = &found.clip {
        // Those that are pointed to; the others between them showed nothing more.
        let frames: BTreeSet<u64> = clip.frame_numbers.values().copied().collect();
        image["frame_rate"] = clip.frame_rate.into();
        image["frames_processed"] = frames.into_iter().collect::<Vec<_>>().into();
    }
    image
}

/// What came by, and people and vehicles that another task alone has seen; these stand in for what came by and nobody knows.
fn detected(event: &Event) -> Vec<&Observation> {
    let came_by = event.came_by();
    let known = |kind| came_by.iter().any(|it| it.kind == kind);
    let others = event.observations.iter().skip(came_by.len());
    let others =
        others.filter(|it| matches!(it.kind, ObservationType::Human | ObservationType::Vehicle) && !known(it.kind));
    let others: Vec<&Observation> = others.collect();
    let stands = |it: &&Observation| others.is_empty() || it.kind != ObservationType::Unknown;
    came_by.iter().filter(stands).chain(others.iter().copied()).collect()
}

fn detection(it: &Observation, frame_number: Option<u64>, classes: &BTreeMap<String, String>) -> serde_json::Value {
    let category = match it.kind {
        ObservationType::Human => "2",
        ObservationType::Vehicle => "3",
        _ => "1",
    };
    // Confidences must be floats in the document: 1 alone is refused by readers.
    let confidence = f64::from(it.probability).clamp(0.001, 0.999);
    let mut detection = serde_json::json!({
        "category": category, "conf": confidence, "bbox": [0.0, 0.0, 1.0, 1.0],
        "classifications": [[classes.get(&it.label()), confidence]],
    });
    if let Some(frame_number) = frame_number {
        detection["frame_number"] = frame_number.into();
    }
    detection
}
