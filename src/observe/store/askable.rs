//! What may be asked about: events that nobody has answered, and still moments. No read is longer the more there is in the
//! store: the newest are taken, and of what came before some at random.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rand::{Rng, RngExt};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::domain::Observation;

use super::past::views;
use super::read::{observation, pictures};
use super::{Featurizers, PastView, Reader, StoreError, words};

/// Of an event `e`: it is over, came from a camera, can be looked at, nobody has said what it is, and nobody was asked.
const ASKABLE: &str = "e.state = 'ended' AND e.imported_as IS NULL
    AND EXISTS (SELECT 1 FROM media m WHERE m.event = e.id AND m.file IS NOT NULL)
    AND NOT EXISTS (SELECT 1 FROM answers a WHERE a.event = e.id AND a.task = ?1 AND a.withdrawn_us IS NULL)
    AND NOT EXISTS (SELECT 1 FROM questions q WHERE q.event = e.id AND q.task = ?1)";
/// No event is longer, whatever the config says now.
const LONGEST_EVENT: SignedDuration = SignedDuration::from_hours(24);

/// Who has said something of an event.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labelling {
    /// Who said it last.
    pub labeller: String,
    /// Somebody has looked twice, or is asked to, or a second person has said something too.
    pub settled: bool,
    /// Somebody has looked again because it looked wrong.
    pub asked_again: bool,
}

/// The still moments of a span.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Still {
    /// Those that can be asked about.
    pub moments: Vec<Uuid>,
    /// How much still time there was outside of events, as far as the draws say.
    pub secs: f64,
}

impl Reader {
    /// The latest `most` events that may be asked about and began from one moment to another; blank ones, or others.
    pub fn askable(
        &self,
        task: &str,
        (from, to): (Timestamp, Timestamp),
        blank: bool,
        most: usize,
    ) -> Result<Vec<Uuid>, StoreError> {
        self.read(|db| {
            let sql = format!(
                "SELECT e.id FROM events e WHERE e.blank = ?2 AND e.id >= ?3 AND e.id < ?4 AND {ASKABLE}
                 ORDER BY e.id DESC LIMIT ?5"
            );
            let (first, end) = (words::first_of(from), words::first_of(to));
            let values = params![task, blank, first.as_bytes(), end.as_bytes(), words::count(most as u64)];
            db.prepare_cached(&sql)?.query_map(values, |row| words::uuid(row, 0))?.collect()
        })
    }

    /// Events that are not blank, may be asked about and began before: what `tries` draws, even over time, come upon.
    pub fn askable_before(
        &self,
        task: &str,
        before: Timestamp,
        tries: usize,
        rng: &mut impl Rng,
    ) -> Result<BTreeSet<Uuid>, StoreError> {
        self.read(|db| {
            let end = words::first_of(before);
            let oldest = "SELECT id FROM events WHERE blank = 0 AND id < ?1 ORDER BY id LIMIT 1";
            let oldest = db.query_row(oldest, [end.as_bytes()], |row| words::uuid(row, 0)).optional()?;
            let Some(oldest) = oldest else { return Ok(BTreeSet::new()) };
            let next = "SELECT id FROM events WHERE blank = 0 AND id >= ?1 AND id < ?2 ORDER BY id LIMIT 1";
            let mut next = db.prepare_cached(next)?;
            let mut is_askable = db.prepare_cached(&format!("SELECT 1 FROM events e WHERE e.id = ?2 AND {ASKABLE}"))?;
            let mut found = BTreeSet::new();
            for _ in 0..tries {
                let drawn = Uuid::from_u128(rng.random_range(oldest.as_u128()..=end.as_u128()));
                let values = params![drawn.as_bytes(), end.as_bytes()];
                let Some(id) = next.query_row(values, |row| words::uuid(row, 0)).optional()? else { continue };
                if is_askable.exists(params![task, id.as_bytes()])? {
                    found.insert(id);
                }
            }
            Ok(found)
        })
    }

    /// When the oldest event began that goes on, blank so far or not; one that has done so for longer than any event may is
    /// forgotten by whoever should end it.
    pub fn oldest_open(&self, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
        self.read(|db| {
            let earliest = words::first_of(now.checked_sub(LONGEST_EVENT).unwrap_or(Timestamp::MIN));
            let sql =
                "SELECT id FROM events INDEXED BY events_open WHERE state = 'open' AND id >= ?1 ORDER BY id LIMIT 1";
            let id = |row: &rusqlite::Row<'_>| words::uuid(row, 0);
            let oldest = db.prepare_cached(sql)?.query_row([earliest.as_bytes()], id).optional()?;
            Ok(oldest.and_then(words::time_of))
        })
    }

