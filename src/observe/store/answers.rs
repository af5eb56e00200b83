//! What people say of an event or a frame: taken down, superseded, taken back, called otherwise.
//!
//! Answers are appended, and the latest that was not taken back holds (of frames and the whole: `holding`). A class
//! that is called otherwise is spelled anew wherever it stands, in superseded answers too, so that a fit cannot tell that it
//! was ever called anything else, and no table of old names outlives the labels that had them.

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use super::answer::{Answer, AnswerError, FrameName, Given, MAX_KEY, Species};
use super::answered::species;
use super::holding::superseded;
use super::tidy::Labelled;
use super::{Store, StoreError, words};
use crate::metrics::UNASKED;

/// A frame may be named by a time that is off by so much.
const NEAR: SignedDuration = SignedDuration::from_secs(1);
/// Frames or names that an error lists, at most.
const MOST_LISTED: usize = 8;

/// An answer on its way into the database.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    pub(super) event: Uuid,
    pub(super) captured_us: Option<i64>,
    pub(super) task: &'a str,
    pub(super) labeller: &'a str,
    pub(super) suggested: Option<(u32, &'a str)>,
    pub(super) species: &'a [Species],
    pub(super) verified: bool,
    pub(super) key: Option<&'a str>,
    pub(super) question: Option<Uuid>,
}

impl Store {
    /// Takes down what somebody says; it supersedes what held before, and settles every question about it. On disk when this
    /// returns; with a key that the same person has used before nothing is changed, and what was given then is given again.
    pub fn answer(&self, answer: &Answer) -> Result<Given, AnswerError> {
        let given = self.answer_all(std::slice::from_ref(answer))?;
        // One of each.
        given.into_iter().next().ok_or(AnswerError::NoEvent(answer.event))
    }

    /// The same of several answers at once: all are taken down, or none.
    pub fn answer_all(&self, answers: &[Answer]) -> Result<Vec<Given>, AnswerError> {
        answers.iter().try_for_each(|it| check_key(it.key.as_deref()))?;
        let given = self.in_transaction(|tx| {
            let mut all = Vec::new();
            for answer in answers {
                match take_down(tx, answer)? {
                    Ok(given) => all.push((given, super::questions::why(tx, answer.question)?)),
                    Err(error) => return Ok(Err(error)),
                }
            }
            Ok(Ok(all))
        })?;
        Ok(given.into_iter().map(|(given, why)| self.counted(given, why.as_deref())).collect())
    }

    /// Counts what was taken down now.
    pub(super) fn counted(&self, given: Given, why: Option<&str>) -> Given {
        let answers = &self.shared.metrics.asking.answers;
        answers.with_label_values(&[why.unwrap_or(UNASKED)]).inc_by(u64::from(!given.again));
        given
    }

    /// Takes back what somebody said, or what was said of an event, or both; what that had superseded holds again. How many
    /// answers it was.
    pub fn withdraw(&self, labeller: Option<&str>, event: Option<Uuid>) -> Result<usize, AnswerError> {
        let withdrawn = self.in_transaction(|tx| {
            if let Some(event) = event
                && !is_event(tx, event)?
            {
                return Ok(Err(AnswerError::NoEvent(event)));
            }
            if let Some(name) = labeller
                && !tx
                    .prepare("SELECT 1 FROM answers WHERE labeller = ?1 UNION SELECT 1 FROM moment_answers WHERE labeller = ?1")?
                    .exists([name])?
            {
                let sql = "SELECT labeller FROM (SELECT labeller FROM answers UNION ALL SELECT labeller FROM moment_answers)
                           GROUP BY labeller ORDER BY count(*) DESC, labeller";
                let known = listed("labels are of", &texts(tx, sql, [])?);
                return Ok(Err(AnswerError::NoLabeller { name: name.into(), known }));
            }
            let sql = "UPDATE answers SET withdrawn_us = ?1 WHERE withdrawn_us IS NULL
                       AND (?2 IS NULL OR labeller = ?2) AND (?3 IS NULL OR event = ?3)";
            let (now, bytes) = (Timestamp::now().as_microsecond(), event.as_ref().map(Uuid::as_bytes));
            let n = tx.execute(sql, params![now, labeller, bytes])?;
            // What somebody said of still moments goes with all else that they said.
            let of_moments = match (labeller, event) {
                (Some(name), None) => tx.execute(
                    "UPDATE moment_answers SET withdrawn_us = ?1 WHERE withdrawn_us IS NULL AND labeller = ?2",
                    params![now, name],
                )?,
                _ => 0,
            };
            Ok(Ok(n + of_moments))
        });
        // What of it is kept may go now, however old it is.
        self.shared.writer().labelled = Labelled::default();
        withdrawn
    }

