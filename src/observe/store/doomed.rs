//! What is to be erased: events, and still moments, by what is asked for.

use jiff::Timestamp;
use rusqlite::{Connection, Row, params};
use uuid::Uuid;

use super::erase::EraseError;
use super::{Reader, words};
use crate::domain::EventState;

/// What an event with people in it is called.
const HUMAN: &str = "human";

/// What is to go: the events of which everything holds that is asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Which {
    /// This one.
    pub event: Option<Uuid>,
    /// Those of which some lies in this span.
    pub span: Option<(Timestamp, Timestamp)>,
    /// Those of this camera.
    pub camera: Option<String>,
    /// Those in which a head or anybody ever saw people.
    pub people: bool,
}

/// An event, or a still moment, that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doomed {
    /// The event.
    pub id: Uuid,
    /// Its camera.
    pub camera: String,
    /// When it began.
    pub start: Timestamp,
    /// Its pictures on disk.
    pub pictures: usize,
    /// Its vectors.
    pub vectors: usize,
    /// What was ever said of it.
    pub answers: usize,
    /// What a head saw in it, and what people say: for whoever is to decide. Empty where neither is known.
    pub shows: String,
    /// It goes on, as far as the database knows.
    pub is_open: bool,
    /// It is no event, but a still moment.
    pub is_moment: bool,
}

impl Reader {
    /// What an erasing would take, in the order of time: events, then still moments.
    pub fn to_erase(&self, which: &Which) -> Result<Vec<Doomed>, EraseError> {
        let mut doomed = self.read(|db| doomed(db, which))?;
        doomed.extend(self.read(|db| doomed_moments(db, which))?);
        if let (Some(id), []) = (which.event, &*doomed) {
            return Err(EraseError::NoEvent(id));
        }
        if let (Some(camera), []) = (&which.camera, &*doomed) {
            let cameras: Vec<String> = self.read(|db| {
                db.prepare("SELECT camera FROM events UNION SELECT camera FROM moments ORDER BY camera")?
                    .query_map([], |row| row.get(0))?
                    .collect()
            })?;
            if !cameras.contains(camera) {
                let known = if cameras.is_empty() { "none".into() } else { cameras.join(", ") };
                return Err(EraseError::NoCamera { camera: camera.clone(), known });
            }
        }
        Ok(doomed)
    }
}

fn doomed(db: &Connection, which: &Which) -> rusqlite::Result<Vec<Doomed>> {
    let sql = "SELECT e.id, e.camera, e.start_us, e.state,
                   (SELECT count(*) FROM media m WHERE m.event = e.id AND m.file IS NOT NULL),
                   (SELECT count(*) FROM media m JOIN embeddings v ON v.media = m.id WHERE m.event = e.id),
                   (SELECT count(*) FROM answers a WHERE a.event = e.id),
                   (SELECT coalesce(o.class, o.hint || '?', o.type) FROM observations o
                       WHERE o.event = e.id AND o.current = 1 ORDER BY o.task_position, o.position LIMIT 1),
                   (SELECT group_concat(DISTINCT l.class) FROM answers a JOIN labels l ON l.answer = a.id
                       WHERE a.event = e.id AND a.withdrawn_us IS NULL)
               FROM events e
               WHERE (?1 IS NULL OR e.id = ?1) AND (?2 IS NULL OR e.end_us >= ?2) AND (?3 IS NULL OR e.start_us <= ?3)
                   AND (?4 IS NULL OR e.camera = ?4)
                   AND (NOT ?5
                       OR coalesce(e.people_said, e.people) = 1
                       OR EXISTS (SELECT 1 FROM observations o
                                  WHERE o.event = e.id AND ?6 IN (o.type, o.class, o.hint))
                       OR EXISTS (SELECT 1 FROM answers a LEFT JOIN labels l ON l.answer = a.id
                                  WHERE a.event = e.id AND ?6 IN (a.guess, l.class)))
               ORDER BY e.start_us, e.id";
    let open = words::word(EventState::Open);
    let values = params![
        which.event.as_ref().map(Uuid::as_bytes),
        which.span.map(|it| it.0.as_microsecond()),
        which.span.map(|it| it.1.as_microsecond()),
        which.camera,
        which.people,
        HUMAN,
    ];
    db.prepare(sql)?
        .query_map(values, |row| {
            Ok(Doomed {
                id: words::uuid(row, 0)?,
                camera: row.get(1)?,
                start: words::time(row, 2)?,
                is_open: row.get::<_, String>(3)? == open,
                pictures: count(row, 4)?,
                vectors: count(row, 5)?,
                answers: count(row, 6)?,
                shows: shows(row.get(7)?, row.get(8)?),
                is_moment: false,
            })
        })?
        .collect()
}

fn shows(seen: Option<String>, said: Option<String>) -> String {
    let seen = seen.map(|it| format!("seen as {it}"));
    let said = said.map(|it| format!("said to be {}", it.replace(',', " and ")));
    seen.into_iter().chain(said).collect::<Vec<_>>().join(", ")
}

/// Still moments, which by their own are neither named nor go on.
fn doomed_moments(db: &Connection, which: &Which) -> rusqlite::Result<Vec<Doomed>> {
    if which.event.is_some() {
        return Ok(Vec::new());
    }
    let sql = "SELECT id, camera, captured_us, file IS NOT NULL,
                   (SELECT count(*) FROM moment_answers a WHERE a.moment = m.id)
               FROM moments m
               WHERE (?1 IS NULL OR captured_us >= ?1) AND (?2 IS NULL OR captured_us <= ?2)
                   AND (?3 IS NULL OR camera = ?3)
                   AND (NOT ?4 OR EXISTS (SELECT 1 FROM moment_answers a JOIN moment_labels l ON l.answer = a.id
                                          WHERE a.moment = m.id AND l.class = ?5))
               ORDER BY captured_us, id";
    let values = params![
        which.span.map(|it| it.0.as_microsecond()),
        which.span.map(|it| it.1.as_microsecond()),
        which.camera,
        which.people,
        HUMAN,
    ];
    db.prepare(sql)?
        .query_map(values, |row| {
            Ok(Doomed {
                id: words::uuid(row, 0)?,
                camera: row.get(1)?,
                start: words::time(row, 2)?,
                pictures: count(row, 3)?,
                vectors: 0,
                answers: count(row, 4)?,
                shows: String::new(),
                is_open: false,
                is_moment: true,
            })
        })?
        .collect()
}

fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<usize> {
    row.get::<_, i64>(column).map(|it| usize::try_from(it).unwrap_or(0))
}
