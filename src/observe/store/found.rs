//! Events that somebody looks for: by camera, by what they are called, by whether people are in them.

use std::collections::HashSet;

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::{Reader, StoreError, StoredEvent, read, words};

/// What somebody looks for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Those that people may be in, blank ones too; or those that they are not.
    pub people: Option<bool>,
    /// Those that are called so now, by class or by type.
    pub class: Option<String>,
    /// Those of a camera.
    pub camera: Option<String>,
    /// None that are, or may be, of any of these.
    pub not_of: Vec<String>,
}

/// Whether event `e.id` is, or may be, of one of the classes of an array `?2` in JSON: anybody or any head has said so, or guessed it;
/// or nobody has answered, and a taught head knows it as nothing that it was taught (its own guess is not kept), or people are asked
/// about it, or about one that it looks like, as one that may be of a protected species.
const MAY_BE: &str = "(EXISTS (SELECT 1 FROM observations o WHERE o.event = e.id AND
        (o.class IN (SELECT value FROM json_each(?2)) OR o.hint IN (SELECT value FROM json_each(?2))))
    OR EXISTS (SELECT 1 FROM answers a JOIN labels l ON l.answer = a.id
        WHERE a.event = e.id AND a.withdrawn_us IS NULL AND l.class IN (SELECT value FROM json_each(?2)))
    OR EXISTS (SELECT 1 FROM observations o
        WHERE o.event = e.id AND o.task_position = 0 AND o.current = 1 AND o.type = 'unknown' AND o.generation > 0
            AND NOT EXISTS (SELECT 1 FROM answers a WHERE a.event = e.id AND a.withdrawn_us IS NULL))
    OR EXISTS (SELECT 1 FROM questions q WHERE q.event = e.id AND q.why = 'protected' AND q.state IN ('open', 'expired'))
    OR EXISTS (SELECT 1 FROM question_alike b JOIN questions q ON q.id = b.question
        WHERE b.event = e.id AND q.why = 'protected' AND q.state IN ('open', 'expired')))";

/// Whether an event `e` is called `?3` now.
const CALLED_NOW: &str = "EXISTS (SELECT 1 FROM observations o WHERE o.event = e.id AND o.current = 1
    AND coalesce(o.class, o.type) = ?3)";

/// So many events are as good as any greater number: no more are counted.
const MANY: i64 = 100_000;

impl Reader {
    /// The latest events of live cameras that somebody looks for, the latest first; with `before`, those that opened before
    /// that one. Blank ones are among them only where people, or blank ones, are asked for.
    pub fn found(&self, wanted: &Wanted, limit: usize, before: Option<Uuid>) -> Result<Vec<StoredEvent>, StoreError> {
        let mut only = String::from("e.imported_as IS NULL AND e.id < ?1");
        if wanted.people != Some(true) && wanted.class.as_deref() != Some("blank") {
            only += " AND e.blank = 0";
        }
        match wanted.people {
            Some(true) => only += " AND coalesce(e.people_said, e.people) = 1",
            Some(false) => only += " AND coalesce(e.people_said, e.people) = 0",
            None => {}
        }
        if wanted.camera.is_some() {
            only += " AND e.camera = ?4";
        }
        if !wanted.not_of.is_empty() {
            only += &format!(" AND NOT {MAY_BE}");
        }
        let (not_of, before) = (array(&wanted.not_of), before.unwrap_or(Uuid::max()));
        self.read(|db| {
            let lead = lead(db, wanted, before)?;
            let (events, order) = match lead {
                Some(Lead::Class) => (
                    "observations l INDEXED BY observations_called CROSS JOIN events e ON e.id = l.event
                    AND l.current = 1 AND coalesce(l.class, l.type) = ?3 AND l.event < ?1",
                    "l.event",
                ),
                Some(Lead::Camera) => ("events e INDEXED BY events_camera", "e.id"),
                Some(Lead::People) => ("events e INDEXED BY events_people", "e.id"),
                None => ("events e", "e.id"),
            };
            let called = match &wanted.class {
                Some(_) if lead != Some(Lead::Class) => CALLED_NOW,
                _ => "1",
            };
            // Each number stands there, whatever is asked for. An event may be called so by heads of two tasks.
            let sql = format!(
                "SELECT DISTINCT {order} FROM {events}
                 WHERE {only} AND {called} AND (?2 IS NULL OR 1) AND (?3 IS NULL OR 1) AND (?4 IS NULL OR 1)
                 ORDER BY {order} DESC LIMIT ?5"
            );
            let values = params![before.as_bytes(), not_of, wanted.class, wanted.camera, words::count(limit as u64)];
            let ids = db
                .prepare_cached(&sql)?
                .query_map(values, |row| words::uuid(row, 0))?
                .collect::<rusqlite::Result<Vec<Uuid>>>()?;
            ids.into_iter().filter_map(|id| read::event(db, id).transpose()).collect()
        })
    }

    /// Which of these events are, or may be, of any of these classes, which are protected.
    pub fn of_classes(&self, events: &[Uuid], classes: &[String]) -> Result<HashSet<Uuid>, StoreError> {
        let classes = array(classes);
        self.read(|db| {
            let mut statement = db.prepare_cached(&format!("SELECT 1 FROM events e WHERE e.id = ?1 AND {MAY_BE}"))?;
            let mut found = HashSet::new();
            for event in events {
                if statement.exists(params![event.as_bytes(), classes])? {
                    found.insert(*event);
                }
            }
            Ok(found)
        })
    }
}

/// What leads to the events: of all that is asked for what the fewest have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lead {
    Class,
    Camera,
    People,
}

/// SQLite knows no numbers that would tell it, so they are counted, as far as that is quick. None where nothing leads.
fn lead(db: &Connection, wanted: &Wanted, before: Uuid) -> rusqlite::Result<Option<Lead>> {
    let class = "SELECT 1 FROM observations WHERE current = 1 AND coalesce(class, type) = ?2 AND event < ?1";
    let camera = "SELECT 1 FROM events WHERE camera = ?2 AND id < ?1";
    let people = "SELECT 1 FROM events WHERE coalesce(people_said, people) = 1 AND id < ?1 AND ?2 IS NULL";
    let leads = [
        wanted.class.as_ref().map(|it| (Lead::Class, class, Some(it))),
        (wanted.people == Some(true)).then_some((Lead::People, people, None)),
        wanted.camera.as_ref().map(|it| (Lead::Camera, camera, Some(it))),
    ];
    let leads: Vec<_> = leads.into_iter().flatten().collect();
    if let [only] = &*leads {
        return Ok(Some(only.0));
    }
    let mut fewest: Option<(i64, Lead)> = None;
    for (lead, sql, of) in leads {
        let mut count = db.prepare_cached(&format!("SELECT count(*) FROM ({sql} LIMIT {MANY})"))?;
        let n = count.query_row(params![before.as_bytes(), of], |row| row.get(0))?;
        if fewest.is_none_or(|it| n < it.0) {
            fewest = Some((n, lead));
        }
    }
    Ok(fewest.map(|it| it.1))
}

fn array(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}
