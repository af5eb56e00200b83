//! The thread that keeps the tapes of all cameras: encodes what their gates saw, writes it, and lets the oldest go. It has time, at
//! low priority; no gate waits for it, and a disk that is full costs the tape alone.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use jiff::Timestamp;
use rustix::process::setpriority_process;
use rustix::thread::gettid;

use super::shelf::{SEGMENT, Shelf};
use super::{Taped, segment};
use crate::domain::CameraName;
use crate::metrics::Metrics;

/// Behind everything else that this process does.
const NICENESS: i32 = 10;
/// What is read meanwhile is at most so old.
const FLUSH: Duration = Duration::from_secs(2);
/// After a failure the disk is left alone for a while.
const REST: Duration = Duration::from_secs(30);

/// What is too old of cameras that send nothing goes so often.
const BETWEEN_TIDYINGS: Duration = Duration::from_secs(3_600);

/// A segment that is being written.
struct Open {
    file: BufWriter<File>,
    from: Timestamp,
    last: Timestamp,
    flushed: Instant,
}

/// Keeps what comes until no gate sends any more.
pub fn spawn(taped: Receiver<Taped>, shelf: Shelf, metrics: Arc<Metrics>) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name("tape".into()).spawn(move || {
        if let Err(error) = setpriority_process(Some(gettid()), NICENESS) {
            tracing::debug!(%error, "tapes are kept at the priority of all else");
        }
        let mut open: HashMap<CameraName, Open> = HashMap::new();
        let mut rests_until: Option<Instant> = None;
        let mut due = Instant::now();
        loop {
            if Instant::now() >= due {
                tidy(&shelf, &metrics);
                due = Instant::now() + BETWEEN_TIDYINGS;
            }
            let frame = match taped.recv_deadline(due) {
                Ok(frame) => frame,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            if rests_until.is_some_and(|it| Instant::now() < it) {
                metrics.tape.frames.with_label_values(&["failed"]).inc();
                continue;
            }
            match keep(&frame, &shelf, &mut open, &metrics) {
                Ok(()) => metrics.tape.frames.with_label_values(&["kept"]).inc(),
                Err(error) => {
                    tracing::warn!(camera = &*frame.camera, %error, "the tape could not be written; it rests for a while");
                    open.clear();
                    rests_until = Some(Instant::now() + REST);
                    metrics.tape.frames.with_label_values(&["failed"]).inc();
                }
            }
        }
    })
}

/// Lets go of what is too old by the wall clock, of whatever camera: one that is called otherwise now, or is gone, has nobody else
/// to see to it.
fn tidy(shelf: &Shelf, metrics: &Metrics) {
    match shelf.prune_all(Timestamp::now()) {
        Ok(left) => left.iter().for_each(|(camera, bytes)| say(metrics, camera, *bytes)),
        Err(error) => tracing::warn!(%error, "old tapes could not be removed; they are tried again"),
    }
}

fn say(metrics: &Metrics, camera: &str, bytes: u64) {
    metrics.tape.bytes.with_label_values(&[camera]).set(i64::try_from(bytes).unwrap_or(i64::MAX));
}

fn keep(frame: &Taped, shelf: &Shelf, open: &mut HashMap<CameraName, Open>, metrics: &Metrics) -> io::Result<()> {
    let goes_on =
        open.get(&frame.camera).is_some_and(|it| frame.at >= it.last && frame.at.duration_since(it.from) < SEGMENT);
    if !goes_on {
        if let Some(mut full) = open.remove(&frame.camera) {
            full.file.flush()?;
        }
        // A camera's own clock may be ahead: that is no reason to let all go.
        let bytes = shelf.prune(&frame.camera, frame.at.min(Timestamp::now()))?;
        say(metrics, &frame.camera, bytes);
        let mut file = BufWriter::new(shelf.create(&frame.camera, frame.at)?);
        segment::begin(&mut file)?;
        let begun = Open { file, from: frame.at, last: frame.at, flushed: Instant::now() };
        open.insert(Arc::clone(&frame.camera), begun);
    }
    let Some(it) = open.get_mut(&frame.camera) else { return Ok(()) };
    segment::append(&mut it.file, frame)?;
    it.last = frame.at;
    if it.flushed.elapsed() >= FLUSH {
        it.file.flush()?;
        it.flushed = Instant::now();
    }
    Ok(())
}

#[cfg(test)]
mod tests;
