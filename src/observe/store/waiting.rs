//! How many labels there are, by task and class: cheap to ask every second, and another whenever a label was given, taken
//! back, renamed or erased.

use std::collections::BTreeMap;

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::read::Reader;
use super::{StoreError, words};
use crate::domain::Generation;

/// Labels by class: those ever given, and those of them that were taken back.
pub type LabelCounts = BTreeMap<String, [u64; 2]>;

/// Events that were answered lately are asked for how many are unknown.
const LATELY: i64 = 1_000;

/// How a head does in service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Service {
    /// Events that it answered and people labelled.
    pub labelled: u64,
    /// Those of them in which both say the same.
    pub agreed: u64,
    /// Of the latest events that are not blank, those that it answered.
    pub answered: u64,
    /// Those of them of which it knew no class: unknown, or a higher rank alone.
    pub unknown: u64,
}

impl Reader {
    /// A number that is another after any program but this connection has written to the database.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        self.read(|db| db.pragma_query_value(None, "data_version", |row| row.get(0)))
    }

    /// The labels of every task.
    pub fn label_counts(&self) -> Result<BTreeMap<String, LabelCounts>, StoreError> {
        self.read(|db| {
            let mut statement = db.prepare_cached("SELECT task, class, given, withdrawn FROM label_totals")?;
            let count = |n: i64| u64::try_from(n).unwrap_or_default();
            let rows = statement
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?, [count(row.get(2)?), count(row.get(3)?)])))?;
            let mut counts: BTreeMap<String, LabelCounts> = BTreeMap::new();
            for row in rows {
                let (task, class, n): (String, String, [u64; 2]) = row?;
                counts.entry(task).or_default().insert(class, n);
            }
            Ok(counts)
        })
    }

    /// How the events that a generation answered compare with what people said of them. Only what it said as they happened
    /// counts: later it may have been fitted on them.
    pub fn service(&self, generation: &Generation) -> Result<Service, StoreError> {
        self.read(|db| service(db, generation))
    }
}

fn service(db: &Connection, generation: &Generation) -> rusqlite::Result<Service> {
    let (task, number) = (&*generation.task, generation.number);
    // A task's likeliest is the first of its own.
    let labelled = "SELECT DISTINCT a.event, coalesce(o.class, o.type)
                    FROM answers a JOIN observations o ON o.event = a.event AND o.position = 0
                    WHERE a.task = ?1 AND a.withdrawn_us IS NULL AND o.task = ?1 AND o.generation = ?2
                        AND o.rescored = 0";
    let mut statement = db.prepare_cached(labelled)?;
    let rows =
        statement.query_map(params![task, number], |row| Ok((words::uuid(row, 0)?, row.get::<_, String>(1)?)))?;
    let mut service = Service::default();
    for row in rows {
        let (event, answer): (Uuid, String) = row?;
        let shown = super::holding::shown(db, event, task)?;
        service.labelled += u64::from(!shown.is_empty());
        service.agreed += u64::from(shown.contains(&answer));
    }
    let lately = "SELECT count(*), coalesce(sum(o.type = 'unknown' OR o.rank IS NOT NULL), 0)
                  FROM (SELECT id FROM events WHERE blank = 0 AND imported_as IS NULL ORDER BY id DESC LIMIT ?3) e
                  JOIN observations o ON o.event = e.id AND o.position = 0 WHERE o.task = ?1 AND o.generation = ?2
                      AND o.rescored = 0";
    let (answered, unknown): (i64, i64) =
        db.prepare_cached(lately)?.query_row(params![task, number, LATELY], |row| Ok((row.get(0)?, row.get(1)?)))?;
    service.answered = u64::try_from(answered).unwrap_or_default();
    service.unknown = u64::try_from(unknown).unwrap_or_default();
    Ok(service)
}
