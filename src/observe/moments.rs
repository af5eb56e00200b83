//! The thread that keeps still moments: makes a small picture of each, without what lies under a mask, and stores it. It has
//! time, at low priority; the gate never waits for it.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::Receiver;
use fast_image_resize::Resizer;
use rustix::process::setpriority_process;
use rustix::thread::gettid;
use uuid::Uuid;

use crate::capture::gate::Followed;
use crate::capture::gate::draws::Moment;
use crate::capture::mask::Mask;
use crate::metrics::Metrics;
use crate::observe::media::{RenderError, jpeg_with};
use crate::observe::store::{NewMoment, Store};

/// Moments that wait: a few a day come, so that two at once are chance. Each holds a decoder's buffer.
pub const WAITING: usize = 2;
/// Longer side of their pictures, px: an animal that anybody can see without knowing where is at least a fortieth of it.
const PICTURE_PX: u32 = 640;
/// Behind everything else that this process does.
const NICENESS: i32 = 10;

/// Keeps moments until no gate sends any more, `keep` of them at most, without what `settings` mask at the time.
pub fn spawn(
    moments: Receiver<Moment>,
    store: Store,
    settings: Followed,
    (keep, jpeg_quality): (usize, u8),
    metrics: Arc<Metrics>,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("moments".into()).spawn(move || {
        if let Err(error) = setpriority_process(Some(gettid()), NICENESS) {
            tracing::debug!(%error, "still moments are kept at the priority of all else");
        }
        let mut resizer = Resizer::new();
        for moment in moments {
            let settings = settings.get(&moment.frame.camera).map(|it| it.load());
            let masks = settings.as_ref().map(|it| it.masks.as_slice()).unwrap_or_default();
            let outcome = match of(moment, masks, jpeg_quality, &mut resizer) {
                Ok(new) => match store.save_moment(&new, keep) {
                    Ok(true) => "kept",
                    Ok(false) => "left_out",
                    Err(error) => {
                        tracing::warn!(%error, "a still moment could not be kept");
                        "failed"
                    }
                },
                Err(error) => {
                    tracing::warn!(%error, "no picture could be made of a still moment");
                    "failed"
                }
            };
            metrics.asking.moments.with_label_values(&[outcome]).inc();
        }
    })
}

/// What is never looked at is no part of the question either: an animal there was not missed.
fn of(moment: Moment, masks: &[Vec<[f64; 2]>], quality: u8, resizer: &mut Resizer) -> Result<NewMoment, RenderError> {
    let Moment { frame, modality, probability, stands_secs } = moment;
    let jpeg = jpeg_with(&frame, frame.picture.area(), PICTURE_PX, quality, resizer, |image| {
        if !masks.is_empty() {
            let (width, height) = image.dimensions();
            Mask::new(masks, width as usize, height as usize).paint(image);
        }
    })?;
    let (camera, captured_at) = (Arc::clone(&frame.camera), frame.at);
    Ok(NewMoment { id: Uuid::now_v7(), camera, captured_at, modality, probability, stands_secs, jpeg })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use arc_swap::ArcSwap;

    use super::*;
    use crate::config::{PeoplePictures, StoreConfig};
    use crate::domain::Modality;
    use crate::observe::store::{Shown, fixture};

    fn moment(colour: [u8; 3]) -> Moment {
        let frame = Arc::into_inner(fixture::frame(1280, 720, colour)).unwrap();
        Moment { frame, modality: Modality::Colour, probability: 0.001, stands_secs: 4_320.0 }
    }

    fn keep(dir: &std::path::Path, people: PeoplePictures, n: usize) -> (Store, Arc<Metrics>) {
        let metrics = Metrics::new();
        let config = StoreConfig { people, ..fixture::config() };
        let store = Store::open(dir, &config, Arc::clone(&metrics)).unwrap();
        let mut camera = crate::capture::testing::config("/dev/null");
        camera.name = "feeder".into();
        camera.masks = vec![vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]];
        let (send, moments) = crossbeam_channel::bounded(WAITING);
        let settings = [(Arc::clone(&camera.name), Arc::new(ArcSwap::from_pointee(camera.gate_settings())))];
        let thread = spawn(moments, store.clone(), settings.into(), (2, 85), Arc::clone(&metrics)).unwrap();
        (0..n).for_each(|_| send.send(moment([200, 180, 160])).unwrap());
        drop(send);
        thread.join().unwrap();
        (store, metrics)
    }

    #[test]
    fn moments_are_kept_small_without_what_is_masked_up_to_their_cap() {
        let dir = tempfile::tempdir().unwrap();
        let (store, metrics) = keep(dir.path(), PeoplePictures::Keep, 3);
        assert_eq!(metrics.asking.moments.with_label_values(&["kept"]).get(), 3);
        assert_eq!(store.counts().unwrap().pictures, 2, "the oldest went");
        let db = rusqlite::Connection::open(dir.path().join("eyeshine.db")).unwrap();
        let (id, file): ([u8; 16], String) =
            db.query_row("SELECT id, file FROM moments LIMIT 1", [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let Shown::At(path) = store.shown(Uuid::from_bytes(id)).unwrap() else { panic!("it is shown to all") };
        assert!(path.ends_with(file));
        let picture = image::load_from_memory(&std::fs::read(path).unwrap()).unwrap().into_rgb8();
        assert_eq!(picture.dimensions(), (640, 360));
        let (masked, seen) = (picture.get_pixel(100, 180).0, picture.get_pixel(500, 180).0);
        assert!(masked.iter().all(|it| *it < 10), "{masked:?} lies under a mask");
        assert!(seen[0].abs_diff(200) < 10 && seen[2].abs_diff(160) < 10, "{seen:?}");
    }

    #[test]
    fn where_people_are_discarded_no_moment_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (store, metrics) = keep(dir.path(), PeoplePictures::Discard, 2);
        assert_eq!(metrics.asking.moments.with_label_values(&["left_out"]).get(), 2);
        assert_eq!(store.counts().unwrap().pictures, 0);
    }
}
