//! What was ever said, for people to look through.

use jiff::Timestamp;
use rusqlite::params;
use uuid::Uuid;

use super::{Reader, StoreError, holding, words};

/// An answer that is on record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// Its identity.
    pub id: Uuid,
    /// Of which event.
    pub event: Uuid,
    /// Of which frame; none: of the whole event.
    pub frame: Option<Timestamp>,
    /// Of which task.
    pub task: String,
    /// What it shows.
    pub classes: String,
    /// Who says so.
    pub labeller: String,
    /// When it was said.
    pub given: Timestamp,
    /// A second person agrees.
    pub verified: bool,
    /// Whether it holds.
    pub standing: Standing,
}

/// Whether an answer holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It does.
    Holds,
    /// A later one does.
    Superseded,
    /// It was taken back.
    Withdrawn,
}

impl Standing {
    /// The same once it is known whether a later one took its place.
    pub(super) fn where_held(self, is_held: bool) -> Standing {
        if self == Standing::Holds && !is_held { Standing::Superseded } else { self }
    }
}

impl Reader {
    /// What was ever said, of an event and by a person where these are given, in the order of events and then of time.
    pub fn recorded(&self, labeller: Option<&str>, event: Option<Uuid>) -> Result<Vec<Recorded>, StoreError> {
        self.read(|db| {
            // One condition or the other, not both as one, so that each has its index.
            let only = match (labeller, event) {
                (None, None) => "?1 IS NULL AND ?2 IS NULL",
                (Some(_), None) => "a.labeller = ?1 AND ?2 IS NULL",
                (None, Some(_)) => "?1 IS NULL AND a.event = ?2",
                (Some(_), Some(_)) => "a.labeller = ?1 AND a.event = ?2",
            };
            let sql = format!(
                "SELECT a.event, a.captured_us, a.task,
                           (SELECT group_concat(class, ' and ' ORDER BY position) FROM labels WHERE answer = a.id),
                           a.labeller, a.given_us, a.verified, a.withdrawn_us IS NOT NULL, a.id
                       FROM answers a WHERE {only} ORDER BY a.event, a.id"
            );
            let values = params![labeller, event.as_ref().map(Uuid::as_bytes)];
            let all = db.prepare_cached(&sql)?.query_map(values, recorded)?.collect::<rusqlite::Result<Vec<_>>>()?;
            let held = holding::held(db, all.iter().map(|it| (it.event, &*it.task)))?;
            let told = |it: Recorded| Recorded { standing: it.standing.where_held(held.contains(&it.id)), ..it };
            Ok(all.into_iter().map(told).collect())
        })
    }
}

/// Whether a later one took its place is not known yet.
fn recorded(row: &rusqlite::Row<'_>) -> rusqlite::Result<Recorded> {
    let frame = row.get::<_, Option<i64>>(1)?.map(|_| words::time(row, 1)).transpose()?;
    Ok(Recorded {
        id: words::uuid(row, 8)?,
        event: words::uuid(row, 0)?,
        frame,
        task: row.get(2)?,
        classes: row.get::<_, Option<String>>(3)?.unwrap_or_default(),
        labeller: row.get(4)?,
        given: words::time(row, 5)?,
        verified: row.get(6)?,
        standing: if row.get(7)? { Standing::Withdrawn } else { Standing::Holds },
    })
}
