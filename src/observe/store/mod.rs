//! The store: events, observations, vectors and pictures on disk, before anyone hears of them.
//!
//! One process writes (a lock on the folder keeps a second daemon out), any number read: SQLite with a write-ahead log.
//! A full disk is no reason to stop watching: [`Store::open`] then gives a store that tries again at every save.

mod answer;
mod answered;
mod answers;
mod askable;
mod checks;
mod copies;
mod deployment;
mod doomed;
mod erase;
mod error;
mod found;
mod frames;
mod gallery;
mod holding;
mod import;
mod labels;
mod lacking;
mod lately;
mod loans;
mod moments;
mod observed;
mod past;
mod people;
mod piece;
mod questions;
mod read;
mod recorded;
mod row;
mod save;
mod schema;
mod site;
mod tally;
mod tidy;
mod undo;
mod waiting;
mod when;
mod words;

#[cfg(test)]
pub(crate) mod fixture;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fs::{self, File, TryLockError};
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use uuid::Uuid;

use crate::config::{PeoplePictures, StoreConfig};
use crate::domain::CameraName;
use crate::metrics::Metrics;
use crate::observe::media::MediaFolder;

use deployment::Deployment;

pub use answer::{Answer, AnswerError, FrameName, Given, LifeStage, Sex, Species};
pub use answered::Answered;
pub use askable::{Labelling, Still};
pub use checks::{Check, Filling};
pub use doomed::{Doomed, Which};
pub use erase::{EraseError, Eraser};
pub use error::StoreError;
pub use found::Wanted;
pub use frames::KeptFrame;
pub use gallery::{Alike, Page};
pub use import::{Imported, ImportedEvent, ImportedFrame};
pub use labels::Labelled;
pub(crate) use labels::{NO_CLASS, commonest};
pub use lacking::{Coverage, LackingPicture, LostLabels, Of};
pub use moments::{MomentAnswer, NewMoment, StoredMoment};
pub use past::{Featurizers, PastEvent, PastView, Span};
pub use people::Shown;
pub(crate) use piece::Piece;
pub use questions::{NewQuestion, Question, QueueState, Why};
pub use read::{Counts, Reader, StoredEvent};
pub use recorded::{Recorded, Standing};
pub use save::Saved;
pub(crate) use skipped::WRITE;
pub use tally::{ClassNamed, ClassTally, PersonTally, Tally};
pub use undo::{Undone, together};
pub use waiting::{LabelCounts, Service};

/// The database, below the state folder.
const DATABASE: &str = "eyeshine.db";
/// The file whose lock keeps a second daemon out.
const LOCK: &str = "lock";
/// The file that commands beside a daemon hold together, and that a daemon has alone while it removes strays.
const BESIDE: &str = "beside.lock";
/// So long a lock that was let go may still be held: whatever was just being started has a copy of it until it runs.
const HANDED_ON: Duration = Duration::from_millis(300);

/// A write so lately says how the disk is.
const LATELY: Duration = Duration::from_secs(10);

/// Why a picture or a vector was not kept: the words of `eyeshine_media_skipped_total{reason}`.
mod skipped {
    /// The event has as many vectors as it may, all more telling.
    pub(super) const EMBEDDINGS_FULL: &str = "embeddings_full";
    /// The event has as many pictures as it may, all more telling.
    pub(super) const PICTURES_FULL: &str = "pictures_full";
    /// It was kept, until a more telling one came.
    pub(super) const REPLACED: &str = "replaced";
    /// Its event is blank, and enough of these were stored this hour.
    pub(super) const BLANK: &str = "blank";
    /// It alone is larger than all pictures may be.
    pub(super) const MEDIA_CAP: &str = "media_cap";
    /// It could not be rendered or encoded.
    pub(super) const RENDER: &str = "render";
    /// People may be in it, and the config keeps none of those.
    pub(super) const PEOPLE: &str = "people";
    /// It could not be written; `eyeshine_store_errors_total` says why.
    pub(crate) const WRITE: &str = "write";
    pub(super) const ALL: [&str; 8] =
        [EMBEDDINGS_FULL, PICTURES_FULL, REPLACED, BLANK, MEDIA_CAP, RENDER, PEOPLE, WRITE];
}

