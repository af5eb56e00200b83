//! Which generation serves, which did before, and which proved worse than the one before it.

use std::fs::{self, File};
use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CURRENT, GenerationError, Generations, disk, failed};
use crate::teach::judge::Check;

const SERVED: &str = "served";
/// Whoever changes what serves holds it, for as long as two small files take.
const POINTER_LOCK: &str = "pointer.lock";
/// How far back one can go, one by one.
const REMEMBERED: usize = 100;

/// That a generation proved worse than the one before it, on labels that came after it was promoted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RolledBack {
    /// The one that proved worse.
    pub generation: u32,
    /// The one that serves again; 0 is the starter head.
    pub to: u32,
    /// When.
    pub at: Timestamp,
    /// Events that both were asked, and neither was fitted on.
    pub events: usize,
    /// In a sentence.
    pub reason: String,
    /// What was looked at.
    pub checks: Vec<Check>,
}

impl Generations {
    /// Makes a generation serve; 0 is the starter head.
    pub fn promote(&self, number: u32) -> Result<(), GenerationError> {
        if number > 0 {
            self.weights(&self.manifest(number)?)?;
        }
        let _alone = self.alone()?;
        // What was rolled back lies behind the one that serves, and is no step of the way back any more.
        let mut served = self.served()?;
        if let Ok(current) = self.current() {
            match served.iter().rposition(|it| *it == current) {
                Some(place) => served.truncate(place + 1),
                None => served = vec![current],
            }
        }
        if served.last() != Some(&number) {
            served.push(number);
        }
        let last = &served[served.len().saturating_sub(REMEMBERED)..];
        let served: String = last.iter().map(|it| format!("{it}\n")).collect();
        let mark = self.dir.join(Generations::rolled_back_file(number));
        let write = || {
            // Whoever makes it serve again knows better.
            disk::remove(&mark)?;
            disk::replace(&self.dir, SERVED, served.as_bytes())?;
            self.point(number)?;
            // Whatever answered beside the one that served was compared with that.
            self.drop_shadow()
        };
        write().map_err(|source| failed(&self.dir.join(CURRENT), source))
    }

    /// Makes the one before serve again, and gives its number.
    pub fn roll_back(&self) -> Result<u32, GenerationError> {
        let to = self.before(self.current()?)?;
        if to > 0 {
            self.weights(&self.manifest(to)?)?;
        }
        let _alone = self.alone()?;
        self.point(to).map_err(|source| failed(&self.dir.join(CURRENT), source))?;
        Ok(to)
    }

    /// The same where that one serves still that whoever asks believes to.
    pub fn roll_back_from(&self, from: u32) -> Result<u32, GenerationError> {
        match self.current()? {
            serves if serves == from => self.roll_back(),
            serves => Err(GenerationError::Stale { task: self.task.clone(), from, serves }),
        }
    }

    /// The same, of one that proved worse; that is written down first.
    pub fn roll_back_for(&self, why: &RolledBack) -> Result<u32, GenerationError> {
        self.put_json(&Generations::rolled_back_file(why.generation), why)?;
        self.roll_back()
    }

    /// Whether, why and when a generation was rolled back by itself.
    pub fn rolled_back(&self, number: u32) -> Result<Option<RolledBack>, GenerationError> {
        self.get_json(&Generations::rolled_back_file(number))
    }

    /// The generation that a rollback brings back: the last that served before, else the starter.
    pub fn before(&self, number: u32) -> Result<u32, GenerationError> {
        let served = self.served()?;
        let fit = |it: u32| it != number && (it == 0 || self.is_whole(it));
        if let Some(place) = served.iter().rposition(|it| *it == number) {
            return Ok(served[..place].iter().rev().copied().find(|it| fit(*it)).unwrap_or(0));
        }
        // Before anybody wrote down who served: those that the judge promoted.
        let promoted = |it: u32| self.manifest(it).is_ok_and(|it| it.verdict.is_promoted());
        let earlier = self.numbers()?.into_iter().rev().filter(|it| *it < number);
        Ok(earlier.into_iter().find(|it| fit(*it) && promoted(*it)).unwrap_or(0))
    }

    pub(super) fn rolled_back_file(number: u32) -> String {
        format!("rolled-back-{number}.json")
    }

    /// Keeps others from changing what serves.
    pub(super) fn alone(&self) -> Result<File, GenerationError> {
        let path = self.dir.join(POINTER_LOCK);
        let lock = || {
            fs::create_dir_all(&self.dir)?;
            let file = File::options().create(true).append(true).open(&path)?;
            file.lock()?;
            Ok(file)
        };
        lock().map_err(|source| failed(&path, source))
    }

    fn is_whole(&self, number: u32) -> bool {
        self.manifest(number).is_ok() && self.rolled_back(number).is_ok_and(|it| it.is_none())
    }

    pub(super) fn served(&self) -> Result<Vec<u32>, GenerationError> {
        let path = self.dir.join(SERVED);
        match fs::read_to_string(&path) {
            Ok(text) => Ok(text.lines().filter_map(|it| it.trim().parse().ok()).collect()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(failed(&path, source)),
        }
    }

    fn point(&self, number: u32) -> io::Result<()> {
        disk::replace(&self.dir, CURRENT, format!("{number}\n").as_bytes())
    }
}
