//! Labelled pictures from elsewhere become events like any other: with pictures, vectors, and what their table says of them.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use crate::domain::{
    CameraName, Event, EventState, Generation, Keepsake, Modality, Observation, ObservationType, View,
};

use super::piece::Piece;
use super::save::Brought;
use super::{Reader, Species, Store, StoreError, Writer, answers, words};

/// An event of a table.
#[derive(Debug)]
pub struct ImportedEvent {
    /// Its camera.
    pub camera: CameraName,
    /// What it is called, the same in every import.
    pub name: String,
    /// Whether its times are those at which it was taken.
    pub time_known: bool,
    /// Who says what it shows.
    pub labeller: String,
    /// Its pictures that are not known yet; their keepsakes' identities are chosen anew.
    pub frames: Vec<ImportedFrame>,
    /// What its pictures that are known already show: hash of the file, class by task.
    pub known: Vec<([u8; 32], BTreeMap<String, String>)>,
}

/// A picture of it.
#[derive(Debug)]
pub struct ImportedFrame {
    /// Of the file.
    pub sha256: [u8; 32],
    /// The whole of it first, then its crops.
    pub keepsakes: Vec<Keepsake>,
    /// Class by task.
    pub classes: BTreeMap<String, String>,
}

/// What an import brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Imported {
    /// Pictures that are new.
    pub pictures: usize,
    /// Labels that are new, or other than those that held.
    pub labels: usize,
}

impl Reader {
    /// The event of an imported picture, by the hash of its file.
    pub fn imported(&self, sha256: &[u8; 32]) -> Result<Option<Uuid>, StoreError> {
        self.read(|db| Ok(find(db, sha256)?.map(|it| it.0)))
    }
}

impl Store {
    /// Adds an event, or what is new of it; on disk when this returns. A second time it changes nothing.
    pub fn import(&self, event: &ImportedEvent, featurizer: &str) -> Result<Imported, StoreError> {
        let name = format!("{}/{}", event.camera, event.name);
        // A file that stands in the table twice is one picture; what its last row says holds.
        let mut frames: BTreeMap<[u8; 32], &ImportedFrame> = BTreeMap::new();
        frames.extend(event.frames.iter().map(|it| (it.sha256, it)));
        let known = self.read(|db| {
            let mut known = HashSet::new();
            for sha256 in frames.keys() {
                known.extend(find(db, sha256)?.map(|_| *sha256));
            }
            Ok(known)
        })?;
        let is_new = |it: &&ImportedFrame| !it.keepsakes.is_empty() && !known.contains(&it.sha256);
        let mut frames: Vec<&ImportedFrame> = frames.into_values().filter(is_new).collect();
        frames.sort_by_key(|it| it.keepsakes[0].frame.at);
        if let Some(first) = frames.first() {
            let id = self.read(|db| named(db, &name))?;
            let id = id.unwrap_or_else(|| identity(first.keepsakes[0].frame.at, &[name.as_bytes()]));
            let taken = self.read(|db| taken(db, id))?;
            let moments = moments(&frames, &taken);
            let (start, end) = (moments.iter().min(), moments.iter().max());
            let range = start.copied().zip(end.copied()).unwrap_or_default();
            let row = row(event, id, &frames, range);
            let pieces: Vec<Piece> = frames.iter().zip(moments).flat_map(|(it, at)| pieces(it, at)).collect();
            self.bring(&row, &pieces, featurizer, Brought::Frames)?;
        }
        self.write(|shared, writer| {
            writer.connect(shared)?;
            settle(writer, event, &name, &frames).map_err(|error| StoreError::sqlite(&shared.database(), &error))
        })
    }
}

/// Names the event, notes the hashes, and takes down the labels, in one transaction.
fn settle(
    writer: &mut Writer,
    event: &ImportedEvent,
    name: &str,
    frames: &[&ImportedFrame],
) -> rusqlite::Result<Imported> {
    let tx = Transaction::new(writer.db_mut(), TransactionBehavior::Immediate)?;
    let mut imported = Imported::default();
    for frame in frames {
        let whole = media_identity(frame, 0);
        let of =
            tx.query_row("SELECT event FROM media WHERE id = ?1", [whole.as_bytes()], |it| it.get::<_, [u8; 16]>(0));
        // Where there was no room for it there is no row.
        let Some(of) = of.optional()? else { continue };
        tx.execute(
            "UPDATE events SET imported_as = ?2, time_known = min(time_known, ?3)
             WHERE id = ?1 AND coalesce(imported_as, ?2) = ?2",
            params![of, name, event.time_known],
        )?;
        imported.pictures += tx.execute(
            "UPDATE media SET sha256 = ?2 WHERE id = ?1 AND sha256 IS NULL",
            params![whole.as_bytes(), frame.sha256],
        )?;
    }
    let new = event.frames.iter().map(|it| (it.sha256, &it.classes));
    for (sha256, classes) in new.chain(event.known.iter().map(|(sha256, classes)| (*sha256, classes))) {
        let Some((of, captured_us)) = find(&tx, &sha256)? else { continue };
        for (task, class) in classes {
            if answers::current(&tx, of, Some(captured_us), task)? != [class.as_str()] {
                let species = [Species::of(class)];
                let (labeller, captured_us) = (&*event.labeller, Some(captured_us));
                let row = answers::Row {
                    event: of,
                    captured_us,
                    task,
                    labeller,
                    suggested: None,
                    species: &species,
                    verified: false,
                    key: None,
                    question: None,
                };
                answers::append(&tx, &row)?;
                imported.labels += 1;
            }
        }
    }
    tx.commit()?;
    Ok(imported)
}

