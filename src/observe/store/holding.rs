//! Which of all that was said of an event holds.
//!
//! Of each frame, and of the whole, the latest answer that was not taken back. The whole's takes the place of what was said
//! before of its frames where that names what it does not. A frame in which nothing was, or of which nobody can say what was,
//! stays so, unless then none would show what the whole does: then those that nobody could name do, or all where there are none.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params};
use uuid::Uuid;

use super::words;
use crate::infer::head::BLANK;

/// Nobody can say what it is.
const UNIDENTIFIABLE: &str = "unidentifiable";

/// An answer that holds.
#[derive(Debug)]
pub(super) struct Holding {
    /// Answers that are given later are larger.
    pub(super) answer: Uuid,
    pub(super) classes: Vec<String>,
}

impl Holding {
    fn is_blank(&self) -> bool {
        self.classes.iter().all(|it| it == BLANK)
    }

    /// Whether it says of a frame that nothing could be seen in it.
    fn is_of_nothing_seen(&self) -> bool {
        self.classes.iter().all(|it| it == BLANK || it == UNIDENTIFIABLE)
    }
}

/// By frame; that of the whole under none.
pub(super) type Held = HashMap<Option<i64>, Holding>;

/// An answer that was not taken back.
struct Row {
    frame: Option<i64>,
    answer: Uuid,
    classes: Vec<String>,
}

/// The answers that hold of an event.
pub(super) fn holding(db: &Connection, event: Uuid, task: &str) -> rusqlite::Result<Held> {
    settled(db, event, &rows(db, event, task, None)?)
}

/// The answers that hold of any of these events, each with its task.
pub(super) fn held<'a>(db: &Connection, of: impl Iterator<Item = (Uuid, &'a str)>) -> rusqlite::Result<HashSet<Uuid>> {
    let of: HashSet<(Uuid, &str)> = of.collect();
    let mut held = HashSet::new();
    for (event, task) in of {
        held.extend(holding(db, event, task)?.into_values().map(|it| it.answer));
    }
    Ok(held)
}

/// What an event shows by all that holds: what is said of the whole and, since then, of its frames; where nothing is said of the
/// whole what is said of its frames, which is nothing where it is only of some of them, that they show nothing. `blank` alone.
pub(super) fn shown(db: &Connection, event: Uuid, task: &str) -> rusqlite::Result<Vec<String>> {
    shown_since(db, event, task, Uuid::nil())
}

/// [`shown`] by answers alone that were given by or after one of them.
pub(super) fn shown_since(db: &Connection, event: Uuid, task: &str, since: Uuid) -> rusqlite::Result<Vec<String>> {
    let mut held = holding(db, event, task)?;
    held.retain(|_, it| it.answer >= since);
    let whole = held.get(&None).map(|it| it.answer);
    if whole.is_none() && held.values().all(Holding::is_blank) && !are_all(db, event, &held)? {
        return Ok(Vec::new());
    }
    let mut said: Vec<(Option<i64>, Holding)> =
        held.into_iter().filter(|it| whole.is_none_or(|whole| it.1.answer >= whole)).collect();
    said.sort_by_key(|it| it.0);
    let mut classes = unique(said.into_iter().flat_map(|it| it.1.classes));
    if classes.len() > 1 {
        classes.retain(|it| it != BLANK);
    }
    Ok(classes)
}

