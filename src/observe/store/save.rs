//! Saving an event: its pictures first, then all that is said of it in one transaction.

use std::collections::{HashMap, HashSet};

use fast_image_resize::Resizer;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use uuid::Uuid;

use crate::config::PeoplePictures;
use crate::domain::{Event, EventUpdate};
use crate::observe::media::MediaFolder;

use super::observed::{Place, store_observation};
use super::piece::{Rival, best};
use super::{Piece, Shared, Store, StoreError, Writer, skipped, words};

/// What became of an event that was to be saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Saved {
    /// It is on disk.
    Stored {
        /// Its pictures that are on disk, the best first.
        media: Vec<Uuid>,
        /// Whether people may be in it: what labels say of that goes before what heads do.
        people: bool,
    },
    /// It is blank, and as many blank events as may be were stored of this camera in the last hour.
    Skipped,
}

/// How what is saved stands to what is stored of its event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Brought {
    /// It is all that is known of the event by now.
    Whole,
    /// Frames from a table: more of the event, of which it says nothing. Whoever imports them chose them to teach with.
    Frames,
}

/// A media row of the event as it stands before the save.
struct Kept {
    rival: Rival,
    file: Option<String>,
    bytes: u64,
    vector: bool,
}

/// A picture on disk that no row refers to yet.
struct Written {
    file: String,
    bytes: u64,
}

/// What the save is to leave of the event's pieces.
struct Plan {
    vectors: HashSet<Uuid>,
    pictures: HashSet<Uuid>,
}

impl Store {
    /// Saves an event as it now stands, with its new pictures and vectors; it is on disk when this returns.
    ///
    /// `featurizer` is the identity of the featurizer that made the vectors. Pictures that cannot be kept are counted and
    /// left out; an error means that nothing of the update was stored, and that it may be tried again.
    pub fn save(&self, update: &EventUpdate, featurizer: &str) -> Result<Saved, StoreError> {
        let pieces: Vec<Piece> = update.keepsakes.iter().map(Piece::from).collect();
        self.save_pieces(&update.event, &pieces, featurizer)
    }

    /// [`save`](Self::save), of what was taken out of its update before.
    pub(crate) fn save_pieces(&self, event: &Event, pieces: &[Piece], featurizer: &str) -> Result<Saved, StoreError> {
        self.bring(event, pieces, featurizer, Brought::Whole)
    }

    /// [`save_pieces`](Self::save_pieces), of all of an event or of more of it.
    pub(super) fn bring(
        &self,
        event: &Event,
        pieces: &[Piece],
        featurizer: &str,
        brought: Brought,
    ) -> Result<Saved, StoreError> {
        self.write(|shared, writer| {
            let path = shared.database();
            let failed = |error: rusqlite::Error| StoreError::sqlite(&path, &error);
            writer.connect(shared)?;
            // Commands beside this program bring pictures, and erase some.
            if let Some(db) = writer.db.take() {
                let counted = super::tidy::count(shared, writer, &db);
                writer.db = Some(db);
                counted?;
            }
            let Some(deployment) = deployment(shared, writer, event).map_err(failed)? else {
                pieces.iter().for_each(|_| shared.skip(skipped::BLANK));
                return Ok(Saved::Skipped);
            };
            let people = super::people::is_marked(writer.db(), event).map_err(failed)?;
            let discards = people && shared.config.people == PeoplePictures::Discard && brought == Brought::Whole;
            let pieces = if discards {
                pieces.iter().for_each(|_| shared.skip(skipped::PEOPLE));
                &[]
            } else {
                pieces
            };
            let mut written = HashMap::new();
            let stored = keep(
                shared,
                writer,
                &Row { event, deployment: &deployment, featurizer, brought },
                pieces,
                &mut written,
            );
            if stored.is_err() {
                // No row refers to these.
                written.values().for_each(|it| shared.media.delete(&it.file));
                let bytes = written.values().map(|it| it.bytes).sum();
                shared.set_media_bytes(writer, writer.media_bytes.saturating_sub(bytes));
            }
            // What was seen comes first: housekeeping that fails is tried again at the next event.
            if let Err(error) = super::tidy::shrink(shared, writer) {
                tracing::warn!(%error, "the oldest vectors could not be removed");
            }
            let media = stored.map_err(failed)?;
            // What could not be discarded yet is still there.
            let media = if super::people::discard_after(shared, writer) && discards { Vec::new() } else { media };
            Ok(Saved::Stored { media, people })
        })
    }
}

/// Pictures, then rows, then what they replace; gives the event's pictures, the best first.
fn keep(
    shared: &Shared,
    writer: &mut Writer,
    row: &Row<'_>,
    pieces: &[Piece],
    written: &mut HashMap<Uuid, Written>,
) -> rusqlite::Result<Vec<Uuid>> {
    let mut kept = self::kept(writer.db(), row.event.id)?;
    // A save that is tried again may bring what was kept before.
    let mut seen: HashSet<Uuid> = kept.keys().copied().collect();
    let new: Vec<&Piece> = pieces.iter().filter(|it| seen.insert(it.id)).collect();
    write_pictures(shared, writer, &kept, &new, written)?;
    if !written.is_empty() {
        // Making room may have taken a picture of this very event.
        kept = self::kept(writer.db(), row.event.id)?;
    }
    let plan = plan(shared, &kept, &new, |it| written.contains_key(&it.id));
    let media = row.store(writer.db_mut(), &plan, &kept, (&new, pieces), written)?;
    settle(shared, writer, &plan, &kept, &new);
    Ok(media)
}

impl Writer {
    pub(super) fn db(&self) -> &Connection {
        self.db.as_ref().expect("a write connects first; else this is a bug")
    }

