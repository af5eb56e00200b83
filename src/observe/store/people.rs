//! What becomes of pictures of events that people may be in: who may see them, and how they go where they are not to stay.
//!
//! The mark is in two columns: what heads say, which stays, and what labels say, which triggers keep and which goes before.

use std::collections::{BTreeSet, HashSet};
use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use crate::config::PeoplePictures;
use crate::domain::Event;
use crate::observe::media::MediaFolder;

use super::{Shared, Store, StoreError, Writer, copies, erase, tidy, words};

/// Events whose pictures go in one transaction.
const BATCH: usize = 100;

/// A picture, for whoever asks over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shown {
    /// It is there.
    At(PathBuf),
    /// It is there, people may be in it, and the config hides those.
    Hidden,
    /// There is none, or no longer.
    Missing,
}

impl Store {
    /// Whether pictures of people are kept from those who look.
    pub fn hides_people(&self) -> bool {
        self.shared.config.people != PeoplePictures::Keep
    }

    /// A picture, unless it is to be kept from those who look.
    pub fn shown(&self, media: Uuid) -> Result<Shown, StoreError> {
        self.shown_to(media, false)
    }

    /// The same for somebody who `sees_people`, as whoever labels must. Of a still moment no head knows whether people are in
    /// it, so it counts as if they were until a person says that they are not.
    pub fn shown_to(&self, media: Uuid, sees_people: bool) -> Result<Shown, StoreError> {
        let hides = self.hides_people() && !sees_people;
        let found = self.read(|db| {
            let sql = "SELECT m.file, coalesce(e.people_said, e.people) FROM media m JOIN events e ON e.id = m.event
                       WHERE m.id = ?1 AND m.file IS NOT NULL
                       UNION ALL
                       SELECT file, coalesce(people_said, 1) FROM moments WHERE id = ?1 AND file IS NOT NULL";
            let mut statement = db.prepare_cached(sql)?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?));
            statement.query_row([media.as_bytes()], row).optional()
        })?;
        Ok(match found {
            None => Shown::Missing,
            Some((_, true)) if hides => Shown::Hidden,
            Some((file, _)) => Shown::At(self.shared.dir.join(file)),
        })
    }

    /// Whether a question is open about the event that a picture is of.
    pub fn is_asked_about(&self, media: Uuid) -> Result<bool, StoreError> {
        self.read(|db| {
            let sql =
                "SELECT 1 FROM media m JOIN questions q ON q.event = m.event WHERE m.id = ?1 AND q.state = 'open'";
            db.prepare_cached(sql)?.exists([media.as_bytes()])
        })
    }

    /// The cameras at which an event goes on that people may be in, where the config hides those.
    pub fn cameras_with_people(&self) -> Result<HashSet<String>, StoreError> {
        if !self.hides_people() {
            return Ok(HashSet::new());
        }
        self.read(|db| {
            // Few are open; SQLite would rather look through all that were ever marked.
            let sql = "SELECT camera FROM events INDEXED BY events_open
                       WHERE state = 'open' AND coalesce(people_said, people) = 1";
            db.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
        })
    }
}

/// Whether an event that is saved now is marked, once it is.
pub(super) fn is_marked(db: &Connection, event: &Event) -> rusqlite::Result<bool> {
    let sql = "SELECT coalesce(people_said, max(people, ?2)) FROM events WHERE id = ?1";
    let marked = event.may_show_people();
    let stored =
        db.prepare_cached(sql)?.query_row(params![event.id.as_bytes(), marked], |row| row.get(0)).optional()?;
    Ok(stored.unwrap_or(marked))
}

