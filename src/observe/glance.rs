//! What each camera shows now, for people: a small picture of its latest look, made every few seconds.
//!
//! It is made at a pace of its own and not when somebody asks, so that no number of readers costs anything, and no
//! decoder's buffer is held for one.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use fast_image_resize::Resizer;
use jiff::Timestamp;

use crate::domain::{CameraName, Frame};
use crate::infer::predict::Prediction;
use crate::observe::media;

/// Between pictures of a camera while somebody looks …
const WATCHED: Duration = Duration::from_secs(2);
/// … and while nobody does: the first sight is no older, and a day of it costs a minute of a core.
const UNWATCHED: Duration = Duration::from_secs(30);
/// Who asked so lately is still looking.
const ATTENTION: Duration = Duration::from_secs(10);
/// Longer side, px.
const SIDE_PX: u32 = 640;
/// 1..=100: it is looked at, and not kept.
const JPEG_QUALITY: u8 = 75;

/// A camera's picture.
#[derive(Debug, Clone)]
pub struct Glance {
    /// When it was taken.
    pub at: Timestamp,
    /// JPEG.
    pub jpeg: Arc<[u8]>,
}

/// The pictures of all cameras.
#[derive(Debug)]
pub struct Glances {
    cameras: HashMap<CameraName, Mutex<Slot>>,
    asked: Mutex<Option<Instant>>,
}

#[derive(Debug, Default)]
struct Slot {
    glance: Option<Glance>,
    made: Option<Instant>,
}

impl Glances {
    /// None of any camera yet.
    pub fn new(cameras: impl Iterator<Item = CameraName>) -> Glances {
        Glances { cameras: cameras.map(|it| (it, Mutex::default())).collect(), asked: Mutex::default() }
    }

    /// A camera's latest; who asks is taken to go on looking for a while.
    pub fn latest(&self, camera: &str) -> Option<Glance> {
        *lock(&self.asked) = Some(Instant::now());
        self.cameras.get(camera).and_then(|it| lock(it).glance.clone())
    }

    /// Makes a picture of a frame, if it is time for one.
    fn see(&self, frame: &Frame, resizer: &mut Resizer) {
        let Some(slot) = self.cameras.get(&frame.camera) else { return };
        let watched = lock(&self.asked).is_some_and(|it| it.elapsed() < ATTENTION);
        let pace = if watched { WATCHED } else { UNWATCHED };
        if lock(slot).made.is_some_and(|it| it.elapsed() < pace) {
            return;
        }
        let glance = match media::jpeg(frame, frame.picture.area(), SIDE_PX, JPEG_QUALITY, resizer) {
            Ok(jpeg) => Some(Glance { at: frame.at, jpeg: jpeg.into() }),
            Err(error) => {
                tracing::debug!(camera = &*frame.camera, %error, "no picture for the page");
                None
            }
        };
        let mut slot = lock(slot);
        slot.made = Some(Instant::now());
        slot.glance = glance.or(slot.glance.take());
    }
}

fn lock<T>(it: &Mutex<T>) -> MutexGuard<'_, T> {
    it.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the stage: it looks at what passes, and hands all of it on. It ends when its input closes.
pub fn spawn(
    glances: Arc<Glances>,
    input: Receiver<Prediction>,
    output: Sender<Prediction>,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("glance".into()).spawn(move || {
        let mut resizer = Resizer::new();
        for prediction in input {
            glances.see(&prediction.look.frame, &mut resizer);
            if output.send(prediction).is_err() {
                break;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::observe::store::fixture;

    #[test]
    fn a_picture_is_small_and_the_next_is_made_when_it_is_time() {
        let frame = fixture::frame(1280, 720, [200, 40, 40]);
        let glances = Glances::new([Arc::clone(&frame.camera)].into_iter());
        assert!(glances.latest(&frame.camera).is_none() && glances.latest("another").is_none());
        let mut resizer = Resizer::new();
        glances.see(&frame, &mut resizer);
        let first = glances.latest(&frame.camera).unwrap();
        assert_eq!(first.at, frame.at);
        let picture = image::load_from_memory(&first.jpeg).unwrap();
        assert_eq!((picture.width(), picture.height()), (640, 360));

        let later = fixture::frame(320, 240, [40, 40, 200]);
        glances.see(&later, &mut resizer);
        assert!(Arc::ptr_eq(&glances.latest(&frame.camera).unwrap().jpeg, &first.jpeg), "too soon");
        lock(&glances.cameras[&frame.camera]).made = Instant::now().checked_sub(WATCHED);
        glances.see(&later, &mut resizer);
        let picture = image::load_from_memory(&glances.latest(&frame.camera).unwrap().jpeg).unwrap();
        assert_eq!((picture.width(), picture.height()), (320, 240), "never enlarged");
    }
}
