//! One training: fit a challenger on all labels, let the judge compare it with the head that serves, keep it, and make it
//! serve if it is better. The daemon starts this as a child; on the command line it is the very same.

use std::collections::HashSet;
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use crate::config::TeachConfig;
use crate::domain::{Class, Generation, Modality};
use crate::infer::contract::Contract;
use crate::infer::learned::Learned;
use crate::infer::space::{Space, kind};
use crate::infer::together::Together;
use crate::observe::store::{Store, StoreError};

use super::fit::{FitError, Fitted, fit};
use super::folds::folds;
use super::generations::{GenerationError, Generations, Manifest, TaughtClass};
use super::judge::{Bout, Contest, Stated, Verdict};
use super::recipe::{OutOfFold, Recipe, cross_answers, loss};
use super::taught::Taught;

/// The recipes that this program knows, and how it chooses: another of these makes another head of the same labels.
const METHOD: &str = "eyeshine head 1";

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
    let verdict = contest(&taught, &fitted, incumbent.as_ref(), &config.protected)?.judge();
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

/// Both heads' answers on events that neither was fitted on.
fn contest(
    taught: &Taught,
    fitted: &Fitted,
    incumbent: Option<&Incumbent>,
    protected: &[String],
) -> Result<Contest, FitError> {
    let blank = taught.blank();
    let class = |it: &OutOfFold| taught.events[it.event].class;
    let stated = |it: &OutOfFold, sharpness: f32| {
        let tempered = it.together.clone().tempered(sharpness);
        Stated { loss: loss(&tempered, class(it), blank), answer: tempered.answer(blank).unwrap_or(usize::MAX) }
    };
    let serving: Vec<Option<Stated>> = match incumbent {
        Some(incumbent) => {
            let answers = answers(taught, incumbent, &fitted.learned.space)?;
            answers.iter().map(|it| it.as_ref().map(|it| stated(it, incumbent.manifest.sharpness))).collect()
        }
        None => majority(taught).into_iter().map(Some).collect(),
    };
    let bouts = fitted.choice.out_of_fold.iter().filter_map(|it| {
        let event = &taught.events[it.event];
        let views: Vec<_> = event.frames.iter().flat_map(|it| &it.views).collect();
        let n_infrared = views.iter().filter(|it| it.modality == Modality::Infrared).count();
        Some(Bout {
            class: event.class,
            group: event.group.clone(),
            camera: event.camera.clone(),
            infrared: 2 * n_infrared > views.len(),
            serving: serving[it.event]?,
            challenger: stated(it, fitted.choice.sharpness),
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

/// The serving head's answers, by event: its own where it was not fitted on the event, else those of heads of its recipe
/// that were fitted on its other events.
fn answers(taught: &Taught, incumbent: &Incumbent, space: &Space) -> Result<Vec<Option<OutOfFold>>, FitError> {
    let ids: HashSet<&str> = incumbent.manifest.events.iter().map(String::as_str).collect();
    let learned = |event: usize| ids.contains(&*taught.events[event].id);
    let samples = taught.samples(space);
    let recipe: &Recipe = &incumbent.manifest.recipe;
    let mut answers: Vec<Option<OutOfFold>> = vec![None; taught.events.len()];
    for it in cross_answers(taught, &samples, &folds(taught), recipe, learned)? {
        let at = it.event;
        answers[at] = Some(it);
    }
    // Where each of its classes stands among those of the challenger.
    let place = |name: &str| taught.classes.iter().position(|it| &*it.name == name);
    let places: Vec<Option<usize>> = incumbent.manifest.classes.iter().map(|it| place(&it.class.name)).collect();
    for (event, it) in taught.events.iter().enumerate().filter(|(event, _)| !learned(*event)) {
        let of_views = it.frames.iter().flat_map(|it| &it.views).map(|view| {
            let answer = incumbent.learned.answer(&view.features, kind(view.modality, view.view));
            let mut probabilities = vec![0.0; taught.classes.len()];
            for (place, it) in places.iter().zip(&answer.probabilities) {
                place.iter().for_each(|&place| probabilities[place] += it);
            }
            (probabilities, answer.closeness)
        });
        let of_views: Vec<(Vec<f32>, f32)> = of_views.collect();
        let together = Together::of(of_views.iter().map(|it| (&*it.0, it.1)), taught.blank());
        answers[event] = Some(OutOfFold { event, together });
    }
    Ok(answers)
}
