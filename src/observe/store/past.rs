//! Events that are over, as a head that came later sees them: by what was kept of them. What was said as an event happened
//! stays; what the later head says stands beside it, and holds.

use std::time::Duration;

use jiff::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use crate::domain::{Area, Embedding, Modality, Observation, SecondFeatures, View};

use super::observed::{Place, store_observation};
use super::read::observation;
use super::{Reader, Store, StoreError, words};

/// An event that is over and not blank, and what is said of it in one task.
#[derive(Debug, Clone, PartialEq)]
pub struct PastEvent {
    /// The event.
    pub id: Uuid,
    /// It came from a table of pictures: no camera saw it happen.
    pub is_imported: bool,
    /// What was said as it happened; none where no head of the task was asked.
    pub first: Vec<Observation>,
    /// What holds: that, or what a later head said.
    pub current: Vec<Observation>,
}

/// A part of a picture of which the vector is kept.
#[derive(Debug, Clone)]
pub struct PastView {
    /// Since the first of its event.
    pub elapsed: Duration,
    /// Colour or infrared.
    pub modality: Modality,
    /// Whole frame or crop.
    pub view: View,
    /// Where, in full-resolution pixels.
    pub area: Area,
    /// How much it says, 0..=1: how sure it was that an animal is there, times at least a half.
    pub score: f32,
    /// What is stored: the vectors, and not what the network itself would have said.
    pub embedding: Embedding,
}

/// Which events are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Span {
    /// Those that were not over before.
    pub since: Option<Timestamp>,
    /// Those that began before.
    pub until: Option<Timestamp>,
}

/// Featurizers whose vectors are wanted: the first's identity, and the second's.
pub type Featurizers<'a> = (&'a str, Option<&'a str>);

impl Reader {
    /// The latest `limit` events of a span that are over and not blank, the latest first; with `before`, those that opened
    /// before that one.
    pub fn past(
        &self,
        task: &str,
        span: Span,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<PastEvent>, StoreError> {
        self.read(|db| {
            let sql = "SELECT id, imported_as IS NOT NULL FROM events
                       WHERE blank = 0 AND id < ?1 AND state <> 'open' AND (?2 IS NULL OR end_us >= ?2)
                           AND (?3 IS NULL OR start_us < ?3)
                       ORDER BY id DESC LIMIT ?4";
            let before = before.unwrap_or(Uuid::max());
            let us = |at: Option<Timestamp>| at.map(Timestamp::as_microsecond);
            let values = params![before.as_bytes(), us(span.since), us(span.until), words::count(limit as u64)];
            let events: Vec<(Uuid, bool)> = db
                .prepare_cached(sql)?
                .query_map(values, |row| Ok((words::uuid(row, 0)?, row.get(1)?)))?
                .collect::<rusqlite::Result<_>>()?;
            events.into_iter().map(|(id, is_imported)| past(db, id, is_imported, task)).collect()
        })
    }

    /// What is kept of an event that the first featurizer has seen, in the order of time.
    pub fn past_views(&self, event: Uuid, featurizers: Featurizers<'_>) -> Result<Vec<PastView>, StoreError> {
        self.read(|db| views(db, event, featurizers))
    }
}

fn past(db: &Connection, id: Uuid, is_imported: bool, task: &str) -> rusqlite::Result<PastEvent> {
    let sql = "SELECT type, class, scientific_name, probability, hint, hint_scientific_name, task, generation, rank,
                   rescored, current
               FROM observations WHERE event = ?1 AND task = ?2 ORDER BY rescored, position";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![id.as_bytes(), task], |row| {
        Ok((observation(row)?, row.get::<_, bool>(9)?, row.get::<_, bool>(10)?))
    })?;
    let mut event = PastEvent { id, is_imported, first: Vec::new(), current: Vec::new() };
    for row in rows {
        let (it, rescored, current) = row?;
        if current {
            event.current.push(it.clone());
        }
        if !rescored {
            event.first.push(it);
        }
    }
    Ok(event)
}

