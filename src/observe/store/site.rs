//! What a site sees, labelled or not: a view each of so many of its events.

use std::collections::BTreeSet;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::teach::taught::TaughtView;

use super::{Reader, StoreError, words};

/// Of an event: it is over, came from a camera, and something was there.
const SEEN: &str = "blank = 0 AND state = 'ended' AND imported_as IS NULL";
/// Draws for each event that is wanted: vectors of the oldest may be gone.
const TRIES: usize = 4;

impl Reader {
    /// The most telling view of each of at most `most` events of live cameras that are over, not blank and have a vector of a
    /// featurizer: of all where there are no more events, else of events drawn evenly over time. The same store gives the same ones.
    pub fn of_site(&self, featurizer: &str, most: usize) -> Result<Vec<TaughtView>, StoreError> {
        self.read(|db| {
            let sql = format!("SELECT id FROM events WHERE {SEEN} ORDER BY id DESC LIMIT ?1");
            let latest: Vec<Uuid> = db
                .prepare_cached(&sql)?
                .query_map([words::count(most as u64 + 1)], |row| words::uuid(row, 0))?
                .collect::<rusqlite::Result<_>>()?;
            if latest.len() > most {
                return drawn(db, featurizer, most, latest[0]);
            }
            let views = latest.into_iter().map(|it| most_telling(db, it, featurizer));
            views.filter_map(Result::transpose).collect()
        })
    }
}

/// Of events up to the last one.
fn drawn(db: &Connection, featurizer: &str, most: usize, last: Uuid) -> rusqlite::Result<Vec<TaughtView>> {
    let first = db.query_row("SELECT id FROM events ORDER BY id LIMIT 1", [], |row| words::uuid(row, 0))?;
    let mut next =
        db.prepare_cached(&format!("SELECT id FROM events WHERE {SEEN} AND id >= ?1 ORDER BY id LIMIT 1"))?;
    let mut dice = ChaCha8Rng::seed_from_u64(0);
    let (mut tried, mut views) = (BTreeSet::new(), Vec::new());
    for _ in 0..TRIES * most {
        // Identities are in the order of time.
        let from = Uuid::from_u128(dice.random_range(first.as_u128()..=last.as_u128()));
        let id = next.query_row([from.as_bytes()], |row| words::uuid(row, 0))?;
        if tried.insert(id) {
            views.extend(most_telling(db, id, featurizer)?);
        }
        if views.len() == most {
            break;
        }
    }
    Ok(views)
}

fn most_telling(db: &Connection, event: Uuid, featurizer: &str) -> rusqlite::Result<Option<TaughtView>> {
    // Only of that one the vector is read.
    let sql =
        "SELECT m.modality, m.view, v.vector FROM media m JOIN embeddings v ON v.media = m.id AND v.featurizer = ?2
               WHERE m.id = (SELECT m.id FROM media m JOIN embeddings v ON v.media = m.id AND v.featurizer = ?2
                             WHERE m.event = ?1 ORDER BY m.score DESC, m.id LIMIT 1)";
    db.prepare_cached(sql)?
        .query_row(params![event.as_bytes(), featurizer], |row| {
            let features = words::features(row.get_ref(2)?.as_blob()?);
            Ok(TaughtView { modality: words::parse(row, 0)?, view: words::parse(row, 1)?, features, second: None })
        })
        .optional()
}