    pub(super) fn db_mut(&mut self) -> &mut Connection {
        self.db.as_mut().expect("a write connects first; else this is a bug")
    }
}

/// The event's deployment; `None` where the event is one blank too many.
fn deployment(shared: &Shared, writer: &mut Writer, event: &Event) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT deployment FROM events WHERE id = ?1";
    let known = writer.db().prepare_cached(sql)?.query_row([event.id.as_bytes()], |row| row.get(0)).optional()?;
    if known.is_some() {
        return Ok(known);
    }
    if event.is_blank() {
        let hour_ago = event.start.checked_sub(SignedDuration::from_hours(1)).unwrap_or(Timestamp::MIN);
        let sql = "SELECT count(*) FROM events WHERE blank = 1 AND camera = ?1 AND start_us > ?2 AND start_us <= ?3";
        let values = params![&*event.camera, hour_ago.as_microsecond(), event.start.as_microsecond()];
        let blanks: i64 = writer.db().prepare_cached(sql)?.query_row(values, |row| row.get(0))?;
        if blanks >= i64::from(shared.config.blanks_per_hour) {
            return Ok(None);
        }
    }
    writer.deployment(&event.camera, event.start).map(Some)
}

fn kept(db: &Connection, event: Uuid) -> rusqlite::Result<HashMap<Uuid, Kept>> {
    let sql = "SELECT id, score, file, bytes, EXISTS (SELECT 1 FROM embeddings WHERE media = media.id)
               FROM media WHERE event = ?1";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([event.as_bytes()], |row| {
        let id = words::uuid(row, 0)?;
        let bytes = u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0);
        let rival = Rival { id, score: row.get(1)? };
        Ok((id, Kept { rival, file: row.get(2)?, bytes, vector: row.get(4)? }))
    })?;
    rows.collect()
}

/// Which pieces keep their vectors and pictures; `wants` says of a new one whether a picture of it is to be had.
fn plan(shared: &Shared, kept: &HashMap<Uuid, Kept>, new: &[&Piece], wants: impl Fn(&Piece) -> bool) -> Plan {
    let rival = |it: &&Piece| Rival { id: it.id, score: it.score };
    // A map has no order of its own, and ties are to be settled alike every time.
    let mut old: Vec<&Kept> = kept.values().collect();
    old.sort_by_key(|it| it.rival.id);
    let vectors = old.iter().filter(|it| it.vector).map(|it| it.rival);
    let pictures = old.iter().filter(|it| it.file.is_some()).map(|it| it.rival);
    Plan {
        vectors: best(vectors, new.iter().map(rival), shared.config.max_embeddings),
        pictures: best(pictures, new.iter().filter(|it| wants(it)).map(rival), shared.config.max_pictures),
    }
}

/// Renders and writes the new pictures that are good enough, below the cap. What fails is counted and left out.
fn write_pictures(
    shared: &Shared,
    writer: &mut Writer,
    kept: &HashMap<Uuid, Kept>,
    new: &[&Piece],
    written: &mut HashMap<Uuid, Written>,
) -> rusqlite::Result<()> {
    let wanted = plan(shared, kept, new, |it| it.frame.is_some()).pictures;
    let mut resizer = Resizer::new();
    for piece in new {
        let Some(frame) = &piece.frame else { continue };
        if !wanted.contains(&piece.id) {
            shared.skip(skipped::PICTURES_FULL);
            continue;
        }
        let jpeg = match shared.media.render(frame, piece.area, &mut resizer) {
            Ok(jpeg) => jpeg,
            Err(error) => {
                tracing::warn!(camera = %frame.camera, %error, "a picture could not be made");
                shared.skip(skipped::RENDER);
                continue;
            }
        };
        let bytes = jpeg.len() as u64;
        if !super::tidy::make_room(shared, writer, bytes)? {
            shared.skip(skipped::MEDIA_CAP);
            continue;
        }
        let file = MediaFolder::file(piece.id, piece.captured_at);
        if let Err(error) = shared.media.write(&file, &jpeg) {
            let error = StoreError::io(&shared.dir.join(&file), &error);
            tracing::warn!(%error, "a picture could not be kept");
            shared.metrics.store_errors.with_label_values(&[error.reason()]).inc();
            shared.skip(skipped::WRITE);
            continue;
        }
        // Counted from now on, so that the next picture makes room for this one too.
        shared.set_media_bytes(writer, writer.media_bytes.saturating_add(bytes));
        written.insert(piece.id, Written { file, bytes });
    }
    Ok(())
}

/// Once the rows are on disk: deletes the pictures that were replaced, and counts what was not kept.
fn settle(shared: &Shared, writer: &mut Writer, plan: &Plan, kept: &HashMap<Uuid, Kept>, new: &[&Piece]) {
    let mut freed = 0;
    for (id, it) in kept {
        if let Some(file) = it.file.as_ref().filter(|_| !plan.pictures.contains(id)) {
            shared.media.delete(file);
            shared.skip(skipped::REPLACED);
            freed += it.bytes;
        }
        if it.vector && !plan.vectors.contains(id) {
            shared.skip(skipped::REPLACED);
        }
    }
    new.iter().filter(|it| !plan.vectors.contains(&it.id)).for_each(|_| shared.skip(skipped::EMBEDDINGS_FULL));
    shared.set_media_bytes(writer, writer.media_bytes.saturating_sub(freed));
}

/// What the rows of one save have in common.
struct Row<'a> {
    event: &'a Event,
    deployment: &'a str,
    featurizer: &'a str,
    brought: Brought,
}

impl Row<'_> {
    /// Everything in one transaction; gives the event's pictures, the best first.
    fn store(
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
