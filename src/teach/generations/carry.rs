//! A generation as one file, to carry to another site: a tar archive of `head.json`, `head.safetensors` and `SHA256SUMS`.
//!
//! `tar xf FILE && sha256sum -c SHA256SUMS` looks into it. Nothing of a foreign archive is ever unpacked to disk: its
//! three files are read into memory, by their exact names and up to a size, and a generation is made of them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use tar::{Archive, Builder, EntryType, Header};

use super::{FORMAT, GenerationError, Generations, MANIFEST, Manifest, WEIGHTS, Weights, disk, failed, hex};
use crate::infer::unknown::Unknown;
use crate::teach::judge::Decision;

const SUMS: &str = "SHA256SUMS";
/// What each file may take at most: far more than the heads of a thousand classes do.
const MAX_BYTES: u64 = 64 << 20;
const MAX_NAME: usize = 100;

impl Generations {
    /// Writes a generation to a file, whole or not at all.
    pub fn export(&self, number: u32, to: &Path) -> Result<(), GenerationError> {
        let manifest = self.manifest(number)?;
        self.weights(&manifest)?;
        let read = |name: &str| {
            let path = self.folder(number).join(name);
            fs::read(&path).map_err(|source| failed(&path, source))
        };
        let (json, weights) = (read(MANIFEST)?, read(WEIGHTS)?);
        let sums = format!("{}  {MANIFEST}\n{}  {WEIGHTS}\n", hex(&json), hex(&weights));
        let mtime = u64::try_from(manifest.created.as_second()).unwrap_or(0);
        let archive = || {
            let mut archive = Builder::new(Vec::new());
            for (name, bytes) in [(MANIFEST, &*json), (WEIGHTS, &*weights), (SUMS, sums.as_bytes())] {
                let mut header = Header::new_ustar();
                header.set_entry_type(EntryType::Regular);
                header.set_size(bytes.len() as u64);
                header.set_mode(0o644);
                header.set_mtime(mtime);
                archive.append_data(&mut header, name, bytes)?;
            }
            archive.into_inner()
        };
        let write = || {
            let name = to.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
            let dir = to.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
            disk::replace(dir, &name.to_string_lossy(), &archive()?)
        };
        write().map_err(|source| failed(to, source))
    }

    /// Makes a generation of a file from another site; it does not serve until it is promoted. `dimension` is that of
    /// the featurizer's vectors.
    pub fn import(&self, from: &Path, featurizer: &str, dimension: usize) -> Result<Manifest, GenerationError> {
        let unfit = |why: String| GenerationError::Unfit { path: from.display().to_string(), why };
        let files = read(from).map_err(unfit)?;
        let (mut manifest, weights) = head(&files).map_err(unfit)?;
        if *manifest.generation.task != *self.task {
            return Err(unfit(format!("it is a head of {}, not of {}", manifest.generation.task, self.task)));
        }
        if manifest.featurizer != featurizer {
            let found = &manifest.featurizer;
            return Err(unfit(format!("it was fitted on featurizer {found:?}, and {featurizer:?} serves here")));
        }
        sane(&manifest, &weights, dimension).map_err(unfit)?;
        let _lock = self.lock()?;
        let file = from.file_name().unwrap_or_default().to_string_lossy();
        let (number, cause) = (manifest.generation.number, &manifest.cause);
        manifest.cause = format!("imported from {file:?}, where it was generation {number} ({cause})");
        let was = format!("{:?}", manifest.verdict.decision).to_lowercase();
        manifest.verdict.reason = format!("{was} where it was trained: {}", manifest.verdict.reason);
        manifest.verdict.decision = Decision::Imported;
        self.add(manifest, &weights)
    }
}

/// The three files, checked against their sums.
struct Files {
    json: Vec<u8>,
    weights: Vec<u8>,
}

