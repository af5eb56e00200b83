//! The versions of a camera's settings on disk: a file each, written whole or not at all. The one with the highest number holds; to
//! go back is a version, too.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::error::SetupError;
use crate::config::overlay::{self, FOLDER, Overlay};

/// Versions of a camera that are kept, the newest: enough to look back over a season of trying.
const KEPT: usize = 100;

/// The versions below a state folder.
#[derive(Debug, Clone)]
pub struct Versions {
    state_dir: PathBuf,
}

impl Versions {
    /// Those below a state folder.
    pub fn of(state_dir: &Path) -> Versions {
        Versions { state_dir: state_dir.to_owned() }
    }

    /// The number that holds of a camera, and what it says; none where nobody has saved anything.
    pub fn newest(&self, camera: &str) -> Result<Option<(u32, Overlay)>, SetupError> {
        let newest = self.numbers(camera)?.into_iter().next_back();
        newest.map(|number| Ok((number, self.read(camera, number)?))).transpose()
    }

    /// All that are kept of a camera, the newest first. One that cannot be read is left out: it does not hold.
    pub fn all(&self, camera: &str) -> Result<Vec<(u32, Overlay)>, SetupError> {
        let read = |number: u32| match self.read(camera, number) {
            Ok(it) => Some((number, it)),
            Err(error) => {
                tracing::warn!(%error, "an earlier version of a camera's settings is left out");
                None
            }
        };
        Ok(self.numbers(camera)?.into_iter().rev().filter_map(read).collect())
    }

    /// One of them.
    pub fn get(&self, camera: &str, number: u32) -> Result<Overlay, SetupError> {
        if !self.numbers(camera)?.contains(&number) {
            return Err(SetupError::NoVersion { camera: camera.into(), number });
        }
        self.read(camera, number)
    }

    /// Writes one that follows `expected`, the number that whoever saves it has seen; its number.
    pub fn append(&self, camera: &str, expected: u32, it: &Overlay) -> Result<u32, SetupError> {
        let numbers = self.numbers(camera)?;
        let found = numbers.last().copied().unwrap_or(0);
        if found != expected {
            return Err(SetupError::Overtaken { camera: camera.into(), expected, found });
        }
        let number = found.saturating_add(1);
        let path = self.path(camera, number);
        write(&self.folder(), &path, it.to_toml().as_bytes()).map_err(|source| SetupError::Io { path, source })?;
        for old in numbers.iter().rev().skip(KEPT - 1) {
            // One too many does no harm.
            let _ = fs::remove_file(self.path(camera, *old));
        }
        Ok(number)
    }

    fn read(&self, camera: &str, number: u32) -> Result<Overlay, SetupError> {
        let path = self.path(camera, number);
        match fs::read_to_string(&path) {
            Ok(text) => Overlay::parse(&text).map_err(|why| SetupError::Damaged { path, why }),
            Err(source) => Err(SetupError::Io { path, source }),
        }
    }

    /// The lowest first.
    fn numbers(&self, camera: &str) -> Result<Vec<u32>, SetupError> {
        let all = overlay::versions(&self.state_dir);
        let all = all.map_err(|source| SetupError::Io { path: self.folder(), source })?;
        let mut numbers: Vec<u32> = all.into_iter().filter(|it| it.0 == camera).map(|it| it.1).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    fn folder(&self) -> PathBuf {
        self.state_dir.join(FOLDER)
    }

    fn path(&self, camera: &str, number: u32) -> PathBuf {
        self.folder().join(overlay::file_name(camera, number))
    }
}

/// To the platter, under another name first: what is there under its own name is whole.
fn write(folder: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let unfinished = path.with_extension("unfinished");
    let mut file = File::create(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::Map;

    use super::*;

    fn by(name: &str) -> Overlay {
        let changed_at = "2026-03-01T20:00:00Z".parse().unwrap();
        Overlay { changed_at, changed_by: name.into(), tried: true, masks: Some(Vec::new()), gate: Map::new() }
    }

    #[test]
    fn versions_follow_one_another_and_nobody_overwrites_what_they_have_not_seen() {
        let dir = tempfile::tempdir().unwrap();
        let versions = Versions::of(dir.path());
        assert_eq!(versions.newest("a").unwrap(), None);
        assert_eq!(versions.append("a", 0, &by("ada")).unwrap(), 1);
        assert_eq!(versions.append("a.1", 0, &by("lea")).unwrap(), 1, "another camera");
        assert_eq!(versions.append("a", 1, &by("vic")).unwrap(), 2);
        let overtaken = versions.append("a", 1, &by("lou")).unwrap_err();
        assert!(matches!(overtaken, SetupError::Overtaken { found: 2, .. }), "{overtaken}");
        assert_eq!(versions.newest("a").unwrap().unwrap(), (2, by("vic")));
        let names = |camera: &str| -> Vec<String> {
            versions.all(camera).unwrap().into_iter().map(|it| it.1.changed_by).collect()
        };
        assert_eq!((names("a"), names("a.1")), (vec!["vic".into(), "ada".into()], vec!["lea".to_owned()]));
        assert!(matches!(versions.get("a", 3), Err(SetupError::NoVersion { .. })));
        // What was cut short is no version.
        fs::write(dir.path().join("cameras/a.3.unfinished"), "changed").unwrap();
        assert_eq!(versions.newest("a").unwrap().unwrap().0, 2);
    }

    #[test]
    fn the_oldest_go_and_numbers_go_on() {
        let dir = tempfile::tempdir().unwrap();
        let versions = Versions::of(dir.path());
        for number in 0..u32::try_from(KEPT).unwrap() + 5 {
            versions.append("a", number, &by("ada")).unwrap();
        }
        let all = versions.all("a").unwrap();
        assert_eq!((all.len(), all[0].0, all[KEPT - 1].0), (KEPT, 105, 6));
    }
}
