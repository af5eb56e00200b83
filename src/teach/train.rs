//! One training: fit a challenger on all labels, let the judge compare it with the head that serves, keep it, and make it
//! serve if it is better. The daemon starts this as a child; on the command line it is the very same.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::config::TeachConfig;
use crate::domain::Generation;
use crate::infer::contract::Contract;
use crate::infer::learned::Learned;
use crate::infer::models::Contracts;
use crate::infer::space::kind;
use crate::observe::store::{Reader, Store, StoreError};

use super::both::FittedBoth;
use super::contest::{Second, Serving, contest};
use super::fit::{FitError, Fitted, fit};
use super::generations::{
    FORMAT, GenerationError, Generations, HeldOut, MIGRATION, Manifest, RolledBack, SecondPart, TaughtClass, Weights,
};
use super::judge::{Decision, Verdict};
use super::learning::Learning;
use super::recipe::loss;
use super::stands_for::SITE_EVENTS;
use super::taught::Taught;
use super::trial::relapse;
use super::waiting::Seen;

/// The recipes that this program knows, and how it chooses: another of these makes another head of the same labels.
const METHOD: &str = "eyeshine head 5";

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
    /// Whether the new one answers beside it first, unheard.
    pub shadow: bool,
    /// That the one that served before this training proved worse than the one before it.
    pub rolled_back: Option<RolledBack>,
}

/// Trains a task's head; with `keep` unset nothing is written.
pub fn train(
    state_dir: &Path,
    config: &TeachConfig,
    contracts: &Contracts,
    task: &str,
    cause: &str,
    keep: bool,
) -> Result<Trained, TrainError> {
    let generations = Generations::of(state_dir, task);
    let store = Store::open_read(state_dir)?;
    let _lock = keep.then(|| generations.lock()).transpose()?;
    // Counted first: what comes while this goes on waits for the next.
    let labels = store.label_counts()?.remove(task).unwrap_or_default();
    let seen = Seen { at: Timestamp::now(), labels };
    let kept = if keep { Keep::ToServe } else { Keep::Nothing };
    let trained = train_on(&store, &generations, config, contracts, cause, kept, None);
    // Too few labels is an answer, as any other: it is asked again when there are others.
    let too_few = |it: &TrainError| matches!(it, TrainError::Fit(FitError::NoLabels | FitError::OneClass { .. }));
    if keep && trained.as_ref().map_or_else(too_few, |_| true) {
        generations.set_seen(&seen)?;
    }
    trained
}

/// Trains a head that must serve, for the reason given, as the one that serves may not stay: the judge is heard, and has no
/// veto. The caller holds the lock of the task.
pub(super) fn refit(
    store: &Reader,
    generations: &Generations,
    config: &TeachConfig,
    contracts: &Contracts,
    cause: &str,
    reason: &str,
) -> Result<Trained, TrainError> {
    train_on(store, generations, config, contracts, cause, Keep::ToServe, Some(reason))
}

/// Trains a head of a featurizer that does not serve yet, and keeps it for the day that it does: the number of the one that
/// will serve then, and what the judge says of the new one beside those that there are of this featurizer.
pub(super) fn train_aside(
    state_dir: &Path,
    config: &TeachConfig,
    contracts: &Contracts,
    task: &str,
) -> Result<(u32, Verdict), TrainError> {
    let generations = Generations::of(state_dir, task);
    let store = Store::open_read(state_dir)?;
    let _lock = generations.lock()?;
    let trained = train_on(&store, &generations, config, contracts, MIGRATION, Keep::Aside, None)?;
    Ok((generations.best_of(&contracts.first.identity())?, trained.verdict))
}

/// What becomes of a head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    Nothing,
    /// It is kept, and does not serve yet.
    Aside,
    /// It serves if it is better.
    ToServe,
}

