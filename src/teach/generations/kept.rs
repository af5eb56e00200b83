//! Which generations are kept, and how one goes: never the one that serves, and never by halves.

use std::fs;
use std::io;

use super::{GenerationError, Generations, UNFINISHED, damaged, disk, failed};

const HIGHEST: &str = "highest";
const REMOVED: &str = "removed-";

impl Generations {
    /// The number of the next one; none is given twice, as events name the generation that answered them.
    pub(super) fn next(&self) -> Result<u32, GenerationError> {
        let last = self.numbers()?.last().copied().unwrap_or(0);
        Ok(last.max(self.highest()?).max(self.current().unwrap_or(0)).saturating_add(1))
    }

    fn highest(&self) -> Result<u32, GenerationError> {
        let path = self.dir.join(HIGHEST);
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| damaged(&path, format!("{text:?} is no number"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(source) => Err(failed(&path, source)),
        }
    }

    /// Deletes a generation for good, unless it serves; one that is not there is no error.
    pub fn remove(&self, number: u32) -> Result<(), GenerationError> {
        let _alone = self.alone()?;
        if number == 0 || number == self.current()? {
            return Err(GenerationError::Serving { task: self.task.clone(), number });
        }
        let (folder, removed) = (self.folder(number), self.dir.join(format!("{REMOVED}{number}")));
        let (highest, is_shadow) = (self.highest()?, self.shadow().is_ok_and(|it| it == Some(number)));
        let remove = || {
            if is_shadow {
                self.drop_shadow()?;
            }
            if folder.exists() {
                if number > highest {
                    disk::replace(&self.dir, HIGHEST, format!("{number}\n").as_bytes())?;
                }
                // Under another name first: what is half deleted must not look like a generation.
                disk::remove(&removed)?;
                disk::rename(&folder, &removed)?;
                disk::sync(&self.dir)?;
            }
            disk::remove(&removed)?;
            disk::remove(&self.dir.join(Generations::rolled_back_file(number)))?;
            disk::remove(&self.dir.join(Generations::shadowed_file(number)))?;
            disk::remove(&self.dir.join(Generations::learning_file(number)))?;
            disk::sync(&self.dir)
        };
        remove().map_err(|source| failed(&folder, source))
    }

    /// Deletes the oldest, until `keep` are left; never the one that serves, the one before it, the one that answers
    /// beside it, the newest, or the one that waits for its featurizer. Gives those that went.
    pub fn prune(&self, keep: usize) -> Result<Vec<u32>, GenerationError> {
        let (numbers, current) = (self.numbers()?, self.current()?);
        let (shadow, waiting) = (self.shadow()?.unwrap_or(0), self.waiting(|_| true)?.unwrap_or(0));
        let needed = [current, self.before(current)?, shadow, numbers.last().copied().unwrap_or(0), waiting];
        let spare = numbers.iter().copied().filter(|it| *it > 0 && !needed.contains(it));
        let gone: Vec<u32> = spare.take(numbers.len().saturating_sub(keep)).collect();
        gone.iter().try_for_each(|it| self.remove(*it))?;
        Ok(gone)
    }

    /// Removes what a crash left half written or half deleted.
    pub(super) fn tidy(&self) -> Result<(), GenerationError> {
        let tidy = || {
            for entry in fs::read_dir(&self.dir)? {
                let entry = entry?;
                let name = entry.file_name();
                let name = name.to_string_lossy();
                if name == UNFINISHED || name.starts_with(REMOVED) {
                    disk::remove(&entry.path())?;
                }
            }
            Ok(())
        };
        tidy().map_err(|source| failed(&self.dir, source))
    }
}