    /// Calls a class otherwise, which may be the name of another: then they are one from now on. How many answers it was.
    pub fn rename(&self, task: &str, old: &str, new: &str) -> Result<usize, AnswerError> {
        self.in_transaction(|tx| {
            let mut n = 0;
            for (labels, answers) in [("labels", "answers"), ("moment_labels", "moment_answers")] {
                n += respell(tx, (labels, answers), task, old, new)?;
            }
            if n == 0 {
                let sql = "SELECT l.class FROM labels l JOIN answers a ON a.id = l.answer WHERE a.task = ?1
                           GROUP BY l.class ORDER BY count(*) DESC, l.class";
                let known = listed("they say", &texts(tx, sql, [task])?);
                return Ok(Err(AnswerError::NoClass { task: task.into(), name: old.into(), known }));
            }
            Ok(Ok(n))
        })
    }

    /// Runs what writes in one transaction, which an error takes back.
    pub(super) fn in_transaction<T, E: From<StoreError>>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<Result<T, E>>,
    ) -> Result<T, E> {
        self.write(|shared, writer| {
            let path = shared.database();
            let failed = |error: rusqlite::Error| StoreError::sqlite(&path, &error);
            let db = writer.connect(shared)?;
            let tx = Transaction::new(db, TransactionBehavior::Immediate).map_err(failed)?;
            let done = work(&tx).map_err(failed)?;
            if done.is_ok() {
                tx.commit().map_err(failed)?;
                // A label may say that people are in it: their pictures go at once, where they are to go.
                super::people::discard_after(shared, writer);
            }
            Ok(done)
        })?
    }
}

/// Appends an answer, unless its key was used before.
fn take_down(db: &Connection, answer: &Answer) -> rusqlite::Result<Result<Given, AnswerError>> {
    if let Some(given) = given_before(db, answer)? {
        return Ok(given);
    }
    if !is_event(db, answer.event)? {
        return Ok(Err(AnswerError::NoEvent(answer.event)));
    }
    let captured_us = match answer.frame {
        None => None,
        Some(frame) => match find_frame(db, answer.event, frame)? {
            Ok(captured_us) => Some(captured_us),
            Err(known) => return Ok(Err(AnswerError::NoFrame { event: answer.event, frame, known })),
        },
    };
    // Of a question with the guess hidden none was shown.
    let suggested = match answer.question {
        Some(question) if super::questions::is_blind(db, question)? => None,
        _ => suggested(db, answer.event, &answer.task)?,
    };
    let row = Row {
        event: answer.event,
        captured_us,
        task: &answer.task,
        labeller: &answer.labeller,
        suggested: suggested.as_ref().map(|it| (it.0, &*it.1)),
        species: &answer.species,
        verified: answer.verified,
        key: answer.key.as_deref(),
        question: answer.question,
    };
    let id = append(db, &row)?;
    let superseded = superseded(db, answer.event, &answer.task, (id, i64::MAX))?;
    let frame = captured_us.and_then(|it| Timestamp::from_microsecond(it).ok());
    Ok(Ok(Given { id, again: false, frame, superseded, suggested }))
}