fn train_on(
    store: &Reader,
    generations: &Generations,
    config: &TeachConfig,
    contracts: &Contracts,
    cause: &str,
    keep: Keep,
    must_serve: Option<&str>,
) -> Result<Trained, TrainError> {
    let (task, featurizer) = (generations.task(), contracts.first.identity());
    let second = contracts.second.as_ref().map(Contract::identity);
    let featurizers = (&*featurizer, second.as_deref());
    let mut taught = store.taught(task, &featurizer, second.as_deref())?;
    taught.classifier.clone_from(&contracts.first.classifier);
    for class in &mut taught.classes {
        class.scientific_name = contracts.taxonomy.scientific_name(&class.name);
    }
    taught.stand_for(&store.of_site(&featurizer, SITE_EVENTS)?);
    let labels_sha256 = hash(&taught, &featurizer, second.as_deref());
    let other = if keep == Keep::Aside { generations.best_of(&featurizer)? } else { generations.current()? };
    let (mut serving, mut rolled_back) = (other, None);
    if must_serve.is_none() && keep != Keep::Aside {
        rolled_back = proven_worse(generations, serving, &taught, featurizers, &config.protected)?;
        if let Some(it) = &rolled_back {
            serving = if keep == Keep::ToServe { generations.roll_back_for(it)? } else { it.to };
        }
    }
    if must_serve.is_none()
        && let Some(verdict) = same(generations, &featurizer, &labels_sha256)?
    {
        return Ok(Trained { verdict, manifest: None, serving, shadow: false, rolled_back });
    }
    let fitted = fit(&taught)?;
    let incumbent = match incumbent(generations, serving, featurizers) {
        // What goes anyway need not be whole.
        Err(_) if must_serve.is_some() => None,
        it => it?,
    };
    let mut verdict =
        contest(&taught, &fitted, incumbent.as_ref().map(Incumbent::serving).as_ref(), &config.protected)?.judge();
    if let Some(reason) = must_serve {
        verdict.overrule(reason);
    }
    let (n_events, alone) = (taught.n_events(), &fitted.alone);
    let manifest = Manifest {
        format: FORMAT,
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
        recipe: alone.choice.recipe,
        sharpness: alone.choice.sharpness,
        unknown: alone.border.unknown,
        unknown_auroc: alone.border.auroc,
        second: fitted.both.as_ref().zip(second).map(|(it, featurizer)| second_part(it, featurizer)),
        held_out: held_out(&taught, &fitted),
        labels_sha256,
        events: taught.events.iter().map(|it| it.id.clone()).collect(),
        weights_sha256: String::new(),
        verdict: verdict.clone(),
    };
    if keep == Keep::Nothing {
        return Ok(Trained { verdict, manifest: Some(manifest), serving, shadow: false, rolled_back });
    }
    let (recipe, out_of_fold) = (fitted.alone.choice.recipe, fitted.out_of_fold());
    let second = fitted.both.map(|it| it.learned);
    let weights = Weights { first: fitted.alone.learned, second };
    // The verdict is about another head than that which serves now.
    if keep == Keep::ToServe && generations.current()? != serving {
        return Err(GenerationError::Overtaken { task: task.into() }.into());
    }
    let manifest = generations.add(manifest, &weights)?;
    let mut shadow = false;
    if keep == Keep::ToServe && verdict.is_promoted() {
        let number = manifest.generation.number;
        // The starter head knows none of the names: there is nothing to compare with beside it.
        shadow = config.shadow_events > 0 && serving > 0 && must_serve.is_none();
        if shadow {
            generations.set_shadow(number)?;
        } else {
            serving = number;
            generations.promote(serving)?;
        }
    }
    generations.prune(config.keep_generations)?;
    // Nobody waits for this: the head is where it belongs already.
    let former = generations.learning().unwrap_or_else(|error| {
        tracing::warn!(
            task = generations.task(),
            "what an earlier training wrote down for the page is left out: {error}"
        );
        None
    });
    let former = former.map(|it| it.1);
    generations.set_learning(manifest.generation.number, &Learning::of(&taught, recipe, &out_of_fold, former))?;
    Ok(Trained { verdict, manifest: Some(manifest), serving, shadow, rolled_back })
}

/// Nothing new: the last generation that was trained here, or one that proved worse, has these very labels.
fn same(generations: &Generations, featurizer: &str, labels_sha256: &str) -> Result<Option<Verdict>, GenerationError> {
    let mut last = true;
    for number in generations.numbers()?.into_iter().rev() {
        let Ok(manifest) = generations.manifest(number) else { continue };
        if manifest.verdict.decision == Decision::Imported || manifest.featurizer != featurizer {
            continue;
        }
        let proved_worse = generations.rolled_back(number)?.is_some();
        if manifest.labels_sha256 == labels_sha256 && (last || proved_worse) {
            return Ok(Some(Verdict::unchanged()));
        }
        last = false;
    }
    Ok(None)
}

