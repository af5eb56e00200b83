//! The nouns: what flows from one stage to the next, in the order of the flow. The words are those of Camtrap DP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::capture::picture::Picture;
use crate::metrics::Fate;
use crate::observe::said::Said;

/// A camera's name: `[A-Za-z0-9._-]{1,64}`, unique in a daemon.
pub type CameraName = Arc<str>;

/// One picture that reached the appsink (or an image file), on its way through the gate.
#[derive(Debug)]
pub struct Frame {
    /// The camera that took it.
    pub camera: CameraName,
    /// 0, 1, 2 … over the whole life of the camera in this process.
    pub number: u64,
    /// When it was taken, by the wall clock: for people and for the store.
    pub at: Timestamp,
    /// Stream time: when it was taken, on a clock of the camera's own that never steps back.
    /// Gate, time-lapse and events run on it, so that a file answers alike at any speed.
    pub elapsed: Duration,
    /// The pixels, as the decoder gave them.
    pub picture: Picture,
    /// What becomes of it: settled exactly once, and counted.
    pub fate: Fate,
}

/// Whether the camera saw in colour or by infrared (grey) light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Modality {
    /// Daylight, or white flash.
    Colour,
    /// Infrared: the picture has no colour.
    Infrared,
}

/// Why a frame was looked at (Camtrap DP `captureMethod`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CaptureMethod {
    /// Something moved.
    #[serde(rename = "activityDetection")]
    ActivityDetection,
    /// The clock said so.
    #[serde(rename = "timeLapse")]
    TimeLapse,
}

/// A rectangle in full-resolution pixels; whole numbers are not required.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Area {
    /// Left edge, px.
    pub x: f64,
    /// Top edge, px.
    pub y: f64,
    /// Width, px.
    pub width: f64,
    /// Height, px.
    pub height: f64,
}

impl Area {
    /// Intersection over union with another area, 0..=1.
    pub fn iou(&self, other: &Area) -> f64 {
        let shared = self.intersection(other);
        let union = self.width * self.height + other.width * other.height - shared;
        if union > 0.0 { shared / union } else { 0.0 }
    }

    /// Shared surface with another area, px².
    pub fn intersection(&self, other: &Area) -> f64 {
        let w = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let h = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        w.max(0.0) * h.max(0.0)
    }

    /// The middle, px.
    pub fn centre(&self) -> (f64, f64) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }
}

/// What part of a frame a candidate shows, and what for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum View {
    /// The whole frame (less masked borders).
    Whole,
    /// A square around something that moved.
    Crop,
    /// The same square in the camera's empty scene: what a crop is compared with.
    Empty,
}

/// A square of the lattice that the gate lays over a camera's picture: crops are always cells, so that what a cell shows
/// now can be compared with what it showed while nothing was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cell {
    /// Side of the cell: the picture's height divided by this (1, 2, 4 …).
    pub divisor: u8,
    /// Column; neighbours overlap by half.
    pub column: u8,
    /// Row; neighbours overlap by half.
    pub row: u8,
}

/// A crop or whole frame on its way to the featurizer.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// What it shows.
    pub view: View,
    /// Which cell of the lattice; none for the whole frame.
    pub cell: Option<Cell>,
    /// Where, in the pixels of `frame`.
    pub area: Area,
    /// The frame that the pixels come from (an earlier one for [`View::Empty`]).
    pub frame: Arc<Frame>,
}

/// One frame that the gate let through, with its candidates: the whole frame first, then crops.
#[derive(Debug)]
pub struct Look {
    /// The frame.
    pub frame: Arc<Frame>,
    /// Colour or infrared.
    pub modality: Modality,
    /// Motion or clock.
    pub method: CaptureMethod,
    /// The share of the analysed picture that moves, 0..=1.
    pub motion: f32,
    /// How bright the scene is, in steps of about a stop: what is remembered of it is remembered by light.
    pub light: u8,
    /// `candidates[0]` is the whole frame; each crop may be followed by several [`View::Empty`] of its cell.
    pub candidates: Vec<Candidate>,
}

/// What the featurizer says of one candidate.
#[derive(Debug, Clone)]
pub struct Embedding {
    /// `[dimension]`, as the network gave it (not normalised).
    pub features: Arc<[f32]>,
    /// The network's own output before softmax, `[classes]`, where its contract names one.
    pub logits: Option<Arc<[f32]>>,
    /// What the second featurizer says, where it was asked.
    pub second: Option<SecondFeatures>,
}

/// What the second featurizer says of a candidate.
#[derive(Debug, Clone)]
pub struct SecondFeatures {
    /// Identity of the featurizer.
    pub featurizer: Arc<str>,
    /// `[its dimension]`, as the network gave it.
    pub features: Arc<[f32]>,
}

/// A look whose candidates became vectors: `embeddings[i]` belongs to `look.candidates[i]`.
#[derive(Debug)]
pub struct Featurized {
    /// The look.
    pub look: Look,
    /// One a candidate, in order.
    pub embeddings: Vec<Embedding>,
}

/// A class a head can name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Class {
    /// As people say it, lower case; `blank`, `human` and `vehicle` are ordinary classes.
    pub name: Arc<str>,
    /// As science says it; empty for what is not a taxon.
    pub scientific_name: Arc<str>,
}

/// Which head answered: the task's name and the number of its generation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Generation {
    /// `species`, `content` …
    pub task: Arc<str>,
    /// 0 is the starter head.
    pub number: u32,
}

