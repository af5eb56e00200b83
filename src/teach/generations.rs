//! Generations: each head that was ever fitted, in a folder of its own that never changes, and one pointer to the one that
//! serves.
//!
//! ```text
//! heads/<task>/current               the number of the generation that serves; replaced whole
//! heads/<task>/served                those that served, in their order: what a rollback goes back through
//! heads/<task>/shadow                the number of the one that answers beside it, unheard; shadow.json: how far its trial is
//! heads/<task>/shadowed-<number>.json   what came of that
//! heads/<task>/highest               the highest number that was deleted: none is given twice
//! heads/<task>/trained.json          the labels that the last training saw
//! heads/<task>/rolled-back-<number>.json   that it proved worse than the one before, and in what
//! heads/<task>/learning-<number>.json   what more labels would bring, as far as its training could say
//! heads/<task>/<number>/head.json    what it is, how it was made, and what the judge said of it
//! heads/<task>/<number>/head.safetensors   its numbers; head.json holds their hash
//! ```

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::domain::{Class, Generation};
use crate::infer::both::Both;
use crate::infer::head::{Head, Taught};
use crate::infer::learned::Learned;
use crate::infer::unknown::Unknown;

use super::judge::Verdict;
use super::recipe::Recipe;

pub mod carry;
mod disk;
mod followed;
mod kept;
mod learning;
mod listed;
mod named;
mod served;
mod shadow;
mod weights;

pub use followed::MIGRATION;
pub use listed::{Does, Listed};
pub use served::RolledBack;
pub use shadow::{Shadowed, Tally};
pub use weights::Weights;

const FOLDER: &str = "heads";
const CURRENT: &str = "current";
const MANIFEST: &str = "head.json";
const WEIGHTS: &str = "head.safetensors";
const TRAINED: &str = "trained.json";
const LOCK: &str = "lock";
const UNFINISHED: &str = "unfinished";
/// The shape of a manifest.
pub(super) const FORMAT: u32 = 3;

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
    /// A person or another program chose a head while this one was in the making.
    #[error("heads: another generation of {task} was made to serve while this one was trained: train again")]
    Overtaken {
        /// The task.
        task: String,
    },
    /// A file that was carried here is no head for this site.
    #[error("heads: {path} cannot be imported: {why}; nothing was changed")]
    Unfit {
        /// The file.
        path: String,
        /// What is wrong with it.
        why: String,
    },
    /// Another training is on its way.
    #[error("heads: {task} is being trained by another eyeshine: wait for that one")]
    Busy {
        /// The task.
        task: String,
    },
    /// Another one serves by now than whoever asks believes.
    #[error("heads: generation {serves} of {task} serves by now, and not {from}: nothing was changed")]
    Stale {
        /// The task.
        task: String,
        /// Which was believed to serve.
        from: u32,
        /// Which does.
        serves: u32,
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
    /// What it has of the second featurizer, where that had seen enough.
    #[serde(default)]
    pub second: Option<SecondPart>,
    /// How right heads of its recipe are on events that they were not fitted on; none where cross-validation had no events.
    #[serde(default)]
    pub held_out: Option<HeldOut>,
    /// Hash of the labels and vectors that it was fitted on.
    pub labels_sha256: String,
    /// The events that it was fitted on.
    pub events: Vec<String>,
    /// Hash of its numbers.
    pub weights_sha256: String,
    /// What the judge said.
    pub verdict: Verdict,
}

/// Scores by event, out of fold.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldOut {
    /// Events.
    pub events: usize,
    /// Share of right answers.
    pub accuracy: f64,
    /// Mean of the classes' recalls.
    pub balanced_accuracy: f64,
    /// Cross-entropy in nats, each class with the same weight.
    pub log_loss: f64,
}

/// What a head of both featurizers has of the second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecondPart {
    /// Identity of the second featurizer.
    pub featurizer: String,
    /// How its part was made.
    pub recipe: Recipe,
    /// How much it says, 0..=1.
    pub share: f32,
    /// How sharp an answer of both is.
    pub sharpness: f32,
    /// Where unknown begins for events that both have seen.
    pub unknown: Unknown,
    /// AUROC of species left out in turn.
    pub unknown_auroc: Option<f64>,
}