/// Event and moment of an imported picture.
fn find(db: &Connection, sha256: &[u8; 32]) -> rusqlite::Result<Option<(Uuid, i64)>> {
    let mut statement = db.prepare_cached("SELECT event, captured_us FROM media WHERE sha256 = ?1")?;
    statement.query_row([sha256], |row| Ok((words::uuid(row, 0)?, row.get(1)?))).optional()
}

fn named(db: &Connection, name: &str) -> rusqlite::Result<Option<Uuid>> {
    let mut statement = db.prepare_cached("SELECT id FROM events WHERE imported_as = ?1")?;
    statement.query_row([name], |row| words::uuid(row, 0)).optional()
}

/// The moments of an event that are some frame's, or were when somebody said something of it, and the pictures of those
/// that are stored.
fn taken(db: &Connection, event: Uuid) -> rusqlite::Result<Vec<(i64, Option<Uuid>)>> {
    let sql = "SELECT captured_us, id FROM media WHERE event = ?1
               UNION ALL SELECT captured_us, NULL FROM answers WHERE event = ?1 AND captured_us IS NOT NULL";
    let mut statement = db.prepare_cached(sql)?;
    let row = |row: &rusqlite::Row<'_>| {
        let id: Option<[u8; 16]> = row.get(1)?;
        Ok((row.get(0)?, id.map(Uuid::from_bytes)))
    };
    statement.query_map([event.as_bytes()], row)?.collect()
}

/// When each frame was taken, to the first microsecond from then on that is no other frame's of the event: frames are told apart
/// by it, and what a picture is stamped with depends on the rows of its table. One that is stored already stays where it is.
fn moments(frames: &[&ImportedFrame], taken: &[(i64, Option<Uuid>)]) -> Vec<Timestamp> {
    let stored: BTreeMap<Uuid, i64> = taken.iter().filter_map(|it| Some((it.1?, it.0))).collect();
    let mut used: HashSet<i64> = taken.iter().map(|it| it.0).collect();
    let moment = |it: &&ImportedFrame| {
        let at = it.keepsakes[0].frame.at;
        let free = || (at.as_microsecond()..).find(|it| !used.contains(it));
        let us = stored.get(&media_identity(it, 0)).copied().or_else(free).unwrap_or(at.as_microsecond());
        used.insert(us);
        Timestamp::from_microsecond(us).unwrap_or(at)
    };
    frames.iter().map(moment).collect()
}

/// Nobody has looked at it yet.
fn row(event: &ImportedEvent, id: Uuid, frames: &[&ImportedFrame], (start, end): (Timestamp, Timestamp)) -> Event {
    let infrared = frames.iter().filter(|it| it.keepsakes[0].modality == Modality::Infrared).count();
    let unclassified = Observation {
        kind: ObservationType::Unclassified,
        class: None,
        probability: 0.0,
        rank: None,
        hint: None,
        generation: Generation { task: "species".into(), number: 0 },
    };
    Event {
        id,
        camera: event.camera.clone(),
        state: EventState::Ended,
        start,
        end,
        duration_secs: end.duration_since(start).as_secs_f64(),
        modality: if 2 * infrared > frames.len() { Modality::Infrared } else { Modality::Colour },
        observations: vec![unclassified],
        looks: u32::try_from(frames.len()).unwrap_or(u32::MAX),
        media: Vec::new(),
        people: false,
    }
}

/// Once they are stored, new frames make an event longer; what was said of it stays.
pub(super) fn grow(db: &Connection, it: &Event, new: &[&Piece]) -> rusqlite::Result<()> {
    let looks = new.iter().filter(|it| it.view == View::Whole).count();
    if looks == 0 {
        return Ok(());
    }
    db.prepare_cached(
        "UPDATE events SET start_us = min(start_us, ?2), end_us = max(end_us, ?3),
             duration_secs = (max(end_us, ?3) - min(start_us, ?2)) / 1e6, looks = looks + ?4,
             modality = (SELECT CASE WHEN 2 * count(*) FILTER (WHERE m.modality = ?5) > count(*) THEN ?5 ELSE ?6 END
                         FROM media m WHERE m.event = events.id AND m.view = 'whole')
         WHERE id = ?1",
    )?
    .execute(params![
        it.id.as_bytes(),
        it.start.as_microsecond(),
        it.end.as_microsecond(),
        words::count(looks as u64),
        words::word(Modality::Infrared),
        words::word(Modality::Colour),
    ])
    .map(drop)
}

/// Whole pictures are kept; of crops the vector is enough.
fn pieces(frame: &ImportedFrame, at: Timestamp) -> Vec<Piece> {
    let piece = |(i, it): (usize, &Keepsake)| {
        let mut piece = Piece::from(it);
        (piece.id, piece.captured_at) = (media_identity(frame, i), at);
        if it.view != View::Whole {
            piece.forget_frame();
        }
        piece
    };
    frame.keepsakes.iter().enumerate().map(piece).collect()
}

/// The same at every import, so that one that was cut short is made good by the next.
fn media_identity(frame: &ImportedFrame, i: usize) -> Uuid {
    identity(frame.keepsakes[0].frame.at, &[&frame.sha256, &(i as u64).to_le_bytes()])
}

/// A UUID v7 whose random part is a hash.
fn identity(at: Timestamp, parts: &[&[u8]]) -> Uuid {
    let mut hash = Sha256::new();
    parts.iter().for_each(|it| hash.update(it));
    let mut bytes = [0; 10];
    bytes.copy_from_slice(&hash.finalize()[..10]);
    Builder::from_unix_timestamp_millis(u64::try_from(at.as_millisecond()).unwrap_or(0), &bytes).into_uuid()
}
