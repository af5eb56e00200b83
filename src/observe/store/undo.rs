//! What a person did last, whether they were asked or not, and taking it back.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Serialize;
use uuid::Uuid;

use super::loans::{later, lend};
use super::questions::Question;
use super::{Reader, Store, StoreError, words};

/// What was done can be undone for so long.
const UNDONE_WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// So long a question is lent again to whoever takes back what they did to it.
const UNDONE_LEASE_SECS: f64 = 600.0;
/// Characters of the name of what was said together.
const TOGETHER: usize = "all-".len() + 32;

/// What was taken back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Undone {
    /// What had been said; empty where a question had been skipped.
    #[serde(rename = "taken_back")]
    pub said: String,
    /// Of how many events or moments.
    pub answers: usize,
    /// The question, where it is lent again: not where there is none, it is over, or somebody else has it or has answered it.
    #[serde(flatten)]
    pub question: Option<Question>,
}

/// What can be undone.
enum Done {
    Skipped(Uuid),
    Answered(Uuid),
    AnsweredMoment(Uuid),
}

/// A name for answers that are given together; each has it, a hyphen and an end of its own for its key.
pub fn together() -> String {
    format!("all-{}", Uuid::now_v7().simple())
}

impl Store {
    /// Takes back the last thing that a person did within a day of a task, an answer or a skip, together with what they said at
    /// once with it; a question is lent to them again for a while. None where there is nothing.
    pub fn undo(&self, task: &str, labeller: &str) -> Result<Option<Undone>, StoreError> {
        let now = Timestamp::now();
        self.questions(|tx| {
            let (said, answers, question) = match last_done(tx, task, labeller, now)? {
                None => return Ok(None),
                Some(Done::Skipped(question)) => {
                    let sql = "DELETE FROM skips WHERE question = ?1 AND labeller = ?2";
                    tx.prepare_cached(sql)?.execute(params![question.as_bytes(), labeller])?;
                    (String::new(), 0, Some(question))
                }
                Some(Done::Answered(answer)) => {
                    let said = classes(tx, "labels", answer)?;
                    let all = with(tx, answer, labeller)?;
                    let sql = "UPDATE answers SET withdrawn_us = ?2 WHERE id = ?1";
                    for (id, _) in &all {
                        tx.prepare_cached(sql)?.execute(params![id.as_bytes(), now.as_microsecond()])?;
                    }
                    (said, all.len(), all.iter().find_map(|it| it.1))
                }
                Some(Done::AnsweredMoment(answer)) => {
                    let said = classes(tx, "moment_labels", answer)?;
                    let sql = "UPDATE moment_answers SET withdrawn_us = ?3 WHERE labeller = ?2 AND withdrawn_us IS NULL
                                   AND question = (SELECT question FROM moment_answers WHERE id = ?1)
                               RETURNING question";
                    let values = params![answer.as_bytes(), labeller, now.as_microsecond()];
                    let mut statement = tx.prepare_cached(sql)?;
                    let all: Vec<Uuid> =
                        statement.query_map(values, |row| words::uuid(row, 0))?.collect::<rusqlite::Result<_>>()?;
                    (said, 1, all.first().copied())
                }
            };
            let lent = question.map(|it| lend(tx, it, labeller, later(now, UNDONE_LEASE_SECS))).transpose()?;
            Ok(Some(Undone { said, answers, question: lent.flatten() }))
        })
    }

    /// Takes back what a person said together, by its name; how many answers it was.
    pub fn take_back_together(&self, name: &str, labeller: &str) -> Result<usize, StoreError> {
        self.questions(|tx| {
            let sql = "UPDATE answers SET withdrawn_us = ?4
                       WHERE labeller = ?1 AND client_key >= ?2 AND client_key < ?3 AND withdrawn_us IS NULL";
            let Some((from, to)) = keys(name) else { return Ok(0) };
            tx.prepare_cached(sql)?.execute(params![labeller, from, to, Timestamp::now().as_microsecond()])
        })
    }
}

impl Reader {
    /// What a person said together, by its name, and of how many events; none of what was taken back.
    pub fn said_together(&self, name: &str, labeller: &str) -> Result<Option<(String, usize)>, StoreError> {
        let Some((from, to)) = keys(name) else { return Ok(None) };
        self.read(|db| {
            let sql = "SELECT id FROM answers
                       WHERE labeller = ?1 AND client_key >= ?2 AND client_key < ?3 AND withdrawn_us IS NULL";
            let all: Vec<Uuid> = db
                .prepare_cached(sql)?
                .query_map(params![labeller, from, to], |row| words::uuid(row, 0))?
                .collect::<rusqlite::Result<_>>()?;
            let Some(first) = all.first() else { return Ok(None) };
            Ok(Some((classes(db, "labels", *first)?, all.len())))
        })
    }
}