impl Manifest {
    /// The second's part of the head, of its numbers.
    pub(super) fn both(&self, second: Option<Learned>) -> Option<Both> {
        let (it, learned) = self.second.as_ref().zip(second)?;
        let featurizer = it.featurizer.as_str().into();
        Some(Both { featurizer, learned, share: it.share, sharpness: it.sharpness, unknown: it.unknown })
    }
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

    /// Keeps any other training of the task out for as long as the file lives, and removes what a crash left unfinished.
    pub fn lock(&self) -> Result<File, GenerationError> {
        let path = self.dir.join(LOCK);
        let open = fs::create_dir_all(&self.dir).and_then(|()| File::options().create(true).append(true).open(&path));
        let file = open.map_err(|source| failed(&path, source))?;
        match file.try_lock() {
            Ok(()) => self.tidy().map(|()| file),
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
        let Weights { first: learned, second } = self.weights(&manifest)?;
        let both = manifest.both(second);
        let classes = manifest.classes.into_iter().map(|it| it.class).collect();
        let (sharpness, unknown) = (manifest.sharpness, manifest.unknown);
        Ok(Head::taught(manifest.generation, classes, Taught { learned, sharpness, unknown, both, starter }))
    }

    /// The head that serves.
    pub fn serving(&self, featurizer: &str, starter: Arc<Head>) -> Result<Arc<Head>, GenerationError> {
        match self.current()? {
            0 => Ok(starter),
            number => self.load(number, featurizer, starter).map(Arc::new),
        }
    }

    /// The numbers of a generation.
    pub fn weights(&self, manifest: &Manifest) -> Result<Weights, GenerationError> {
        let path = self.folder(manifest.generation.number).join(WEIGHTS);
        let bytes = fs::read(&path).map_err(|source| failed(&path, source))?;
        if hex(&bytes) != manifest.weights_sha256 {
            return Err(damaged(&path, "its hash is not that of its manifest".into()));
        }
        Weights::from_bytes(&bytes, manifest).map_err(|why| damaged(&path, why))
    }

    /// Writes a generation of the next number, whole or not at all; it does not serve yet. `manifest.generation` and
    /// `manifest.weights_sha256` are set here.
    pub fn add(&self, mut manifest: Manifest, weights: &Weights) -> Result<Manifest, GenerationError> {
        let number = self.next()?;
        manifest.generation = Generation { task: self.task.as_str().into(), number };
        let weights = weights.to_bytes().map_err(|why| damaged(&self.dir, why))?;
        manifest.weights_sha256 = hex(&weights);
        let json = serde_json::to_vec_pretty(&manifest).map_err(|error| damaged(&self.dir, error.to_string()))?;
        // A folder that a crash left unfinished has no number, and makes room here.
        let unfinished = self.dir.join(UNFINISHED);
        let write = || {
            disk::remove(&unfinished)?;
            fs::create_dir_all(&unfinished)?;
            disk::put(&unfinished.join(WEIGHTS), &weights)?;
            disk::put(&unfinished.join(MANIFEST), &json)?;
            disk::sync(&unfinished)?;
            disk::rename(&unfinished, &self.folder(number))?;
            disk::sync(&self.dir)
        };
        write().map_err(|source| failed(&self.folder(number), source))?;
        Ok(manifest)
    }

    /// What they are heads of.
    pub fn task(&self) -> &str {
        &self.task
    }

    pub(super) fn seen_file(&self) -> PathBuf {
        self.dir.join(TRAINED)
    }

    pub(super) fn put_seen(&self, json: &[u8]) -> io::Result<()> {
        fs::create_dir_all(&self.dir)?;
        disk::replace(&self.dir, TRAINED, json)
    }

    fn folder(&self, number: u32) -> PathBuf {
        self.dir.join(number.to_string())
    }
}

/// Small notes beside the generations: written whole, and none where nobody wrote one.
impl Generations {
    fn put_json(&self, name: &str, it: &impl Serialize) -> Result<(), GenerationError> {
        let path = self.dir.join(name);
        let json = serde_json::to_vec_pretty(it).map_err(|error| damaged(&path, error.to_string()))?;
        disk::replace(&self.dir, name, &json).map_err(|source| failed(&path, source))
    }

    fn get_json<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, GenerationError> {
        let path = self.dir.join(name);
        match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map(Some).map_err(|error| damaged(&path, error.to_string())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(failed(&path, source)),
        }
    }
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

#[cfg(test)]
pub(super) mod tests;
