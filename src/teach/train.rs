//! One training: fit a challenger on all labels, let the judge compare it with the head that serves, keep it, and make it
//! serve if it is better. The daemon starts this as a child; on the command line it is the very same.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::config::TeachConfig;
use crate::domain::{Class, Generation, Modality};
use crate::infer::both::{Both, fused};
use crate::infer::contract::Contract;
use crate::infer::learned::{Answer, Learned};
use crate::infer::models::Contracts;
use crate::infer::space::{Space, kind};
use crate::infer::together::Together;
use crate::observe::store::{Reader, Store, StoreError};

use super::both::FittedBoth;
use super::fit::{FitError, Fitted, fit};
use super::folds::folds;
use super::generations::{
    GenerationError, Generations, HeldOut, Manifest, RolledBack, SecondPart, TaughtClass, Weights,
};
use super::judge::{Bout, Contest, Decision, Stated, Verdict};
use super::recipe::{OutOfFold, Recipe, cross_answers, loss};
use super::taught::{Taught, TaughtEvent, TaughtView};
use super::trial::relapse;
use super::waiting::Seen;

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
    let trained = train_on(&store, &generations, config, contracts, cause, keep, None);
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
    train_on(store, generations, config, contracts, cause, true, Some(reason))
}

fn train_on(
    store: &Reader,
    generations: &Generations,
    config: &TeachConfig,
    contracts: &Contracts,
    cause: &str,
    keep: bool,
    must_serve: Option<&str>,
) -> Result<Trained, TrainError> {
    let (task, featurizer) = (generations.task(), contracts.first.identity());
    let second = contracts.second.as_ref().map(Contract::identity);
    let featurizers = (&*featurizer, second.as_deref());
    let mut taught = store.taught(task, &featurizer, second.as_deref())?;
    name(&mut taught.classes, &contracts.first);
    let labels_sha256 = hash(&taught, &featurizer, second.as_deref());
    let (mut serving, mut rolled_back) = (generations.current()?, None);
    if must_serve.is_none() {
        rolled_back = proven_worse(generations, serving, &taught, featurizers, &config.protected)?;
        if let Some(it) = &rolled_back {
            serving = if keep { generations.roll_back_for(it)? } else { it.to };
        }
        if let Some(verdict) = same(generations, &labels_sha256)? {
            return Ok(Trained { verdict, manifest: None, serving, rolled_back });
        }
    }
    let fitted = fit(&taught)?;
    let incumbent = match incumbent(generations, serving, featurizers) {
        // What goes anyway need not be whole.
        Err(_) if must_serve.is_some() => None,
        it => it?,
    };
    let mut verdict = contest(&taught, &fitted, incumbent.as_ref(), &config.protected)?.judge();
    if let Some(reason) = must_serve {
        verdict.overrule(reason);
    }
    let (n_events, alone) = (taught.n_events(), &fitted.alone);
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
    if !keep {
        return Ok(Trained { verdict, manifest: Some(manifest), serving, rolled_back });
    }
    let second = fitted.both.map(|it| it.learned);
    let weights = Weights { first: fitted.alone.learned, second };
    // The verdict is about another head than that which serves now.
    if generations.current()? != serving {
        return Err(GenerationError::Overtaken { task: task.into() }.into());
    }
    let manifest = generations.add(manifest, &weights)?;
    if verdict.is_promoted() {
        serving = manifest.generation.number;
        generations.promote(serving)?;
    }
    generations.prune(config.keep_generations)?;
    Ok(Trained { verdict, manifest: Some(manifest), serving, rolled_back })
}

