//! How a generation goes: never the one that serves, and never by halves.

use std::fs::{self, File};
use std::io;

use super::{GenerationError, Generations, damaged, failed, put};

/// The highest number that was deleted.
const HIGHEST: &str = "highest";
const REMOVED: &str = "removed-";

impl Generations {
    /// The number of the next one; none is given twice, as events name the generation that answered them.
    pub(super) fn next(&self) -> Result<u32, GenerationError> {
        let last = self.numbers()?.last().copied().unwrap_or(0);
        Ok(last.max(self.highest()?).saturating_add(1))
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
        if number == 0 || number == self.current()? {
            return Err(GenerationError::Serving { task: self.task.clone(), number });
        }
        let (folder, removed) = (self.folder(number), self.dir.join(format!("{REMOVED}{number}")));
        let highest = self.highest()?;
        let gone = |it: io::Result<()>| match it {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            it => it,
        };
        let remove = || {
            if folder.exists() {
                if number > highest {
                    let unfinished = self.dir.join("highest.tmp");
                    put(&unfinished, format!("{number}\n").as_bytes())?;
                    fs::rename(&unfinished, self.dir.join(HIGHEST))?;
                }
                // Under another name first: what is half deleted must not look like a generation.
                gone(fs::remove_dir_all(&removed))?;
                fs::rename(&folder, &removed)?;
                File::open(&self.dir)?.sync_all()?;
            }
            gone(fs::remove_dir_all(&removed))?;
            File::open(&self.dir)?.sync_all()
        };
        remove().map_err(|source| failed(&folder, source))
    }
}
