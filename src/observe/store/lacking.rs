//! What a featurizer has not seen yet, and could: parts of pictures that are kept.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use serde::Serialize;
use uuid::Uuid;

use crate::domain::Area;

use super::{Reader, Store, StoreError, words};

/// Of a media `m`: people say something of its event.
const LABELLED: &str = "EXISTS (SELECT 1 FROM answers a WHERE a.event = m.event AND a.withdrawn_us IS NULL)";
/// Of a media `m`: the featurizer `?1` has not seen it.
const LACKING: &str = "NOT EXISTS (SELECT 1 FROM embeddings v WHERE v.media = m.id AND v.featurizer = ?1)";
/// Of a media `m`: its picture is kept, or the whole frame's that it is a part of.
const PICTURED: &str = "(m.file IS NOT NULL OR EXISTS (SELECT 1 FROM media w WHERE w.event = m.event
                            AND w.captured_us = m.captured_us AND w.view = 'whole' AND w.file IS NOT NULL))";

/// Of which events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// Those of which people say something.
    Labelled,
    /// All.
    All,
}

impl Of {
    fn condition(self) -> &'static str {
        match self {
            Of::Labelled => LABELLED,
            Of::All => "1",
        }
    }
}

/// A kept picture, and what of it a featurizer lacks.
#[derive(Debug, Clone, PartialEq)]
pub struct LackingPicture {
    /// The media that it is the picture of: where to go on.
    pub id: Uuid,
    /// When it was taken: where to go on.
    pub captured_us: i64,
    /// The file, below the state folder.
    pub file: String,
    /// What it shows, in full-resolution px of its frame.
    pub area: Area,
    /// Identity and area of every part of it that is lacking, in the same pixels.
    pub parts: Vec<(Uuid, Area)>,
}

/// How much of what is kept a featurizer has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// What it has seen.
    pub done: u64,
    /// What it has not seen, and can.
    pub left: u64,
    /// What it will never see: no picture of it is left.
    pub lost: u64,
}

/// An event of which people have said something that a featurizer cannot be taught: no picture of it is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LostLabels {
    /// The event.
    pub event: Uuid,
    /// Its camera.
    pub camera: String,
    /// When it began.
    pub start: Timestamp,
    /// What is said of it, by task.
    pub classes: BTreeMap<String, BTreeSet<String>>,
}

impl Reader {
    /// The next `limit` kept pictures, the latest first, and what a featurizer lacks of each, which may be nothing; `after`
    /// is the last one of the page before.
    pub fn lacking(
        &self,
        featurizer: &str,
        of: Of,
        after: Option<(i64, Uuid)>,
        limit: usize,
    ) -> Result<Vec<LackingPicture>, StoreError> {
        self.read(|db| lacking(db, featurizer, of, after, limit))
    }

    /// How much a featurizer has seen.
    pub fn coverage(&self, featurizer: &str, of: Of) -> Result<Coverage, StoreError> {
        self.read(|db| {
            // In one statement: of two moments the parts may be more than the whole.
            let sql = format!(
                "SELECT count(*) FILTER (WHERE NOT lacks), count(*) FILTER (WHERE lacks AND pictured),
                     count(*) FILTER (WHERE lacks AND NOT pictured)
                 FROM (SELECT {LACKING} AS lacks, {PICTURED} AS pictured FROM media m WHERE {})",
                of.condition()
            );
            let count =
                |row: &rusqlite::Row<'_>, column| row.get::<_, i64>(column).map(|it| u64::try_from(it).unwrap_or(0));
            db.query_row(&sql, [featurizer], |row| {
                Ok(Coverage { done: count(row, 0)?, left: count(row, 1)?, lost: count(row, 2)? })
            })
        })
    }

    /// Labelled events that a featurizer has not seen and never will, in the order of time.
    pub fn lost_labels(&self, featurizer: &str) -> Result<Vec<LostLabels>, StoreError> {
        self.read(|db| lost_labels(db, featurizer))
    }

    /// Whether there is room for more vectors below that many bytes of database.
    pub fn is_below(&self, bytes: u64) -> Result<bool, StoreError> {
        self.read(|db| {
            let pragma = |name| db.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            let pages = pragma("page_count")? - pragma("freelist_count")?;
            Ok(u64::try_from(pages * pragma("page_size")?).unwrap_or(0) < bytes)
        })
    }
}

