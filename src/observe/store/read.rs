//! Reading the store: on a connection of its own, beside whoever writes.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension, params};
use serde::Serialize;
use uuid::Uuid;

use crate::domain::{Class, Event, Generation, Observation};

use super::{DATABASE, StoreError, schema, words};

/// An event as the store has it, with where it was.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredEvent {
    /// The event; its `media` are the pictures that are on disk, the best first.
    #[serde(flatten)]
    pub event: Event,
    /// The deployment's identity.
    pub deployment: String,
    /// The deployment's place name; may be empty.
    pub place: String,
    /// The deployment's time zone (IANA).
    pub time_zone: String,
    /// What was said as it happened, of the tasks in which a later head has said something else since; that is what the
    /// event's own `observations` hold then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub first: Vec<Observation>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Events, blank ones too.
    pub events: u64,
    /// Blank events.
    pub blanks: u64,
    /// Pictures on disk.
    pub pictures: u64,
    /// What these take.
    pub picture_bytes: u64,
}

/// Reads a store; cheap to clone. Before the first daemon has made a database it reads as an empty one.
#[derive(Debug, Clone)]
pub struct Reader {
    dir: Arc<Path>,
    db: Arc<Mutex<Option<Connection>>>,
}

impl Reader {
    pub(super) fn new(state_dir: &Path) -> Reader {
        Reader { dir: state_dir.into(), db: Arc::default() }
    }

    /// Refuses a database that is missing, or that this program cannot read.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.read(|_| Ok(Some(())))?.ok_or_else(|| StoreError::Missing { path: self.dir.join(DATABASE) })
    }

    /// The latest `limit` events of live cameras that are not blank, the latest first; with `before`, those that opened before that one.
    pub fn latest_events(&self, limit: usize, before: Option<Uuid>) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(|db| {
            let sql =
                "SELECT id FROM events WHERE blank = 0 AND imported_as IS NULL AND id < ?1 ORDER BY id DESC LIMIT ?2";
            let mut statement = db.prepare_cached(sql)?;
            let before = before.unwrap_or(Uuid::max());
            let ids = statement
                .query_map(params![before.as_bytes(), words::count(limit as u64)], |row| words::uuid(row, 0))?
                .collect::<rusqlite::Result<Vec<Uuid>>>()?;
            ids.into_iter().filter_map(|id| event(db, id).transpose()).collect()
        })
    }

    /// One event.
    pub fn event(&self, id: Uuid) -> Result<Option<StoredEvent>, StoreError> {
        self.read(|db| event(db, id))
    }

    /// How much there is.
    pub fn counts(&self) -> Result<Counts, StoreError> {
        let counts = self.read(|db| {
            let sql = "SELECT events, blanks, pictures, picture_bytes FROM totals";
            db.prepare_cached(sql)?.query_row([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))
        })?;
        let [events, blanks, pictures, picture_bytes] = counts.map(|it: i64| u64::try_from(it).unwrap_or_default());
        Ok(Counts { events, blanks, pictures, picture_bytes })
    }

    /// Runs a query; gives nothing where there is no database yet.
    pub(super) fn read<T: Default>(
        &self,
        query: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let path = self.dir.join(DATABASE);
        let mut db = self.db.lock().unwrap_or_else(PoisonError::into_inner);
        if db.is_none() {
            *db = schema::open_read(&path)?;
        }
        db.as_ref().map_or_else(|| Ok(T::default()), query).map_err(|error| StoreError::sqlite(&path, &error))
    }
}

/// One event with all that is said of it.
pub(super) fn event(db: &Connection, id: Uuid) -> rusqlite::Result<Option<StoredEvent>> {
    let sql = "SELECT e.camera, e.state, e.start_us, e.end_us, e.duration_secs, e.modality, e.looks, e.deployment,
                      d.place, d.time_zone, coalesce(e.people_said, e.people)
               FROM events e JOIN deployments d ON d.id = e.deployment WHERE e.id = ?1";
    let found = db.prepare_cached(sql)?.query_row([id.as_bytes()], |row| {
        Ok(StoredEvent {
            event: Event {
                id,
                camera: row.get::<_, String>(0)?.into(),
                state: words::parse(row, 1)?,
                start: words::time(row, 2)?,
                end: words::time(row, 3)?,
                duration_secs: row.get(4)?,
                modality: words::parse(row, 5)?,
                looks: row.get(6)?,
                observations: Vec::new(),
                media: Vec::new(),
                people: row.get(10)?,
            },
            deployment: row.get(7)?,
            place: row.get(8)?,
            time_zone: row.get(9)?,
            first: Vec::new(),
        })
    });
    let Some(mut it) = found.optional()? else { return Ok(None) };
    (it.event.observations, it.first) = observations(db, id)?;
    it.event.media = pictures(db, id)?;
    Ok(Some(it))
}

/// What holds of an event, and what was said first where something else holds: by task, the likeliest first.
fn observations(db: &Connection, event: Uuid) -> rusqlite::Result<(Vec<Observation>, Vec<Observation>)> {
    let sql = "SELECT type, class, scientific_name, probability, hint, hint_scientific_name, task, generation, rank,
                current
               FROM observations WHERE event = ?1 ORDER BY task_position, position";
    let (mut current, mut first) = (Vec::new(), Vec::new());
    let mut statement = db.prepare_cached(sql)?;
    for row in statement.query_map([event.as_bytes()], |row| Ok((observation(row)?, row.get(9)?)))? {
        let (it, is_current) = row?;
        if is_current { current.push(it) } else { first.push(it) }
    }
    Ok((current, first))
}

/// Of the columns `type, class, scientific_name, probability, hint, hint_scientific_name, task, generation, rank`, in this order.
pub(super) fn observation(row: &rusqlite::Row<'_>) -> rusqlite::Result<Observation> {
    let class = |column: usize| -> rusqlite::Result<Option<Class>> {
        let name: Option<String> = row.get(column)?;
        let scientific_name: Option<String> = row.get(column + 1)?;
        Ok(name.map(|name| Class { name: name.into(), scientific_name: scientific_name.unwrap_or_default().into() }))
    };
    Ok(Observation {
        kind: words::parse(row, 0)?,
        class: class(1)?,
        rank: row.get::<_, Option<String>>(8)?.map(|_| words::parse(row, 8)).transpose()?,
        probability: row.get(3)?,
        hint: class(4)?,
        generation: Generation { task: row.get::<_, String>(6)?.into(), number: row.get(7)? },
    })
}

/// An event's pictures that are on disk, the best first.
pub(super) fn pictures(db: &Connection, event: Uuid) -> rusqlite::Result<Vec<Uuid>> {
    let sql = "SELECT id FROM media WHERE event = ?1 AND file IS NOT NULL ORDER BY score DESC, id";
    db.prepare_cached(sql)?.query_map([event.as_bytes()], |row| words::uuid(row, 0))?.collect()
}