    /// The events of live cameras that are over, can be looked at, and began from one moment to another, blank ones or others: each
    /// with its length in seconds.
    pub fn happened(&self, (from, to): (Timestamp, Timestamp), blank: bool) -> Result<Vec<(Uuid, f64)>, StoreError> {
        self.read(|db| {
            let sql = "SELECT e.id, e.duration_secs FROM events e
                       WHERE e.blank = ?3 AND e.id >= ?1 AND e.id < ?2 AND e.state = 'ended' AND e.imported_as IS NULL
                           AND EXISTS (SELECT 1 FROM media m WHERE m.event = e.id AND m.file IS NOT NULL)
                       ORDER BY e.id";
            let (from, to) = (words::first_of(from), words::first_of(to));
            let values = params![from.as_bytes(), to.as_bytes(), blank];
            db.prepare_cached(sql)?.query_map(values, |row| Ok((words::uuid(row, 0)?, row.get(1)?)))?.collect()
        })
    }

    /// The still moments from one moment to another that no event covers: what an event shows was not missed.
    pub fn still(&self, task: &str, from: Timestamp, to: Timestamp) -> Result<Still, StoreError> {
        self.read(|db| {
            let sql = "SELECT id, camera, captured_us, stands_secs, file IS NOT NULL
                           AND NOT EXISTS (SELECT 1 FROM moment_answers a WHERE a.moment = m.id AND a.task = ?1)
                           AND NOT EXISTS (SELECT 1 FROM questions q WHERE q.moment = m.id AND q.task = ?1)
                       FROM moments m WHERE captured_us >= ?2 AND captured_us < ?3 ORDER BY id";
            let mut statement = db.prepare_cached(sql)?;
            let values = params![task, from.as_microsecond(), to.as_microsecond()];
            let rows = statement.query_map(values, |row| {
                let (id, at) = (words::uuid(row, 0)?, words::time(row, 2)?);
                Ok((id, row.get::<_, String>(1)?, at, row.get::<_, f64>(3)?, row.get::<_, bool>(4)?))
            })?;
            let mut still = Still::default();
            for row in rows {
                let (id, camera, at, secs, askable) = row?;
                if !is_covered(db, &camera, at)? {
                    still.secs += secs;
                    still.moments.extend(askable.then_some(id));
                }
            }
            Ok(still)
        })
    }

    /// The `most` most telling views of an event of which the first featurizer's vector is kept.
    pub fn best_views(
        &self,
        event: Uuid,
        featurizers: Featurizers<'_>,
        most: usize,
    ) -> Result<Vec<PastView>, StoreError> {
        let mut views = self.read(|db| views(db, event, featurizers))?;
        views.sort_by(|a, b| b.score.total_cmp(&a.score));
        views.truncate(most);
        Ok(views)
    }

    /// What holds of an event in a task, as heads see it.
    pub fn observed(&self, event: Uuid, task: &str) -> Result<Vec<Observation>, StoreError> {
        self.read(|db| {
            let sql =
                "SELECT type, class, scientific_name, probability, hint, hint_scientific_name, task, generation, rank
                       FROM observations WHERE event = ?1 AND task = ?2 AND current = 1 ORDER BY position";
            db.prepare_cached(sql)?.query_map(params![event.as_bytes(), task], observation)?.collect()
        })
    }

    /// The picture of an event to show first.
    pub fn best_picture(&self, event: Uuid) -> Result<Option<Uuid>, StoreError> {
        self.read(|db| Ok(pictures(db, event)?.first().copied()))
    }

    /// Who has said what an event shows.
    pub fn labelling(&self, event: Uuid, task: &str) -> Result<Labelling, StoreError> {
        self.read(|db| {
            let sql = "SELECT labeller, (SELECT count(DISTINCT labeller) > 1 OR max(verified) FROM answers
                               WHERE event = ?1 AND task = ?2 AND withdrawn_us IS NULL)
                           OR EXISTS (SELECT 1 FROM questions WHERE event = ?1 AND task = ?2 AND why = 'suspect'),
                           EXISTS (SELECT 1 FROM questions WHERE event = ?1 AND task = ?2 AND why = 'suspect'
                               AND state IN ('answered', 'elsewhere'))
                       FROM answers WHERE event = ?1 AND task = ?2 AND withdrawn_us IS NULL ORDER BY id DESC LIMIT 1";
            let row = |row: &rusqlite::Row<'_>| {
                Ok(Labelling { labeller: row.get(0)?, settled: row.get(1)?, asked_again: row.get(2)? })
            };
            let found = db.prepare_cached(sql)?.query_row(params![event.as_bytes(), task], row).optional()?;
            Ok(found.unwrap_or_default())
        })
    }
}

/// Whether an event with something in it was going on at a camera. Its identity is about as old as its beginning.
fn is_covered(db: &Connection, camera: &str, at: Timestamp) -> rusqlite::Result<bool> {
    let earliest = at.checked_sub(LONGEST_EVENT).unwrap_or(Timestamp::MIN);
    let latest = at.checked_add(SignedDuration::from_mins(10)).unwrap_or(Timestamp::MAX);
    let sql = "SELECT 1 FROM events INDEXED BY events_camera WHERE blank = 0 AND id >= ?1 AND id <= ?2 AND camera = ?3
                   AND start_us <= ?4 AND end_us >= ?4 LIMIT 1";
    let (first, last) = (words::first_of(earliest), words::first_of(latest));
    let values = params![first.as_bytes(), last.as_bytes(), camera, at.as_microsecond()];
    db.prepare_cached(sql)?.exists(values)
}