impl Store {
    /// Adds vectors of a featurizer to media; those that are gone by now are left out.
    pub fn add_vectors(&self, featurizer: &str, vectors: &[(Uuid, Vec<f32>)]) -> Result<(), StoreError> {
        self.write(|shared, writer| {
            let failed = |error: rusqlite::Error| StoreError::sqlite(&shared.database(), &error);
            let tx = Transaction::new(writer.connect(shared)?, TransactionBehavior::Immediate).map_err(failed)?;
            for (media, vector) in vectors {
                let sql = "INSERT OR IGNORE INTO embeddings (media, featurizer, vector)
                           SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM media WHERE id = ?1)";
                let values = params![media.as_bytes(), featurizer, words::vector(vector)];
                tx.prepare_cached(sql).and_then(|mut it| it.execute(values)).map_err(failed)?;
            }
            tx.commit().map_err(failed)
        })
    }
}

fn area(row: &rusqlite::Row<'_>, first: usize) -> rusqlite::Result<Area> {
    Ok(Area { x: row.get(first)?, y: row.get(first + 1)?, width: row.get(first + 2)?, height: row.get(first + 3)? })
}

fn lacking(
    db: &Connection,
    featurizer: &str,
    of: Of,
    after: Option<(i64, Uuid)>,
    limit: usize,
) -> rusqlite::Result<Vec<LackingPicture>> {
    let sql = format!(
        "SELECT m.id, m.captured_us, m.file, m.x, m.y, m.width, m.height, m.event, m.view = 'whole'
         FROM media m JOIN events e ON e.id = m.event
         WHERE m.file IS NOT NULL AND e.state <> 'open' AND m.captured_us <= ?1 AND (m.captured_us, m.id) < (?1, ?2)
             AND {} ORDER BY m.captured_us DESC, m.id DESC LIMIT ?3",
        of.condition()
    );
    let (captured_us, id) = after.unwrap_or((i64::MAX, Uuid::max()));
    let values = params![captured_us, id.as_bytes(), words::count(limit as u64)];
    let mut pictures: Vec<(LackingPicture, Uuid, bool)> = db
        .prepare_cached(&sql)?
        .query_map(values, |row| {
            let (id, captured_us, file) = (words::uuid(row, 0)?, row.get(1)?, row.get(2)?);
            let picture = LackingPicture { id, captured_us, file, area: area(row, 3)?, parts: Vec::new() };
            Ok((picture, words::uuid(row, 7)?, row.get(8)?))
        })?
        .collect::<rusqlite::Result<_>>()?;
    // A crop without a picture of its own is cut out of the whole.
    let sql = format!(
        "SELECT m.id, m.x, m.y, m.width, m.height FROM media m
         WHERE m.event = ?2 AND m.captured_us = ?3 AND (m.id = ?4 OR (?5 AND m.file IS NULL)) AND {LACKING} ORDER BY m.id"
    );
    for (it, event, is_whole) in &mut pictures {
        let values = params![featurizer, event.as_bytes(), it.captured_us, it.id.as_bytes(), *is_whole];
        it.parts = db
            .prepare_cached(&sql)?
            .query_map(values, |row| Ok((words::uuid(row, 0)?, area(row, 1)?)))?
            .collect::<rusqlite::Result<_>>()?;
    }
    Ok(pictures.into_iter().map(|it| it.0).collect())
}

fn lost_labels(db: &Connection, featurizer: &str) -> rusqlite::Result<Vec<LostLabels>> {
    let sql = "SELECT e.id, e.camera, e.start_us FROM events e
               WHERE e.id IN (SELECT event FROM answers WHERE withdrawn_us IS NULL)
                   AND NOT EXISTS (SELECT 1 FROM media m WHERE m.event = e.id AND (m.file IS NOT NULL
                       OR EXISTS (SELECT 1 FROM embeddings v WHERE v.media = m.id AND v.featurizer = ?1)))
               ORDER BY e.start_us, e.id";
    let mut lost: Vec<LostLabels> = db
        .prepare(sql)?
        .query_map([featurizer], |row| {
            let (event, start) = (words::uuid(row, 0)?, words::time(row, 2)?);
            Ok(LostLabels { event, camera: row.get(1)?, start, classes: BTreeMap::new() })
        })?
        .collect::<rusqlite::Result<_>>()?;
    for it in &mut lost {
        let tasks: Vec<String> = db
            .prepare_cached(
                "SELECT DISTINCT task FROM answers WHERE event = ?1 AND withdrawn_us IS NULL ORDER BY task",
            )?
            .query_map([it.event.as_bytes()], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        for task in tasks {
            let said = super::labels::said(db, it.event, &task)?;
            it.classes.insert(task, said.into_values().flatten().collect());
        }
    }
    Ok(lost)
}