/// Nothing new: the last generation that was trained here, or one that proved worse, has these very labels.
fn same(generations: &Generations, labels_sha256: &str) -> Result<Option<Verdict>, GenerationError> {
    let mut last = true;
    for number in generations.numbers()?.into_iter().rev() {
        let Ok(manifest) = generations.manifest(number) else { continue };
        if manifest.verdict.decision == Decision::Imported {
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
        let class = taught.events[it.event].class;
        let stated = stated(taught, it.event, &it.together);
        let entry = by.entry(class).or_default();
        let right = f64::from(u8::from(stated.answer == class));
        *entry = (entry.0 + right, entry.1 + 1.0, entry.2 + stated.loss);
    }
    let events = out_of_fold.len();
    (events > 0).then(|| HeldOut {
        events,
        accuracy: by.values().map(|it| it.0).sum::<f64>() / events as f64,
        balanced_accuracy: by.values().map(|it| it.0 / it.1).sum::<f64>() / by.len() as f64,
        log_loss: by.values().map(|it| it.2 / it.1).sum::<f64>() / by.len() as f64,
    })
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

fn second_part(it: &FittedBoth, featurizer: String) -> SecondPart {
    let FittedBoth { recipe, share, sharpness, unknown, auroc, .. } = *it;
    SecondPart { featurizer, recipe, share, sharpness, unknown, unknown_auroc: auroc }
}

/// Of all that makes a head what it is.
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

/// The head that serves, where people have taught it on this featurizer.
pub(super) struct Incumbent {
    pub(super) manifest: Manifest,
    pub(super) learned: Learned,
    /// The second's part, where it was taught on the second featurizer that there is.
    pub(super) both: Option<Both>,
}

fn incumbent(
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
    let both = manifest.both(weights).filter(|it| second == Some(&*it.featurizer));
    Ok(Some(Incumbent { manifest, learned, both }))
}

/// Both heads' answers on events that neither was fitted on.
fn contest(
    taught: &Taught,
    fitted: &Fitted,
    incumbent: Option<&Incumbent>,
    protected: &[String],
) -> Result<Contest, FitError> {
    let serving: Vec<Option<Stated>> = match incumbent {
        Some(incumbent) => {
            let answers = answers(taught, incumbent, fitted)?;
            let stated = |(event, it): (usize, &Option<Together>)| it.as_ref().map(|it| stated(taught, event, it));
            answers.iter().enumerate().map(stated).collect()
        }
        None => majority(taught).into_iter().map(Some).collect(),
    };
    let out_of_fold = fitted.out_of_fold();
    let bouts = out_of_fold.iter().filter_map(|it| {
        let event = &taught.events[it.event];
        Some(Bout {
            class: event.class,
            group: event.group.clone(),
            camera: event.camera.clone(),
            infrared: is_infrared(event),
            serving: serving[it.event]?,
            challenger: stated(taught, it.event, &it.together),
        })
    });
    let known = |name: &str| incumbent.is_none_or(|it| it.manifest.classes.iter().any(|it| &*it.class.name == name));
    Ok(Contest {
        classes: taught.classes.iter().map(|it| it.name.to_string()).collect(),
        first: incumbent.is_none(),
        new: taught.classes.iter().map(|it| !known(&it.name)).collect(),
        protected: taught.classes.iter().map(|it| protected.iter().any(|name| **name == *it.name)).collect(),
        n_events: taught.n_events(),
        bouts: bouts.collect(),
    })
}

/// Before anybody taught it the head knows none of the names: what always answering the commonest class would say.
fn majority(taught: &Taught) -> Vec<Stated> {
    let n_events = taught.n_events();
    let most = (0..n_events.len()).max_by_key(|it| n_events[*it]).unwrap_or_default();
    let loss = (n_events.iter().filter(|it| **it > 0).count().max(1) as f64).ln();
    taught.events.iter().map(|_| Stated { loss, answer: most }).collect()
}

impl Incumbent {
    /// An event's answer, as sure as it is right.
    fn settled(&self, first: Together, second: Option<&Together>, blank: Option<usize>) -> Together {
        match self.both.as_ref().zip(second) {
            Some((both, second)) => fused(&first, second, both.share, blank).tempered(both.sharpness),
            None => first.tempered(self.manifest.sharpness),
        }
    }

    /// What heads of its recipes say that were fitted on the events that it was, less some: by event, in the spaces of the
    /// challenger.
    fn cross_answers(
        &self,
        taught: &Taught,
        fitted: &Fitted,
        learned: impl Fn(usize) -> bool + Sync,
    ) -> Result<Vec<OutOfFold>, FitError> {
        let of = |taught: &Taught, space: &Space, recipe: &Recipe| {
            cross_answers(taught, &taught.samples(space), &folds(taught), recipe, &learned)
        };
        let first = of(taught, &fitted.alone.learned.space, &self.manifest.recipe)?;
        let parts = self.manifest.second.as_ref().filter(|_| self.both.is_some()).zip(fitted.both.as_ref());
        let second = match parts.zip(taught.seconds()) {
            Some(((it, both), seconds)) => of(&seconds, &both.learned.space, &it.recipe)?,
            None => Vec::new(),
        };
        let by_event: BTreeMap<usize, Together> = second.into_iter().map(|it| (it.event, it.together)).collect();
        let settled = |it: OutOfFold| OutOfFold {
            event: it.event,
            together: self.settled(it.together, by_event.get(&it.event), taught.blank()),
        };
        Ok(first.into_iter().map(settled).collect())
    }
}

/// The serving head's answers, by event: its own where it was not fitted on the event, else those of heads of its recipes
/// that were fitted on its other events.
fn answers(taught: &Taught, incumbent: &Incumbent, fitted: &Fitted) -> Result<Vec<Option<Together>>, FitError> {
    let ids: HashSet<&str> = incumbent.manifest.events.iter().map(String::as_str).collect();
    let learned = |event: usize| ids.contains(&*taught.events[event].id);
    let mut answers: Vec<Option<Together>> = vec![None; taught.events.len()];
    for it in incumbent.cross_answers(taught, fitted, learned)? {
        answers[it.event] = Some(it.together);
    }
    for event in (0..taught.events.len()).filter(|event| !learned(*event)) {
        answers[event] = Some(own_answer(taught, incumbent, event));
    }
    Ok(answers)
}

/// What a head says itself of an event, in the places of the labels' classes.
pub(super) fn own_answer(taught: &Taught, incumbent: &Incumbent, event: usize) -> Together {
    let place = |name: &str| taught.classes.iter().position(|it| &*it.name == name);
    let places: Vec<Option<usize>> = incumbent.manifest.classes.iter().map(|it| place(&it.class.name)).collect();
    let views = || taught.events[event].frames.iter().flat_map(|it| &it.views);
    let together = |answers: Vec<Answer>| {
        let placed = |answer: &Answer| {
            let mut probabilities = vec![0.0; taught.classes.len()];
            for (place, it) in places.iter().zip(&answer.probabilities) {
                place.iter().for_each(|&place| probabilities[place] += it);
            }
            (probabilities, answer.closeness)
        };
        let placed: Vec<(Vec<f32>, f32)> = answers.iter().map(placed).collect();
        Together::of(placed.iter().map(|it| (&*it.0, it.1)), taught.blank())
    };
    let first =
        together(views().map(|it| incumbent.learned.answer(&it.features, kind(it.modality, it.view))).collect());
    let second =
        |it: &TaughtView| Some(incumbent.both.as_ref()?.answer(it.second.as_ref()?, kind(it.modality, it.view)));
    let seconds: Vec<Answer> = views().filter_map(second).collect();
    let second = (!seconds.is_empty()).then(|| together(seconds));
    incumbent.settled(first, second.as_ref(), taught.blank())
}

/// A settled answer beside the truth.
pub(super) fn stated(taught: &Taught, event: usize, settled: &Together) -> Stated {
    let (blank, class) = (taught.blank(), taught.events[event].class);
    Stated { loss: loss(settled, class, blank), answer: settled.answer(blank).unwrap_or(usize::MAX) }
}

/// Whether most of it was seen by infrared light.
pub(super) fn is_infrared(event: &TaughtEvent) -> bool {
    let views: Vec<_> = event.frames.iter().flat_map(|it| &it.views).collect();
    2 * views.iter().filter(|it| it.modality == Modality::Infrared).count() > views.len()
}

#[cfg(test)]
mod tests;
