//! What has come by lately, by its vectors: what heads are asked that nobody has heard yet.

use jiff::Timestamp;
use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::teach::taught::{TaughtEvent, TaughtFrame, TaughtView};

use super::{Reader, StoreError, words};

impl Reader {
    /// The first `most` events of live cameras that began after a moment, have ended and have vectors of a featurizer, each with
    /// when it began; not blank ones. An event that goes on holds back those that began after it, so that none is passed over.
    ///
    /// As nobody has said what they show, their class is 0.
    pub fn ended_since(
        &self,
        after: Timestamp,
        most: usize,
        (featurizer, second): (&str, Option<&str>),
    ) -> Result<Vec<(Timestamp, TaughtEvent)>, StoreError> {
        self.read(|db| {
            let first = words::first_of(after);
            let sql = "SELECT e.id, e.camera, e.start_us FROM events e
                       WHERE e.id >= ?1 AND e.start_us > ?2 AND e.state = 'ended' AND e.blank = 0 AND e.imported_as IS NULL
                           AND NOT EXISTS (SELECT 1 FROM events o WHERE o.state = 'open' AND o.start_us <= e.start_us)
                           AND EXISTS (SELECT 1 FROM media m JOIN embeddings v ON v.media = m.id
                                       WHERE m.event = e.id AND v.featurizer = ?3)
                       ORDER BY e.start_us, e.id LIMIT ?4";
            let most = words::count(most as u64);
            let values = params![first.as_bytes(), after.as_microsecond(), featurizer, most];
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement
                .query_map(values, |row| Ok((words::uuid(row, 0)?, row.get::<_, String>(1)?, words::time(row, 2)?)))?;
            rows.map(|row| {
                let (id, camera, start) = row?;
                let frames = vec![TaughtFrame { class: 0, views: views(db, id, (featurizer, second))? }];
                Ok((start, TaughtEvent { id: id.to_string(), class: 0, group: id.to_string(), camera, stands_for: 1.0, frames }))
            })
            .collect()
        })
    }
}

fn views(
    db: &Connection,
    event: Uuid,
    (featurizer, second): (&str, Option<&str>),
) -> rusqlite::Result<Vec<TaughtView>> {
    let sql = "SELECT m.modality, m.view, v.vector, s.vector FROM media m
               JOIN embeddings v ON v.media = m.id
               LEFT JOIN embeddings s ON s.media = m.id AND s.featurizer = ?3
               WHERE m.event = ?1 AND v.featurizer = ?2 ORDER BY m.captured_us, m.id";
    db.prepare_cached(sql)?
        .query_map(params![event.as_bytes(), featurizer, second], |row| {
            let features = words::features(row.get_ref(2)?.as_blob()?);
            let second = row.get_ref(3)?.as_blob_or_null()?.map(words::features);
            Ok(TaughtView { modality: words::parse(row, 0)?, view: words::parse(row, 1)?, features, second })
        })?
        .collect()
}
