//! Order in the house: what a crash left behind, and room for pictures below their cap.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use crate::domain::{Event, EventState};

use super::{Shared, Store, StoreError, Writer, beside, read, words};

/// Pictures forgotten in one transaction, at most.
const BATCH: i64 = 100;
/// Vectors forgotten at one save, at most: more than a save brings.
const VECTORS: i64 = 100;

/// A stray picture that is younger may be one that another program is just saving.
pub(super) const STRAY_AGE: Duration = Duration::from_secs(600);

/// Of a media `m`: nobody says what its event shows.
const UNLABELLED: &str = "NOT EXISTS (SELECT 1 FROM answers a WHERE a.event = m.event AND a.withdrawn_us IS NULL)";
/// Of a still moment `m`: nobody says what it shows.
const UNLABELLED_MOMENT: &str =
    "NOT EXISTS (SELECT 1 FROM moment_answers a WHERE a.moment = m.id AND a.withdrawn_us IS NULL)";
/// Every picture that a row refers to.
pub(super) const FILES: &str =
    "SELECT file FROM media WHERE file IS NOT NULL UNION ALL SELECT file FROM moments WHERE file IS NOT NULL";

/// How far back all that is kept is of labelled events: who looks for the oldest that may go need not pass those by again each
/// time. What another program takes back is seen after a [`WHILE`](Self::WHILE).
#[derive(Debug, Default)]
pub(super) struct Labelled {
    /// Of pictures: those before this time (µs).
    pictures: i64,
    /// Of vectors: those before this one.
    vectors: Uuid,
    /// Whether all vectors before that were looked through, and none may go.
    vectors_stay: bool,
    since: Option<Instant>,
}

impl Labelled {
    const WHILE: Duration = Duration::from_secs(3_600);

    fn forget_in_time(&mut self) {
        if self.since.is_none_or(|it| it.elapsed() >= Self::WHILE) {
            *self = Labelled { since: Some(Instant::now()), ..Labelled::default() };
        }
    }
}

impl Store {
    /// Closes the events that a crash left open, as they were last saved, and gives them, so that their end can be
    /// published. Events opened since this store was opened are not touched; a second call gives nothing.
    pub fn recover(&self) -> Result<Vec<Event>, StoreError> {
        self.write(|shared, writer| {
            writer.connect(shared)?;
            let events = close(writer).map_err(|error| StoreError::sqlite(&shared.database(), &error))?;
            writer.left_open.clear();
            Ok(events)
        })
    }
}

fn close(writer: &mut Writer) -> rusqlite::Result<Vec<Event>> {
    let ended = words::word(EventState::Ended);
    let left_open = writer.left_open.clone();
    let tx = Transaction::new(writer.db_mut(), TransactionBehavior::Immediate)?;
    let mut events = Vec::new();
    for id in left_open {
        tx.execute("UPDATE events SET state = ?2 WHERE id = ?1", params![id.as_bytes(), ended])?;
        events.extend(read::event(&tx, id)?.map(|it| it.event));
    }
    tx.commit()?;
    Ok(events)
}

/// What is done once, when the database has been opened: notes the events left open, brings rows and pictures together
/// again, and keeps pictures below their cap.
pub(super) fn tidy(shared: &Shared, writer: &mut Writer, db: &mut Connection) -> Result<(), StoreError> {
    let failed = |error: rusqlite::Error| StoreError::sqlite(&shared.database(), &error);
    writer.left_open = column(db, "SELECT id FROM events WHERE state = 'open' ORDER BY id", |row| words::uuid(row, 0))
        .map_err(failed)?;
    // Pictures come before their rows: while a command brings some, those without a row are no strays yet.
    let alone = beside(&shared.dir, |it| it.try_lock())?;
    let known: HashSet<String> = column(db, FILES, |row| row.get(0)).map_err(failed)?;
    let swept = shared.media.sweep(&known, alone.is_none().then_some(STRAY_AGE));
    let swept = swept.map_err(|error| StoreError::io(&shared.dir.join("media"), &error))?;
    drop(alone);
    if swept.removed > 0 {
        tracing::info!(files = swept.removed, "pictures that a crash left behind were removed");
    }
    if swept.left > 0 {
        let files = swept.left;
        tracing::warn!(files, "media/ holds pictures that the database does not know; they are left where they are");
    }
    forget_missing(db, known.difference(&swept.present)).map_err(failed)?;
    count(shared, writer, db)?;
    free(shared, writer, db, shared.media_max_bytes()).map_err(failed)
}

