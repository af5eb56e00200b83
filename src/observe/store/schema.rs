//! The tables, in the words of Camtrap DP, and the way from an older schema to this one.
//!
//! Times are whole microseconds since 1970 (UTC); identities of events and media are the 16 bytes of a UUID v7, so that
//! their order is that of time. A schema is only ever replaced by a later one, after a copy of the old database.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::error::StoreError;
use crate::observe::media;

/// Step `n` brings a database from schema `n` to schema `n + 1`. Steps are never edited once released, only added.
pub(super) const STEPS: [&str; 7] = [
    include_str!("schema-1.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
    include_str!("schema-5.sql"),
    include_str!("schema-6.sql"),
    include_str!("schema-7.sql"),
];

/// How long a statement waits for another program's write to end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Opens the database for writing, makes it where there is none, and brings its schema up to `steps`.
pub(super) fn open(path: &Path, steps: &[&str]) -> Result<Connection, StoreError> {
    let failed = |error: rusqlite::Error| StoreError::sqlite(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(failed)?;
    // SQLite quietly opens a file that it may not write for reading.
    if db.is_readonly("main").map_err(failed)? {
        return Err(StoreError::Unwritable { path: path.to_owned(), why: "permission denied".into() });
    }
    db.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    refuse_foreign(&db, path, steps)?;
    keep_a_log(&db).map_err(failed)?;
    // An event that was announced must not go with the power.
    db.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    db.pragma_update(None, "foreign_keys", true).map_err(failed)?;
    db.query_row("PRAGMA journal_size_limit = 16777216", [], |_| Ok(())).map_err(failed)?;
    migrate(&mut db, path, steps)?;
    Ok(db)
}

/// Opens the database for reading; `None` where there is none yet.
pub(super) fn open_read(path: &Path) -> Result<Option<Connection>, StoreError> {
    let failed = |error: rusqlite::Error| StoreError::sqlite(path, &error);
    if !path.exists() {
        return Ok(None);
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(failed)?;
    db.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    let (found, known) = (refuse_foreign(&db, path, &STEPS)?, known(&STEPS));
    // An empty file: the disk was full when the first daemon made it.
    if found == 0 {
        return Ok(None);
    }
    if found < known {
        return Err(StoreError::Older { path: path.to_owned(), found, known });
    }
    Ok(Some(db))
}

/// Where the copy of a database of schema `version` is kept.
pub(super) fn backup_path(path: &Path, version: u32) -> PathBuf {
    path.with_extension(format!("db.v{version}.bak"))
}

fn known(steps: &[&str]) -> u32 {
    u32::try_from(steps.len()).expect("there are fewer than four billion schemas: this is a bug")
}

fn version(db: &Connection) -> rusqlite::Result<u32> {
    db.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Switches to a write-ahead log. SQLite does not wait where another program is reading at that moment, or switching.
fn keep_a_log(db: &Connection) -> rusqlite::Result<()> {
    let began = Instant::now();
    loop {
        let busy = |error: &rusqlite::Error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
        match db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())) {
            Err(error) if busy(&error) && began.elapsed() < BUSY_TIMEOUT => thread::sleep(Duration::from_millis(10)),
            switched => return switched,
        }
    }
}

/// The schema of a database that is ours. Version and tables are read at one moment: another program may be making them.
fn refuse_foreign(db: &Connection, path: &Path, steps: &[&str]) -> Result<u32, StoreError> {
    let failed = |error: rusqlite::Error| StoreError::sqlite(path, &error);
    let read = || {
        let tx = db.unchecked_transaction()?;
        let tables: i64 = tx.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        Ok((tables, version(&tx)?))
    };
    let ((tables, found), known) = (read().map_err(failed)?, known(steps));
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    if (found == 0) != (tables == 0) {
        let why = format!("schema {found} with {tables} tables and indices");
        return Err(StoreError::Corrupt { path: path.to_owned(), why });
    }
    Ok(found)
}

/// All steps that are missing, in one transaction: the schema is the old one or the new one, whatever happens. Which are missing
/// is seen once nobody else can take them, and the copy is of just that.
fn migrate(db: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::sqlite(path, &error);
    let known = known(steps);
    if version(db).map_err(failed)? == known {
        return Ok(());
    }
    let tx = Transaction::new(db, TransactionBehavior::Immediate).map_err(failed)?;
    let found = version(&tx).map_err(failed)?;
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    if (1..known).contains(&found) {
        copy(path, found)?;
    }
    for step in &steps[found as usize..] {
        tx.execute_batch(step).map_err(failed)?;
    }
    tx.pragma_update(None, "user_version", known).map_err(failed)?;
    tx.commit().map_err(failed)?;
    if (1..known).contains(&found) {
        tracing::info!(from = found, to = known, copy = %backup_path(path, found).display(), "database brought up to date");
    }
    Ok(())
}

/// Copies the database beside itself, whole or not at all; its writer holds it meanwhile.
fn copy(path: &Path, version: u32) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::sqlite(path, &error);
    let target = backup_path(path, version);
    let unfinished = target.with_extension("bak.tmp");
    let io = |error: std::io::Error| StoreError::io(&target, &error);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags).map_err(failed)?;
    let pragma = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).map_err(failed);
    let bytes = (pragma("page_count")? - pragma("freelist_count")?) * pragma("page_size")?;
    let bytes = u64::try_from(bytes).unwrap_or(0);
    // A disk that a try would fill is full for all else.
    if media::available(path.parent().unwrap_or(path)).is_ok_and(|it| it < bytes) {
        return Err(StoreError::NoRoom { path: path.to_owned(), bytes });
    }
    let name = unfinished.to_str().ok_or_else(|| StoreError::Io {
        path: target.clone(),
        why: "the path is not UTF-8, which SQLite's copy needs".into(),
    })?;
    let copied = db
        .execute("VACUUM INTO ?1", [name])
        .map_err(|error| StoreError::sqlite(&target, &error))
        .and_then(|_| fs::File::open(&unfinished).and_then(|file| file.sync_all()).map_err(io))
        .and_then(|()| fs::rename(&unfinished, &target).map_err(io));
    copied.inspect_err(|_| {
        // What could not be finished must not take the room that is short.
        let _ = fs::remove_file(&unfinished);
    })
}
