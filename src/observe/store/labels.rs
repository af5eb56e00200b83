//! What people say of events, as a fit sees it.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use rusqlite::{Connection, params};
use uuid::Uuid;

use crate::domain::Class;
use crate::infer::head::BLANK;
use crate::teach::taught::{Taught, TaughtEvent, TaughtFrame, TaughtView};

use super::holding::holding;
use super::read::Reader;
use super::{StoreError, words};

/// Labels that are no class: nobody could say, or it was nothing that has a name yet.
pub(crate) const NO_CLASS: [&str; 2] = ["unidentifiable", "unknown"];

/// A frame and what holds of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Labelled {
    /// The kept picture, below the state folder.
    pub file: String,
    /// The camera.
    pub camera: String,
    /// When it was taken.
    pub captured_at: Timestamp,
    /// The event.
    pub event: Uuid,
    /// Class by task.
    pub classes: BTreeMap<String, String>,
}

impl Reader {
    /// Everything that a head of a task can be taught on: the events that have a label and vectors of a featurizer.
    ///
    /// What is said of a frame goes before what is said of its event, unless the latter was said later and contradicts it;
    /// events of several species teach only by frames of which it is said which is which.
    ///
    /// With each goes what `second`, the second featurizer, says of it, where it has seen it.
    pub fn taught(&self, task: &str, featurizer: &str, second: Option<&str>) -> Result<Taught, StoreError> {
        self.read(|db| taught(db, task, (featurizer, second), usize::MAX))
    }

    /// The same, of the latest `most` events alone.
    pub fn taught_lately(
        &self,
        task: &str,
        (featurizer, second): (&str, Option<&str>),
        most: usize,
    ) -> Result<Taught, StoreError> {
        self.read(|db| taught(db, task, (featurizer, second), most))
    }

    /// Every kept whole picture of which something is said, in the order of time.
    pub fn labelled(&self) -> Result<Vec<Labelled>, StoreError> {
        self.read(labelled)
    }
}

/// What holds of an event: by frame, and of the whole.
pub(super) type Said = HashMap<Option<i64>, Vec<String>>;

/// What is said of a frame, and its vectors.
type Frame = (String, Vec<TaughtView>);

pub(super) fn said(db: &Connection, event: Uuid, task: &str) -> rusqlite::Result<Said> {
    Ok(holding(db, event, task)?.into_iter().map(|(frame, it)| (frame, it.classes)).collect())
}

struct Row {
    id: Uuid,
    camera: String,
    start: Timestamp,
    time_known: bool,
    time_zone: String,
}

fn taught(db: &Connection, task: &str, featurizers: (&str, Option<&str>), most: usize) -> rusqlite::Result<Taught> {
    let sql = "SELECT e.id, e.camera, e.start_us, e.time_known, d.time_zone
               FROM events e JOIN deployments d ON d.id = e.deployment
               WHERE e.id IN (SELECT event FROM answers WHERE task = ?1 AND withdrawn_us IS NULL)
               ORDER BY e.id DESC LIMIT ?2";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![task, words::count(most as u64)], |row| {
        Ok(Row {
            id: words::uuid(row, 0)?,
            camera: row.get(1)?,
            start: words::time(row, 2)?,
            time_known: row.get(3)?,
            time_zone: row.get(4)?,
        })
    })?;
    let mut events: Vec<(Row, Vec<Frame>)> = Vec::new();
    for row in rows {
        let row = row?;
        let frames = frames(db, row.id, task, featurizers)?;
        if !frames.is_empty() {
            events.push((row, frames));
        }
    }
    events.reverse();
    let mut names: Vec<&str> = events.iter().flat_map(|it| it.1.iter().map(|it| it.0.as_str())).collect();
    names.sort_by_key(|it| (*it != BLANK, *it));
    names.dedup();
    let place = |name: &str| names.iter().position(|it| *it == name).unwrap_or_default();
    let classes = names.iter().map(|it| Class { name: (*it).into(), scientific_name: "".into() }).collect();
    let mut taught = Taught { classes, ..Taught::default() };
    for (row, frames) in &events {
        let frames: Vec<TaughtFrame> =
            frames.iter().map(|(class, views)| TaughtFrame { class: place(class), views: views.clone() }).collect();
        taught.dimension = frames[0].views[0].features.len();
        taught.events.push(TaughtEvent {
            id: row.id.to_string(),
            class: commonest(frames.iter().map(|it| it.class), taught.blank()),
            group: group(row),
            camera: row.camera.clone(),
            stands_for: 1.0,
            frames,
        });
    }
    Ok(taught)
}

