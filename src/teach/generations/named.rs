//! Which generations name an event: what must go when the event goes.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{FOLDER, GenerationError, Generations, failed};

/// Letters of a UUID as text.
const UUID_LEN: usize = 36;

/// Where events are named among the heads of a task.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// Generations that were fitted on one of them.
    pub generations: Vec<u32>,
    /// What a crash left half written or half deleted, and other files that name one.
    pub leftovers: Vec<PathBuf>,
}

impl Generations {
    /// The heads of every task below a state folder, those too that the config no longer names.
    pub fn all(state_dir: &Path) -> Result<Vec<Generations>, GenerationError> {
        let dir = state_dir.join(FOLDER);
        let mut tasks = Vec::new();
        for (path, is_dir) in entries(&dir)? {
            tasks.extend(path.file_name().and_then(|it| it.to_str()).filter(|_| is_dir).map(str::to_owned));
        }
        tasks.sort_unstable();
        Ok(tasks.iter().map(|it| Generations::of(state_dir, it)).collect())
    }

    /// Where one of the events (by their text) is named. It reads bytes and no manifests, so that what is damaged, or of
    /// a shape not known here, counts too.
    pub fn naming(&self, events: &HashSet<String>) -> Result<Named, GenerationError> {
        let mut named = Named::default();
        for (path, is_dir) in entries(&self.dir)? {
            let number = path.file_name().and_then(|it| it.to_str()).and_then(|it| it.parse().ok());
            if names(&path, is_dir, events)? {
                match number.filter(|_| is_dir) {
                    Some(number) => named.generations.push(number),
                    None => named.leftovers.push(path),
                }
            }
        }
        named.generations.sort_unstable();
        Ok(named)
    }
}

/// Files and folders of a folder, and which of them are folders; none where it is not there.
fn entries(dir: &Path) -> Result<Vec<(PathBuf, bool)>, GenerationError> {
    let read = || fs::read_dir(dir)?.map(|it| it.and_then(|it| Ok((it.path(), it.file_type()?.is_dir())))).collect();
    match read() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.map_err(|source| failed(dir, source)),
    }
}

fn names(path: &Path, is_dir: bool, events: &HashSet<String>) -> Result<bool, GenerationError> {
    if !is_dir {
        let bytes = match fs::read(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            read => read.map_err(|source| failed(path, source))?,
        };
        let words = bytes.split(|it| !it.is_ascii_hexdigit() && *it != b'-').filter(|it| it.len() == UUID_LEN);
        return Ok(words.filter_map(|it| std::str::from_utf8(it).ok()).any(|it| events.contains(it)));
    }
    for (path, is_dir) in entries(path)? {
        if names(&path, is_dir, events)? {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_names_an_event_is_found_by_its_bytes_and_no_number_is_given_twice() {
        let dir = tempfile::tempdir().unwrap();
        let (event, other) = ("019ab200-0000-7000-8000-000000000001", "019ab200-0000-7000-8000-000000000002");
        let put = |file: &str, text: &str| {
            let path = dir.path().join("heads/species").join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("1/head.json", &format!("[\"{other}\"]"));
        put("2/head.json", &format!("{{\"events\": [\"{other}\",\"{event}\"], \"torn"));
        put("3/head.json", &format!("[\"{event}\"]"));
        put("unfinished/head.json", &format!("[\"{event}\"]"));
        put("current", "1\n");
        let events = HashSet::from([event.to_owned()]);
        let [generations] = &*Generations::all(dir.path()).unwrap() else { panic!() };
        let named = generations.naming(&events).unwrap();
        assert_eq!((named.generations, named.leftovers.len()), (vec![2, 3], 1));
        assert!(named.leftovers[0].ends_with("unfinished"));
        assert_eq!(generations.next().unwrap(), 4);
        for number in [3, 2] {
            generations.remove(number).unwrap();
            generations.remove(number).unwrap();
        }
        assert!(matches!(generations.remove(1), Err(GenerationError::Serving { number: 1, .. })));
        assert_eq!((generations.numbers().unwrap(), generations.next().unwrap()), (vec![1], 4));
        assert_eq!(generations.naming(&events).unwrap().generations, [] as [u32; 0]);
        assert!(Generations::all(&dir.path().join("nowhere")).unwrap().is_empty());
    }
}
