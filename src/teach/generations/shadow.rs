//! The challenger that answers beside the head that serves, unheard: which it is, how far its trial is, and what came of it.

use std::fs;
use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{GenerationError, Generations, damaged, disk, failed};
use crate::teach::judge::Check;

const SHADOW: &str = "shadow";
const TALLY: &str = "shadow.json";

/// What a shadow and the head that serves have answered to the same events. It names no event.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// The shadow.
    pub generation: u32,
    /// The head that serves beside it.
    pub against: u32,
    /// When it began.
    pub begun: Timestamp,
    /// When the last event began that it has answered.
    pub up_to: Timestamp,
    /// Events that both have answered.
    pub events: u64,
    /// Of these, those that both call the same, `unknown` too.
    pub agreed: u64,
    /// Those that both name, and not the same, of what both know.
    pub disagreed: u64,
    /// Of these, those of which both are sure.
    pub sure_disagreed: u64,
    /// Those that the shadow calls unknown.
    pub unknown: u64,
    /// Those that the head that serves calls unknown.
    pub serving_unknown: u64,
}

/// What came of a shadow's trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shadowed {
    /// Its numbers.
    pub tally: Tally,
    /// When it ended.
    pub at: Timestamp,
    /// Events that people have labelled and neither head was fitted on.
    pub labelled: usize,
    /// Of these, those that the shadow names rightly.
    pub right: usize,
    /// Those that the head that serves names rightly.
    pub serving_right: usize,
    /// Whether it serves from now on.
    pub promoted: bool,
    /// In a sentence.
    pub reason: String,
    /// What was looked at.
    pub checks: Vec<Check>,
}

impl Generations {
    /// The generation that answers unheard, if one does.
    pub fn shadow(&self) -> Result<Option<u32>, GenerationError> {
        let path = self.dir.join(SHADOW);
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map(Some).map_err(|_| damaged(&path, format!("{text:?} is no number"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed(&path, source)),
        }
    }

    /// Makes a generation answer unheard, from the beginning; it takes the place of an earlier one.
    pub fn set_shadow(&self, number: u32) -> Result<(), GenerationError> {
        self.weights(&self.manifest(number)?)?;
        let _alone = self.alone()?;
        let write = || {
            disk::remove(&self.dir.join(TALLY))?;
            disk::remove(&self.dir.join(Generations::shadowed_file(number)))?;
            disk::replace(&self.dir, SHADOW, format!("{number}\n").as_bytes())
        };
        write().map_err(|source| failed(&self.dir.join(SHADOW), source))
    }

    /// Lets go of a shadow, whatever its numbers.
    pub fn forget_shadow(&self) -> Result<(), GenerationError> {
        let _alone = self.alone()?;
        self.drop_shadow().map_err(|source| failed(&self.dir.join(SHADOW), source))
    }

    /// The same; the caller keeps others from changing what serves.
    pub(super) fn drop_shadow(&self) -> io::Result<()> {
        disk::remove(&self.dir.join(SHADOW))?;
        disk::remove(&self.dir.join(TALLY))?;
        disk::sync(&self.dir)
    }

    /// How far the trial is; none where it has not begun, or nobody can read how far.
    pub fn tally(&self) -> Option<Tally> {
        serde_json::from_slice(&fs::read(self.dir.join(TALLY)).ok()?).ok()
    }

    /// Writes down how far it is.
    pub fn set_tally(&self, tally: &Tally) -> Result<(), GenerationError> {
        self.put_json(TALLY, tally)
    }

    /// Ends a trial: what came of it is written down first, then the shadow serves, or is no more than kept. Nothing is done where
    /// another shadow, or another head that serves, has come meanwhile.
    pub fn end_shadow(&self, it: &Shadowed) -> Result<(), GenerationError> {
        let number = it.tally.generation;
        if self.shadow()? != Some(number) || self.current()? != it.tally.against {
            return Ok(());
        }
        self.put_json(&Generations::shadowed_file(number), it)?;
        if it.promoted {
            return self.promote(number);
        }
        self.forget_shadow()
    }

    /// What came of a generation's trial, if it had one.
    pub fn shadowed(&self, number: u32) -> Result<Option<Shadowed>, GenerationError> {
        self.get_json(&Generations::shadowed_file(number))
    }

    pub(super) fn shadowed_file(number: u32) -> String {
        format!("shadowed-{number}.json")
    }
}