/// Keys of what was said together begin with the first and come before the second: a full stop follows the hyphen.
fn keys(name: &str) -> Option<(String, String)> {
    let fits = name.len() == TOGETHER && name.starts_with("all-");
    fits.then(|| (format!("{name}-"), format!("{name}.")))
}

/// What an answer says, from `labels` or `moment_labels`.
fn classes(db: &Connection, table: &str, answer: Uuid) -> rusqlite::Result<String> {
    let sql = format!("SELECT group_concat(class, ' and ' ORDER BY position) FROM {table} WHERE answer = ?1");
    let said = db.prepare_cached(&sql)?.query_row([answer.as_bytes()], |row| row.get::<_, Option<String>>(0))?;
    Ok(said.unwrap_or_default())
}

/// An answer, what else the person said to the same question, and what they said together with it, each with its question.
fn with(db: &Connection, answer: Uuid, labeller: &str) -> rusqlite::Result<Vec<(Uuid, Option<Uuid>)>> {
    let sql = "SELECT question, client_key FROM answers WHERE id = ?1";
    let row = |row: &Row<'_>| Ok((row.get::<_, Option<[u8; 16]>>(0)?, row.get::<_, Option<String>>(1)?));
    let (question, key) = db.prepare_cached(sql)?.query_row([answer.as_bytes()], row)?;
    let keys = key.as_deref().and_then(|it| it.rsplit_once('-')).and_then(|(name, _)| keys(name));
    let (from, to) = keys.unzip();
    let sql = "SELECT id, question FROM answers WHERE labeller = ?1 AND withdrawn_us IS NULL
                   AND (id = ?2 OR question = ?3 OR (client_key >= ?4 AND client_key < ?5))";
    let row = |row: &Row<'_>| Ok((words::uuid(row, 0)?, row.get::<_, Option<[u8; 16]>>(1)?.map(Uuid::from_bytes)));
    db.prepare_cached(sql)?.query_map(params![labeller, answer.as_bytes(), question, from, to], row)?.collect()
}

/// What a person did last. A question may be gone meanwhile: what was said of it stands all the same. What came with an imported
/// folder nobody has just done.
fn last_done(db: &Connection, task: &str, labeller: &str, now: Timestamp) -> rusqlite::Result<Option<Done>> {
    let since = now.checked_sub(UNDONE_WITHIN).unwrap_or(Timestamp::MIN);
    // Identities sort by time, and there is an index of them.
    let ms = u128::try_from(since.as_millisecond()).unwrap_or_default();
    let first = Uuid::from_u128(ms << 80);
    let mut last: Option<(i64, Done)> = None;
    for (done, sql) in [
        (
            Done::Answered as fn(Uuid) -> Done,
            "SELECT a.given_us, a.id FROM answers a JOIN events e ON e.id = a.event
             WHERE a.labeller = ?1 AND a.id >= ?4 AND a.given_us > ?2 AND a.task = ?3 AND a.withdrawn_us IS NULL
                 AND (e.imported_as IS NULL OR a.client_key IS NOT NULL)
             ORDER BY a.id DESC LIMIT 1",
        ),
        (
            Done::AnsweredMoment,
            "SELECT a.given_us, a.id FROM moment_answers a
             WHERE a.labeller = ?1 AND a.id >= ?4 AND a.given_us > ?2 AND a.task = ?3 AND a.withdrawn_us IS NULL
             ORDER BY a.given_us DESC, a.id DESC LIMIT 1",
        ),
        (
            Done::Skipped,
            "SELECT s.skipped_us, s.question FROM skips s JOIN questions q ON q.id = s.question
             WHERE s.labeller = ?1 AND s.skipped_us > ?2 AND q.task = ?3 AND ?4 IS NOT NULL
             ORDER BY s.skipped_us DESC LIMIT 1",
        ),
    ] {
        let values = params![labeller, since.as_microsecond(), task, first.as_bytes()];
        let row = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, words::uuid(row, 1)?));
        if let Some((at, id)) = db.prepare_cached(sql)?.query_row(values, row).optional()?
            && last.as_ref().is_none_or(|it| at > it.0)
        {
            last = Some((at, done(id)));
        }
    }
    Ok(last.map(|it| it.1))
}
