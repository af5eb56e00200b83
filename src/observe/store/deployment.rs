//! Deployments: a camera at a place from a day to a day.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use crate::config::CameraConfig;

use super::{Store, StoreError, Writer, words};

/// What the config says of a camera's deployment.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Deployment {
    place: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
    time_zone: String,
    since: Option<Timestamp>,
}

impl From<&CameraConfig> for Deployment {
    fn from(it: &CameraConfig) -> Deployment {
        Deployment {
            place: it.place.clone(),
            latitude: it.latitude,
            longitude: it.longitude,
            time_zone: it.time_zone.clone(),
            // As precise as the database: else the same day would be a later one.
            since: it.since.and_then(|since| Timestamp::from_microsecond(since.as_microsecond()).ok()),
        }
    }
}

/// The deployment that a camera is in, as the database has it.
struct Current {
    id: String,
    place: String,
    latitude: Option<f64>,
    longitude: Option<f64>,
    start: Timestamp,
    start_given: bool,
}

impl Current {
    /// Whether the config speaks of a deployment that began after this one.
    fn is_over(&self, wanted: &Deployment) -> bool {
        if let Some(since) = wanted.since {
            // A first `since` that lies before the day we first saw the camera corrects that day.
            return since > self.start;
        }
        // Filling in what was empty is no move.
        let moved = |old: Option<f64>, new: Option<f64>| old.is_some() && old != new;
        (!self.place.is_empty() && self.place != wanted.place)
            || moved(self.latitude, wanted.latitude)
            || moved(self.longitude, wanted.longitude)
    }
}

impl Store {
    /// Takes down where a camera hangs: a new deployment where the config's `since` is later than that of the one it is
    /// in, or, without `since`, where place or position differ; else what is known of the one it is in is brought up to
    /// date. Where the disk is full, or another program is writing for long, this is made up for at the camera's first save.
    pub fn register_deployment(&self, camera: &CameraConfig) -> Result<(), StoreError> {
        let registered = self.write(|shared, writer| {
            writer.registered.insert(camera.name.clone(), Deployment::from(camera));
            writer.deployments.remove(&camera.name);
            writer.connect(shared)?;
            writer
                .deployment(&camera.name, Timestamp::now())
                .map(drop)
                .map_err(|error| StoreError::sqlite(&shared.database(), &error))
        });
        match registered {
            Err(error @ (StoreError::DiskFull { .. } | StoreError::NoRoom { .. } | StoreError::Busy { .. })) => {
                tracing::warn!(camera = &*camera.name, %error, "where it hangs is taken down at its first event");
                Ok(())
            }
            registered => registered,
        }
    }
}

impl Writer {
    /// The deployment that a camera's events belong to; one that nobody registered began at `now`.
    ///
    /// The connection must be open.
    pub(super) fn deployment(&mut self, camera: &str, now: Timestamp) -> rusqlite::Result<String> {
        if let Some(id) = self.deployments.get(camera) {
            return Ok(id.clone());
        }
        let wanted = match self.registered.get(camera) {
            Some(wanted) => wanted.clone(),
            None => Deployment { time_zone: "UTC".into(), ..Deployment::default() },
        };
        let registered = self.registered.contains_key(camera);
        let db = self.db.as_mut().expect("a write connects first; else this is a bug");
        let tx = Transaction::new(db, TransactionBehavior::Immediate)?;
        let id = settle(&tx, camera, &wanted, registered, now)?;
        tx.commit()?;
        self.deployments.insert(camera.into(), id.clone());
        Ok(id)
    }
}

fn settle(
    db: &Connection,
    camera: &str,
    wanted: &Deployment,
    registered: bool,
    now: Timestamp,
) -> rusqlite::Result<String> {
    let sql = "SELECT id, place, latitude, longitude, start_us, start_given FROM deployments
               WHERE camera = ?1 AND end_us IS NULL";
    let current = db
        .query_row(sql, [camera], |row| {
            Ok(Current {
                id: row.get(0)?,
                place: row.get(1)?,
                latitude: row.get(2)?,
                longitude: row.get(3)?,
                start: words::time(row, 4)?,
                start_given: row.get(5)?,
            })
        })
        .optional()?;
    let start = wanted.since.unwrap_or(now);
    if let Some(current) = current {
        if !registered {
            return Ok(current.id);
        }
        if !current.is_over(wanted) {
            let (start, given) = wanted.since.map_or((current.start, current.start_given), |since| (since, true));
            db.execute(
                "UPDATE deployments SET place = ?2, latitude = ?3, longitude = ?4, time_zone = ?5, start_us = ?6,
                 start_given = ?7 WHERE id = ?1",
                params![
                    current.id,
                    wanted.place,
                    wanted.latitude,
                    wanted.longitude,
                    wanted.time_zone,
                    start.as_microsecond(),
                    given
                ],
            )?;
            return Ok(current.id);
        }
        let end = start.max(current.start).as_microsecond();
        db.execute("UPDATE deployments SET end_us = ?2 WHERE id = ?1", params![current.id, end])?;
    }
    let id = format!("{camera}_{}", start.strftime("%Y%m%dT%H%M%S%.fZ"));
    // The same identity again is a deployment that was closed and is now said to go on.
    db.execute(
        "INSERT INTO deployments (id, camera, place, latitude, longitude, time_zone, start_us, start_given)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
         ON CONFLICT (id) DO UPDATE SET place = excluded.place, latitude = excluded.latitude,
             longitude = excluded.longitude, time_zone = excluded.time_zone, end_us = NULL",
        params![
            id,
            camera,
            wanted.place,
            wanted.latitude,
            wanted.longitude,
            wanted.time_zone,
            start.as_microsecond(),
            wanted.since.is_some()
        ],
    )?;
    Ok(id)
}
