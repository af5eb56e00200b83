//! What became of a question between being chosen and being settled: lent to one person at a time, given back, skipped,
//! and taken back again.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::questions::{Question, question};
use super::{Store, StoreError, words};

/// What was done to a question can be undone for so long.
const UNDONE_WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// So long a question is lent again to whoever takes back what they did to it.
const UNDONE_LEASE_SECS: f64 = 600.0;
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

    /// Takes back the last thing that a person did to a question of a task within a day, an answer or a skip, and lends it to
    /// them again for a while; none where there is nothing, or somebody else has it by now.
    pub fn undo(&self, task: &str, labeller: &str) -> Result<Option<Question>, StoreError> {
        let now = Timestamp::now();
        self.questions(|tx| {
            let Some((done, question)) = last_done(tx, task, labeller, now)? else { return Ok(None) };
            let values = params![question.as_bytes(), labeller, now.as_microsecond()];
            let sql = match done {
                Done::Skipped => "DELETE FROM skips WHERE question = ?1 AND labeller = ?2 AND skipped_us <= ?3",
                Done::Answered => {
                    "UPDATE answers SET withdrawn_us = ?3
                     WHERE question = ?1 AND labeller = ?2 AND withdrawn_us IS NULL"
                }
                Done::AnsweredMoment => {
                    "UPDATE moment_answers SET withdrawn_us = ?3
                     WHERE question = ?1 AND labeller = ?2 AND withdrawn_us IS NULL"
                }
            };
            tx.prepare_cached(sql)?.execute(values)?;
            lend(tx, question, labeller, later(now, UNDONE_LEASE_SECS))
        })
    }
}

/// What can be undone.
enum Done {
    Skipped,
    Answered,
    AnsweredMoment,
}

fn later(now: Timestamp, secs: f64) -> Timestamp {
    // `as` saturates, and makes 0 of what is no number.
    let us = (secs.clamp(0.0, MAX_LEASE_SECS) * 1e6) as i64;
    now.checked_add(SignedDuration::from_micros(us)).unwrap_or(now)
}

/// Lends an open question to somebody, unless another has it.
fn lend(db: &Connection, id: Uuid, labeller: &str, until: Timestamp) -> rusqlite::Result<Option<Question>> {
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

/// What a person did last to a question that can be lent to them again.
fn last_done(db: &Connection, task: &str, labeller: &str, now: Timestamp) -> rusqlite::Result<Option<(Done, Uuid)>> {
    let since = now.checked_sub(UNDONE_WITHIN).unwrap_or(Timestamp::MIN).as_microsecond();
    let mut last: Option<(i64, Done, Uuid)> = None;
    for (done, sql) in [
        (
            Done::Answered,
            "SELECT a.given_us, a.question FROM answers a JOIN questions q ON q.id = a.question
             WHERE a.labeller = ?1 AND a.question IS NOT NULL AND a.given_us > ?2 AND a.task = ?3
                 AND a.withdrawn_us IS NULL
             ORDER BY a.given_us DESC, a.id DESC LIMIT 1",
        ),
        (
            Done::AnsweredMoment,
            "SELECT a.given_us, a.question FROM moment_answers a JOIN questions q ON q.id = a.question
             WHERE a.labeller = ?1 AND a.given_us > ?2 AND a.task = ?3 AND a.withdrawn_us IS NULL
             ORDER BY a.given_us DESC, a.id DESC LIMIT 1",
        ),
        (
            Done::Skipped,
            "SELECT s.skipped_us, s.question FROM skips s JOIN questions q ON q.id = s.question
             WHERE s.labeller = ?1 AND s.skipped_us > ?2 AND q.task = ?3 AND q.state = 'open'
             ORDER BY s.skipped_us DESC LIMIT 1",
        ),
    ] {
        let mut statement = db.prepare_cached(sql)?;
        let found = statement
            .query_row(params![labeller, since, task], |row| Ok((row.get::<_, i64>(0)?, words::uuid(row, 1)?)))
            .optional()?;
        if let Some((at, question)) = found
            && last.as_ref().is_none_or(|it| at > it.0)
        {
            last = Some((at, done, question));
        }
    }
    Ok(last.map(|(_, done, question)| (done, question)))
}
