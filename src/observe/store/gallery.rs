//! Events side by side: those of a class, and those that look like one.
//!
//! Both read a bounded part of the store, the latest first: how long that takes does not grow with what is stored.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, params};
use uuid::Uuid;

use super::read::{StoredEvent, event};
use super::{Reader, StoreError, words};
use crate::infer::head::BLANK;

/// Events that a page of a class looks through, at most.
const LOOKED_THROUGH: i64 = 5_000;
/// Events whose vectors are compared.
const COMPARED: i64 = 2_000;

/// Of a blank event `e` there is a picture: without one nobody can tell whether it is.
const SHOWN: &str = "(e.blank = 0 OR EXISTS (SELECT 1 FROM media m WHERE m.event = e.id AND m.file IS NOT NULL))";

/// Of the events before `?1` the latest `?4` in which something was seen, and as many of the others of which people said something.
const SEEN: &str =
    "e.id IN (SELECT * FROM (SELECT id FROM events WHERE blank = 0 AND id < ?1 ORDER BY id DESC LIMIT ?4)
        UNION ALL SELECT * FROM (SELECT DISTINCT a.event FROM answers a CROSS JOIN events b ON b.id = a.event AND b.blank = 1
            WHERE a.event < ?1 AND a.task = ?3 AND a.withdrawn_us IS NULL ORDER BY a.event DESC LIMIT ?4))";

/// Pictures of a kind from which on it is known what is usual for it.
const MANY: f32 = 30.0;

/// A page of events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The latest first.
    pub events: Vec<StoredEvent>,
    /// Where the next page goes on; none where nothing is left.
    pub before: Option<Uuid>,
}

/// An event that looks like another.
#[derive(Debug, Clone, PartialEq)]
pub struct Alike {
    /// The event.
    pub event: StoredEvent,
    /// How much, -1..=1.
    pub cosine: f32,
}