pub(super) fn views(db: &Connection, event: Uuid, (first, second): Featurizers<'_>) -> rusqlite::Result<Vec<PastView>> {
    let sql = "SELECT m.captured_us, m.modality, m.view, m.x, m.y, m.width, m.height, m.score, v.vector, s.vector
               FROM media m JOIN embeddings v ON v.media = m.id AND v.featurizer = ?2
                   LEFT JOIN embeddings s ON s.media = m.id AND s.featurizer = ?3
               WHERE m.event = ?1 ORDER BY m.captured_us, m.id";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![event.as_bytes(), first, second], |row| {
        let seen = row.get_ref(9)?.as_blob_or_null()?.map(words::features).zip(second);
        let embedding = Embedding {
            features: words::features(row.get_ref(8)?.as_blob()?).into(),
            logits: None,
            second: seen
                .map(|(features, second)| SecondFeatures { featurizer: second.into(), features: features.into() }),
        };
        let area = Area { x: row.get(3)?, y: row.get(4)?, width: row.get(5)?, height: row.get(6)? };
        let (modality, view) = (words::parse(row, 1)?, words::parse(row, 2)?);
        let it = PastView { elapsed: Duration::ZERO, modality, view, area, score: row.get(7)?, embedding };
        Ok((row.get::<_, i64>(0)?, it))
    })?;
    let (mut views, mut began) = (Vec::new(), None);
    for row in rows {
        let (captured_us, mut it): (i64, PastView) = row?;
        it.elapsed = Duration::from_micros(captured_us.abs_diff(*began.get_or_insert(captured_us)));
        views.push(it);
    }
    Ok(views)
}

impl Store {
    /// Takes down what a head of a task says of events that are over, all or nothing; it holds from now on. What was said as
    /// they happened stays beside it, and holds again where it is that very head's. Events that are gone are left out.
    pub fn rescore(
        &self,
        task: &str,
        featurizer: &str,
        answers: &[(Uuid, Vec<Observation>)],
    ) -> Result<(), StoreError> {
        self.write(|shared, writer| {
            let failed = |error: rusqlite::Error| StoreError::sqlite(&shared.database(), &error);
            let db = writer.connect(shared)?;
            let tx = Transaction::new(db, TransactionBehavior::Immediate).map_err(failed)?;
            for (event, observations) in answers {
                take_down(&tx, *event, task, featurizer, observations).map_err(failed)?;
            }
            tx.commit().map_err(failed)?;
            super::people::discard_after(shared, writer);
            Ok(())
        })
    }
}

fn take_down(
    db: &Connection,
    event: Uuid,
    task: &str,
    featurizer: &str,
    observations: &[Observation],
) -> rusqlite::Result<()> {
    let is_over = "SELECT 1 FROM events WHERE id = ?1 AND state <> 'open'";
    if !db.prepare_cached(is_over)?.exists([event.as_bytes()])? {
        return Ok(());
    }
    // The mark of people is never taken back by a head.
    if observations.iter().any(Observation::is_of_people) {
        db.prepare_cached("UPDATE events SET people = 1 WHERE id = ?1 AND people = 0")?.execute([event.as_bytes()])?;
    }
    let at = "SELECT coalesce(min(task_position) FILTER (WHERE task = ?2), max(task_position) + 1, 0)
              FROM observations WHERE event = ?1";
    let values = params![event.as_bytes(), task];
    let task_position: i64 = db.prepare_cached(at)?.query_row(values, |row| row.get(0))?;
    db.prepare_cached("DELETE FROM observations WHERE event = ?1 AND task = ?2 AND rescored = 1")?.execute(values)?;
    let is_first = past(db, event, false, task)?.first == observations;
    db.prepare_cached("UPDATE observations SET current = ?3 WHERE event = ?1 AND task = ?2 AND rescored = 0")?
        .execute(params![event.as_bytes(), task, is_first])?;
    if !is_first {
        for (position, it) in (0_i64..).zip(observations) {
            store_observation(db, &Place { event, task_position, rescored: true, position }, it, featurizer)?;
        }
    }
    Ok(())
}
