//! Generations: each head that was ever fitted, in a folder of its own that never changes, and one pointer to the one that
//! serves.
//!
//! ```text
//! heads/<task>/current               the number of the generation that serves; replaced whole
//! heads/<task>/highest               the highest number that was deleted: none is given twice
//! heads/<task>/<number>/head.json    what it is, how it was made, and what the judge said of it
//! heads/<task>/<number>/head.safetensors   its numbers; head.json holds their hash
//! ```

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::{Class, Generation};
use crate::infer::head::{Head, Taught};
use crate::infer::learned::Learned;
use crate::infer::space::{N_KINDS, Space};
use crate::infer::unknown::Unknown;

use super::judge::Verdict;
use super::recipe::Recipe;

mod kept;
mod named;

const FOLDER: &str = "heads";
const CURRENT: &str = "current";
const MANIFEST: &str = "head.json";
const WEIGHTS: &str = "head.safetensors";
const LOCK: &str = "lock";
/// The shape of a manifest.
const FORMAT: u32 = 1;

/// A generation cannot be read, written or used.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// The disk.
    #[error("heads: {path}: {source}")]
    Io {
        /// The file.
        path: String,
        /// The system's reason.
        source: io::Error,
    },
    /// There is none of that number.
    #[error("heads: there is no generation {number} of {task}: `eyeshine heads list` shows those that there are")]
    Missing {
        /// The task.
        task: String,
        /// The number.
        number: u32,
    },
    /// It is not what its manifest says.
    #[error("heads: {path} is damaged: {why}: roll back to another generation, or train again")]
    Damaged {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// It was fitted on another featurizer.
    #[error("heads: generation {number} of {task} was fitted on featurizer {found}, and {serving} serves: train again")]
    Foreign {
        /// The task.
        task: String,
        /// The number.
        number: u32,
        /// Identity of its featurizer.
        found: String,
        /// Identity of the one that serves.
        serving: String,
    },
    /// It may not be deleted.
    #[error("heads: generation {number} of {task} serves: make another one serve before it is deleted")]
    Serving {
        /// The task.
        task: String,
        /// The number.
        number: u32,
    },
    /// Another training is on its way.
    #[error("heads: {task} is being trained by another eyeshine: wait for that one")]
    Busy {
        /// The task.
        task: String,
    },
}

/// What a generation is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Of this file.
    pub format: u32,
    /// Task and number.
    pub generation: Generation,
    /// When it was fitted.
    pub created: Timestamp,
    /// Why it was.
    pub cause: String,
    /// Identity of the featurizer that it was fitted on.
    pub featurizer: String,
    /// What it tells apart, and by how many events it was taught each.
    pub classes: Vec<TaughtClass>,
    /// How it was made.
    pub recipe: Recipe,
    /// How sharp an event's answer is.
    pub sharpness: f32,
    /// Where unknown begins.
    pub unknown: Unknown,
    /// AUROC of species left out in turn.
    pub unknown_auroc: Option<f64>,
    /// Hash of the labels and vectors that it was fitted on.
    pub labels_sha256: String,
    /// The events that it was fitted on.
    pub events: Vec<String>,
    /// Hash of its numbers.
    pub weights_sha256: String,
    /// What the judge said.
    pub verdict: Verdict,
}

/// A class of a manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaughtClass {
    /// The class.
    #[serde(flatten)]
    pub class: Class,
    /// Events that it was taught by.
    pub events: usize,
}

/// The generations of one task.
#[derive(Debug, Clone)]
pub struct Generations {
    dir: PathBuf,
    task: String,
}

impl Generations {
    /// Those below a state folder; nothing is made yet.
    pub fn of(state_dir: &Path, task: &str) -> Generations {
        Generations { dir: state_dir.join(FOLDER).join(task), task: task.into() }
    }

