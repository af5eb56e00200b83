//! Questions that were drawn at random, what they were drawn of, and what became of them: what the estimates are made of.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};
use uuid::Uuid;

use super::questions::{NewQuestion, Why, append};
use super::{Reader, Store, StoreError, words};

/// One choosing of questions, and what its random ones were drawn of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Filling {
    /// When that day began, where the first camera hangs.
    pub day: Timestamp,
    /// Events and moments that began before this, and after that of the filling before, were drawn of.
    pub up_to: Timestamp,
    /// How many events those were in which something was seen.
    pub events: u64,
    /// How many there were in which nothing was, and of which there are pictures.
    pub blanks: u64,
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
    /// Whether it was drawn of the events in which nothing was seen.
    pub blank: bool,
    /// How many events, or moments, those were.
    pub of: f64,
    /// With which it was drawn.
    pub probability: f64,
    /// What the head said as it happened, `blank` and `unknown` too; none of a moment.
    pub guess: Option<String>,
    /// What people say who were asked, and what was said since; none where nobody has. Of what was said unasked nothing: the
    /// guess was shown.
    pub said: Vec<String>,
}

impl Store {
    /// Adds questions as [`Store::ask`] does, and takes down what the random ones among them were drawn of.
    pub fn fill(&self, task: &str, filling: &Filling, questions: &[NewQuestion]) -> Result<usize, StoreError> {
        let now = Timestamp::now();
        self.questions(|tx| {
            let sql = "INSERT OR REPLACE INTO fillings (task, filled_us, day_us, upto_us, events, blanks, moments)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            let Filling { day, up_to, events, blanks, moments } = *filling;
            let (day, up_to) = (day.as_microsecond(), up_to.as_microsecond());
            let (events, blanks, moments) = (words::count(events), words::count(blanks), words::finite(moments));
            let values = params![task, now.as_microsecond(), day, up_to, events, blanks, moments];
            tx.prepare_cached(sql)?.execute(values)?;
            append(tx, questions, now)
        })
    }

    /// Forgets the fillings of days that began after a moment, with what is open of them, and loans that end after it: all by a
    /// clock that was ahead.
    pub fn forget_ahead(&self, task: &str, after: Timestamp) -> Result<(), StoreError> {
        self.questions(|tx| {
            for sql in [
                "DELETE FROM questions WHERE task = ?1 AND state = 'open'
                     AND asked_us IN (SELECT filled_us FROM fillings WHERE task = ?1 AND day_us > ?2)",
                "UPDATE questions SET leased_to = NULL, leased_until_us = NULL WHERE task = ?1 AND leased_until_us > ?2",
                "DELETE FROM fillings WHERE task = ?1 AND day_us > ?2",
            ] {
                tx.prepare_cached(sql)?.execute(params![task, after.as_microsecond()])?;
            }
            Ok(())
        })
    }
}

impl Reader {
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

pub(super) fn last_filling(db: &Connection, task: &str) -> rusqlite::Result<Option<Filling>> {
    let sql =
        "SELECT day_us, upto_us, events, blanks, moments FROM fillings WHERE task = ?1 ORDER BY filled_us DESC LIMIT 1";
    let row = |row: &Row<'_>| {
        let n = |column| row.get::<_, i64>(column).map(|it| u64::try_from(it).unwrap_or_default());
        let (day, up_to) = (words::time(row, 0)?, words::time(row, 1)?);
        Ok(Filling { day, up_to, events: n(2)?, blanks: n(3)?, moments: row.get(4)? })
    };
    db.prepare_cached(sql)?.query_row([task], row).optional()
}

fn checks(db: &Connection, task: &str, since: Timestamp) -> rusqlite::Result<Vec<Check>> {
    let sql = "SELECT q.why, q.asked_us,
                   CAST(CASE WHEN q.event IS NULL THEN f.moments WHEN q.blank THEN f.blanks ELSE f.events END AS REAL),
                   q.probability, q.event, q.moment, q.blank,
                   (SELECT min(a.id) FROM answers a WHERE a.question = q.id AND a.withdrawn_us IS NULL)
               FROM questions q JOIN fillings f ON f.task = q.task AND f.filled_us = q.asked_us
               WHERE q.task = ?1 AND q.probability IS NOT NULL AND q.asked_us >= ?2 ORDER BY q.asked_us, q.position";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![task, since.as_microsecond()], |row| {
        let check = Check {
            why: words::parse(row, 0)?,
            asked_at: words::time(row, 1)?,
            blank: row.get(6)?,
            of: row.get(2)?,
            probability: row.get(3)?,
            guess: None,
            said: Vec::new(),
        };
        let uuid = |column| row.get::<_, Option<[u8; 16]>>(column);
        Ok((check, uuid(4)?, uuid(5)?, uuid(7)?))
    })?;
    let mut checks = Vec::new();
    for row in rows {
        let (mut it, event, moment, answer) = row?;
        if let Some(event) = event {
            it.guess = guess(db, event, task)?;
            if let Some(answer) = answer {
                it.said = super::holding::shown_since(db, Uuid::from_bytes(event), task, Uuid::from_bytes(answer))?;
            }
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
