//! The end of a pipeline, which may hang on a camera that hangs. How many hang at once is bounded.

use std::convert::Infallible;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, TryRecvError, bounded};
use gstreamer as gst;
use gstreamer::prelude::*;

use crate::capture::intake::Stop;
use crate::domain::CameraName;

/// A pipeline that does not stop within this is left behind: a camera that hangs must not hang the daemon.
const PATIENCE: Duration = Duration::from_secs(3);
/// Pipelines of one camera that may hang at once: with more there is no new try. Each costs threads and a connection;
/// with none to spare one hiccup would end a camera for good.
const MAX: usize = 2;
/// Between looks at whether one has stopped after all.
const LOOK: Duration = Duration::from_millis(500);

/// The pipelines of one camera that did not stop in time.
pub(super) struct LeftBehind {
    camera: CameraName,
    /// Each closes once its pipeline is gone.
    hanging: Vec<Receiver<Infallible>>,
    patience: Duration,
}

impl LeftBehind {
    pub(super) fn new(camera: &CameraName) -> LeftBehind {
        LeftBehind { camera: camera.clone(), hanging: Vec::new(), patience: PATIENCE }
    }

    /// Stops a pipeline on a thread of its own, and waits for a while.
    pub(super) fn stop(&mut self, pipeline: gst::Pipeline) {
        let (done, waiting) = bounded::<Infallible>(0);
        let stopping = pipeline.clone();
        let stopping = thread::Builder::new().name("teardown".into()).spawn(move || {
            tear_down(&stopping);
            drop(stopping);
            drop(done);
        });
        match stopping {
            Ok(_) => {
                // What hangs must not be held by two.
                drop(pipeline);
                if waiting.recv_timeout(self.patience) == Err(RecvTimeoutError::Timeout) {
                    tracing::warn!(camera = &*self.camera, "a pipeline does not stop, and is left behind");
                    self.hanging.push(waiting);
                }
            }
            Err(error) => {
                tracing::error!(camera = &*self.camera, %error, "no thread to stop a pipeline on");
                tear_down(&pipeline);
            }
        }
    }

    /// Waits until there are few enough of them for a new try; false where the daemon ends meanwhile.
    pub(super) fn wait_for_room(&mut self, stop: &Stop) -> bool {
        let mut said = false;
        while self.n_hanging() >= MAX {
            if !said {
                tracing::error!(camera = &*self.camera, "{MAX} pipelines do not stop: no new try until one has");
                said = true;
            }
            if stop.recv_timeout(LOOK) == Err(RecvTimeoutError::Disconnected) {
                return false;
            }
        }
        true
    }

    fn n_hanging(&mut self) -> usize {
        self.hanging.retain(|it| it.try_recv() != Err(TryRecvError::Disconnected));
        self.hanging.len()
    }
}

fn tear_down(pipeline: &gst::Pipeline) {
    let bus = pipeline.bus();
    if let Some(bus) = &bus {
        bus.set_flushing(true);
    }
    let _ = pipeline.set_state(gst::State::Null);
    if let Some(bus) = &bus {
        bus.unset_sync_handler();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// A pipeline whose streaming thread waits for a lock, so that it cannot stop.
    fn hanging(lock: &Arc<Mutex<()>>) -> gst::Pipeline {
        let pipeline = gst::parse::launch("fakesrc ! fakesink name=sink").unwrap().downcast::<gst::Pipeline>().unwrap();
        let (lock, (began, begun)) = (Arc::clone(lock), bounded(1));
        let pad = pipeline.by_name("sink").and_then(|it| it.static_pad("sink")).unwrap();
        pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
            let _ = began.try_send(());
            drop(lock.lock());
            gst::PadProbeReturn::Ok
        });
        pipeline.set_state(gst::State::Playing).unwrap();
        begun.recv().unwrap();
        pipeline
    }

    #[test]
    fn no_new_try_begins_while_too_many_pipelines_hang() {
        gst::init().unwrap();
        let mut left_behind = LeftBehind::new(&"cam".into());
        left_behind.patience = Duration::from_millis(50);
        let (running, stop) = bounded(0);
        let lock = Arc::new(Mutex::new(()));
        let held = lock.lock().unwrap();
        for n in 0..MAX {
            assert!(left_behind.wait_for_room(&stop), "after {n}");
            left_behind.stop(hanging(&lock));
        }
        assert_eq!(left_behind.n_hanging(), MAX);
        let waiting = thread::spawn(move || (left_behind.wait_for_room(&stop), left_behind, stop));
        thread::sleep(Duration::from_millis(100));
        assert!(!waiting.is_finished());
        drop(held);
        // They stop once they can, and there is room again.
        let (room, mut left_behind, stop) = waiting.join().unwrap();
        assert!(room && left_behind.n_hanging() < MAX);
        // The daemon's end is not waited for.
        let held = lock.lock().unwrap();
        for _ in 0..MAX {
            left_behind.stop(hanging(&lock));
        }
        drop(running);
        assert!(!left_behind.wait_for_room(&stop));
        drop(held);
    }
}