    /// Keeps any other training of the task out for as long as the file lives.
    pub fn lock(&self) -> Result<File, GenerationError> {
        let path = self.dir.join(LOCK);
        let open = fs::create_dir_all(&self.dir).and_then(|()| File::options().create(true).append(true).open(&path));
        let file = open.map_err(|source| failed(&path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(GenerationError::Busy { task: self.task.clone() }),
            Err(TryLockError::Error(source)) => Err(failed(&path, source)),
        }
    }

    /// The generation that serves; 0 is the starter head.
    pub fn current(&self) -> Result<u32, GenerationError> {
        let path = self.dir.join(CURRENT);
        match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| damaged(&path, format!("{text:?} is no number"))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(source) => Err(failed(&path, source)),
        }
    }

    /// The numbers of those that there are, in their order.
    pub fn numbers(&self) -> Result<Vec<u32>, GenerationError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries.collect::<io::Result<Vec<_>>>().map_err(|source| failed(&self.dir, source))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(failed(&self.dir, source)),
        };
        let mut numbers: Vec<u32> = entries.iter().filter_map(|it| it.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// What a generation is.
    pub fn manifest(&self, number: u32) -> Result<Manifest, GenerationError> {
        let path = self.folder(number).join(MANIFEST);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(GenerationError::Missing { task: self.task.clone(), number });
            }
            read => read.map_err(|source| failed(&path, source))?,
        };
        let manifest: Manifest = serde_json::from_str(&text).map_err(|error| damaged(&path, error.to_string()))?;
        let wanted = Generation { task: self.task.as_str().into(), number };
        if manifest.format != FORMAT || manifest.generation != wanted {
            return Err(damaged(&path, format!("it is format {} of {:?}", manifest.format, manifest.generation)));
        }
        Ok(manifest)
    }

    /// Loads a generation for the featurizer that serves, checked against its hashes.
    pub fn load(&self, number: u32, featurizer: &str, starter: Arc<Head>) -> Result<Head, GenerationError> {
        let manifest = self.manifest(number)?;
        if manifest.featurizer != featurizer {
            return Err(GenerationError::Foreign {
                task: self.task.clone(),
                number,
                found: manifest.featurizer,
                serving: featurizer.into(),
            });
        }
        let learned = self.learned(&manifest)?;
        let classes = manifest.classes.into_iter().map(|it| it.class).collect();
        let (sharpness, unknown) = (manifest.sharpness, manifest.unknown);
        Ok(Head::taught(manifest.generation, classes, Taught { learned, sharpness, unknown, starter }))
    }

    /// The head that serves.
    pub fn serving(&self, featurizer: &str, starter: Arc<Head>) -> Result<Arc<Head>, GenerationError> {
        match self.current()? {
            0 => Ok(starter),
            number => self.load(number, featurizer, starter).map(Arc::new),
        }
    }

    /// The numbers of a generation.
    pub fn learned(&self, manifest: &Manifest) -> Result<Learned, GenerationError> {
        let path = self.folder(manifest.generation.number).join(WEIGHTS);
        let bytes = fs::read(&path).map_err(|source| failed(&path, source))?;
        if hex(&bytes) != manifest.weights_sha256 {
            return Err(damaged(&path, "its hash is not that of its manifest".into()));
        }
        from_bytes(&bytes, manifest).map_err(|why| damaged(&path, why))
    }

    /// Writes a generation of the next number, whole or not at all; it does not serve yet. `manifest.generation` and
    /// `manifest.weights_sha256` are set here.
    pub fn add(&self, mut manifest: Manifest, learned: &Learned) -> Result<Manifest, GenerationError> {
        let number = self.next()?;
        manifest.generation = Generation { task: self.task.as_str().into(), number };
        let weights = to_bytes(learned).map_err(|why| damaged(&self.dir, why))?;
        manifest.weights_sha256 = hex(&weights);
        let json = serde_json::to_vec_pretty(&manifest).map_err(|error| damaged(&self.dir, error.to_string()))?;
        // A folder that a crash left unfinished has no number, and makes room here.
        let unfinished = self.dir.join("unfinished");
        let write = || {
            match fs::remove_dir_all(&unfinished) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::create_dir_all(&unfinished)?;
            put(&unfinished.join(WEIGHTS), &weights)?;
            put(&unfinished.join(MANIFEST), &json)?;
            File::open(&unfinished)?.sync_all()?;
            fs::rename(&unfinished, self.folder(number))?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(|source| failed(&self.folder(number), source))?;
        Ok(manifest)
    }

    /// Makes a generation serve; 0 is the starter head.
    pub fn promote(&self, number: u32) -> Result<(), GenerationError> {
        if number > 0 {
            self.learned(&self.manifest(number)?)?;
        }
        let (path, unfinished) = (self.dir.join(CURRENT), self.dir.join("current.tmp"));
        let write = || {
            fs::create_dir_all(&self.dir)?;
            put(&unfinished, format!("{number}\n").as_bytes())?;
            fs::rename(&unfinished, &path)?;
            File::open(&self.dir)?.sync_all()
        };
        write().map_err(|source| failed(&path, source))
    }

    /// The generation that a rollback brings back: the last before the serving one that was promoted, else the starter.
    pub fn before(&self, number: u32) -> Result<u32, GenerationError> {
        for earlier in self.numbers()?.into_iter().rev().filter(|it| *it < number) {
            if self.manifest(earlier)?.verdict.is_promoted() {
                return Ok(earlier);
            }
        }
        Ok(0)
    }

    fn folder(&self, number: u32) -> PathBuf {
        self.dir.join(number.to_string())
    }
}

