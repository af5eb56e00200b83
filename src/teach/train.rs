//! One training: fit a challenger on all labels, let the judge compare it with the head that serves, keep it, and make it
//! serve if it is better. The daemon starts this as a child; on the command line it is the very same.

use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::config::TeachConfig;
use crate::domain::{Class, Generation};
use crate::infer::contract::Contract;
use crate::infer::learned::Learned;
use crate::infer::space::kind;
use crate::observe::store::{Store, StoreError};

use super::contest::{Serving, contest};
use super::fit::{FitError, fit};
use super::generations::{GenerationError, Generations, Manifest, TaughtClass};
use super::judge::Verdict;
use super::taught::Taught;

/// The recipes that this program knows, and how it chooses: another of these makes another head of the same labels.
const METHOD: &str = "eyeshine head 2";

/// A training came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The labels cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is no head to be had of them.
    #[error(transparent)]
    Fit(#[from] FitError),
    /// Generations cannot be read or written.
    #[error(transparent)]
    Generation(#[from] GenerationError),
}

/// What a training gave.
#[derive(Debug, Clone)]
pub struct Trained {
    /// What the judge said.
    pub verdict: Verdict,
    /// The new generation, its number 0 where it was not kept; none where nothing was new.
    pub manifest: Option<Manifest>,
    /// The generation that serves now.
    pub serving: u32,
}

/// Trains a task's head; with `keep` unset nothing is written.
pub fn train(
    state_dir: &Path,
    config: &TeachConfig,
    contract: &Contract,
    task: &str,
    cause: &str,
    keep: bool,
) -> Result<Trained, TrainError> {
    let generations = Generations::of(state_dir, task);
    let featurizer = contract.identity();
    let store = Store::open_read(state_dir)?;
    let _lock = keep.then(|| generations.lock()).transpose()?;
    let mut taught = store.taught(task, &featurizer)?;
    name(&mut taught.classes, contract);
    let labels_sha256 = hash(&taught, &featurizer);
    let serving = generations.current()?;
    if let Some(last) = generations.numbers()?.last()
        && generations.manifest(*last)?.labels_sha256 == labels_sha256
    {
        return Ok(Trained { verdict: Verdict::unchanged(), manifest: None, serving });
    }
    let fitted = fit(&taught)?;
    let incumbent = incumbent(&generations, serving, &featurizer)?;
    let serving_head = incumbent.as_ref().map(Incumbent::serving);
    let verdict = contest(&taught, &fitted, serving_head.as_ref(), &config.protected)?.judge();
    let n_events = taught.n_events();
    let manifest = Manifest {
        format: 1,
        generation: Generation { task: task.into(), number: 0 },
        created: Timestamp::now(),
        cause: cause.into(),
        featurizer,
        classes: taught
            .classes
            .iter()
            .cloned()
            .zip(n_events)
            .map(|(class, events)| TaughtClass { class, events })
            .collect(),
        recipe: fitted.choice.recipe,
        sharpness: fitted.choice.sharpness,
        unknown: fitted.border.unknown,
        unknown_auroc: fitted.border.auroc,
        labels_sha256,
        events: taught.events.iter().map(|it| it.id.clone()).collect(),
        weights_sha256: String::new(),
        verdict: verdict.clone(),
    };
    if !keep {
        return Ok(Trained { verdict, manifest: Some(manifest), serving });
    }
    let manifest = generations.add(manifest, &fitted.learned)?;
    let number = manifest.generation.number;
    if verdict.is_promoted() {
        generations.promote(number)?;
    }
    let serving = if verdict.is_promoted() { number } else { serving };
    Ok(Trained { verdict, manifest: Some(manifest), serving })
}

/// Scientific names, as far as the network has them by the same common name.
fn name(classes: &mut [Class], contract: &Contract) {
    for class in classes {
        let same = contract.classes.iter().find(|it| it.animal && it.common_name.eq_ignore_ascii_case(&class.name));
        if let Some(same) = same {
            class.scientific_name = same.scientific_name.clone();
        }
    }
}

/// Of all that makes a head what it is.
fn hash(taught: &Taught, featurizer: &str) -> String {
    let mut hash = Sha256::new();
    let mut word = |it: &[u8]| {
        hash.update((it.len() as u64).to_le_bytes());
        hash.update(it);
    };
    word(METHOD.as_bytes());
    word(featurizer.as_bytes());
    for event in &taught.events {
        word(event.id.as_bytes());
        word(event.group.as_bytes());
        for frame in &event.frames {
            word(taught.classes[frame.class].name.as_bytes());
            for view in &frame.views {
                word(&[kind(view.modality, view.view) as u8]);
                word(&view.features.iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<u8>>());
            }
        }
    }
    hash.finalize().iter().map(|it| format!("{it:02x}")).collect()
}

/// The head that serves, where people have taught it on this featurizer.
struct Incumbent {
    manifest: Manifest,
    learned: Learned,
}

impl Incumbent {
    fn serving(&self) -> Serving<'_> {
        let it = &self.manifest;
        Serving {
            classes: it.classes.iter().map(|it| &*it.class.name).collect(),
            events: it.events.iter().map(String::as_str).collect(),
            recipe: it.recipe,
            sharpness: it.sharpness,
            unknown: it.unknown,
            learned: &self.learned,
        }
    }
}

fn incumbent(generations: &Generations, serving: u32, featurizer: &str) -> Result<Option<Incumbent>, GenerationError> {
    if serving == 0 {
        return Ok(None);
    }
    let manifest = generations.manifest(serving)?;
    if manifest.featurizer != featurizer {
        return Ok(None);
    }
    let learned = generations.learned(&manifest)?;
    Ok(Some(Incumbent { manifest, learned }))
}
