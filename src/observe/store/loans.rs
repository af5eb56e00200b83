//! What became of a question between being chosen and being settled: lent to one person at a time, given back, skipped.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::questions::{Question, question};
use super::{Store, StoreError, words};

/// A question is lent for so long at most: a week.
const MAX_LEASE_SECS: f64 = 604_800.0;

impl Store {
    /// Lends up to `n` open questions to a person, in order; those already lent to them come first. One is never lent to two.
    pub fn lease(&self, task: &str, labeller: &str, n: usize, lease_secs: f64) -> Result<Vec<Question>, StoreError> {
        let now = Timestamp::now();
        self.questions(|tx| {
            let sql = "SELECT id FROM questions q WHERE task = ?1 AND state = 'open'
                           AND (leased_to IS NULL OR leased_to = ?2 OR leased_until_us <= ?3)
                           AND NOT EXISTS (SELECT 1 FROM skips s WHERE s.question = q.id AND s.labeller = ?2)
                       ORDER BY coalesce(leased_to = ?2 AND leased_until_us > ?3, 0) DESC, position LIMIT ?4";
            let values = params![task, labeller, now.as_microsecond(), words::count(n as u64)];
            let ids: Vec<Uuid> = tx
                .prepare_cached(sql)?
                .query_map(values, |row| words::uuid(row, 0))?
                .collect::<rusqlite::Result<_>>()?;
            let until = later(now, lease_secs);
            ids.into_iter().filter_map(|id| lend(tx, id, labeller, until).transpose()).collect()
        })
    }

    /// Takes a question back from a person before its time; whether it was theirs.
    pub fn release(&self, question: Uuid, labeller: &str) -> Result<bool, StoreError> {
        self.questions(|tx| release(tx, question, labeller))
    }

    /// A person will not answer it: they never see it again, others may. Whether it was open, and not skipped by them.
    pub fn skip(&self, question: Uuid, labeller: &str) -> Result<bool, StoreError> {
        self.questions(|tx| {
            let sql = "INSERT OR IGNORE INTO skips (question, labeller, skipped_us)
                       SELECT id, ?2, ?3 FROM questions WHERE id = ?1 AND state = 'open'";
            let now = Timestamp::now().as_microsecond();
            let n = tx.prepare_cached(sql)?.execute(params![question.as_bytes(), labeller, now])?;
            release(tx, question, labeller)?;
            Ok(n > 0)
        })
    }
}

pub(super) fn later(now: Timestamp, secs: f64) -> Timestamp {
    // `as` saturates, and makes 0 of what is no number.
    let us = (secs.clamp(0.0, MAX_LEASE_SECS) * 1e6) as i64;
    now.checked_add(SignedDuration::from_micros(us)).unwrap_or(now)
}

/// Lends an open question to somebody, unless another has it.
pub(super) fn lend(db: &Connection, id: Uuid, labeller: &str, until: Timestamp) -> rusqlite::Result<Option<Question>> {
    let sql = "UPDATE questions SET leased_to = ?2, leased_until_us = ?3 WHERE id = ?1 AND state = 'open'
                   AND (leased_to IS NULL OR leased_to = ?2 OR leased_until_us <= ?4)";
    let values = params![id.as_bytes(), labeller, until.as_microsecond(), Timestamp::now().as_microsecond()];
    if db.prepare_cached(sql)?.execute(values)? == 0 {
        return Ok(None);
    }
    question(db, id)
}

fn release(db: &Connection, id: Uuid, labeller: &str) -> rusqlite::Result<bool> {
    let sql = "UPDATE questions SET leased_to = NULL, leased_until_us = NULL
               WHERE id = ?1 AND leased_to = ?2 AND state = 'open'";
    Ok(db.prepare_cached(sql)?.execute(params![id.as_bytes(), labeller])? > 0)
}
