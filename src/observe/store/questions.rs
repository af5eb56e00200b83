//! What people are asked: questions about events and still moments, each lent to one person at a time.
//!
//! A question that nobody answers in time is there for the next. Whatever way its event is answered, it is settled in the
//! same transaction (by triggers, see `schema-6.sql`), so that nobody is asked what somebody has said. But for those drawn at
//! random: what people label of their own accord is no random draw, and they mostly saw the guess. Were what they have labelled
//! left out of the check, it would be thinned of just these events; so whatever is drawn is asked, the guess hidden, and only
//! that answer counts.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Reader, Store, StoreError, words};

/// Questions that were drawn at random wait for so long before their day.
const RANDOM_STAYS: SignedDuration = SignedDuration::from_hours(7 * 24);
/// The longest day there is, where a clock goes back in it.
const LONGEST_DAY: SignedDuration = SignedDuration::from_hours(25);

/// Why something is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// The head is not sure of it.
    Unsure,
    /// Nothing like it was labelled so far.
    Cover,
    /// It may be of a kind that was never taught.
    Strange,
    /// It may be of a protected species.
    Protected,
    /// What was said of it looks wrong.
    Suspect,
    /// It was drawn at random, to know how right the head is.
    Random,
    /// A moment that the gate let pass as still, drawn at random, to know what the gate misses.
    Still,
}

impl Why {
    /// All of them.
    pub const ALL: [Why; 7] =
        [Why::Unsure, Why::Cover, Why::Strange, Why::Protected, Why::Suspect, Why::Random, Why::Still];

    /// The word in JSON, metrics and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Unsure => "unsure",
            Why::Cover => "cover",
            Why::Strange => "strange",
            Why::Protected => "protected",
            Why::Suspect => "suspect",
            Why::Random => "random",
            Why::Still => "still",
        }
    }
}

/// A question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Question {
    /// Its identity.
    pub id: Uuid,
    /// Of which task.
    pub task: String,
    /// Why it is asked.
    pub why: Why,
    /// The same for people: "unsure between fox and dog".
    pub reason: String,
    /// The guess is not shown, lest it lead the answer.
    pub blind: bool,
    /// What it is about …
    pub event: Option<Uuid>,
    /// … or the still moment that it is about, which has one picture, of the same identity.
    pub moment: Option<Uuid>,
    /// The picture to show first.
    pub media: Option<Uuid>,
    /// When it was chosen.
    pub asked_at: Timestamp,
    /// Until when it is lent to somebody.
    pub leased_until: Option<Timestamp>,
}

/// A question that is to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct NewQuestion {
    /// Of which task.
    pub task: String,
    /// Why.
    pub why: Why,
    /// The same for people.
    pub reason: String,
    /// The guess is not shown.
    pub blind: bool,
    /// What it is about: this event …
    pub event: Option<Uuid>,
    /// … or this moment.
    pub moment: Option<Uuid>,
    /// The picture to show first.
    pub media: Option<Uuid>,
    /// With which it was drawn at random, 0..=1; none where it was chosen.
    pub probability: Option<f64>,
    /// Other events that look like it, the likeliest first.
    pub alike: Vec<Uuid>,
}

/// How the questions of a task are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct QueueState {
    /// Open ones, those on loan too.
    pub open: u64,
    /// Those of them that are on loan.
    pub leased: u64,
    /// Answered since the day began for which questions were chosen last.
    pub answered_today: u64,
    /// Open ones that somebody would not answer.
    pub skipped: u64,
    /// Open ones by why they are asked.
    pub by_why: BTreeMap<String, u64>,
}

impl Store {
    /// Adds questions in order, behind those that there are; how many it were. One that is open already, whose event or moment
    /// is gone, or that somebody has answered since it was chosen (unless that looks wrong, or it was drawn) is left out.
    pub fn ask(&self, questions: &[NewQuestion]) -> Result<usize, StoreError> {
        let now = Timestamp::now();
        self.questions(|tx| append(tx, questions, now))
    }

