//! Still moments: frames in which the gate saw nothing, drawn at random, with one small picture each, and what people say of
//! them. No head is taught by them: they say what the gate misses.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};
use serde::Serialize;
use uuid::Uuid;

use crate::config::PeoplePictures;
use crate::domain::{CameraName, Modality};
use crate::observe::media::MediaFolder;

use super::answers::{append_labels, check_key, texts};
use super::{AnswerError, Given, Reader, Shared, Species, Store, StoreError, Why, Writer, erase, skipped, tidy, words};

/// A still moment on its way to the disk.
#[derive(Debug, Clone)]
pub struct NewMoment {
    /// Its identity.
    pub id: Uuid,
    /// Its camera.
    pub camera: CameraName,
    /// When it was taken.
    pub captured_at: Timestamp,
    /// Colour or infrared.
    pub modality: Modality,
    /// With which this frame was drawn, 0..=1.
    pub probability: f64,
    /// How much still time it stands for.
    pub stands_secs: f64,
    /// Its picture.
    pub jpeg: Vec<u8>,
}

/// A still moment as the store has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StoredMoment {
    /// Its identity, which is that of its picture too.
    pub id: Uuid,
    /// Its camera.
    pub camera: String,
    /// Where that hung.
    pub place: String,
    /// IANA name of the time zone there.
    pub time_zone: String,
    /// When it was taken.
    pub captured_at: Timestamp,
    /// Colour or infrared.
    pub modality: Modality,
    /// With which its frame was drawn, 0..=1.
    pub probability: f64,
    /// How much still time it stands for.
    pub stands_secs: f64,
    /// Whether its picture is kept.
    pub has_picture: bool,
    /// What people say of people in it; none where nobody has said.
    pub people_said: Option<bool>,
}

/// What somebody says of a still moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MomentAnswer {
    /// The question that asked.
    pub question: Uuid,
    /// The client's own key, as in an [`Answer`](super::Answer).
    pub key: Option<String>,
    /// Who.
    pub labeller: String,
    /// What it shows; `blank` for nothing.
    pub species: Vec<Species>,
}

impl Store {
    /// Keeps a still moment, and forgets the oldest beyond `keep` of them; whether there is room for it. Where pictures of
    /// people are discarded none is kept at all: nobody has looked whether they are in it.
    pub fn save_moment(&self, it: &NewMoment, keep: usize) -> Result<bool, StoreError> {
        if self.shared.config.people == PeoplePictures::Discard || keep == 0 {
            return Ok(false);
        }
        self.write(|shared, writer| {
            let failed = |error: rusqlite::Error| StoreError::sqlite(&shared.database(), &error);
            writer.connect(shared)?;
            let bytes = it.jpeg.len() as u64;
            if !tidy::make_room(shared, writer, bytes).map_err(failed)? {
                shared.skip(skipped::MEDIA_CAP);
                return Ok(false);
            }
            let deployment = writer.deployment(&it.camera, it.captured_at).map_err(failed)?;
            let file = MediaFolder::file(it.id, it.captured_at);
            shared.media.write(&file, &it.jpeg).map_err(|error| StoreError::io(&shared.dir.join(&file), &error))?;
            match insert(writer, it, &deployment, &file, keep) {
                Ok(gone) => gone.iter().for_each(|file| shared.media.delete(file)),
                Err(error) => {
                    // No row refers to it.
                    shared.media.delete(&file);
                    return Err(failed(error));
                }
            }
            count(shared, writer)?;
            Ok(true)
        })
    }