/// Whether the head that serves proved worse than the one before it, where the two can be compared.
fn proven_worse(
    generations: &Generations,
    serving: u32,
    taught: &Taught,
    featurizers: (&str, Option<&str>),
    protected: &[String],
) -> Result<Option<RolledBack>, GenerationError> {
    // A crash came between this and the pointer.
    if let Some(again) = generations.rolled_back(serving)? {
        return Ok(Some(again));
    }
    let Some(own) = incumbent(generations, serving, featurizers)? else { return Ok(None) };
    let before = generations.before(serving)?;
    let other = incumbent(generations, before, featurizers)?;
    if before > 0 && other.is_none() {
        return Ok(None);
    }
    Ok(relapse(taught, &own, other.as_ref(), protected))
}

/// Of its answers out of fold.
fn held_out(taught: &Taught, fitted: &Fitted) -> Option<HeldOut> {
    let out_of_fold = fitted.out_of_fold();
    let mut by: BTreeMap<usize, (f64, f64, f64)> = BTreeMap::new();
    for it in &out_of_fold {
        let (blank, class) = (taught.blank(), taught.events[it.event].class);
        let right = f64::from(u8::from(it.together.answer(blank) == Some(class)));
        let entry = by.entry(class).or_default();
        *entry = (entry.0 + right, entry.1 + 1.0, entry.2 + loss(&it.together, class, blank));
    }
    let events = out_of_fold.len();
    (events > 0).then(|| HeldOut {
        events,
        accuracy: by.values().map(|it| it.0).sum::<f64>() / events as f64,
        balanced_accuracy: by.values().map(|it| it.0 / it.1).sum::<f64>() / by.len() as f64,
        log_loss: by.values().map(|it| it.2 / it.1).sum::<f64>() / by.len() as f64,
    })
}

fn second_part(it: &FittedBoth, featurizer: String) -> SecondPart {
    let FittedBoth { recipe, share, sharpness, unknown, auroc, .. } = *it;
    SecondPart { featurizer, recipe, share, sharpness, unknown, unknown_auroc: auroc }
}

/// Of all that makes a head what it is, but for what its events [stand for](super::stands_for): that moves with each that comes by,
/// and is no reason to train anew.
fn hash(taught: &Taught, featurizer: &str, second: Option<&str>) -> String {
    let mut hash = Sha256::new();
    let mut word = |it: &[u8]| {
        hash.update((it.len() as u64).to_le_bytes());
        hash.update(it);
    };
    word(METHOD.as_bytes());
    word(featurizer.as_bytes());
    word(second.unwrap_or_default().as_bytes());
    let bytes = |it: &[f32]| it.iter().flat_map(|it| it.to_le_bytes()).collect::<Vec<u8>>();
    for event in &taught.events {
        word(event.id.as_bytes());
        word(event.group.as_bytes());
        for frame in &event.frames {
            word(taught.classes[frame.class].name.as_bytes());
            for view in &frame.views {
                word(&[kind(view.modality, view.view) as u8]);
                word(&bytes(&view.features));
                word(&bytes(view.second.as_deref().unwrap_or_default()));
            }
        }
    }
    hash.finalize().iter().map(|it| format!("{it:02x}")).collect()
}

/// A head that people have taught on this featurizer: most often the one that serves.
#[derive(Debug)]
pub(super) struct Incumbent {
    pub(super) manifest: Manifest,
    pub(super) learned: Learned,
    /// On the second's vectors, where it was taught on the second featurizer that there is.
    pub(super) second: Option<Learned>,
}

impl Incumbent {
    pub(super) fn serving(&self) -> Serving<'_> {
        let it = &self.manifest;
        Serving {
            classes: it.classes.iter().map(|it| &*it.class.name).collect(),
            events: it.events.iter().map(String::as_str).collect(),
            recipe: it.recipe,
            sharpness: it.sharpness,
            unknown: it.unknown,
            learned: &self.learned,
            second: it.second.as_ref().zip(self.second.as_ref()).map(|(it, learned)| {
                let SecondPart { recipe, share, sharpness, unknown, .. } = *it;
                Second { recipe, share, sharpness, unknown, learned }
            }),
        }
    }
}

pub(super) fn incumbent(
    generations: &Generations,
    serving: u32,
    (featurizer, second): (&str, Option<&str>),
) -> Result<Option<Incumbent>, GenerationError> {
    if serving == 0 {
        return Ok(None);
    }
    let manifest = generations.manifest(serving)?;
    if manifest.featurizer != featurizer {
        return Ok(None);
    }
    let Weights { first: learned, second: weights } = generations.weights(&manifest)?;
    let has = manifest.second.as_ref().is_some_and(|it| second == Some(&*it.featurizer));
    Ok(Some(Incumbent { second: weights.filter(|_| has), manifest, learned }))
}

#[cfg(test)]
mod higher;
#[cfg(test)]
pub(crate) mod tests;