/// The frames of an event of which one class is said, and their vectors, in the order of time.
fn frames(
    db: &Connection,
    event: Uuid,
    task: &str,
    (featurizer, second): (&str, Option<&str>),
) -> rusqlite::Result<Vec<Frame>> {
    let said = said(db, event, task)?;
    let one = |frame: Option<i64>| said.get(&frame).map(|it| if let [class] = &**it { Some(class) } else { None });
    let sql = "SELECT m.captured_us, m.modality, m.view, v.vector, s.vector FROM media m
               JOIN embeddings v ON v.media = m.id
               LEFT JOIN embeddings s ON s.media = m.id AND s.featurizer = ?3
               WHERE m.event = ?1 AND v.featurizer = ?2 ORDER BY m.captured_us, m.view DESC, m.x, m.y, m.width";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map(params![event.as_bytes(), featurizer, second], |row| {
        let features = words::features(row.get_ref(3)?.as_blob()?);
        let second = row.get_ref(4)?.as_blob_or_null()?.map(words::features);
        let (modality, view) = (words::parse(row, 1)?, words::parse(row, 2)?);
        Ok((row.get::<_, i64>(0)?, TaughtView { modality, view, features, second }))
    })?;
    let mut frames: Vec<(i64, String, Vec<TaughtView>)> = Vec::new();
    for row in rows {
        let (captured_us, view) = row?;
        if let Some(frame) = frames.last_mut().filter(|it| it.0 == captured_us) {
            frame.2.push(view);
        } else if let Some(class) = one(Some(captured_us)).or_else(|| one(None)).flatten()
            && !NO_CLASS.contains(&&**class)
        {
            frames.push((captured_us, class.clone(), vec![view]));
        }
    }
    // Where what else an event shows cannot be taught, what is left of it would teach that nothing was there.
    let is_blank = |classes: &Vec<String>| classes.iter().all(|it| it == BLANK);
    if !said.values().all(is_blank) && frames.iter().all(|it| it.1 == BLANK) {
        return Ok(Vec::new());
    }
    Ok(frames.into_iter().map(|it| (it.1, it.2)).collect())
}

/// The commonest class that is not `blank`, the first of equals; `blank` where all are.
pub(crate) fn commonest(classes: impl Iterator<Item = usize>, blank: Option<usize>) -> usize {
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    classes.for_each(|it| *counts.entry(it).or_default() += 1);
    let there = counts.iter().filter(|it| Some(*it.0) != blank);
    let most = there.max_by(|a, b| a.1.cmp(b.1).then(b.0.cmp(a.0))).map(|it| *it.0);
    most.or(blank).unwrap_or_default()
}

/// A camera's day where it hangs.
fn group(row: &Row) -> String {
    if !row.time_known {
        return row.id.to_string();
    }
    let zone = TimeZone::get(&row.time_zone).unwrap_or(TimeZone::UTC);
    format!("{} {}", row.camera, zone.to_datetime(row.start).date())
}

fn labelled(db: &Connection) -> rusqlite::Result<Vec<Labelled>> {
    let sql = "SELECT m.file, e.camera, m.captured_us, e.id FROM media m JOIN events e ON e.id = m.event
               WHERE m.file IS NOT NULL AND m.view = 'whole'
                   AND e.id IN (SELECT event FROM answers WHERE withdrawn_us IS NULL)
               ORDER BY m.captured_us, m.id";
    let tasks = "SELECT DISTINCT task FROM answers WHERE event = ?1 AND withdrawn_us IS NULL ORDER BY task";
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([], |row| {
        Ok((
            row.get::<_, i64>(2)?,
            Labelled {
                file: row.get(0)?,
                camera: row.get(1)?,
                captured_at: words::time(row, 2)?,
                event: words::uuid(row, 3)?,
                classes: BTreeMap::new(),
            },
        ))
    })?;
    let mut all = Vec::new();
    for row in rows {
        let (captured_us, mut it) = row?;
        let mut statement = db.prepare_cached(tasks)?;
        let tasks = statement.query_map([it.event.as_bytes()], |row| row.get(0))?;
        for task in tasks.collect::<rusqlite::Result<Vec<String>>>()? {
            let said = said(db, it.event, &task)?;
            if let Some([class]) = said.get(&Some(captured_us)).or_else(|| said.get(&None)).map(|it| &**it) {
                it.classes.insert(task, class.clone());
            }
        }
        if !it.classes.is_empty() {
            all.push(it);
        }
    }
    Ok(all)
}