fn put(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn failed(path: &Path, source: io::Error) -> GenerationError {
    GenerationError::Io { path: path.display().to_string(), source }
}

fn damaged(path: &Path, why: String) -> GenerationError {
    GenerationError::Damaged { path: path.display().to_string(), why }
}

/// SHA-256, hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|it| format!("{it:02x}")).collect()
}

fn to_bytes(learned: &Learned) -> Result<Vec<u8>, String> {
    let (n, k, d) = (learned.n_classes(), learned.space.directions(), learned.space.dimension);
    let bytes = |it: &[f32]| it.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>();
    let tensors: Vec<(&str, Vec<usize>, Vec<u8>)> = vec![
        ("space.means", vec![N_KINDS, d], bytes(&learned.space.means)),
        ("space.basis", vec![k, d], bytes(&learned.space.basis)),
        ("whitening", vec![k, k], bytes(&learned.whitening)),
        ("means", vec![n, k], bytes(&learned.means)),
        ("weights", vec![n, k], bytes(&learned.weights)),
        ("bias", vec![n], bytes(&learned.bias)),
        ("shares", vec![n], bytes(&learned.shares)),
        ("offsets", vec![n], bytes(&learned.offsets)),
        ("cosine_scale", vec![1], bytes(&[learned.sharpness])),
    ];
    let views = tensors
        .iter()
        .map(|(name, shape, bytes)| TensorView::new(Dtype::F32, shape.clone(), bytes).map(|it| (*name, it)))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| error.to_string())?;
    safetensors::serialize(views, None).map_err(|error| error.to_string())
}

fn from_bytes(bytes: &[u8], manifest: &Manifest) -> Result<Learned, String> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let read = |name: &str, shape: &[usize]| -> Result<Vec<f32>, String> {
        let tensor = tensors.tensor(name).map_err(|error| error.to_string())?;
        if tensor.dtype() != Dtype::F32 || tensor.shape() != shape {
            return Err(format!("{name} is {:?} {:?}, not float32 {shape:?}", tensor.dtype(), tensor.shape()));
        }
        Ok(tensor.data().as_chunks().0.iter().map(|it| f32::from_le_bytes(*it)).collect())
    };
    let basis = tensors.tensor("space.basis").map_err(|error| error.to_string())?;
    let [k, dimension] = *basis.shape() else { return Err("space.basis has other than two sides".into()) };
    let n = manifest.classes.len();
    Ok(Learned {
        space: Space {
            means: read("space.means", &[N_KINDS, dimension])?,
            basis: read("space.basis", &[k, dimension])?,
            dimension,
        },
        whitening: read("whitening", &[k, k])?,
        means: read("means", &[n, k])?,
        sharpness: read("cosine_scale", &[1])?[0],
        weights: read("weights", &[n, k])?,
        bias: read("bias", &[n])?,
        shares: read("shares", &[n])?,
        offsets: read("offsets", &[n])?,
    })
}

#[cfg(test)]
mod tests;