fn read(path: &Path) -> Result<Files, String> {
    let file = File::open(path).map_err(|error| error.to_string())?;
    if !file.metadata().map_err(|error| error.to_string())?.is_file() {
        return Err("it is no file".into());
    }
    let no_archive = |error: io::Error| format!("it is no whole archive of a head: {error}");
    let mut archive = Archive::new(file.take(3 * MAX_BYTES));
    let mut found: [Option<Vec<u8>>; 3] = [None, None, None];
    // Raw: what would give the next entry another name or size is an entry of its own, and refused.
    for entry in archive.entries().map_err(no_archive)?.raw(true) {
        let entry = entry.map_err(no_archive)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some(place) = [MANIFEST, WEIGHTS, SUMS].iter().position(|it| *it == name) else {
            return Err(format!("it holds {name:?}, which belongs to no head"));
        };
        if entry.header().entry_type() != EntryType::Regular {
            return Err(format!("its {name} is no regular file"));
        }
        let size = entry.header().entry_size().map_err(no_archive)?;
        if size > MAX_BYTES {
            return Err(format!("its {name} is of {size} bytes, and {MAX_BYTES} are the most"));
        }
        let mut bytes = Vec::new();
        entry.take(MAX_BYTES).read_to_end(&mut bytes).map_err(no_archive)?;
        if bytes.len() as u64 != size {
            return Err(format!("its {name} is cut short"));
        }
        if found[place].replace(bytes).is_some() {
            return Err(format!("it holds {name} twice"));
        }
    }
    let [Some(json), Some(weights), Some(sums)] = found else {
        return Err(format!("it does not hold {MANIFEST}, {WEIGHTS} and {SUMS}"));
    };
    let expected = format!("{}  {MANIFEST}\n{}  {WEIGHTS}\n", hex(&json), hex(&weights));
    if sums != expected.as_bytes() {
        return Err(format!("its {SUMS} are not those of its files: it was damaged or changed on its way"));
    }
    Ok(Files { json, weights })
}

fn head(files: &Files) -> Result<(Manifest, Weights), String> {
    let manifest: Manifest =
        serde_json::from_slice(&files.json).map_err(|error| format!("its {MANIFEST} cannot be read: {error}"))?;
    if manifest.format != FORMAT {
        return Err(format!("its {MANIFEST} is of format {}, and this program reads {FORMAT}", manifest.format));
    }
    if hex(&files.weights) != manifest.weights_sha256 {
        return Err(format!("its {WEIGHTS} is another head's"));
    }
    let weights = Weights::from_bytes(&files.weights, &manifest).map_err(|why| format!("its {WEIGHTS}: {why}"))?;
    Ok((manifest, weights))
}

/// What would make a head answer nonsense, or fall over.
fn sane(manifest: &Manifest, weights: &Weights, dimension: usize) -> Result<(), String> {
    let names: Vec<&str> = manifest.classes.iter().map(|it| &*it.class.name).collect();
    if names.len() < 2 {
        return Err("it tells fewer than two classes apart".into());
    }
    for (nth, name) in names.iter().enumerate() {
        if name.trim().is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(format!("class {} has no usable name", nth + 1));
        }
        if names[..nth].contains(name) {
            return Err(format!("it knows {name:?} twice"));
        }
    }
    let space = &weights.first.space;
    if space.dimension != dimension {
        let found = space.dimension;
        return Err(format!("it takes vectors of {found} numbers, and the featurizer's have {dimension}"));
    }
    if weights.second.iter().chain([&weights.first]).any(|it| it.space.directions() == 0) {
        return Err("it sees no direction in which anything differs".into());
    }
    let words =
        |sharpness: f32, it: &Unknown| [sharpness, it.of_distance, it.of_doubt, it.of_lead, it.of_second, it.threshold];
    let first = words(manifest.sharpness, &manifest.unknown);
    let second = manifest.second.iter().flat_map(|it| [it.share].into_iter().chain(words(it.sharpness, &it.unknown)));
    let sharp = manifest.second.iter().map(|it| it.sharpness).chain([manifest.sharpness]).all(|it| it > 0.0);
    if !weights.lists().copied().chain(first).chain(second).all(f32::is_finite) || !sharp {
        return Err("it holds what is no number".into());
    }
    Ok(())
}

#[cfg(test)]
mod tests;
