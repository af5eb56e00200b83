//! The frames of an event of which a picture is on disk: the whole one, what was cut out of it, or both.

use jiff::Timestamp;
use rusqlite::OptionalExtension;
use uuid::Uuid;

use super::{Reader, StoreError, words};
use crate::domain::{Modality, View};

/// A moment of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptFrame {
    /// When it was taken.
    pub at: Timestamp,
    /// Colour or infrared.
    pub modality: Modality,
    /// The whole picture, where it is on disk.
    pub whole: Option<Uuid>,
    /// The best crop, where it is on disk.
    pub crop: Option<Uuid>,
}

impl KeptFrame {
    /// Whether a picture is of it.
    pub fn has(&self, media: Uuid) -> bool {
        self.whole == Some(media) || self.crop == Some(media)
    }

    /// What shows the animal best: the crop, where there is one.
    pub fn best(&self) -> Option<Uuid> {
        self.crop.or(self.whole)
    }
}

impl Reader {
    /// The event of a picture that shows more than what was cut out of it; none of a crop.
    pub fn event_of_whole(&self, media: Uuid) -> Result<Option<Uuid>, StoreError> {
        self.read(|db| {
            let sql = "SELECT event FROM media WHERE id = ?1 AND view <> 'crop'";
            db.prepare_cached(sql)?.query_row([media.as_bytes()], |row| words::uuid(row, 0)).optional()
        })
    }

    /// Those of an event, in the order of time.
    pub fn frames(&self, event: Uuid) -> Result<Vec<KeptFrame>, StoreError> {
        self.read(|db| {
            let sql = "SELECT captured_us, modality, view, id FROM media
                       WHERE event = ?1 AND file IS NOT NULL AND view <> 'empty' ORDER BY captured_us, score DESC, id";
            let mut statement = db.prepare_cached(sql)?;
            let rows = statement.query_map([event.as_bytes()], |row| {
                let frame =
                    KeptFrame { at: words::time(row, 0)?, modality: words::parse(row, 1)?, whole: None, crop: None };
                Ok((frame, words::parse::<View>(row, 2)?, words::uuid(row, 3)?))
            })?;
            let mut frames: Vec<KeptFrame> = Vec::new();
            for row in rows {
                let (new, view, media) = row?;
                if frames.last().is_none_or(|it| it.at != new.at) {
                    frames.push(new);
                }
                let Some(frame) = frames.last_mut() else { continue };
                let place = if view == View::Whole { &mut frame.whole } else { &mut frame.crop };
                place.get_or_insert(media);
            }
            Ok(frames)
        })
    }
}