/// Takes down what the kept pictures take.
pub(super) fn count(shared: &Shared, writer: &mut Writer, db: &Connection) -> Result<(), StoreError> {
    let bytes: i64 = db
        .prepare_cached("SELECT picture_bytes FROM totals")
        .and_then(|mut it| it.query_row([], |row| row.get(0)))
        .map_err(|error| StoreError::sqlite(&shared.database(), &error))?;
    shared.set_media_bytes(writer, u64::try_from(bytes).unwrap_or(0));
    Ok(())
}

/// Deletes the oldest pictures until `bytes` more fit below the cap, and on a disk that they fill; `false` where they
/// never will.
pub(super) fn make_room(shared: &Shared, writer: &mut Writer, bytes: u64) -> rusqlite::Result<bool> {
    if bytes > shared.media_max_bytes() {
        return Ok(false);
    }
    let short = shared.media.shortage(writer.media_bytes, bytes);
    let most = (shared.media_max_bytes() - bytes).min(writer.media_bytes.saturating_sub(short));
    if writer.media_bytes > most {
        let mut db = writer.db.take().expect("a write connects first; else this is a bug");
        let freed = free(shared, writer, &mut db, most);
        writer.db = Some(db);
        freed?;
    }
    Ok(writer.media_bytes.saturating_add(bytes) <= shared.media_max_bytes())
}

/// Deletes the oldest pictures until at most `most` bytes are left. Rows first, files second: no row ever refers to a
/// picture that is gone.
fn free(shared: &Shared, writer: &mut Writer, db: &mut Connection, most: u64) -> rusqlite::Result<()> {
    writer.labelled.forget_in_time();
    loop {
        let over = writer.media_bytes.saturating_sub(most);
        if over == 0 {
            return Ok(());
        }
        let tx = Transaction::new(db, TransactionBehavior::Immediate)?;
        let (mut freed, mut files) = (0, Vec::new());
        while freed < over && (files.len() as i64) < BATCH {
            // What people have labelled goes last.
            let unlabelled = match oldest(&tx, UNLABELLED, UNLABELLED_MOMENT, writer.labelled.pictures)? {
                None => oldest(&tx, UNLABELLED, UNLABELLED_MOMENT, i64::MIN)?,
                found => found,
            };
            let found = match unlabelled {
                None => oldest(&tx, "1", "1", i64::MIN)?,
                Some(it) => {
                    writer.labelled.pictures = it.captured_us;
                    Some(it)
                }
            };
            let Some(it) = found else { break };
            forget(&tx, it.id)?;
            freed += u64::try_from(it.bytes).unwrap_or(0);
            files.push(it.file);
        }
        tx.commit()?;
        if files.is_empty() {
            // No picture is left: whatever was counted is not there.
            shared.set_media_bytes(writer, 0);
            return Ok(());
        }
        files.iter().for_each(|file| shared.media.delete(file));
        shared.metrics.media_deleted.inc_by(files.len() as u64);
        shared.set_media_bytes(writer, writer.media_bytes.saturating_sub(freed));
    }
}

/// A picture that is to go.
struct Oldest {
    id: Uuid,
    file: String,
    bytes: i64,
    captured_us: i64,
}

/// The oldest picture since a moment of those, of events and of still moments, that a condition holds of.
fn oldest(db: &Connection, of_events: &str, of_moments: &str, since_us: i64) -> rusqlite::Result<Option<Oldest>> {
    let mut oldest: Option<Oldest> = None;
    for (table, condition) in [("media", of_events), ("moments", of_moments)] {
        let sql = format!(
            "SELECT m.id, m.file, m.bytes, m.captured_us FROM {table} m
             WHERE m.file IS NOT NULL AND m.captured_us >= ?1 AND {condition} ORDER BY m.captured_us LIMIT 1"
        );
        let row = |row: &rusqlite::Row<'_>| {
            Ok(Oldest { id: words::uuid(row, 0)?, file: row.get(1)?, bytes: row.get(2)?, captured_us: row.get(3)? })
        };
        let found = db.prepare_cached(&sql)?.query_row([since_us], row).optional()?;
        oldest = oldest.into_iter().chain(found).min_by_key(|it| it.captured_us);
    }
    Ok(oldest)
}

