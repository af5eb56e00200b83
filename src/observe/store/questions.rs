//! What people are asked: questions about events and still moments, each lent to one person at a time.
//!
//! A question that nobody answers in time is there for the next. Whatever way its event is answered, it is settled in the
//! same transaction (by triggers, see `schema-4.sql`), so that nobody is asked what somebody has said.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Reader, Store, StoreError, words};

/// What was done to a question can be undone for so long.
const UNDONE_WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// So long a question is lent again to whoever takes back what they did to it.
const UNDONE_LEASE_SECS: f64 = 600.0;
/// A question is lent for so long at most: a week.
const MAX_LEASE_SECS: f64 = 604_800.0;
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

/// One choosing of questions, and what its random ones were drawn of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Filling {
    /// When that day began, where the first camera hangs.
    pub day: Timestamp,
    /// Events and moments that began before this, and after that of the filling before, were drawn of.
    pub up_to: Timestamp,
    /// How many events those were.
    pub events: u64,
    /// How many still moments there were, kept or not.
    pub moments: f64,
}

/// What became of a random question, for the estimates.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Of events, or of still moments.
    pub why: Why,
    /// When it was chosen: those of one time were drawn of the same.
    pub asked_at: Timestamp,
    /// How many events, or moments, that was.
    pub of: f64,
    /// With which it was drawn.
    pub probability: f64,
    /// What the head said as it happened, `blank` and `unknown` too; none of a moment.
    pub guess: Option<String>,
    /// What people say; none where nobody has.
    pub said: Vec<String>,
}

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

    /// Adds questions in order, behind those that there are; how many it were. One that is open already, whose event or moment
    /// is gone, or that somebody has answered since it was chosen (unless that looks wrong) is left out.
    pub fn ask(&self, questions: &[NewQuestion]) -> Result<usize, StoreError> {
        let now = Timestamp::now();
        self.questions(|tx| append(tx, questions, now))
    }

    /// The same, and takes down what the random ones among them were drawn of.
    pub fn fill(&self, task: &str, filling: &Filling, questions: &[NewQuestion]) -> Result<usize, StoreError> {
        let now = Timestamp::now();
        self.questions(|tx| {
            let sql = "INSERT OR REPLACE INTO fillings (task, filled_us, day_us, upto_us, events, moments)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
            let Filling { day, up_to, events, moments } = *filling;
            let (day, up_to) = (day.as_microsecond(), up_to.as_microsecond());
            let values = params![task, now.as_microsecond(), day, up_to, words::count(events), words::finite(moments)];
            tx.prepare_cached(sql)?.execute(values)?;
            append(tx, questions, now)
        })
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

    fn questions<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreError> {
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
            let day = last_filling(db, task)?.map_or(Timestamp::MIN, |it| it.day);
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

    /// When the questions of a task were chosen last, and what of.
    pub fn last_filling(&self, task: &str) -> Result<Option<Filling>, StoreError> {
        self.read(|db| last_filling(db, task))
    }

    /// How many events there were since in the spans that still moments were drawn of.
    pub fn drawn_of(&self, task: &str, since: Timestamp) -> Result<u64, StoreError> {
        self.read(|db| {
            let sql = "SELECT coalesce(sum(events), 0) FROM fillings f WHERE task = ?1 AND filled_us >= ?2
                           AND EXISTS (SELECT 1 FROM questions q
                                       WHERE q.task = f.task AND q.asked_us = f.filled_us AND q.moment IS NOT NULL
                                           AND q.probability IS NOT NULL)";
            let n = |row: &Row<'_>| row.get::<_, i64>(0);
            let n = db.prepare_cached(sql)?.query_row(params![task, since.as_microsecond()], n)?;
            Ok(u64::try_from(n).unwrap_or_default())
        })
    }

    /// The random questions of a task that were chosen since, and what became of them.
    pub fn checks(&self, task: &str, since: Timestamp) -> Result<Vec<Check>, StoreError> {
        self.read(|db| checks(db, task, since))
    }
}

/// What can be undone.
enum Done {
    Skipped,
    Answered,
    AnsweredMoment,
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

fn question(db: &Connection, id: Uuid) -> rusqlite::Result<Option<Question>> {
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

fn append(db: &Connection, questions: &[NewQuestion], now: Timestamp) -> rusqlite::Result<usize> {
    let mut position: i64 = db.query_row("SELECT coalesce(max(position), 0) FROM questions", [], |row| row.get(0))?;
    let sql =
        "INSERT OR IGNORE INTO questions (id, task, position, why, reason, blind, event, moment, media, probability,
                   asked_us, state)
               SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 'open'
               WHERE CASE WHEN ?7 IS NULL
                   THEN EXISTS (SELECT 1 FROM moments WHERE id = ?8)
                       AND NOT EXISTS (SELECT 1 FROM moment_answers
                                       WHERE moment = ?8 AND task = ?2 AND withdrawn_us IS NULL)
                   ELSE EXISTS (SELECT 1 FROM events WHERE id = ?7)
                       AND (?4 = 'suspect' OR NOT EXISTS (SELECT 1 FROM answers
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

fn last_filling(db: &Connection, task: &str) -> rusqlite::Result<Option<Filling>> {
    let sql = "SELECT day_us, upto_us, events, moments FROM fillings WHERE task = ?1 ORDER BY filled_us DESC LIMIT 1";
    let row = |row: &Row<'_>| {
        let events = u64::try_from(row.get::<_, i64>(2)?).unwrap_or_default();
        Ok(Filling { day: words::time(row, 0)?, up_to: words::time(row, 1)?, events, moments: row.get(3)? })
    };
    db.prepare_cached(sql)?.query_row([task], row).optional()
}

fn checks(db: &Connection, task: &str, since: Timestamp) -> rusqlite::Result<Vec<Check>> {
    let sql = "SELECT q.why, q.asked_us, iif(q.event IS NULL, f.moments, f.events), q.probability, q.event, q.moment
               FROM questions q JOIN fillings f ON f.task = q.task AND f.filled_us = q.asked_us
               WHERE q.task = ?1 AND q.probability IS NOT NULL AND q.asked_us >= ?2 ORDER BY q.asked_us, q.position";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![task, since.as_microsecond()], |row| {
        let check = Check {
            why: words::parse(row, 0)?,
            asked_at: words::time(row, 1)?,
            of: row.get(2)?,
            probability: row.get(3)?,
            guess: None,
            said: Vec::new(),
        };
        Ok((check, row.get::<_, Option<[u8; 16]>>(4)?, row.get::<_, Option<[u8; 16]>>(5)?))
    })?;
    let mut checks = Vec::new();
    for row in rows {
        let (mut it, event, moment) = row?;
        if let Some(event) = event {
            it.guess = guess(db, event, task)?;
            it.said = super::answers::current(db, Uuid::from_bytes(event), None, task)?;
        } else if let Some(moment) = moment {
            it.said = super::moments::current(db, Uuid::from_bytes(moment), task)?;
        }
        checks.push(it);
    }
    Ok(checks)
}

/// What a head said of an event as it happened: later ones may have been fitted on it.
fn guess(db: &Connection, event: [u8; 16], task: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT coalesce(class, type) FROM observations
               WHERE event = ?1 AND task = ?2 AND rescored = 0 AND type <> 'unclassified' ORDER BY position LIMIT 1";
    db.prepare_cached(sql)?.query_row(params![event, task], |row| row.get(0)).optional()
}