/// Spells a class anew in the answers of a task to events, or to moments; how many it was.
fn respell(
    db: &Connection,
    (labels, answers): (&str, &str),
    task: &str,
    old: &str,
    new: &str,
) -> rusqlite::Result<usize> {
    let sql = format!(
        "SELECT l.answer FROM {labels} l JOIN {answers} a ON a.id = l.answer WHERE a.task = ?1 AND l.class = ?2"
    );
    let found: Vec<Uuid> =
        db.prepare(&sql)?.query_map([task, old], |row| words::uuid(row, 0))?.collect::<rusqlite::Result<_>>()?;
    // Added to itself, and then deleted as its own double, it would be lost.
    for answer in found.iter().filter(|_| old != new) {
        let values = params![answer.as_bytes(), old, new];
        // Who said both meant one: their numbers add up, and what differs of them is not known.
        db.prepare_cached(&format!(
            "UPDATE {labels} AS kept SET count = kept.count + gone.count,
                 sex = CASE WHEN kept.sex = gone.sex THEN kept.sex END,
                 life_stage = CASE WHEN kept.life_stage = gone.life_stage THEN kept.life_stage END
             FROM {labels} AS gone WHERE kept.answer = ?1 AND kept.class = ?3
                 AND gone.answer = ?1 AND gone.class = ?2"
        ))?
        .execute(values)?;
        db.prepare_cached(&format!(
            "DELETE FROM {labels} WHERE answer = ?1 AND class = ?2
                 AND EXISTS (SELECT 1 FROM {labels} WHERE answer = ?1 AND class = ?3)"
        ))?
        .execute(values)?;
        db.prepare_cached(&format!("UPDATE {labels} SET class = ?3 WHERE answer = ?1 AND class = ?2"))?
            .execute(values)?;
    }
    Ok(found.len())
}

/// Whether a client's key is one.
pub(super) fn check_key(key: Option<&str>) -> Result<(), AnswerError> {
    let fits = |it: &str| (1..=MAX_KEY).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_graphic());
    if key.is_none_or(fits) { Ok(()) } else { Err(AnswerError::Key) }
}

/// What was given when the person used this key before; it says the same of the same now, or it is refused.
fn given_before(db: &Connection, answer: &Answer) -> rusqlite::Result<Option<Result<Given, AnswerError>>> {
    let Some(key) = &answer.key else { return Ok(None) };
    let sql = "SELECT id, event, captured_us, task, generation, guess, given_us FROM answers
               WHERE labeller = ?1 AND client_key = ?2";
    let row = |row: &rusqlite::Row<'_>| {
        let (id, event) = (words::uuid(row, 0)?, words::uuid(row, 1)?);
        let (captured_us, task): (Option<i64>, String) = (row.get(2)?, row.get(3)?);
        let suggested = row.get::<_, Option<u32>>(4)?.zip(row.get::<_, Option<String>>(5)?);
        Ok((id, event, captured_us, task, suggested, row.get::<_, i64>(6)?))
    };
    let found = db.prepare_cached(sql)?.query_row([&answer.labeller, key], row).optional()?;
    let Some((id, event, captured_us, task, suggested, given_us)) = found else { return Ok(None) };
    let is_same = event == answer.event && task == answer.task && captured_us.is_some() == answer.frame.is_some();
    if !is_same || species(db, id)? != answer.species {
        return Ok(Some(Err(AnswerError::KeyUsed(key.clone()))));
    }
    let superseded = superseded(db, event, &task, (id, given_us))?;
    let frame = captured_us.and_then(|it| Timestamp::from_microsecond(it).ok());
    Ok(Some(Ok(Given { id, again: true, frame, superseded, suggested })))
}

/// Appends an answer, and gives its identity, which comes after those of the same event, even where the clock was set back.
pub(super) fn append(db: &Connection, it: &Row<'_>) -> rusqlite::Result<Uuid> {
    let sql = "SELECT id FROM answers WHERE event = ?1 AND task = ?2 ORDER BY id DESC LIMIT 1";
    let mut statement = db.prepare_cached(sql)?;
    let last = statement.query_row(params![it.event.as_bytes(), it.task], |row| words::uuid(row, 0)).optional()?;
    let now = Uuid::now_v7();
    let id = last.filter(|it| *it >= now).map_or(now, |it| Uuid::from_u128(it.as_u128().wrapping_add(1)));
    db.prepare_cached(
        "INSERT INTO answers (id, event, captured_us, task, labeller, given_us, generation, guess, verified, client_key,
             question)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?
    .execute(params![
        id.as_bytes(),
        it.event.as_bytes(),
        it.captured_us,
        it.task,
        it.labeller,
        Timestamp::now().as_microsecond(),
        it.suggested.map(|it| it.0),
        it.suggested.map(|it| it.1),
        it.verified,
        it.key,
        it.question.as_ref().map(Uuid::as_bytes),
    ])?;
    append_labels(db, "labels", id, it.species)?;
    Ok(id)
}