impl Reader {
    /// What the latest events are called, and how many are called so, the most first; `blank` last, of those of which there are
    /// pictures.
    pub fn classes_seen(&self, task: &str) -> Result<Vec<(String, u64)>, StoreError> {
        self.read(|db| {
            let sql = "SELECT coalesce(o.class, o.type), count(DISTINCT o.event)
                       FROM (SELECT id FROM events WHERE blank = 0 ORDER BY id DESC LIMIT ?2) e
                       JOIN observations o ON o.event = e.id AND o.task = ?1 AND o.current = 1
                       GROUP BY 1 ORDER BY 2 DESC, 1";
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, u64::try_from(row.get::<_, i64>(1)?).unwrap_or(0)));
            let mut seen: Vec<(String, u64)> = db
                .prepare_cached(sql)?
                .query_map(params![task, LOOKED_THROUGH], row)?
                .collect::<rusqlite::Result<_>>()?;
            let sql = "SELECT count(*) FROM (SELECT id FROM events WHERE blank = 1 ORDER BY id DESC LIMIT ?1) e
                       WHERE EXISTS (SELECT 1 FROM media m WHERE m.event = e.id AND m.file IS NOT NULL)";
            let blanks: i64 = db.prepare_cached(sql)?.query_row([LOOKED_THROUGH], |row| row.get(0))?;
            let others = seen.iter().position(|it| it.0 == BLANK).map_or(0, |it| seen.remove(it).1);
            let blanks = others + u64::try_from(blanks).unwrap_or(0);
            seen.extend((blanks > 0).then(|| (BLANK.to_owned(), blanks)));
            Ok(seen)
        })
    }

    /// Events that people call so, and those that nobody has labelled and the head calls so: in which nothing was seen where
    /// people saw it there and, among `blank` ones, as far as there are pictures of them. A page may have fewer than `limit`
    /// though more follow: so far it looked.
    pub fn events_called(
        &self,
        task: &str,
        class: &str,
        before: Option<Uuid>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        self.read(|db| {
            // That a frame shows nothing, or nobody knows what, says nothing of its event.
            let (which, shown) = if class == BLANK { ("1", SHOWN) } else { (SEEN, "1") };
            let sql = format!(
                "SELECT e.id, {shown} AND (EXISTS (SELECT 1 FROM answers a JOIN labels l ON l.answer = a.id
                     WHERE a.event = e.id AND a.task = ?3 AND a.withdrawn_us IS NULL AND l.class = ?2
                         AND (a.captured_us IS NULL OR l.class NOT IN ('blank', 'unidentifiable'))
                         AND NOT EXISTS (SELECT 1 FROM answers b WHERE b.event = e.id AND b.task = ?3
                             AND b.withdrawn_us IS NULL AND b.id > a.id
                             AND (b.captured_us IS NULL OR b.captured_us IS a.captured_us)))
                 OR (NOT EXISTS (SELECT 1 FROM answers a JOIN labels l ON l.answer = a.id
                         WHERE a.event = e.id AND a.task = ?3 AND a.withdrawn_us IS NULL
                             AND (a.captured_us IS NULL OR l.class NOT IN ('blank', 'unidentifiable')))
                     AND EXISTS (SELECT 1 FROM observations o WHERE o.event = e.id AND o.task = ?3 AND o.current = 1
                         AND coalesce(o.class, o.type) = ?2)))
                 FROM events e WHERE {which} AND e.id < ?1 ORDER BY e.id DESC LIMIT ?4"
            );
            let before = before.unwrap_or(Uuid::max());
            let mut statement = db.prepare_cached(&sql)?;
            let mut rows = statement.query(params![before.as_bytes(), class, task, LOOKED_THROUGH])?;
            let (mut page, mut n, mut found) = (Page::default(), 0, Vec::new());
            while let Some(row) = rows.next()? {
                n += 1;
                let id = words::uuid(row, 0)?;
                if row.get(1)? {
                    found.push(id);
                }
                if found.len() == limit || n == LOOKED_THROUGH {
                    page.before = Some(id);
                    break;
                }
            }
            page.events = found.into_iter().filter_map(|id| event(db, id).transpose()).collect::<Result<_, _>>()?;
            Ok(page)
        })
    }

    /// Of the latest events, those that look most like one, by the best stored vector of each, less what is usual; none
    /// where that one has no vector.
    pub fn alike(&self, like: Uuid, featurizer: &str, limit: usize) -> Result<Vec<Alike>, StoreError> {
        self.read(|db| {
            let Some((_, wanted)) = vector(db, like, featurizer)? else { return Ok(Vec::new()) };
            let sql = "SELECT id FROM events WHERE blank = 0 AND id <> ?1 ORDER BY id DESC LIMIT ?2";
            let ids: Vec<Uuid> = db
                .prepare_cached(sql)?
                .query_map(params![like.as_bytes(), COMPARED], |row| words::uuid(row, 0))?
                .collect::<rusqlite::Result<_>>()?;
            let mut seen: Vec<(Uuid, String, Vec<f32>)> = Vec::new();
            for id in ids {
                if let Some((kind, it)) = vector(db, id, featurizer)?
                    && it.len() == wanted.len()
                {
                    seen.push((id, kind, it));
                }
            }
            let usual = means(&seen, wanted.len());
            let own = vector(db, like, featurizer)?.map(|it| it.0).unwrap_or_default();
            let wanted = less(&wanted, usual.get(own.as_str()));
            let mut near: Vec<(Uuid, f32)> =
                seen.iter().map(|(id, kind, it)| (*id, cosine(&wanted, &less(it, usual.get(kind.as_str()))))).collect();
            near.sort_by(|a, b| b.1.total_cmp(&a.1));
            near.truncate(limit);
            let of = |(id, cosine)| Ok(event(db, id)?.map(|event| Alike { event, cosine }));
            near.into_iter().filter_map(|it| of(it).transpose()).collect()
        })
    }
}

/// The best vector of an event, a crop's where there is one, and what kind of picture it is of.
fn vector(db: &Connection, event: Uuid, featurizer: &str) -> rusqlite::Result<Option<(String, Vec<f32>)>> {
    let sql = "SELECT m.view || ' ' || m.modality, v.vector FROM media m JOIN embeddings v ON v.media = m.id
               WHERE m.event = ?1 AND v.featurizer = ?2 AND m.view <> 'empty'
               ORDER BY m.view = 'crop' DESC, m.score DESC, m.id LIMIT 1";
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, words::features(row.get_ref(1)?.as_blob()?)));
    db.prepare_cached(sql)?.query_row(params![event.as_bytes(), featurizer], row).optional()
}

/// What is usual for a kind of picture: infrared ones differ from colour ones far more than animals do.
fn means(seen: &[(Uuid, String, Vec<f32>)], dimension: usize) -> BTreeMap<&str, Vec<f32>> {
    let mut sums: BTreeMap<&str, (f32, Vec<f32>)> = BTreeMap::new();
    for (_, kind, vector) in seen {
        let (n, sum) = sums.entry(kind).or_insert_with(|| (0.0, vec![0.0; dimension]));
        *n += 1.0;
        sum.iter_mut().zip(vector).for_each(|(sum, it)| *sum += it);
    }
    // Of few pictures nothing is usual.
    let known = sums.into_iter().filter(|(_, (n, _))| *n >= MANY);
    known.map(|(kind, (n, sum))| (kind, sum.iter().map(|it| it / n).collect())).collect()
}

fn less(vector: &[f32], usual: Option<&Vec<f32>>) -> Vec<f32> {
    usual.map_or_else(|| vector.to_vec(), |it| vector.iter().zip(it).map(|(a, b)| a - b).collect())
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(f32::MIN_POSITIVE)
}
