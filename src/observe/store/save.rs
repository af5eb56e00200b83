//! Saving an event: its pictures first, then all that is said of it in one transaction.

use std::collections::{HashMap, HashSet};

use fast_image_resize::Resizer;
use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use crate::config::PeoplePictures;
use crate::domain::{Event, EventUpdate};
use crate::observe::media::MediaFolder;

use super::piece::{Rival, best};
use super::row::Row;
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
pub(super) struct Kept {
    rival: Rival,
    pub(super) file: Option<String>,
    bytes: u64,
    pub(super) vector: bool,
}

/// A picture on disk that no row refers to yet.
pub(super) struct Written {
    pub(super) file: String,
    pub(super) bytes: u64,
}

/// What the save is to leave of the event's pieces.
pub(super) struct Plan {
    pub(super) vectors: HashSet<Uuid>,
    pub(super) pictures: HashSet<Uuid>,
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