    /// Takes down what somebody says of a still moment that they were asked about; on disk when this returns. The same person
    /// and key again change nothing.
    pub fn answer_moment(&self, answer: &MomentAnswer) -> Result<Given, AnswerError> {
        check_key(answer.key.as_deref())?;
        let given = self.in_transaction(|tx| {
            if let Some(given) = given_before(tx, answer)? {
                return Ok(given);
            }
            let sql = "SELECT q.moment, q.task, m.captured_us FROM questions q JOIN moments m ON m.id = q.moment
                       WHERE q.id = ?1";
            let row =
                |row: &rusqlite::Row<'_>| Ok((words::uuid(row, 0)?, row.get::<_, String>(1)?, words::time(row, 2)?));
            let Some((moment, task, captured_at)) =
                tx.prepare_cached(sql)?.query_row([answer.question.as_bytes()], row).optional()?
            else {
                return Ok(Err(AnswerError::NoQuestion(answer.question)));
            };
            let superseded = current(tx, moment, &task)?;
            let id = Uuid::now_v7();
            tx.prepare_cached(
                "INSERT INTO moment_answers (id, moment, task, labeller, given_us, client_key, question)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                id.as_bytes(),
                moment.as_bytes(),
                task,
                answer.labeller,
                Timestamp::now().as_microsecond(),
                answer.key,
                answer.question.as_bytes(),
            ])?;
            append_labels(tx, "moment_labels", id, &answer.species)?;
            Ok(Ok::<Given, AnswerError>(Given {
                id,
                again: false,
                frame: Some(captured_at),
                superseded,
                suggested: None,
            }))
        });
        given.map(|it| self.counted(it, Some(Why::Still.as_str())))
    }
}

impl Reader {
    /// One still moment.
    pub fn moment(&self, id: Uuid) -> Result<Option<StoredMoment>, StoreError> {
        self.read(|db| {
            let sql = "SELECT m.id, m.camera, m.captured_us, m.modality, m.probability, m.stands_secs,
                           m.file IS NOT NULL, m.people_said, d.place, d.time_zone
                       FROM moments m JOIN deployments d ON d.id = m.deployment WHERE m.id = ?1";
            let row = |row: &rusqlite::Row<'_>| {
                Ok(StoredMoment {
                    id: words::uuid(row, 0)?,
                    camera: row.get(1)?,
                    captured_at: words::time(row, 2)?,
                    modality: words::parse(row, 3)?,
                    probability: row.get(4)?,
                    stands_secs: row.get(5)?,
                    has_picture: row.get(6)?,
                    people_said: row.get(7)?,
                    place: row.get(8)?,
                    time_zone: row.get(9)?,
                })
            };
            db.prepare_cached(sql)?.query_row([id.as_bytes()], row).optional()
        })
    }
}

/// What holds of a moment.
pub(super) fn current(db: &Connection, moment: Uuid, task: &str) -> rusqlite::Result<Vec<String>> {
    let sql = "SELECT class FROM moment_labels WHERE answer = (
                   SELECT id FROM moment_answers WHERE moment = ?1 AND task = ?2 AND withdrawn_us IS NULL
                   ORDER BY id DESC LIMIT 1)
               ORDER BY position";
    texts(db, sql, params![moment.as_bytes(), task])
}

/// What was given when the person used this key before; it says the same of the same now, or it is refused.
fn given_before(db: &Connection, answer: &MomentAnswer) -> rusqlite::Result<Option<Result<Given, AnswerError>>> {
    let Some(key) = &answer.key else { return Ok(None) };
    let sql = "SELECT a.id, a.moment, a.task, m.captured_us, a.given_us, a.question
               FROM moment_answers a JOIN moments m ON m.id = a.moment WHERE a.labeller = ?1 AND a.client_key = ?2";
    let row = |row: &rusqlite::Row<'_>| {
        let (id, moment) = (words::uuid(row, 0)?, words::uuid(row, 1)?);
        Ok((id, moment, row.get::<_, String>(2)?, words::time(row, 3)?, row.get::<_, i64>(4)?, words::uuid(row, 5)?))
    };
    let found = db.prepare_cached(sql)?.query_row(params![answer.labeller, key], row).optional()?;
    let Some((id, moment, task, captured_at, given_us, question)) = found else { return Ok(None) };
    let sql = "SELECT class FROM moment_labels WHERE answer = ?1 ORDER BY position";
    let said = texts(db, sql, [id.as_bytes()])?;
    if question != answer.question || said.iter().ne(answer.species.iter().map(|it| &it.class)) {
        return Ok(Some(Err(AnswerError::KeyUsed(key.clone()))));
    }
    let sql = "SELECT class FROM moment_labels WHERE answer = (
                   SELECT id FROM moment_answers WHERE moment = ?1 AND task = ?2 AND id < ?3
                       AND (withdrawn_us IS NULL OR withdrawn_us > ?4)
                   ORDER BY id DESC LIMIT 1)
               ORDER BY position";
    let superseded = texts(db, sql, params![moment.as_bytes(), task, id.as_bytes(), given_us])?;
    Ok(Some(Ok(Given { id, again: true, frame: Some(captured_at), superseded, suggested: None })))
}

