//! Copies of the database that an update of the schema left beside it: what is erased goes from these, too.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};
use uuid::Uuid;

use super::erase::remove_file;
use super::{DATABASE, StoreError};

/// Of a still moment: it is `?1`, or it was taken while that event went on, at its camera.
pub(super) const AT_AN_EVENT_OR_ITSELF: &str = "id = ?1 OR (camera = (SELECT e.camera FROM events e WHERE e.id = ?1)
    AND captured_us >= (SELECT e.start_us FROM events e WHERE e.id = ?1)
    AND captured_us <= (SELECT e.end_us FROM events e WHERE e.id = ?1))";

/// Copies of the database that an update of the schema left; those that it left unfinished are removed.
pub(super) fn copies(dir: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let list = || {
        let mut copies = Vec::new();
        for entry in fs::read_dir(dir)? {
            let path = entry?.path();
            let name = path.file_name().and_then(|it| it.to_str()).unwrap_or_default();
            if !name.starts_with(&format!("{DATABASE}.v")) {
                continue;
            }
            if name.ends_with(".bak.tmp") {
                remove_file(&path)?;
            } else if name.ends_with(".bak") {
                copies.push(path);
            }
        }
        Ok(copies)
    };
    list().map_err(|error| StoreError::io(dir, &error))
}

/// What goes out of a copy of the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Goes {
    /// Events, and still moments, by identity, with all that refers to them.
    Events,
    /// Pictures and vectors of events.
    Media,
    /// All still moments.
    Moments,
}

/// A copy is of an older schema, in which there may be no moments yet; whatever refers to what goes goes with it in each of them.
pub(super) fn cleanse_copy(path: &Path, ids: &BTreeSet<Uuid>, goes: Goes) -> rusqlite::Result<()> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.query_row("PRAGMA secure_delete = ON", [], |_| Ok(()))?;
    let has_moments = db.table_exists(None, "moments")?;
    let tx = db.transaction()?;
    let mut n = 0;
    for id in ids {
        if goes == Goes::Events && has_moments {
            n += tx.execute(&format!("DELETE FROM moments WHERE {AT_AN_EVENT_OR_ITSELF}"), [id.as_bytes()])?;
        }
        n += match goes {
            Goes::Events => tx.execute("DELETE FROM events WHERE id = ?1", [id.as_bytes()])?,
            Goes::Media => tx.execute("DELETE FROM media WHERE event = ?1", [id.as_bytes()])?,
            Goes::Moments => 0,
        };
    }
    if goes == Goes::Moments && has_moments {
        n += tx.execute("DELETE FROM moments", [])?;
    }
    tx.commit()?;
    if n > 0 {
        db.execute_batch("VACUUM")?;
    }
    Ok(())
}