    /// Takes back the questions of a task that were chosen before a day and are with nobody: a new day has better ones. Those
    /// drawn at random stay for a week, as what is answered of them must not depend on what is easy.
    pub fn expire(&self, task: &str, day: Timestamp) -> Result<usize, StoreError> {
        let now = Timestamp::now();
        self.questions(|tx| {
            let over = "task = ?1 AND state = 'open' AND asked_us < iif(probability IS NULL, ?2, ?2 - ?4)
                        AND (leased_to IS NULL OR leased_until_us <= ?3)";
            let values = params![task, day.as_microsecond(), now.as_microsecond(), RANDOM_STAYS.as_secs() * 1_000_000];
            // What somebody would not answer is not asked again; of others nothing need be known.
            let expired = tx
                .prepare_cached(&format!(
                    "UPDATE questions SET state = 'expired', settled_us = ?3, leased_to = NULL, leased_until_us = NULL
                 WHERE {over} AND (probability IS NOT NULL
                     OR EXISTS (SELECT 1 FROM skips s WHERE s.question = questions.id))"
                ))?
                .execute(values)?;
            Ok(expired + tx.prepare_cached(&format!("DELETE FROM questions WHERE {over}"))?.execute(values)?)
        })
    }

    pub(super) fn questions<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
        self.in_transaction(|tx| work(tx).map(Ok::<T, StoreError>))
    }
}

impl Reader {
    /// How the questions of a task are.
    pub fn queue_state(&self, task: &str) -> Result<QueueState, StoreError> {
        let now = Timestamp::now();
        self.read(|db| {
            let sql = "SELECT why, count(*), coalesce(sum(leased_to IS NOT NULL AND leased_until_us > ?2), 0),
                           coalesce(sum(EXISTS (SELECT 1 FROM skips s WHERE s.question = questions.id)), 0)
                       FROM questions WHERE task = ?1 AND state = 'open' GROUP BY why";
            let mut state = QueueState::default();
            let n = |row: &Row<'_>, column| row.get::<_, i64>(column).map(|it| u64::try_from(it).unwrap_or_default());
            let mut statement = db.prepare_cached(sql)?;
            let values = params![task, now.as_microsecond()];
            for row in statement.query_map(values, |row| Ok((row.get(0)?, n(row, 1)?, n(row, 2)?, n(row, 3)?)))? {
                let (why, open, leased, skipped): (String, u64, u64, u64) = row?;
                state.open += open;
                state.leased += leased;
                state.skipped += skipped;
                state.by_why.insert(why, open);
            }
            let day = super::checks::last_filling(db, task)?.map_or(Timestamp::MIN, |it| it.day);
            let longest = now.checked_sub(LONGEST_DAY).unwrap_or(Timestamp::MIN);
            let sql = "SELECT count(*) FROM questions WHERE task = ?1 AND state = 'answered' AND settled_us >= ?2";
            let values = params![task, day.max(longest).as_microsecond()];
            state.answered_today = db.prepare_cached(sql)?.query_row(values, |row| n(row, 0))?;
            Ok(state)
        })
    }

    /// One question, open or not.
    pub fn question(&self, id: Uuid) -> Result<Option<Question>, StoreError> {
        self.read(|db| question(db, id))
    }

    /// Events that look like the one that a question is about, the likeliest first, of which nobody has said anything yet.
    pub fn beside(&self, question: Uuid) -> Result<Vec<Uuid>, StoreError> {
        self.read(|db| {
            let sql = "SELECT b.event FROM question_alike b JOIN questions q ON q.id = b.question
                       WHERE q.id = ?1 AND NOT EXISTS (SELECT 1 FROM answers a
                           WHERE a.event = b.event AND a.task = q.task AND a.withdrawn_us IS NULL)
                       ORDER BY b.position";
            db.prepare_cached(sql)?.query_map([question.as_bytes()], |row| words::uuid(row, 0))?.collect()
        })
    }

    /// The open questions of a task, in order.
    pub fn open_questions(&self, task: &str) -> Result<Vec<Question>, StoreError> {
        self.read(|db| {
            let sql = format!("SELECT {COLUMNS} FROM questions WHERE task = ?1 AND state = 'open' ORDER BY position");
            db.prepare_cached(&sql)?.query_map([task], read)?.collect()
        })
    }
}

