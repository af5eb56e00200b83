//! The tables, in the words of Camtrap DP, and the way from an older schema to this one.
//!
//! Times are whole microseconds since 1970 (UTC); identities of events and media are the 16 bytes of a UUID v7, so that
//! their order is that of time. A schema is only ever replaced by a later one, after a copy of the old database.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use super::error::StoreError;

/// Step `n` brings a database from schema `n` to schema `n + 1`. Steps are never edited once released, only added.
pub(super) const STEPS: [&str; 6] = [
    include_str!("schema-1.sql"),
    include_str!("schema-2.sql"),
    include_str!("schema-3.sql"),
    include_str!("schema-4.sql"),
    include_str!("schema-5.sql"),
    include_str!("schema-6.sql"),
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
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).map_err(failed)?;
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
    refuse_foreign(&db, path, &STEPS)?;
    let (found, known) = (version(&db).map_err(failed)?, known(&STEPS));
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

fn refuse_foreign(db: &Connection, path: &Path, steps: &[&str]) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::sqlite(path, &error);
    let (found, known) = (version(db).map_err(failed)?, known(steps));
    if found > known {
        return Err(StoreError::Newer { path: path.to_owned(), found, known });
    }
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(failed)?;
    if (found == 0) != (tables == 0) {
        let why = format!("schema {found} with {tables} tables and indices");
        return Err(StoreError::Corrupt { path: path.to_owned(), why });
    }
    Ok(())
}

/// All steps that are missing, in one transaction: the schema is the old one or the new one, whatever happens.
fn migrate(db: &mut Connection, path: &Path, steps: &[&str]) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::sqlite(path, &error);
    let (found, known) = (version(db).map_err(failed)?, known(steps));
    if found == known {
        return Ok(());
    }
    if found > 0 {
        copy(db, path, found)?;
    }
    let tx = Transaction::new(db, TransactionBehavior::Immediate).map_err(failed)?;
    for step in &steps[found as usize..] {
        tx.execute_batch(step).map_err(failed)?;
    }
    tx.pragma_update(None, "user_version", known).map_err(failed)?;
    tx.commit().map_err(failed)?;
    if found > 0 {
        tracing::info!(from = found, to = known, copy = %backup_path(path, found).display(), "database brought up to date");
    }
    Ok(())
}

/// Copies the database beside itself, whole or not at all.
fn copy(db: &Connection, path: &Path, version: u32) -> Result<(), StoreError> {
    let target = backup_path(path, version);
    let unfinished = target.with_extension("bak.tmp");
    let io = |error: std::io::Error| StoreError::io(&target, &error);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(io(error)),
        _ => {}
    }
    let name = unfinished.to_str().ok_or_else(|| StoreError::Io {
        path: target.clone(),
        why: "the path is not UTF-8, which SQLite's copy needs".into(),
    })?;
    db.execute("VACUUM INTO ?1", [name]).map_err(|error| StoreError::sqlite(&target, &error))?;
    fs::File::open(&unfinished).and_then(|file| file.sync_all()).map_err(io)?;
    fs::rename(&unfinished, &target).map_err(io)
}