/// The store of a daemon; cheap to clone. It reads as a [`Reader`] does, on a connection of its own.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
    reader: Reader,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    config: StoreConfig,
    metrics: Arc<Metrics>,
    media: MediaFolder,
    /// Whether the last write came through …
    writable: AtomicBool,
    /// … and when one last did.
    written: Mutex<Option<Instant>>,
    writer: Mutex<Writer>,
    /// Held for as long as the store lives; a command beside a daemon has none, and leaves the house as it is …
    lock: Option<File>,
    /// … but holds this one, so that a daemon that starts leaves it its pictures.
    _beside: Option<File>,
}

/// What only one thread at a time may touch. A save holds it while it encodes: readers have connections of their own.
#[derive(Debug, Default)]
struct Writer {
    /// `None` until the disk allows it.
    db: Option<Connection>,
    /// What the kept pictures take.
    media_bytes: u64,
    /// Events that a crash left open, until [`Store::recover`] closes them.
    left_open: Vec<Uuid>,
    /// What the config says of each camera's deployment.
    registered: HashMap<CameraName, Deployment>,
    /// The deployment that each camera's events belong to, once it is on disk.
    deployments: HashMap<CameraName, String>,
    /// Whether the log may still hold what was discarded.
    log_holds_people: bool,
    /// What the database was like (`data_version`) when no marked event had anything left that was to be discarded.
    discarded_at: Option<i64>,
    /// What housekeeping need not look through again.
    labelled: tidy::Labelled,
}

impl Store {
    /// Opens the store below `state_dir`, makes it where there is none, brings its schema up to date, removes what a
    /// crash left behind and keeps pictures below their cap.
    ///
    /// Where the disk is full the store opens all the same, is not [writable](Self::is_writable), and tries again at
    /// every write. [`StoreError::exit_code`] says how a program should end on any other error.
    pub fn open(state_dir: &Path, config: &StoreConfig, metrics: Arc<Metrics>) -> Result<Store, StoreError> {
        let lock = lock(state_dir)?;
        let store = Store::new(state_dir, config, metrics, Some(lock), None);
        match store.probe() {
            Err(error @ (StoreError::DiskFull { .. } | StoreError::NoRoom { .. })) => {
                tracing::error!(%error, "starting all the same: events are kept in memory until there is room");
                Ok(store)
            }
            result => result.map(|()| store),
        }
    }

    /// Opens the store for a command that writes beside a daemon, or without one: it waits its turn, and tidies nothing.
    /// What it brings is kept whatever else an event may hold, but for the caps on bytes.
    pub fn open_beside(state_dir: &Path, config: &StoreConfig) -> Result<Store, StoreError> {
        fs::create_dir_all(state_dir).map_err(|error| StoreError::io(state_dir, &error))?;
        let config = StoreConfig { max_embeddings: usize::MAX, max_pictures: usize::MAX, ..config.clone() };
        let held = beside(state_dir, |it| it.lock_shared().map_err(TryLockError::Error))?;
        let store = Store::new(state_dir, &config, Metrics::new(), None, held);
        store.probe().map(|()| store)
    }

    fn new(
        state_dir: &Path,
        config: &StoreConfig,
        metrics: Arc<Metrics>,
        lock: Option<File>,
        beside: Option<File>,
    ) -> Store {
        for reason in skipped::ALL {
            metrics.media_skipped.with_label_values(&[reason]);
        }
        for reason in StoreError::REASONS {
            metrics.store_errors.with_label_values(&[reason]);
        }
        Store {
            reader: Reader::new(state_dir),
            shared: Arc::new(Shared {
                dir: state_dir.to_owned(),
                config: config.clone(),
                metrics,
                media: MediaFolder::new(state_dir, config.picture_px, config.jpeg_quality),
                writable: AtomicBool::new(false),
                written: Mutex::default(),
                writer: Mutex::default(),
                lock,
                _beside: beside,
            }),
        }
    }

    /// Opens the database below `state_dir` for reading alone, beside a daemon or without one.
    pub fn open_read(state_dir: &Path) -> Result<Reader, StoreError> {
        let reader = Reader::new(state_dir);
        reader.check()?;
        Ok(reader)
    }

    /// Reads what there is below `state_dir`, which may be nothing.
    pub fn reader(state_dir: &Path) -> Reader {
        Reader::new(state_dir)
    }

    /// Whether the last write came through.
    pub fn is_writable(&self) -> bool {
        self.shared.writable.load(Ordering::Relaxed)
    }