const COLUMNS: &str = "id, task, why, reason, blind, event, moment, media, asked_us, leased_until_us";

fn read(row: &Row<'_>) -> rusqlite::Result<Question> {
    let uuid = |column| row.get::<_, Option<[u8; 16]>>(column).map(|it| it.map(Uuid::from_bytes));
    Ok(Question {
        id: words::uuid(row, 0)?,
        task: row.get(1)?,
        why: words::parse(row, 2)?,
        reason: row.get(3)?,
        blind: row.get(4)?,
        event: uuid(5)?,
        moment: uuid(6)?,
        media: uuid(7)?,
        asked_at: words::time(row, 8)?,
        leased_until: row.get::<_, Option<i64>>(9)?.map(|_| words::time(row, 9)).transpose()?,
    })
}

pub(super) fn question(db: &Connection, id: Uuid) -> rusqlite::Result<Option<Question>> {
    let sql = format!("SELECT {COLUMNS} FROM questions WHERE id = ?1");
    db.prepare_cached(&sql)?.query_row([id.as_bytes()], read).optional()
}

/// Why a question was asked, as a metric has it.
pub(super) fn why(db: &Connection, id: Option<Uuid>) -> rusqlite::Result<Option<String>> {
    let Some(id) = id else { return Ok(None) };
    let sql = "SELECT why FROM questions WHERE id = ?1";
    db.prepare_cached(sql)?.query_row([id.as_bytes()], |row| row.get(0)).optional()
}

/// Whether it is a question with the guess hidden.
pub(super) fn is_blind(db: &Connection, id: Uuid) -> rusqlite::Result<bool> {
    db.prepare_cached("SELECT 1 FROM questions WHERE id = ?1 AND blind = 1")?.exists([id.as_bytes()])
}

pub(super) fn append(db: &Connection, questions: &[NewQuestion], now: Timestamp) -> rusqlite::Result<usize> {
    let mut position: i64 = db.query_row("SELECT coalesce(max(position), 0) FROM questions", [], |row| row.get(0))?;
    let sql =
        "INSERT OR IGNORE INTO questions (id, task, position, why, reason, blind, event, moment, media, probability,
                   blank, asked_us, state)
               SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,
                   ?10 IS NOT NULL AND coalesce((SELECT blank FROM events WHERE id = ?7), 0), ?11, 'open'
               WHERE CASE WHEN ?7 IS NULL
                   THEN EXISTS (SELECT 1 FROM moments WHERE id = ?8)
                       AND NOT EXISTS (SELECT 1 FROM moment_answers
                                       WHERE moment = ?8 AND task = ?2 AND withdrawn_us IS NULL)
                   ELSE EXISTS (SELECT 1 FROM events WHERE id = ?7)
                       AND (?4 IN ('suspect', 'random') OR NOT EXISTS (SELECT 1 FROM answers
                                       WHERE event = ?7 AND task = ?2 AND withdrawn_us IS NULL))
                   END";
    let mut statement = db.prepare_cached(sql)?;
    let mut n = 0;
    // Of what has been erased meanwhile nothing stays.
    let sql = "INSERT INTO question_alike (question, position, event)
               SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM events WHERE id = ?3)";
    let mut beside = db.prepare_cached(sql)?;
    for it in questions {
        position += 1;
        let id = Uuid::now_v7();
        let added = statement.execute(params![
            id.as_bytes(),
            it.task,
            position,
            it.why.as_str(),
            it.reason,
            it.blind,
            it.event.as_ref().map(Uuid::as_bytes),
            it.moment.as_ref().map(Uuid::as_bytes),
            it.media.as_ref().map(Uuid::as_bytes),
            it.probability.map(words::finite),
            now.as_microsecond(),
        ])?;
        n += added;
        for (nth, event) in it.alike.iter().enumerate().filter(|_| added > 0) {
            beside.execute(params![id.as_bytes(), words::count(nth as u64), event.as_bytes()])?;
        }
    }
    Ok(n)
}
