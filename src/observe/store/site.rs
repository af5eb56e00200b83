//! What a site sees, labelled or not: a view each of so many of its events.

use std::collections::HashSet;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::teach::taught::TaughtView;

use super::{Reader, StoreError, words};

/// Of an event `e`: it is over, came from a camera, and something was there.
const SEEN: &str = "e.blank = 0 AND e.state = 'ended' AND e.imported_as IS NULL";
/// Draws for each event that is wanted, at most: most draws may come upon blank ones, or on such of which vectors are gone.
const TRIES: usize = 40;

impl Reader {
    /// The most telling view of each of at most `most` events of live cameras that are over, not blank and have a vector of a
    /// featurizer: all are as likely. The same store gives the same ones; where there are few, one that came to has mostly the same.
    pub fn of_site(&self, featurizer: &str, most: usize) -> Result<Vec<TaughtView>, StoreError> {
        self.read(|db| {
            let last: i64 = db.query_row("SELECT coalesce(max(id), 0) FROM observations", [], |row| row.get(0))?;
            let tries = TRIES * most;
            let mut views: Vec<TaughtView> = Vec::new();
            let mut take = |it: Uuid| -> rusqlite::Result<bool> {
                views.extend(most_telling(db, it, featurizer)?);
                Ok(views.len() < most)
            };
            if last <= words::count(tries as u64) {
                for it in all(db)? {
                    if !take(it)? {
                        break;
                    }
                }
            } else {
                drawn(db, last, tries, take)?;
            }
            Ok(views)
        })
    }
}

/// All of them, in an order that has nothing to do with what they are: identities end in random bits.
fn all(db: &Connection) -> rusqlite::Result<Vec<Uuid>> {
    let mut statement = db.prepare_cached(&format!("SELECT e.id FROM events e WHERE {SEEN}"))?;
    let mut all: Vec<Uuid> = statement.query_map([], |row| words::uuid(row, 0))?.collect::<rusqlite::Result<_>>()?;
    all.sort_by_key(|it| (it.as_u128() as u32, *it));
    Ok(all)
}

/// Draws of events, none twice, until one is the last to be taken. Each event has one row of what was said of it first as it
/// happened: rows are numbered as they came, so that all are as likely however many there are.
fn drawn(
    db: &Connection,
    last: i64,
    tries: usize,
    mut take: impl FnMut(Uuid) -> rusqlite::Result<bool>,
) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT e.id FROM observations o JOIN events e ON e.id = o.event
         WHERE o.id = ?1 AND o.task_position = 0 AND o.position = 0 AND o.rescored = 0 AND {SEEN}"
    );
    let mut at = db.prepare_cached(&sql)?;
    let (mut dice, mut tried) = (ChaCha8Rng::seed_from_u64(0), HashSet::new());
    for _ in 0..tries {
        let row = dice.random_range(1..=last);
        if !tried.insert(row) {
            continue;
        }
        let event = at.query_row([row], |row| words::uuid(row, 0)).optional()?;
        if let Some(it) = event
            && !take(it)?
        {
            break;
        }
    }
    Ok(())
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
