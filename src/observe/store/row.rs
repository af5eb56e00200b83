//! The rows of one save: event, observations, media and vectors, in one transaction.

use std::collections::HashMap;

use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use crate::domain::Event;

use super::observed::{Place, store_observation};
use super::save::{Brought, Kept, Plan, Written};
use super::{Piece, words};

/// What the rows of one save have in common.
pub(super) struct Row<'a> {
    pub(super) event: &'a Event,
    pub(super) deployment: &'a str,
    pub(super) featurizer: &'a str,
    pub(super) brought: Brought,
}

impl Row<'_> {
    /// Everything in one transaction; gives the event's pictures, the best first.
    pub(super) fn store(
        &self,
        db: &mut Connection,
        plan: &Plan,
        kept: &HashMap<Uuid, Kept>,
        (new, all): (&[&Piece], &[Piece]),
        written: &HashMap<Uuid, Written>,
    ) -> rusqlite::Result<Vec<Uuid>> {
        let tx = Transaction::new(db, TransactionBehavior::Immediate)?;
        let grows = self.brought == Brought::Frames && self.is_known(&tx)?;
        if !grows {
            self.store_event(&tx)?;
            self.store_observations(&tx)?;
        }
        for (id, it) in kept {
            let (vector, picture) = (plan.vectors.contains(id), plan.pictures.contains(id));
            if it.file.is_some() && !picture {
                let sql = "UPDATE media SET file = NULL, mediatype = NULL, bytes = 0 WHERE id = ?1";
                tx.prepare_cached(sql)?.execute([id.as_bytes()])?;
            }
            if it.vector && !vector {
                tx.prepare_cached("DELETE FROM embeddings WHERE media = ?1")?.execute([id.as_bytes()])?;
            }
            if !vector && !picture {
                tx.prepare_cached("DELETE FROM media WHERE id = ?1")?.execute([id.as_bytes()])?;
            }
        }
        for piece in new {
            let picture = written.get(&piece.id);
            self.store_piece(&tx, piece, plan.vectors.contains(&piece.id), picture)?;
        }
        if grows {
            super::import::grow(&tx, self.event, new)?;
        }
        all.iter().try_for_each(|it| store_second(&tx, it))?;
        let media = super::read::pictures(&tx, self.event.id)?;
        tx.commit()?;
        Ok(media)
    }

    fn store_event(&self, db: &Connection) -> rusqlite::Result<()> {
        let it = self.event;
        db.prepare_cached(
            "INSERT INTO events (id, deployment, camera, start_us, end_us, duration_secs, state, modality, looks, blank,
                 people)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)
             ON CONFLICT (id) DO UPDATE SET start_us = excluded.start_us, end_us = excluded.end_us,
                 duration_secs = excluded.duration_secs, state = excluded.state, modality = excluded.modality,
                 looks = excluded.looks, blank = excluded.blank,
                 people = max(people, excluded.people)",
        )?
        .execute(params![
            it.id.as_bytes(),
            self.deployment,
            &*it.camera,
            it.start.as_microsecond(),
            it.end.as_microsecond(),
            words::finite(it.duration_secs),
            words::word(it.state),
            words::word(it.modality),
            it.looks,
            it.is_blank(),
            it.may_show_people(),
        ])
        .map(drop)
    }

    fn is_known(&self, db: &Connection) -> rusqlite::Result<bool> {
        db.prepare_cached("SELECT 1 FROM events WHERE id = ?1")?.exists([self.event.id.as_bytes()])
    }

    /// What is said as it happens takes the place of all that was said before.
    fn store_observations(&self, db: &Connection) -> rusqlite::Result<()> {
        let event = self.event.id;
        let mut tasks: Vec<(&str, i64)> = Vec::new();
        for it in &self.event.observations {
            let task_position = tasks.iter().position(|(task, _)| **task == *it.generation.task);
            let task_position = task_position.unwrap_or_else(|| {
                tasks.push((&it.generation.task, 0));
                tasks.len() - 1
            });
            let position = tasks[task_position].1;
            tasks[task_position].1 += 1;
            let task_position = words::count(task_position as u64);
            let place = Place { event, task_position, rescored: false, position };
            store_observation(db, &place, it, self.featurizer)?;
        }
        db.prepare_cached("DELETE FROM observations WHERE event = ?1 AND (rescored = 1 OR task_position >= ?2)")?
            .execute(params![event.as_bytes(), words::count(tasks.len() as u64)])?;
        for (task, n) in tasks {
            db.prepare_cached("DELETE FROM observations WHERE event = ?1 AND task = ?2 AND position >= ?3")?
                .execute(params![event.as_bytes(), task, n])?;
        }
        Ok(())
    }

    fn store_piece(
        &self,
        db: &Connection,
        piece: &Piece,
        vector: bool,
        picture: Option<&Written>,
    ) -> rusqlite::Result<()> {
        if !vector && picture.is_none() {
            return Ok(());
        }
        db.prepare_cached(
            "INSERT INTO media (id, event, deployment, captured_us, file, mediatype, bytes, method, modality, view,
                 x, y, width, height, score)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)",
        )?
        .execute(params![
            piece.id.as_bytes(),
            self.event.id.as_bytes(),
            self.deployment,
            piece.captured_at.as_microsecond(),
            picture.map(|it| &it.file),
            picture.map(|_| "image/jpeg"),
            picture.map_or(0, |it| words::count(it.bytes)),
            words::word(piece.method),
            words::word(piece.modality),
            words::word(piece.view),
            words::finite(piece.area.x),
            words::finite(piece.area.y),
            words::finite(piece.area.width),
            words::finite(piece.area.height),
            piece.score,
        ])?;
        if vector {
            db.prepare_cached("INSERT INTO embeddings (media, featurizer, vector) VALUES (?1, ?2, ?3)")?
                .execute(params![piece.id.as_bytes(), self.featurizer, piece.vector])?;
        }
        Ok(())
    }
}

/// What the second featurizer says of a piece joins its first vector, whenever that came, and stays as long.
fn store_second(db: &Connection, piece: &Piece) -> rusqlite::Result<()> {
    let Some((featurizer, vector)) = &piece.second else { return Ok(()) };
    db.prepare_cached(
        "INSERT OR REPLACE INTO embeddings (media, featurizer, vector)
         SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM embeddings WHERE media = ?1)",
    )?
    .execute(params![piece.id.as_bytes(), &**featurizer, vector])
    .map(drop)
}
