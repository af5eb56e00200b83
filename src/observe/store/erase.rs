//! Erasing events for good: pictures first, then rows, then every trace that a database keeps of rows that are gone.
//!
//! SQLite leaves what was deleted in free pages, in gaps of pages, and in its write-ahead log. So the database is written
//! anew without it, and the log is cut to nothing. Copies that an update of the schema left beside it are cleansed too.
//! What is to go is written down first, so that an erasing that was cut short is finished by the next.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior};
use uuid::Uuid;

use crate::config::StoreConfig;
use crate::metrics::Metrics;
use crate::observe::media::MediaFolder;

use super::copies::{AT_AN_EVENT_OR_ITSELF, Goes, cleanse_copy, copies};
use super::doomed::{Doomed, Which};
use super::tidy::STRAY_AGE;
use super::{Reader, Store, StoreError, lock, moments, words};

/// What is to go, by identity, a line each; there only while an erasing is on its way.
const UNFINISHED: &str = "erase.unfinished";
/// Events erased in one transaction: so long others wait.
const BATCH: usize = 100;
/// How long others may keep the database or its log.
const PATIENCE: Duration = Duration::from_secs(60);

/// Nothing was erased, or not yet everything.
#[derive(Debug, thiserror::Error)]
pub enum EraseError {
    /// The store cannot do it.
    #[error("{0}")]
    Store(#[source] StoreError),
    /// There is no such event.
    #[error("erase: there is no event {0}; nothing was erased")]
    NoEvent(Uuid),
    /// There is no such camera.
    #[error("erase: no event is of a camera {camera:?}, but of {known}; nothing was erased")]
    NoCamera {
        /// The camera.
        camera: String,
        /// Those that there are.
        known: String,
    },
    /// A daemon would bring it back.
    #[error("erase: event {0} still goes on: erase it once it has ended; nothing was erased")]
    Open(Uuid),
    /// A reader holds on to the log.
    #[error(
        "erase: another program keeps reading {}: the rows are gone, and the file still holds them; erase again, which finishes it",
        path.display()
    )]
    Held {
        /// The database.
        path: PathBuf,
    },
    /// A copy of the database cannot be cleansed.
    #[error("erase: {}: {why}: this copy of the database may hold the events: delete it, and erase again", path.display())]
    Copy {
        /// The copy.
        path: PathBuf,
        /// What SQLite says.
        why: String,
    },
}

impl From<StoreError> for EraseError {
    fn from(error: StoreError) -> EraseError {
        EraseError::Store(error)
    }
}

/// A store that is being erased from.
#[derive(Debug)]
pub struct Eraser {
    store: Store,
    /// Nobody else has the folder, nor will as long as this lives.
    alone: bool,
}