/// Where the database is larger than it may be the oldest vectors go, which are nearly all of it; what was seen stays. The
/// file does not shrink: what they took is taken again.
pub(super) fn shrink(shared: &Shared, writer: &mut Writer) -> rusqlite::Result<()> {
    writer.labelled.forget_in_time();
    let Labelled { vectors: since, vectors_stay, .. } = writer.labelled;
    let db = writer.db_mut();
    let pragma = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let pages = pragma("page_count")? - pragma("freelist_count")?;
    let bytes = u64::try_from(pages * pragma("page_size")?).unwrap_or(0);
    if bytes <= shared.config.database_max_mb.saturating_mul(1_000_000) {
        return Ok(());
    }
    let tx = Transaction::new(db, TransactionBehavior::Immediate)?;
    // Identities sort by time. What people have labelled is what heads are made of, and stays.
    let sql = format!(
        "SELECT v.media FROM embeddings v JOIN media m ON m.id = v.media WHERE v.media >= ?1 AND {UNLABELLED}
         ORDER BY v.media LIMIT {VECTORS}"
    );
    let mut oldest: Vec<Uuid> = Vec::new();
    for since in [Some(since), (!vectors_stay).then(Uuid::nil)].into_iter().flatten() {
        if oldest.is_empty() {
            let mut statement = tx.prepare_cached(&sql)?;
            let found = statement.query_map([since.as_bytes()], |row| words::uuid(row, 0))?;
            oldest = found.collect::<rusqlite::Result<_>>()?;
        }
    }
    for id in &oldest {
        tx.prepare_cached("DELETE FROM embeddings WHERE media = ?1")?.execute([id.as_bytes()])?;
        tx.prepare_cached("DELETE FROM media WHERE id = ?1 AND file IS NULL")?.execute([id.as_bytes()])?;
    }
    let last: Option<[u8; 16]> = tx.query_row("SELECT max(media) FROM embeddings", [], |row| row.get(0))?;
    tx.commit()?;
    match oldest.last() {
        Some(last) => writer.labelled.vectors = *last,
        None if !vectors_stay => {
            let max_mb = shared.config.database_max_mb;
            tracing::warn!(
                max_mb,
                "the database is larger than it should be, and nothing in it may go: people have labelled it"
            );
            writer.labelled.vectors_stay = true;
            writer.labelled.vectors = last.map(Uuid::from_bytes).unwrap_or_default();
        }
        None => {}
    }
    shared.metrics.embeddings_deleted.inc_by(oldest.len() as u64);
    Ok(())
}

/// Somebody deleted these files: their rows keep the rest.
fn forget_missing<'a>(db: &mut Connection, missing: impl Iterator<Item = &'a String>) -> rusqlite::Result<()> {
    let missing: Vec<&String> = missing.collect();
    if missing.is_empty() {
        return Ok(());
    }
    tracing::warn!(pictures = missing.len(), "pictures are missing from media/");
    let tx = Transaction::new(db, TransactionBehavior::Immediate)?;
    for file in missing {
        // Its name is its identity: media/YYYY/MM/DD/<uuid>.jpg.
        let stem = file.rsplit('/').next().and_then(|name| name.strip_suffix(".jpg"));
        if let Some(id) = stem.and_then(|stem| Uuid::try_parse(stem).ok()) {
            forget(&tx, id)?;
        }
    }
    tx.commit()
}

/// The row loses its picture, and goes where it has no vector either, or is of a moment that nobody has said anything of.
fn forget(db: &Connection, id: Uuid) -> rusqlite::Result<()> {
    super::moments::forget(db, id)?;
    db.prepare_cached("UPDATE media SET file = NULL, mediatype = NULL, bytes = 0 WHERE id = ?1")?
        .execute([id.as_bytes()])?;
    db.prepare_cached("DELETE FROM media WHERE id = ?1 AND id NOT IN (SELECT media FROM embeddings WHERE media = ?1)")?
        .execute([id.as_bytes()])
        .map(drop)
}

fn column<T, C: FromIterator<T>>(
    db: &Connection,
    sql: &str,
    read: impl Fn(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> rusqlite::Result<C> {
    db.prepare(sql)?.query_map([], |row| read(row))?.collect()
}
