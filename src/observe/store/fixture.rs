//! What tests of the store are made of: frames, events, and children of the test program.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use image::RgbImage;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Shown, Store};
use crate::capture::picture::Picture;
use crate::config::{PeoplePictures, StoreConfig};
use crate::domain::{
    CaptureMethod, Change, Class, Embedding, Event, EventState, EventUpdate, Frame, Generation, Keepsake, Modality,
    Observation, ObservationType, View,
};
use crate::metrics::Metrics;

/// The featurizer of all updates.
pub(crate) const FEATURIZER: &str = "lite0-test";
/// Tells a child of the test program what it is there for.
const ROLE: &str = "EYESHINE_TEST_ROLE";

pub(crate) fn config() -> StoreConfig {
    StoreConfig {
        max_embeddings: 4,
        max_pictures: 2,
        blanks_per_hour: 2,
        media_max_mb: 100,
        database_max_mb: 100,
        picture_px: 1280,
        jpeg_quality: 85,
        people: PeoplePictures::Hide,
    }
}

/// Opens a store with [`config`].
pub(crate) fn open(dir: &Path) -> (Store, Arc<Metrics>) {
    let metrics = Metrics::new();
    (Store::open(dir, &config(), Arc::clone(&metrics)).unwrap(), metrics)
}

/// Where a picture lies that may be shown; none where there is none, or no longer.
pub(crate) fn picture_file(store: &Store, media: Uuid) -> Option<PathBuf> {
    match store.shown(media).unwrap() {
        Shown::At(path) => Some(path),
        Shown::Hidden | Shown::Missing => None,
    }
}

/// A picture of one colour.
pub(crate) fn frame(width: u32, height: u32, colour: [u8; 3]) -> Arc<Frame> {
    still(RgbImage::from_pixel(width, height, image::Rgb(colour)), Timestamp::now())
}

/// A picture that JPEG cannot make small: a square of noise.
pub(crate) fn noise(side: u32, at: Timestamp) -> Arc<Frame> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    still(RgbImage::from_fn(side, side, |_, _| image::Rgb([next(), next(), next()])), at)
}

fn still(image: RgbImage, at: Timestamp) -> Arc<Frame> {
    Arc::new(Frame {
        camera: "feeder".into(),
        number: 0,
        // As precise as the database.
        at: Timestamp::from_microsecond(at.as_microsecond()).unwrap(),
        elapsed: Default::default(),
        picture: Picture::still(image),
        fate: Metrics::new().camera("feeder").receive(),
    })
}

/// The whole of a frame, with its picture.
pub(crate) fn keepsake(frame: &Arc<Frame>, score: f32) -> Keepsake {
    Keepsake {
        id: Uuid::now_v7(),
        frame: Arc::clone(frame),
        area: frame.picture.area(),
        view: View::Whole,
        method: CaptureMethod::ActivityDetection,
        modality: Modality::Infrared,
        embedding: Embedding { features: vec![score, 1.0, -0.5].into(), logits: None, second: None },
        score,
        picture: true,
    }
}

/// An event at `feeder` with one observation (`blank` is that of nothing).
pub(crate) fn event(class: &str, at: Timestamp) -> Event {
    let start = Timestamp::from_microsecond(at.as_microsecond()).unwrap();
    Event {
        id: Uuid::now_v7(),
        camera: "feeder".into(),
        state: EventState::Open,
        start,
        end: start + jiff::SignedDuration::from_millis(2500),
        duration_secs: 2.5,
        modality: Modality::Infrared,
        observations: vec![observation(class)],
        looks: 12,
        media: Vec::new(),
        people: false,
    }
}

pub(crate) fn observation(class: &str) -> Observation {
    let blank = class == "blank";
    Observation {
        kind: if blank { ObservationType::Blank } else { ObservationType::Animal },
        class: (!blank).then(|| Class { name: class.into(), scientific_name: "Vulpes vulpes".into() }),
        probability: 0.75,
        rank: None,
        hint: None,
        generation: Generation { task: "species".into(), number: 0 },
    }
}

/// An update of a new event, with `keepsakes` pictures of 64 x 64 px, each better than the one before.
pub(crate) fn update(change: Change, class: &str, keepsakes: usize) -> EventUpdate {
    let frame = frame(64, 64, [90, 120, 60]);
    let mut event = event(class, Timestamp::now());
    if change == Change::Ended {
        event.state = EventState::Ended;
    }
    let keepsakes = (0..keepsakes).map(|i| keepsake(&frame, 0.1 + i as f32 / 100.0)).collect();
    EventUpdate { change, event, keepsakes, said: Vec::new() }
}

/// In the test program itself: `None`. In a child of it: what it is there for.
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// Makes `command` run one test of this test program (or of the copy of it at `program`), and nothing else, in `role`.
/// `test` is the test's path with the crate.
pub(crate) fn play(command: &mut Command, program: &Path, test: &str, role: &str) {
    let test = test.split_once("::").unwrap().1;
    command.arg(program).args(["--exact", test, "--test-threads=1"]).env(ROLE, role);
}