impl Eraser {
    /// Opens a store that is there, beside a daemon or without one.
    pub fn open(state_dir: &Path, config: &StoreConfig) -> Result<Eraser, EraseError> {
        Store::open_read(state_dir)?;
        let lock = match lock(state_dir) {
            Ok(lock) => Some(lock),
            Err(StoreError::Locked { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let alone = lock.is_some();
        // Alone it sweeps away what a crash left of pictures, as a daemon does when it starts.
        let store = Store::new(state_dir, config, Metrics::new(), lock, None);
        store.probe()?;
        Ok(Eraser { store, alone })
    }

    /// Whether a daemon watches: its open events are in its memory, and it would bring them back.
    pub fn is_alone(&self) -> bool {
        self.alone
    }

    /// What is to go, and what is left because it goes on; an event that was named alone is refused then.
    pub fn choose(&self, which: &Which) -> Result<(Vec<Doomed>, Vec<Doomed>), EraseError> {
        let doomed = self.store.to_erase(which)?;
        let (left, doomed): (Vec<Doomed>, Vec<Doomed>) = doomed.into_iter().partition(|it| it.is_open && !self.alone);
        match (which.event, &*left) {
            (Some(id), [_, ..]) => Err(EraseError::Open(id)),
            _ => Ok((doomed, left)),
        }
    }

    /// Reads what is left.
    pub fn reader(&self) -> &Reader {
        &self.store
    }

    /// What an erasing that was cut short had still to do.
    pub fn unfinished(&self) -> Result<BTreeSet<Uuid>, StoreError> {
        let path = self.path(UNFINISHED);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.lines().filter_map(|it| Uuid::try_parse(it.trim()).ok()).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(BTreeSet::new()),
            Err(error) => Err(StoreError::io(&path, &error)),
        }
    }

    /// Writes down what is to go, for the next if this one is cut short.
    pub fn begin(&self, events: &BTreeSet<Uuid>) -> Result<(), StoreError> {
        let path = self.path(UNFINISHED);
        let text: String = events.iter().map(|it| format!("{it}\n")).collect();
        let write = || {
            let unfinished = path.with_extension("tmp");
            let mut file = File::create(&unfinished)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&unfinished, &path)?;
            File::open(&self.store.shared.dir)?.sync_all()
        };
        write().map_err(|error| StoreError::io(&path, &error))
    }

    /// Everything is gone: so is the note of it.
    pub fn finish(&self) -> Result<(), StoreError> {
        let path = self.path(UNFINISHED);
        let remove = || {
            remove_file(&path.with_extension("tmp"))?;
            remove_file(&path)?;
            File::open(&self.store.shared.dir)?.sync_all()
        };
        remove().map_err(|error| StoreError::io(&path, &error))
    }

    /// Deletes pictures and rows. Heads can be fitted without them from now on.
    pub fn delete(&self, events: &BTreeSet<Uuid>) -> Result<(), EraseError> {
        let events: Vec<&Uuid> = events.iter().collect();
        for batch in events.chunks(BATCH) {
            self.store.write(|shared, writer| {
                let path = shared.database();
                let failed = |error: rusqlite::Error| StoreError::sqlite(&path, &error);
                let db = writer.connect(shared)?;
                db.busy_timeout(PATIENCE).map_err(failed)?;
                db.query_row("PRAGMA secure_delete = ON", [], |_| Ok(())).map_err(failed)?;
                let tx = Transaction::new(db, TransactionBehavior::Immediate).map_err(failed)?;
                for event in batch {
                    // What was still at the time of an event may show what the event shows.
                    let still = moments::files(&tx, AT_AN_EVENT_OR_ITSELF, &[event.as_bytes()]).map_err(failed)?;
                    for (moment, pictures) in still {
                        moments::remove(shared, &pictures)?;
                        tx.execute("DELETE FROM moments WHERE id = ?1", [moment.as_bytes()]).map_err(failed)?;
                    }
                    // Pictures first: a row without its picture is found again, a picture without its row is not.
                    for picture in pictures(&tx, event).map_err(failed)? {
                        let path = shared.dir.join(picture);
                        let removed = remove_file(&path).and_then(|()| remove_file(&MediaFolder::unfinished(&path)));
                        removed.map_err(|error| StoreError::io(&path, &error))?;
                    }
                    tx.execute("DELETE FROM events WHERE id = ?1", [event.as_bytes()]).map_err(failed)?;
                }
                tx.commit().map_err(failed)
            })?;
        }
        Ok(())
    }

    /// Takes the last traces out of the files: of the copies, of the pictures' folder, of the database and its log.
    pub fn cleanse(&self, events: &BTreeSet<Uuid>) -> Result<(), EraseError> {
        for copy in copies(&self.store.shared.dir)? {
            cleanse_copy(&copy, events, Goes::Events)
                .map_err(|error| EraseError::Copy { path: copy.clone(), why: error.to_string() })?;
        }
        self.sweep()?;
        let held = self.store.write(|shared, writer| {
            let path = shared.database();
            let failed = |error: rusqlite::Error| StoreError::sqlite(&path, &error);
            let db = writer.connect(shared)?;
            db.busy_timeout(PATIENCE).map_err(failed)?;
            db.execute_batch("VACUUM").map_err(failed)?;
            cut_log(db).map_err(failed)
        })?;
        if held { Err(EraseError::Held { path: self.store.shared.database() }) } else { Ok(()) }
    }

    /// Stray pictures that are too old to be on their way to a row.
    fn sweep(&self) -> Result<(), StoreError> {
        if self.alone {
            return Ok(());
        }
        let known = self.store.read(|db| db.prepare(super::tidy::FILES)?.query_map([], |row| row.get(0))?.collect())?;
        let shared = &self.store.shared;
        let swept = shared.media.sweep(&known, Some(STRAY_AGE)).map(drop);
        swept.map_err(|error| StoreError::io(&shared.dir.join("media"), &error))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.store.shared.dir.join(name)
    }
}

/// Every name that a picture of the event may lie under, those too that were to be deleted already.
pub(super) fn pictures(db: &Connection, event: &Uuid) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT id, captured_us, file FROM media WHERE event = ?1";
    let rows = db
        .prepare_cached(sql)?
        .query_map([event.as_bytes()], |row| {
            let named: Option<String> = row.get(2)?;
            Ok([Some(MediaFolder::file(words::uuid(row, 0)?, words::time(row, 1)?)), named])
        })?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let mut files: Vec<String> = rows.into_iter().flatten().flatten().collect();
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

/// Brings the log home and cuts it to nothing; whether somebody would not let go of it.
fn cut_log(db: &Connection) -> rusqlite::Result<bool> {
    let start = Instant::now();
    loop {
        let held = cut_log_once(db)?;
        if !held || start.elapsed() > PATIENCE {
            return Ok(held);
        }
        thread::sleep(Duration::from_millis(100));
    }
}

/// The same, if nobody holds it now.
pub(super) fn cut_log_once(db: &Connection) -> rusqlite::Result<bool> {
    let held: Option<i64> = db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).optional()?;
    Ok(held != Some(0))
}

pub(super) fn remove_file(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