/// The row, in the place of the oldest where there are too many; gives the pictures that no row refers to any more.
fn insert(
    writer: &mut Writer,
    it: &NewMoment,
    deployment: &str,
    file: &str,
    keep: usize,
) -> rusqlite::Result<Vec<String>> {
    let tx = Transaction::new(writer.db_mut(), TransactionBehavior::Immediate)?;
    tx.prepare_cached(
        "INSERT INTO moments (id, deployment, camera, captured_us, modality, file, bytes, probability, stands_secs)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?
    .execute(params![
        it.id.as_bytes(),
        deployment,
        &*it.camera,
        it.captured_at.as_microsecond(),
        words::word(it.modality),
        file,
        words::count(it.jpeg.len() as u64),
        words::finite(it.probability),
        words::finite(it.stands_secs),
    ])?;
    // Those that nobody has looked at go first.
    let sql = "SELECT id, file FROM moments WHERE file IS NOT NULL
               ORDER BY EXISTS (SELECT 1 FROM moment_answers a WHERE a.moment = moments.id), captured_us
               LIMIT max(0, (SELECT count(*) FROM moments WHERE file IS NOT NULL) - ?1)";
    let gone: Vec<(Uuid, String)> = tx
        .prepare_cached(sql)?
        .query_map([words::count(keep as u64)], |row| Ok((words::uuid(row, 0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    gone.iter().try_for_each(|(id, _)| forget(&tx, *id))?;
    tx.commit()?;
    Ok(gone.into_iter().map(|it| it.1).collect())
}

/// A moment loses its picture; where nobody has said what it shows it goes, and so does the question about it.
pub(super) fn forget(db: &Connection, id: Uuid) -> rusqlite::Result<()> {
    db.prepare_cached(
        "DELETE FROM moments WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM moment_answers WHERE moment = ?1)",
    )?
    .execute([id.as_bytes()])?;
    db.prepare_cached("UPDATE moments SET file = NULL, bytes = 0 WHERE id = ?1")?.execute([id.as_bytes()]).map(drop)
}

/// Where pictures of people are discarded: what was kept before goes. Whether anything did.
pub(super) fn discard(shared: &Shared, writer: &mut Writer) -> Result<bool, StoreError> {
    let path = shared.database();
    let failed = |error: rusqlite::Error| StoreError::sqlite(&path, &error);
    let any = "SELECT 1 FROM moments WHERE file IS NOT NULL";
    if !writer.db().prepare_cached(any).and_then(|mut it| it.exists([])).map_err(failed)? {
        return Ok(false);
    }
    let tx = Transaction::new(writer.db_mut(), TransactionBehavior::Immediate).map_err(failed)?;
    let kept = files(&tx, "file IS NOT NULL", &[]).map_err(failed)?;
    for (id, files) in &kept {
        remove(shared, files)?;
        forget(&tx, *id).map_err(failed)?;
    }
    tx.commit().map_err(failed)?;
    shared.metrics.media_deleted.inc_by(kept.len() as u64);
    Ok(true)
}

/// Moments of which something holds, with every name that their pictures may lie under.
pub(super) fn files(
    db: &Connection,
    which: &str,
    values: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<Vec<(Uuid, Vec<String>)>> {
    let sql = format!("SELECT id, captured_us, file FROM moments WHERE {which}");
    db.prepare_cached(&sql)?
        .query_map(values, |row| {
            let id = words::uuid(row, 0)?;
            let named: Option<String> = row.get(2)?;
            let mut files = vec![MediaFolder::file(id, words::time(row, 1)?)];
            files.extend(named.filter(|it| *it != files[0]));
            Ok((id, files))
        })?
        .collect()
}

/// Removes pictures, half written ones too.
pub(super) fn remove(shared: &Shared, files: &[String]) -> Result<(), StoreError> {
    for file in files {
        let path = shared.dir.join(file);
        let removed = erase::remove_file(&path).and_then(|()| erase::remove_file(&MediaFolder::unfinished(&path)));
        removed.map_err(|error| StoreError::io(&path, &error))?;
    }
    Ok(())
}

fn count(shared: &Shared, writer: &mut Writer) -> Result<(), StoreError> {
    let db = writer.db.take();
    let counted = db.as_ref().map_or(Ok(()), |db| tidy::count(shared, writer, db));
    writer.db = db;
    counted
}
