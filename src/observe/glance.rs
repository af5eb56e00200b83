//! What each camera shows now, for people: a small picture of its latest look, made every few seconds.
//!
//! It is made at a pace of its own and not when somebody asks, so that no number of readers costs anything, and no
//! decoder's buffer is held for one. Where people may be in the picture there is none, unless the config keeps those.

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
use crate::observe::people::Signs;

/// Between pictures of a camera while somebody looks …
const WATCHED: Duration = Duration::from_secs(2);
/// … and while nobody does: the first sight is no older, and a day of it costs a minute of a core.
const UNWATCHED: Duration = Duration::from_secs(30);
/// Who asked so lately is still looking.
const ATTENTION: Duration = Duration::from_secs(10);
/// After the last sign of people: they may be half out of the picture, or have turned.
const HIDDEN: Duration = Duration::from_secs(10);
/// Of somebody, or something, that stays: then it is what the place looks like.
const MOST_HIDDEN: Duration = Duration::from_secs(600);
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
    /// Since when people may be there, and the last sign of it.
    people: Option<(Instant, Instant)>,
}

impl Slot {
    /// Whether nothing may be shown of it.
    fn is_hidden(&self) -> bool {
        self.people.is_some_and(|(_, last)| last.elapsed() < HIDDEN)
    }
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

    /// Whether the camera shows nothing because of people.
    pub fn is_hidden(&self, camera: &str) -> bool {
        self.cameras.get(camera).is_some_and(|it| lock(it).is_hidden())
    }

    /// Takes the camera's picture away, as a look shows `signs` of people; afterwards signs in what is no longer new keep it
    /// away, for a while.
    fn hide(&self, prediction: &Prediction, signs: &Signs) {
        let Some(slot) = self.cameras.get(&prediction.look.frame.camera) else { return };
        let now = Instant::now();
        let mut slot = lock(slot);
        let since = slot.people.filter(|_| slot.is_hidden()).map(|it| it.0);
        if signs.show(prediction) {
            slot.people = Some((now, now));
            slot.glance = None;
        } else if let Some(since) = since.filter(|it| it.elapsed() < MOST_HIDDEN)
            && signs.linger(prediction)
        {
            slot.people = Some((since, now));
        }
    }

    /// Makes a picture of a frame, if it is time for one.
    fn see(&self, frame: &Frame, resizer: &mut Resizer) {
        let Some(slot) = self.cameras.get(&frame.camera) else { return };
        let watched = lock(&self.asked).is_some_and(|it| it.elapsed() < ATTENTION);
        let pace = if watched { WATCHED } else { UNWATCHED };
        let is_early = |it: &Slot| it.made.is_some_and(|it| it.elapsed() < pace);
        if Some(lock(slot)).is_some_and(|it| is_early(&it) || it.is_hidden()) {
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

/// Starts the stage: it looks at what passes, and hands all of it on. It ends when its input closes. With `hidden` no
/// picture is made of what shows such signs of people.
pub fn spawn(
    glances: Arc<Glances>,
    hidden: Option<Signs>,
    input: Receiver<Prediction>,
    output: Sender<Prediction>,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("glance".into()).spawn(move || {
        let mut resizer = Resizer::new();
        for prediction in input {
            if let Some(signs) = &hidden {
                glances.hide(&prediction, signs);
            }
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
    use crate::config::PeopleConfig;
    use crate::domain::{Embedding, Featurized, Look};
    use crate::infer::head::Head;
    use crate::infer::novelty::Novelty;
    use crate::infer::predict::Seen;
    use crate::infer::tiny;
    use crate::observe::store::fixture;

    /// A look at a camera, how new it is, and how sure the network is that it shows what people wear.
    fn look(camera: &str, excess: f32, worn: f32) -> Prediction {
        let Featurized { look, embeddings } = Featurized {
            look: Look { ..tiny::look(camera, 0, 0) },
            embeddings: vec![Embedding {
                features: Arc::from([0.0]),
                logits: Some(Arc::from([(1.0 - worn).ln(), worn.ln()])),
                second: None,
            }],
        };
        let novelty = Some(Novelty { distance: 0.1, excess, gain: 0.0 });
        let seen = vec![Seen { candidate_idx: 0, novelty, presence: 0.0, opinion: None }];
        Prediction { look, embeddings, heads: Arc::new(Arc::new(Head::starter(&[])).into()), seen }
    }

    #[test]
    fn where_people_may_be_there_is_no_picture_until_they_are_gone() {
        let people = PeopleConfig { pictures: Default::default(), probability: 0.3, starter_probability: 0.3 };
        let signs = Signs::of(Arc::from([1]), &people);
        let glances = Glances::new(["gate".into(), "trail".into()].into_iter());
        let mut resizer = Resizer::new();
        let mut pass = |it: &Prediction| {
            glances.hide(it, &signs);
            glances.see(&it.look.frame, &mut resizer);
            glances.latest(&it.look.frame.camera).is_some()
        };
        // What is always there hides nothing, and what is there now takes the earlier picture away too.
        assert!(pass(&look("gate", 0.2, 0.9)));
        assert!(!pass(&look("gate", 1.2, 0.4)) && glances.is_hidden("gate"));
        assert!(pass(&look("trail", 1.2, 0.2)) && !glances.is_hidden("trail"), "another camera");
        // Who stands still is no news, and is there.
        let ago = |secs| Instant::now().checked_sub(Duration::from_secs(secs)).unwrap();
        lock(&glances.cameras["gate"]).people = Some((ago(60), ago(9)));
        lock(&glances.cameras["gate"]).made = None;
        assert!(!pass(&look("gate", 0.2, 0.4)));
        assert!(lock(&glances.cameras["gate"]).people.unwrap().1.elapsed() < Duration::from_secs(5), "renewed");
        // What stays for ten minutes is the place.
        lock(&glances.cameras["gate"]).people = Some((ago(601), ago(9)));
        assert!(!pass(&look("gate", 0.2, 0.4)), "not before the last sign is old");
        lock(&glances.cameras["gate"]).people = Some((ago(611), ago(11)));
        assert!(pass(&look("gate", 0.2, 0.4)) && !glances.is_hidden("gate"));
    }

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
