//! What people have said, one answer after the other, and one of one's own taken back.

use jiff::Timestamp;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::{AnswerError, LifeStage, Reader, Sex, Species, Standing, Store, StoreError, holding, words};

/// An answer that is on record, with its identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered {
    /// Its identity; they sort by time.
    pub id: Uuid,
    /// Of which event.
    pub event: Uuid,
    /// Of which frame; none: of the whole event.
    pub frame: Option<Timestamp>,
    /// Of which task.
    pub task: String,
    /// What it shows.
    pub species: Vec<Species>,
    /// Who says so.
    pub labeller: String,
    /// When it was said.
    pub given: Timestamp,
    /// A second person agrees.
    pub verified: bool,
    /// Whether it holds.
    pub standing: Standing,
}

impl Reader {
    /// What people have said, of an event and by a person where these are given, the latest first; with `before`, what was
    /// said before that one.
    pub fn answered(
        &self,
        labeller: Option<&str>,
        event: Option<Uuid>,
        limit: usize,
        before: Option<Uuid>,
    ) -> Result<Vec<Answered>, StoreError> {
        self.read(|db| {
            // One condition or the other, not both as one, so that each has its index.
            let only = match (labeller, event) {
                (None, None) => "?3 IS NULL AND ?4 IS NULL",
                (Some(_), None) => "a.labeller = ?3 AND ?4 IS NULL",
                (None, Some(_)) => "?3 IS NULL AND a.event = ?4",
                (Some(_), Some(_)) => "a.labeller = ?3 AND a.event = ?4",
            };
            let sql = format!(
                "SELECT a.id, a.event, a.captured_us, a.task, a.labeller, a.given_us, a.verified,
                     a.withdrawn_us IS NOT NULL
                 FROM answers a WHERE a.id < ?1 AND {only} ORDER BY a.id DESC LIMIT ?2"
            );
            let (before, event) = (before.unwrap_or(Uuid::max()), event.as_ref().map(Uuid::as_bytes));
            let values = params![before.as_bytes(), words::count(limit as u64), labeller, event];
            let answers =
                db.prepare_cached(&sql)?.query_map(values, answered)?.collect::<rusqlite::Result<Vec<_>>>()?;
            let held = holding::held(db, answers.iter().map(|it| (it.event, &*it.task)))?;
            let told = |it: Answered| {
                let standing = it.standing.where_held(held.contains(&it.id));
                Ok(Answered { species: species(db, it.id)?, standing, ..it })
            };
            answers.into_iter().map(told).collect()
        })
    }
}

impl Store {
    /// Takes back one answer of somebody's own; what it had superseded holds again. Whether there was such a one that held.
    pub fn take_back(&self, answer: Uuid, labeller: &str) -> Result<bool, AnswerError> {
        self.in_transaction(|tx| {
            let sql = "UPDATE answers SET withdrawn_us = ?1 WHERE id = ?2 AND labeller = ?3 AND withdrawn_us IS NULL";
            let values = params![Timestamp::now().as_microsecond(), answer.as_bytes(), labeller];
            Ok(Ok(tx.execute(sql, values)? == 1))
        })
    }
}

fn answered(row: &rusqlite::Row<'_>) -> rusqlite::Result<Answered> {
    Ok(Answered {
        id: words::uuid(row, 0)?,
        event: words::uuid(row, 1)?,
        frame: row.get::<_, Option<i64>>(2)?.map(|_| words::time(row, 2)).transpose()?,
        task: row.get(3)?,
        species: Vec::new(),
        labeller: row.get(4)?,
        given: words::time(row, 5)?,
        verified: row.get(6)?,
        standing: if row.get(7)? { Standing::Withdrawn } else { Standing::Holds },
    })
}

pub(super) fn species(db: &Connection, answer: Uuid) -> rusqlite::Result<Vec<Species>> {
    let sql = "SELECT class, count, sex, life_stage FROM labels WHERE answer = ?1 ORDER BY position";
    let row = |row: &rusqlite::Row<'_>| {
        let sex = row.get::<_, Option<String>>(2)?.map(|_| words::parse::<Sex>(row, 2)).transpose()?;
        let life_stage = row.get::<_, Option<String>>(3)?.map(|_| words::parse::<LifeStage>(row, 3)).transpose()?;
        Ok(Species { class: row.get(0)?, count: row.get(1)?, sex, life_stage })
    };
    db.prepare_cached(sql)?.query_map([answer.as_bytes()], row)?.collect()
}