/// The answers of frames whose place a later one of their whole event has taken, among others that hold no more.
pub(super) fn overruled(db: &Connection, task: &str) -> rusqlite::Result<Vec<Uuid>> {
    let sql = "SELECT DISTINCT f.event FROM answers f JOIN answers w ON w.event = f.event AND w.task = f.task
               WHERE f.task = ?1 AND f.captured_us IS NOT NULL AND f.withdrawn_us IS NULL
                   AND w.captured_us IS NULL AND w.withdrawn_us IS NULL AND w.id > f.id";
    let mut statement = db.prepare_cached(sql)?;
    let events = statement.query_map([task], |row| words::uuid(row, 0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut overruled = Vec::new();
    for event in events {
        let all = rows(db, event, task, None)?;
        let held = answers(&settled(db, event, &all)?);
        overruled.extend(all.iter().map(|it| it.answer).filter(|it| !held.contains(it)));
    }
    Ok(overruled)
}

/// The classes that held until an answer was given and then no more: the whole event's first, then those of its frames in the
/// order of time.
pub(super) fn superseded(
    db: &Connection,
    event: Uuid,
    task: &str,
    (answer, given_us): (Uuid, i64),
) -> rusqlite::Result<Vec<String>> {
    let mut all = rows(db, event, task, Some((answer, given_us)))?;
    let still = answers(&settled(db, event, &all)?);
    all.retain(|it| it.answer != answer);
    let before = settled(db, event, &all)?;
    let mut gone: Vec<(Option<i64>, Holding)> = before.into_iter().filter(|it| !still.contains(&it.1.answer)).collect();
    gone.sort_by_key(|it| it.0);
    Ok(unique(gone.into_iter().flat_map(|it| it.1.classes)))
}

/// Each once, in the order in which they come.
fn unique(classes: impl Iterator<Item = String>) -> Vec<String> {
    let mut each: Vec<String> = Vec::new();
    for class in classes {
        if !each.contains(&class) {
            each.push(class);
        }
    }
    each
}

/// The answers that were not taken back, in their order; with `until`, an answer and when it was given (in microseconds),
/// those of then, itself among them.
fn rows(db: &Connection, event: Uuid, task: &str, until: Option<(Uuid, i64)>) -> rusqlite::Result<Vec<Row>> {
    let sql = "SELECT a.captured_us, a.id, l.class FROM answers a JOIN labels l ON l.answer = a.id
               WHERE a.event = ?1 AND a.task = ?2 AND a.id <= ?3 AND (a.withdrawn_us IS NULL OR a.withdrawn_us > ?4)
               ORDER BY a.id, l.position";
    let mut statement = db.prepare_cached(sql)?;
    let last = until.map_or(Uuid::max(), |it| it.0);
    let values = params![event.as_bytes(), task, last.as_bytes(), until.map(|it| it.1)];
    let labels = statement.query_map(values, |row| Ok((row.get(0)?, words::uuid(row, 1)?, row.get(2)?)))?;
    let mut all: Vec<Row> = Vec::new();
    for label in labels {
        let (frame, answer, class): (Option<i64>, Uuid, String) = label?;
        match all.last_mut().filter(|it| it.answer == answer) {
            Some(it) => it.classes.push(class),
            None => all.push(Row { frame, answer, classes: vec![class] }),
        }
    }
    Ok(all)
}

fn answers(held: &Held) -> HashSet<Uuid> {
    held.values().map(|it| it.answer).collect()
}

fn settled(db: &Connection, event: Uuid, rows: &[Row]) -> rusqlite::Result<Held> {
    // Later answers come later, and take the place of earlier ones.
    let of_row = |it: &Row| (it.frame, Holding { answer: it.answer, classes: it.classes.clone() });
    let mut holding: Held = rows.iter().map(of_row).collect();
    let Some(whole) = holding.remove(&None) else { return Ok(holding) };
    let agrees = |class: &String| match &**class {
        BLANK => true,
        UNIDENTIFIABLE => !whole.is_blank(),
        _ => whole.classes.contains(class),
    };
    holding.retain(|_, it| it.answer > whole.answer || it.classes.iter().all(agrees));
    if !whole.is_blank() && holding.values().all(Holding::is_of_nothing_seen) && are_all(db, event, &holding)? {
        let one_may_show_it = holding.values().any(|it| !it.is_blank());
        holding.retain(|_, it| it.answer > whole.answer || (one_may_show_it && it.is_blank()));
    }
    holding.insert(None, whole);
    Ok(holding)
}

/// Whether something is said of every frame that is kept of an event.
fn are_all(db: &Connection, event: Uuid, held: &Held) -> rusqlite::Result<bool> {
    if held.is_empty() {
        return Ok(false);
    }
    let mut statement = db.prepare_cached("SELECT DISTINCT captured_us FROM media WHERE event = ?1")?;
    let frames = statement.query_map([event.as_bytes()], |row| row.get(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(!frames.is_empty() && frames.iter().all(|it| held.contains_key(it)))
}
