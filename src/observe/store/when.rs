//! What there is of a time: the events of a camera, and when what is to be erased was.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{OptionalExtension, params};
use uuid::Uuid;

use super::read::event;
use super::{Reader, StoreError, StoredEvent, words};

/// An event that began longer ago is over: the longest that `events.max_secs` may be. What hides people asks by it.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

impl Reader {
    /// The first `limit` events of a camera of which some lies in a span, blank ones too, in the order of time.
    pub fn events_between(
        &self,
        camera: &str,
        from: Timestamp,
        to: Timestamp,
        limit: usize,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        self.read(|db| {
            // Identities are in the order of time: what began long before is not looked at.
            let sql =
                "SELECT id FROM events WHERE id >= ?1 AND id < ?2 AND camera = ?3 AND end_us >= ?4 AND start_us <= ?5
                       AND imported_as IS NULL ORDER BY id LIMIT ?6";
            let (first, after) = (from.checked_sub(LONGEST).unwrap_or(Timestamp::MIN), to.checked_add(LONGEST));
            let span = (words::first_of(first), words::first_of(after.unwrap_or(Timestamp::MAX)));
            let mut statement = db.prepare_cached(sql)?;
            let (from, to) = (from.as_microsecond(), to.as_microsecond());
            let ids = statement
                .query_map(
                    params![span.0.as_bytes(), span.1.as_bytes(), camera, from, to, words::count(limit as u64)],
                    |row| words::uuid(row, 0),
                )?
                .collect::<rusqlite::Result<Vec<Uuid>>>()?;
            ids.into_iter().filter_map(|id| event(db, id).transpose()).collect()
        })
    }

    /// When these events, or still moments, were; of what is gone nothing is known.
    pub fn times(&self, ids: &BTreeSet<Uuid>) -> Result<Vec<(String, Timestamp, Timestamp)>, StoreError> {
        self.read(|db| {
            let sql = "SELECT camera, start_us, end_us FROM events WHERE id = ?1
                       UNION ALL SELECT camera, captured_us, captured_us FROM moments WHERE id = ?1";
            let mut statement = db.prepare_cached(sql)?;
            let mut times = Vec::new();
            for id in ids {
                let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, words::time(row, 1)?, words::time(row, 2)?));
                times.extend(statement.query_row([id.as_bytes()], row).optional()?);
            }
            Ok(times)
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::Store;
    use super::super::fixture::{self, FEATURIZER};
    use super::*;
    use crate::domain::{Change, EventState};
    use crate::metrics::Metrics;

    #[test]
    fn events_are_found_by_their_time_and_camera_and_tell_when_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), &fixture::config(), Metrics::new()).unwrap();
        // Identities are of now, as they are where an event opens.
        let now = Timestamp::now();
        let save = |secs: i64| {
            let at = now - SignedDuration::from_secs(secs);
            let mut update = fixture::update(Change::Ended, "red fox", 0);
            let template = fixture::event("red fox", at);
            update.event = crate::domain::Event { state: EventState::Ended, ..template };
            store.save(&update, FEATURIZER).unwrap();
            update.event
        };
        let (early, late) = (save(600), save(60));
        let found = |from: i64, to: i64| -> Vec<Uuid> {
            let (from, to) = (now - SignedDuration::from_secs(from), now - SignedDuration::from_secs(to));
            let found = store.events_between(&late.camera, from, to, 10).unwrap();
            found.into_iter().map(|it| it.event.id).collect()
        };
        assert_eq!(found(90, 0), [late.id]);
        assert_eq!(found(610, 595), [early.id]);
        assert!(found(500, 400).is_empty());
        let among = store.events_between("another", now - SignedDuration::from_hours(1), now, 10).unwrap();
        assert!(among.is_empty());
        let times = store.times(&BTreeSet::from([late.id, Uuid::nil()])).unwrap();
        assert_eq!(times, [(late.camera.to_string(), late.start, late.end)]);
    }
}
