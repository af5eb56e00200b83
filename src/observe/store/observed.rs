//! The row of an observation that holds.

use jiff::Timestamp;
use rusqlite::{Connection, params};
use uuid::Uuid;

use super::words;
use crate::domain::Observation;

/// Where an observation stands.
pub(super) struct Place {
    pub(super) event: Uuid,
    /// Of its task among those that answered.
    pub(super) task_position: i64,
    /// Of stored vectors, by a head that came later.
    pub(super) rescored: bool,
    /// Within the answer.
    pub(super) position: i64,
}

/// Stores an observation that holds. It keeps its identity for as long as it keeps its place.
pub(super) fn store_observation(
    db: &Connection,
    place: &Place,
    it: &Observation,
    featurizer: &str,
) -> rusqlite::Result<()> {
    db.prepare_cached(
        "INSERT INTO generations (task, number, created_us, featurizer) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )?
    .execute(params![
        &*it.generation.task,
        it.generation.number,
        Timestamp::now().as_microsecond(),
        featurizer
    ])?;
    db.prepare_cached(
        "INSERT INTO observations (event, task, task_position, rescored, current, position, generation, type, class,
             scientific_name, probability, hint, hint_scientific_name, rank)
         VALUES (?1, ?2, ?3, ?4, 1, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
         ON CONFLICT (event, task, rescored, position) DO UPDATE SET task_position = excluded.task_position,
             current = excluded.current, generation = excluded.generation, type = excluded.type,
             class = excluded.class, scientific_name = excluded.scientific_name,
             probability = excluded.probability, hint = excluded.hint,
             hint_scientific_name = excluded.hint_scientific_name, rank = excluded.rank",
    )?
    .execute(params![
        place.event.as_bytes(),
        &*it.generation.task,
        place.task_position,
        place.rescored,
        place.position,
        it.generation.number,
        words::word(it.kind),
        it.class.as_ref().map(|class| &*class.name),
        it.class.as_ref().map(|class| &*class.scientific_name),
        words::finite(it.probability.into()),
        it.hint.as_ref().map(|class| &*class.name),
        it.hint.as_ref().map(|class| &*class.scientific_name),
        it.rank.map(words::word),
    ])
    .map(drop)
}