/// Where the config discards them: deletes every picture and vector of marked events, the imported ones aside, which somebody
/// chose to teach with. What was deleted is overwritten in the database (`secure_delete`), in its log, which is cut, and in
/// copies that an update of the schema left.
///
/// Of a million events many are marked, and have long nothing left: all are looked through once, and again after another program has
/// written; else those alone that this connection has marked or added to since.
fn discard(shared: &Shared, writer: &mut Writer) -> Result<(), StoreError> {
    if shared.config.people != PeoplePictures::Discard {
        return Ok(());
    }
    let path = shared.database();
    let failed = |error: rusqlite::Error| StoreError::sqlite(&path, &error);
    let version: i64 = writer.db().pragma_query_value(None, "data_version", |row| row.get(0)).map_err(failed)?;
    let among = if writer.discarded_at == Some(version) { Among::Touched } else { Among::All };
    if super::moments::discard(shared, writer)? {
        writer.log_holds_people = true;
        for copy in copies::copies(&shared.dir)? {
            let cleansed = copies::cleanse_copy(&copy, &BTreeSet::new(), copies::Goes::Moments);
            cleansed.map_err(|error| StoreError::sqlite(&copy, &error))?;
        }
        tracing::info!("still moments were discarded: nobody knows whether people are in them");
    }
    loop {
        let events = marked_with_media(writer.db(), among).map_err(failed)?;
        if events.is_empty() {
            break;
        }
        let tx = Transaction::new(writer.db_mut(), TransactionBehavior::Immediate).map_err(failed)?;
        let mut vectors = 0;
        for event in &events {
            // Pictures first: a row without its picture is found again, a picture without its row is not.
            for picture in erase::pictures(&tx, event).map_err(failed)? {
                let path = shared.dir.join(picture);
                let removed =
                    erase::remove_file(&path).and_then(|()| erase::remove_file(&MediaFolder::unfinished(&path)));
                removed.map_err(|error| StoreError::io(&path, &error))?;
            }
            let sql = "SELECT count(*) FILTER (WHERE m.file IS NOT NULL), count(v.media) FROM media m
                       LEFT JOIN embeddings v ON v.media = m.id WHERE m.event = ?1";
            let counted =
                tx.query_row(sql, [event.as_bytes()], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)));
            let (n_pictures, n_vectors) = counted.map_err(failed)?;
            shared.metrics.media_deleted.inc_by(u64::try_from(n_pictures).unwrap_or(0));
            vectors += u64::try_from(n_vectors).unwrap_or(0);
            tx.execute("DELETE FROM media WHERE event = ?1", [event.as_bytes()]).map_err(failed)?;
        }
        tx.commit().map_err(failed)?;
        shared.metrics.embeddings_deleted.inc_by(vectors);
        writer.log_holds_people = true;
        let events: BTreeSet<Uuid> = events.into_iter().collect();
        for copy in copies::copies(&shared.dir)? {
            let cleansed = copies::cleanse_copy(&copy, &events, copies::Goes::Media);
            cleansed.map_err(|error| StoreError::sqlite(&copy, &error))?;
        }
        tracing::info!(events = events.len(), "pictures with people were discarded");
    }
    if writer.log_holds_people {
        let db = writer.db.take();
        let counted = db.as_ref().map_or(Ok(()), |db| tidy::count(shared, writer, db));
        writer.db = db;
        counted?;
        // A reader may still need it: then at the next save.
        writer.log_holds_people = erase::cut_log_once(writer.db()).map_err(failed)?;
    }
    writer.db().execute("DELETE FROM temp.touched", []).map_err(failed)?;
    writer.discarded_at = Some(version);
    Ok(())
}

/// [`discard`] after something that is on disk already, and holds whatever comes of it: what fails is said, and tried again at
/// the next write. Whether all went.
pub(super) fn discard_after(shared: &Shared, writer: &mut Writer) -> bool {
    let discarded = discard(shared, writer);
    if let Err(error) = &discarded {
        shared.metrics.store_errors.with_label_values(&[error.reason()]).inc();
        tracing::error!(%error, "pictures with people could not be discarded; they are tried again");
    }
    discarded.is_ok()
}

/// Has a connection remember the marked events that it marks, or adds to; [`discard`] looks at those.
pub(super) fn watch(db: &Connection) -> rusqlite::Result<()> {
    db.execute_batch(
        "PRAGMA temp_store = MEMORY;
         CREATE TEMP TABLE touched (event BLOB PRIMARY KEY) WITHOUT ROWID;
         CREATE TEMP TRIGGER touched_new AFTER INSERT ON main.events WHEN coalesce(NEW.people_said, NEW.people) = 1 BEGIN
             INSERT OR IGNORE INTO touched VALUES (NEW.id);
         END;
         CREATE TEMP TRIGGER touched_marked AFTER UPDATE OF people, people_said ON main.events
         WHEN coalesce(NEW.people_said, NEW.people) = 1 BEGIN
             INSERT OR IGNORE INTO touched VALUES (NEW.id);
         END;
         CREATE TEMP TRIGGER touched_media AFTER INSERT ON main.media BEGIN
             INSERT OR IGNORE INTO touched VALUES (NEW.event);
         END;",
    )
}

/// Where marked events are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Among {
    All,
    /// Those that this connection has marked or added to.
    Touched,
}

fn marked_with_media(db: &Connection, among: Among) -> rusqlite::Result<Vec<Uuid>> {
    let which = match among {
        Among::All => "1",
        Among::Touched => "e.id IN (SELECT event FROM temp.touched)",
    };
    let sql = format!(
        "SELECT e.id FROM events e WHERE {which} AND coalesce(e.people_said, e.people) = 1 AND e.imported_as IS NULL
             AND EXISTS (SELECT 1 FROM media m WHERE m.event = e.id) LIMIT {BATCH}"
    );
    db.prepare_cached(&sql)?.query_map([], |row| words::uuid(row, 0))?.collect()
}
