//! How many labels there are, for people: by species and by person, as they hold.

use rusqlite::{Connection, params};

use super::holding::overruled;
use super::{Reader, StoreError};

/// What holds, of an answer `a` to the task `?1`: it was not taken back, no later one of the same thing holds, and it is none of
/// the [overruled] (`?2`).
const HOLDS: &str = "a.withdrawn_us IS NULL AND NOT EXISTS (
    SELECT 1 FROM answers b WHERE b.event = a.event AND b.captured_us IS a.captured_us AND b.task = a.task
        AND b.withdrawn_us IS NULL AND b.id > a.id) AND a.id NOT IN (SELECT unhex(value) FROM json_each(?2))";

/// A class, and the events that are said to show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassTally {
    /// Its name.
    pub class: String,
    /// Events of which this holds.
    pub events: u64,
    /// Those of them of which a second person agrees.
    pub verified: u64,
}

/// A class that somebody has named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClassNamed {
    /// Its name.
    pub class: String,
    /// Whether anything says so that was not taken back.
    pub is_said: bool,
}

/// A person, and what they have said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonTally {
    /// The name.
    pub labeller: String,
    /// Answers that hold.
    pub holding: u64,
    /// All of them.
    pub given: u64,
}

/// What is labelled of a task.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// By the events that they hold of, the most first.
    pub classes: Vec<ClassTally>,
    /// Who said most first.
    pub people: Vec<PersonTally>,
}

impl Reader {
    /// How many labels there are, by class and by person.
    pub fn labelled_so_far(&self, task: &str) -> Result<Tally, StoreError> {
        self.read(|db| {
            let overruled = overruled_as_json(db, task)?;
            let values = params![task, overruled];
            let sql = format!(
                "SELECT l.class, count(DISTINCT a.event), count(DISTINCT CASE WHEN a.verified THEN a.event END)
                 FROM answers a JOIN labels l ON l.answer = a.id WHERE a.task = ?1 AND {HOLDS}
                 GROUP BY l.class ORDER BY 2 DESC, l.class"
            );
            let row = |row: &rusqlite::Row<'_>| {
                Ok(ClassTally { class: row.get(0)?, events: count(row, 1)?, verified: count(row, 2)? })
            };
            let classes = db.prepare_cached(&sql)?.query_map(values, row)?.collect::<rusqlite::Result<_>>()?;
            let sql = format!(
                "SELECT a.labeller, sum({HOLDS}), count(*) FROM answers a WHERE a.task = ?1
                 GROUP BY a.labeller ORDER BY 3 DESC, a.labeller"
            );
            let row = |row: &rusqlite::Row<'_>| {
                Ok(PersonTally { labeller: row.get(0)?, holding: count(row, 1)?, given: count(row, 2)? })
            };
            let people = db.prepare_cached(&sql)?.query_map(values, row)?.collect::<rusqlite::Result<_>>()?;
            Ok(Tally { classes, people })
        })
    }

    /// Every class that anybody has named, in the order in which it first was. One that was taken back keeps its place, for
    /// those behind it have theirs; what was erased or is called otherwise has none.
    pub fn classes_named(&self, task: &str) -> Result<Vec<ClassNamed>, StoreError> {
        self.read(|db| {
            let sql = "SELECT class, given > withdrawn FROM label_totals WHERE task = ?1 ORDER BY id";
            let row = |row: &rusqlite::Row<'_>| Ok(ClassNamed { class: row.get(0)?, is_said: row.get(1)? });
            db.prepare_cached(sql)?.query_map(params![task], row)?.collect()
        })
    }
}

/// Identities of the answers that are [overruled], in hexadecimal digits: SQLite takes no list.
fn overruled_as_json(db: &Connection, task: &str) -> rusqlite::Result<String> {
    let all: Vec<String> = overruled(db, task)?.iter().map(|it| format!("\"{}\"", it.simple())).collect();
    Ok(format!("[{}]", all.join(",")))
}

fn count(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or_default())
}