    /// Whether it can be written now: what the last write says where that was lately, else a try. Nights without an
    /// event write nothing, and a disk may fail in one.
    pub fn can_write(&self) -> bool {
        let written = *self.shared.written.lock().unwrap_or_else(PoisonError::into_inner);
        let lately = written.is_some_and(|it| it.elapsed() < LATELY);
        (lately && self.is_writable()) || self.probe().is_ok()
    }

    /// Tries to write, so that a store that was not [writable](Self::is_writable) can become so without an event.
    pub fn probe(&self) -> Result<(), StoreError> {
        self.write(|shared, writer| {
            shared.media.probe().map_err(|error| StoreError::io(&shared.dir.join("media"), &error))?;
            let path = shared.database();
            let version = u32::try_from(schema::STEPS.len()).unwrap_or(u32::MAX);
            // Setting it to what it is writes a page, and changes nothing.
            let db = writer.connect(shared)?;
            db.pragma_update(None, "user_version", version).map_err(|error| StoreError::sqlite(&path, &error))
        })
    }

    /// Runs what writes, alone, and keeps count of whether it can.
    fn write<T>(&self, work: impl FnOnce(&Shared, &mut Writer) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let result = work(&self.shared, &mut self.shared.writer());
        match &result {
            Ok(_) => {
                self.shared.writable.store(true, Ordering::Relaxed);
                *self.shared.written.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
            Err(error) => {
                self.shared.metrics.store_errors.with_label_values(&[error.reason()]).inc();
                // Another program's long write passes: that is no reason to stop being ready.
                let passing = matches!(error, StoreError::Busy { .. });
                self.shared.writable.fetch_and(passing, Ordering::Relaxed);
            }
        }
        result
    }
}

impl Deref for Store {
    type Target = Reader;

    fn deref(&self) -> &Reader {
        &self.reader
    }
}

impl Shared {
    fn database(&self) -> PathBuf {
        self.dir.join(DATABASE)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A transaction that a panic cut short was rolled back; what stands in memory is at most out of date.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn media_max_bytes(&self) -> u64 {
        self.config.media_max_mb.saturating_mul(1_000_000)
    }

    fn skip(&self, reason: &str) {
        self.metrics.media_skipped.with_label_values(&[reason]).inc();
    }

    fn set_media_bytes(&self, writer: &mut Writer, bytes: u64) {
        writer.media_bytes = bytes;
        self.metrics.media_bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
    }
}

impl Writer {
    /// The connection; opened, and what a crash left behind tidied up, where that is not done yet.
    fn connect(&mut self, shared: &Shared) -> Result<&mut Connection, StoreError> {
        if self.db.is_none() {
            let path = shared.database();
            let mut db = schema::open(&path, &schema::STEPS)?;
            if shared.config.people == PeoplePictures::Discard {
                // What is deleted is overwritten, wherever it stood.
                db.query_row("PRAGMA secure_delete = ON", [], |_| Ok(()))
                    .and_then(|()| people::watch(&db))
                    .map_err(|error| StoreError::sqlite(&path, &error))?;
            }
            if shared.lock.is_some() {
                tidy::tidy(shared, self, &mut db)?;
                self.db = Some(db);
                people::discard_after(shared, self);
            } else {
                tidy::count(shared, self, &db)?;
                self.db = Some(db);
            }
        }
        Ok(self.db_mut())
    }
}

/// Takes the folder for this process.
fn lock(state_dir: &Path) -> Result<File, StoreError> {
    fs::create_dir_all(state_dir).map_err(|error| StoreError::io(state_dir, &error))?;
    let path = state_dir.join(LOCK);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| StoreError::io(&path, &error))?;
    let began = Instant::now();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if began.elapsed() < HANDED_ON => thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::WouldBlock) => return Err(StoreError::Locked { dir: state_dir.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(StoreError::io(&path, &error)),
        }
    }
}

/// The lock between commands and a daemon that tidies up, as `take` takes it; `None` where another has it.
fn beside(state_dir: &Path, take: impl FnOnce(&File) -> Result<(), TryLockError>) -> Result<Option<File>, StoreError> {
    let path = state_dir.join(BESIDE);
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|error| StoreError::io(&path, &error))?;
    match take(&file) {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(StoreError::io(&path, &error)),
    }
}