/// What an answer says: into `labels`, or into `moment_labels`.
pub(super) fn append_labels(db: &Connection, table: &str, answer: Uuid, species: &[Species]) -> rusqlite::Result<()> {
    let sql = format!(
        "INSERT INTO {table} (answer, position, class, count, sex, life_stage) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
    );
    let mut statement = db.prepare_cached(&sql)?;
    for (position, it) in (0_i64..).zip(species) {
        statement.execute(params![
            answer.as_bytes(),
            position,
            it.class,
            it.count,
            it.sex.map(words::word),
            it.life_stage.map(words::word)
        ])?;
    }
    Ok(())
}

/// The classes that hold of an event, or of a frame of it.
pub(super) fn current(
    db: &Connection,
    event: Uuid,
    captured_us: Option<i64>,
    task: &str,
) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT class FROM labels WHERE answer = (
                   SELECT id FROM answers WHERE event = ?1 AND captured_us IS ?2 AND task = ?3 AND withdrawn_us IS NULL
                   ORDER BY id DESC LIMIT 1)
               ORDER BY position";
    let mut statement = db.prepare_cached(sql)?;
    statement.query_map(params![event.as_bytes(), captured_us, task], |row| row.get(0))?.collect()
}

/// What a head said of the event, and its generation; none where none was asked.
fn suggested(db: &Connection, event: Uuid, task: &str) -> rusqlite::Result<Option<(u32, String)>> {
    let sql = "SELECT generation, coalesce(class, type) FROM observations
               WHERE event = ?1 AND task = ?2 AND current = 1 AND type <> 'unclassified' ORDER BY position LIMIT 1";
    db.query_row(sql, params![event.as_bytes(), task], |row| Ok((row.get(0)?, row.get(1)?))).optional()
}

fn is_event(db: &Connection, event: Uuid) -> rusqlite::Result<bool> {
    db.prepare("SELECT 1 FROM events WHERE id = ?1")?.exists([event.as_bytes()])
}

/// The moment of a frame, or those that there are, in a sentence.
fn find_frame(db: &Connection, event: Uuid, frame: FrameName) -> rusqlite::Result<Result<i64, String>> {
    let sql = "SELECT DISTINCT captured_us FROM media WHERE event = ?1 ORDER BY captured_us";
    let moments: Vec<i64> =
        db.prepare(sql)?.query_map([event.as_bytes()], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let found = match frame {
        FrameName::Picture(id) => {
            let sql = "SELECT captured_us FROM media WHERE event = ?1 AND id = ?2";
            db.query_row(sql, params![event.as_bytes(), id.as_bytes()], |row| row.get(0)).optional()?
        }
        FrameName::At(at) => {
            let apart = |it: &i64| it.abs_diff(at.as_microsecond());
            let near = moments.iter().copied().min_by_key(apart);
            near.filter(|it| u128::from(apart(it)) <= NEAR.as_micros().unsigned_abs())
        }
    };
    Ok(found.ok_or_else(|| {
        let times = moments.iter().filter_map(|it| Timestamp::from_microsecond(*it).ok()).map(|it| it.to_string());
        listed("its frames are of", &times.collect::<Vec<_>>())
    }))
}

pub(super) fn texts(db: &Connection, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<Vec<String>> {
    db.prepare(sql)?.query_map(values, |row| row.get(0))?.collect()
}

/// `they say fox, hen and 3 more`; `there are none`.
fn listed(what: &str, names: &[String]) -> String {
    if names.is_empty() {
        return "there are none".into();
    }
    let mut said = format!("{what} {}", names.iter().take(MOST_LISTED).cloned().collect::<Vec<_>>().join(", "));
    if names.len() > MOST_LISTED {
        said += &format!(" and {} more", names.len() - MOST_LISTED);
    }
    said
}
