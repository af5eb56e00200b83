//! What pictures are looked at with, beside each other: every installed featurizer at its cuts, and what has learned nothing.

use std::sync::Arc;

use fast_image_resize::Resizer;
use serde::Serialize;

use crate::capture::picture::Canvas;
use crate::config::Config;
use crate::domain::Candidate;
use crate::infer::classifier::Classifier;
use crate::infer::contract::Contract;
use crate::infer::featurizer::{Featurizer, FeaturizerError};
use crate::infer::models::{Models, ModelsError, installed};

/// Side of what raw pixels are taken from, px: 768 numbers a picture.
const PIXELS_SIDE: u32 = 16;
/// The draw of the untrained network's weights.
const SEED: u64 = 1;
/// Candidates that a featurizer is given at once.
const MAX_BATCH: usize = 8;

/// What kind of sight it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A network that somebody trained, at its cut: it can serve.
    Featurizer,
    /// What such a network says itself.
    Answer,
    /// A network of the same build whose weights were drawn by chance.
    Untrained,
    /// The picture itself, very small.
    Pixels,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sight {
    /// The contract's name, or what it is.
    pub name: String,
    /// What kind.
    pub kind: Kind,
    /// Where the network is cut.
    pub cut: String,
    /// Whether it is the one that the config names.
    pub serves: bool,
    /// Its last layer, where heads are taught what that makes of its features, too.
    #[serde(skip)]
    pub classifier: Option<Arc<Classifier>>,
}

/// The plan of a report: which sights there are. The one that serves is the first.
pub struct Plan {
    models: Models,
    others: Vec<Arc<Contract>>,
    untrained: Option<Arc<Contract>>,
    sights: Vec<Sight>,
}

impl Plan {
    /// Of all that is installed. What cannot be used is logged, and left out.
    pub fn new(config: &Config, models: &Models) -> Result<Plan, ModelsError> {
        let mut others = Vec::new();
        for it in installed(&config.models)? {
            match it {
                Ok(it) if it.featurizer.name == models.contract.featurizer.name => {}
                Ok(it) => others.push(Arc::new(it)),
                Err(error) => tracing::warn!(%error, "left out of the report"),
            }
        }
        let first = &models.contract;
        // Integers were rounded for the ranges of what was learned: the build is drawn anew in single precision.
        let fits = |it: &&Arc<Contract>| it.featurizer.precision == "fp32";
        let same = |it: &&Arc<Contract>| it.featurizer.weights_sha256 == first.featurizer.weights_sha256;
        let all = || std::iter::once(first).chain(&others).filter(fits);
        let untrained = all().find(same).cloned();
        if untrained.is_none() {
            tracing::warn!(
                "no float32 network of the build of {} is installed to compare it with",
                first.featurizer.name
            );
        }
        let mut sights = Vec::new();
        for it in std::iter::once(first).chain(&others) {
            let (name, serves) = (it.featurizer.name.clone(), Arc::ptr_eq(it, first));
            let (kind, cut) = (Kind::Featurizer, it.featurizer.cut.clone());
            let classifier = it.classifier.clone();
            let cut = if classifier.is_some() { format!("{cut}, and what that makes of it") } else { cut };
            sights.push(Sight { name: name.clone(), kind, cut, serves, classifier });
            if !it.outputs.logits.is_empty() {
                let cut = "its own answer, before the softmax".into();
                sights.push(Sight { name, kind: Kind::Answer, cut, serves: false, classifier: None });
            }
        }
        if let Some(it) = &untrained {
            let (name, cut) = (format!("{} with random weights", it.featurizer.name), it.featurizer.cut.clone());
            sights.push(Sight { name, kind: Kind::Untrained, cut, serves: false, classifier: None });
        }
        let name = format!("raw pixels, {PIXELS_SIDE} × {PIXELS_SIDE}");
        sights.push(Sight { name, kind: Kind::Pixels, cut: String::new(), serves: false, classifier: None });
        Ok(Plan { models: models.clone(), others, untrained, sights })
    }

    /// What there is.
    pub fn sights(&self) -> &[Sight] {
        &self.sights
    }

    /// Opens all but the one that serves, which looks first.
    pub fn open(&self) -> Result<Sights, FeaturizerError> {
        let runtime = &self.models.runtime;
        let open = |it: &Arc<Contract>| Featurizer::open(runtime, Arc::clone(it), MAX_BATCH);
        let untrained = |it: &Arc<Contract>| Featurizer::open_untrained(runtime, Arc::clone(it), MAX_BATCH, SEED);
        Ok(Sights {
            others: self.others.iter().map(open).collect::<Result<_, _>>()?,
            untrained: self.untrained.as_ref().map(untrained).transpose()?,
            resizer: Resizer::new(),
            canvas: Canvas::default(),
        })
    }
}

/// All but the one that serves, ready.
pub struct Sights {
    others: Vec<Featurizer>,
    untrained: Option<Featurizer>,
    resizer: Resizer,
    canvas: Canvas,
}

impl Sights {
    /// Vectors `[sights][candidates]` of candidates, in the order of [`Plan::sights`]; `first` is what the one that serves
    /// says of them.
    pub fn look(
        &mut self,
        candidates: &[Candidate],
        first: Vec<crate::domain::Embedding>,
    ) -> Result<Vec<Vec<Vec<f32>>>, FeaturizerError> {
        let mut all = Vec::new();
        let mut add = |embeddings: Vec<crate::domain::Embedding>| {
            let logits: Option<Vec<Vec<f32>>> =
                embeddings.iter().map(|it| it.logits.as_ref().map(|it| it.to_vec())).collect();
            all.push(embeddings.into_iter().map(|it| it.features.to_vec()).collect());
            all.extend(logits.filter(|it: &Vec<Vec<f32>>| !it.is_empty()));
        };
        add(first);
        for it in &mut self.others {
            add(it.featurize(candidates)?);
        }
        if let Some(it) = &mut self.untrained {
            let drawn = it.featurize(candidates)?;
            all.push(drawn.into_iter().map(|it| it.features.to_vec()).collect());
        }
        let (resizer, canvas) = (&mut self.resizer, &mut self.canvas);
        let pixels = candidates.iter().map(|it| -> Result<Vec<f32>, FeaturizerError> {
            let picture = &it.frame.picture;
            let rgb = picture.render_on(it.area, PIXELS_SIDE, PIXELS_SIDE, resizer, canvas)?;
            Ok(rgb.iter().map(|it| f32::from(*it) / 255.0).collect())
        });
        all.push(pixels.collect::<Result<_, _>>()?);
        Ok(all)
    }
}