/// What kind of thing an observation is of (Camtrap DP `observationType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObservationType {
    /// An animal of a known class.
    Animal,
    /// A person.
    Human,
    /// A vehicle.
    Vehicle,
    /// Nothing there.
    Blank,
    /// An animal, and the head does not know which.
    Unknown,
    /// Stored, and not run through a head.
    Unclassified,
}

impl fmt::Display for ObservationType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ObservationType::Animal => "animal",
            ObservationType::Human => "human",
            ObservationType::Vehicle => "vehicle",
            ObservationType::Blank => "blank",
            ObservationType::Unknown => "unknown",
            ObservationType::Unclassified => "unclassified",
        })
    }
}

/// The classes of people and of what they drive.
pub const PEOPLE: [&str; 2] = ["human", "vehicle"];
/// The rank of a taxon above the species, the lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rank {
    /// As `Lynx`.
    Genus,
    /// As `Felidae`.
    Family,
    /// As `Carnivora`.
    Order,
}

impl Rank {
    /// All of them.
    pub const ALL: [Rank; 3] = [Rank::Genus, Rank::Family, Rank::Order];
}

impl fmt::Display for Rank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Rank::Genus => "genus",
            Rank::Family => "family",
            Rank::Order => "order",
        })
    }
}

/// One species in one event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// Animal, blank, unknown …
    #[serde(rename = "type")]
    pub kind: ObservationType,
    /// The class, where there is one.
    pub class: Option<Class>,
    /// Where the class is no taught one but a taxon above several: the head is sure of it, and not of which of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rank: Option<Rank>,
    /// Probability of the answer, 0..=1.
    pub probability: f32,
    /// For an unknown: what the starter head would have guessed.
    pub hint: Option<Class>,
    /// Which head answered.
    pub generation: Generation,
}

impl Observation {
    /// Whether it is of people or what they drive, or guesses so.
    pub fn is_of_people(&self) -> bool {
        let named = |it: &Class| PEOPLE.contains(&&*it.name);
        matches!(self.kind, ObservationType::Human | ObservationType::Vehicle)
            || self.class.iter().chain(&self.hint).any(named)
    }

    /// The word to count: the class's name, or `unknown`, `blank` …
    pub fn label(&self) -> String {
        match &self.class {
            Some(class) => class.name.to_string(),
            None => self.kind.to_string(),
        }
    }

    /// The same for people: `Felidae (family)`.
    pub fn shown(&self) -> String {
        match self.rank {
            Some(rank) => format!("{} ({rank})", self.label()),
            None => self.label(),
        }
    }
}

/// A picture worth keeping of an event, not yet encoded.
#[derive(Debug, Clone)]
pub struct Keepsake {
    /// The media's identity.
    pub id: Uuid,
    /// The frame it is of.
    pub frame: Arc<Frame>,
    /// The part of it.
    pub area: Area,
    /// Whole frame or crop.
    pub view: View,
    /// Motion or clock.
    pub method: CaptureMethod,
    /// Colour or infrared.
    pub modality: Modality,
    /// The vector of exactly this part.
    pub embedding: Embedding,
    /// How much it says, 0..=1: the best are shown, the worst go first.
    pub score: f32,
    /// Whether the pixels are to be kept too, or the vector alone.
    pub picture: bool,
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventState {
    /// It goes on.
    Open,
    /// It is over.
    Ended,
}

/// A burst of looks at one camera: what others call a visit or a sequence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Sorted by time of opening (UUID v7).
    pub id: Uuid,
    /// The camera.
    pub camera: CameraName,
    /// Open or ended.
    pub state: EventState,
    /// First look with something in it.
    pub start: Timestamp,
    /// Last look with something in it, so far.
    pub end: Timestamp,
    /// Seconds from `start` to `end` in stream time.
    pub duration_secs: f64,
    /// Colour or infrared, of most looks.
    pub modality: Modality,
    /// One a species, the likeliest first, never none; then those of the further tasks of which heads serve.
    pub observations: Vec<Observation>,
    /// How many frames were looked at.
    pub looks: u32,
    /// The best pictures so far, the best first.
    pub media: Vec<Uuid>,
    /// People, or what they drive, may be in it: once marked it stays so, until a person says otherwise.
    #[serde(default)]
    pub people: bool,
}

impl Event {
    /// Whether nothing was there, which the first task says: stored, not announced.
    pub fn is_blank(&self) -> bool {
        self.came_by().iter().all(|it| it.kind == ObservationType::Blank)
    }

    /// What came by: the observations of the first task.
    pub fn came_by(&self) -> &[Observation] {
        self.by_task().next().unwrap_or_default()
    }

    /// The observations of each task, the first task's first.
    pub fn by_task(&self) -> impl Iterator<Item = &[Observation]> {
        self.observations.chunk_by(|a, b| a.generation.task == b.generation.task)
    }

    /// Whether people may be in it, by its mark or by what any head answers or guesses: a car has a driver, and a plate.
    pub fn may_show_people(&self) -> bool {
        self.people || self.observations.iter().any(Observation::is_of_people)
    }
}

/// Why an event is handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// It began.
    Opened,
    /// Its answer is another one.
    Changed,
    /// It goes on: stored, so that a crash loses little; not announced.
    Progressed,
    /// It is over.
    Ended,
}

/// An event as it now stands, and the pictures that are new since the last time.
#[derive(Debug, Clone)]
pub struct EventUpdate {
    /// Why.
    pub change: Change,
    /// The event as it now stands.
    pub event: Event,
    /// New pictures and vectors, and those that have been looked at once more.
    pub keepsakes: Vec<Keepsake>,
    /// Of an event that has ended: what each head says of it, the first task's first, where it was one animal; else none.
    pub said: Vec<Said>,
}
