//! Answers of other programs in MegaDetector's batch format (MegaDetector, SpeciesNet, DeepFaune, AddaxAI, and our own
//! `classify`), to be scored on the same events as a head.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::Path;

use serde::Deserialize;

use crate::infer::closeness::Closeness;
use crate::infer::head::BLANK;
use crate::infer::together::Together;

use super::score::Scored;

/// What programs call a picture of nothing.
const EMPTY: [&str; 5] = ["blank", "empty", "vide", "background", "no cv result"];
/// What an answer is called that says no more than that something lives there.
const UNNAMED: [&str; 3] = ["animal", "unknown", "undefined"];

/// The answers cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AgainstError {
    /// It cannot be read.
    #[error("{path}: {why}")]
    Read {
        /// The file.
        path: String,
        /// The system's reason.
        why: String,
    },
    /// It is not in that format.
    #[error(
        "{path}: {why}: must be MegaDetector's batch format: a document with `images`, `detection_categories` and, where species are named, `classification_categories`"
    )]
    Format {
        /// The file.
        path: String,
        /// What is wrong.
        why: String,
    },
}

#[derive(Deserialize)]
struct Document {
    images: Vec<Image>,
    #[serde(default)]
    detection_categories: HashMap<String, String>,
    #[serde(default)]
    classification_categories: HashMap<String, String>,
}

#[derive(Deserialize)]
struct Image {
    file: String,
    detections: Option<Vec<Detection>>,
}

#[derive(Deserialize)]
struct Detection {
    category: String,
    conf: f32,
    #[serde(default)]
    classifications: Vec<(String, f32)>,
}

/// Probabilities `[classes]` of each detection of a picture, or of nothing.
type Answers = Vec<Vec<f32>>;

/// What another program says of pictures.
#[derive(Debug)]
pub struct Against {
    /// `blank` first.
    classes: Vec<String>,
    /// By the path's last part: the whole path, and what is said of it.
    pictures: HashMap<String, Vec<(String, Answers)>>,
}

impl Against {
    /// Reads a document whole.
    pub fn read(path: &Path) -> Result<Against, AgainstError> {
        let name = path.display().to_string();
        let bytes = fs::read(path).map_err(|it| AgainstError::Read { path: name.clone(), why: it.to_string() })?;
        let document: Document = serde_json::from_slice(&bytes)
            .map_err(|it| AgainstError::Format { path: name.clone(), why: it.to_string() })?;
        let mut it = Against { classes: vec![BLANK.into()], pictures: HashMap::new() };
        for image in &document.images {
            let Some(detections) = &image.detections else { continue };
            let mut answers = Vec::new();
            for detection in detections {
                let said = said(&document, detection).map_err(|why| AgainstError::Format {
                    path: name.clone(),
                    why: format!("{}: {why}", image.file),
                })?;
                answers.push(it.probabilities(said));
            }
            if answers.is_empty() {
                answers.push(vec![1.0]);
            }
            let whole = image.file.replace('\\', "/");
            it.pictures.entry(last(&whole).to_owned()).or_default().push((whole, answers));
        }
        Ok(it)
    }

    /// What it says of an event; none where it says nothing of any of its pictures.
    pub fn scored(&self, pictures: &[&Path], truth: &str) -> Option<Scored> {
        let answers: Vec<Vec<f32>> =
            pictures.iter().filter_map(|it| self.of(it)).flatten().map(|it| self.whole(it)).collect();
        if answers.is_empty() {
            return None;
        }
        let together = Together::of(answers.iter().map(|it| (&**it, Closeness::default())), Some(0));
        let answer = together.answer(Some(0))?;
        let probability = |it: usize| f64::from(together.probability(it, Some(0)));
        let name = self.classes[answer].clone();
        Some(Scored {
            truth: truth.into(),
            strangeness: 1.0 - probability(answer),
            rejected: UNNAMED.contains(&&*name),
            probabilities: (0..self.classes.len()).map(|it| (self.classes[it].clone(), probability(it))).collect(),
            answer: name,
        })
    }

    /// Whether it says anything of a picture.
    pub fn knows(&self, picture: &Path) -> bool {
        self.of(picture).is_some()
    }

    /// The same path, or one that ends as the other does, where only one does.
    fn of(&self, picture: &Path) -> Option<&Answers> {
        let path = picture.to_string_lossy().replace('\\', "/");
        let alike = self.pictures.get(last(&path))?;
        let ends =
            |whole: &str, end: &str| whole.strip_suffix(end).is_some_and(|it| it.is_empty() || it.ends_with('/'));
        if let Some(same) = alike.iter().find(|it| it.0 == path) {
            return Some(&same.1);
        }
        let mut fitting = alike.iter().filter(|it| ends(&it.0, &path) || ends(&path, &it.0));
        fitting.next().filter(|_| fitting.next().is_none()).map(|it| &it.1)
    }

    /// As long as there are classes.
    fn whole(&self, probabilities: &[f32]) -> Vec<f32> {
        let mut whole = probabilities.to_vec();
        whole.resize(self.classes.len(), 0.0);
        whole
    }

    /// `[classes]`, summing to 1: what is not said of a class is left to `blank`.
    fn probabilities(&mut self, said: BTreeMap<String, f32>) -> Vec<f32> {
        let mut probabilities = vec![0.0; self.classes.len()];
        for (name, probability) in said {
            let place = self.classes.iter().position(|it| *it == name).unwrap_or_else(|| {
                self.classes.push(name);
                self.classes.len() - 1
            });
            probabilities.resize(self.classes.len(), 0.0);
            probabilities[place] += probability;
        }
        let named: f32 = probabilities.iter().skip(1).sum();
        probabilities[0] = (1.0 - named).max(0.0);
        probabilities
    }
}

/// What a detection says: how surely something is there, shared among what it may be.
fn said(document: &Document, detection: &Detection) -> Result<BTreeMap<String, f32>, String> {
    let sure = Some(detection.conf).filter(|it| (0.0..=1.0).contains(it));
    let sure = sure.ok_or_else(|| format!("a `conf` of {}, where 0 to 1 belongs", detection.conf))?;
    let mut said: BTreeMap<String, f32> = BTreeMap::new();
    for (category, probability) in &detection.classifications {
        let known = document.classification_categories.get(category);
        let name = known.ok_or_else(|| format!("class {category:?} is none of `classification_categories`"))?;
        if !(0.0..=1.0).contains(probability) {
            return Err(format!("class {name:?} has a probability of {probability}, where 0 to 1 belongs"));
        }
        *said.entry(plain(name)).or_default() += probability;
    }
    let all: f32 = said.values().sum();
    if all > 0.0 {
        said.values_mut().for_each(|it| *it *= sure / all.max(1.0));
        return Ok(said);
    }
    let name = match document.detection_categories.get(&detection.category).map(|it| it.as_str()) {
        Some("person") => "human".into(),
        Some(name) => plain(name),
        None => return Err(format!("category {:?} is none of `detection_categories`", detection.category)),
    };
    Ok(BTreeMap::from([(name, sure)]))
}

/// A name as tables have it: SpeciesNet writes `id;class;order;family;genus;species;common name`.
fn plain(name: &str) -> String {
    let last = name.rsplit(';').map(str::trim).find(|it| !it.is_empty()).unwrap_or(name);
    let plain = last.to_lowercase().replace('_', " ");
    if EMPTY.contains(&&*plain) { BLANK.into() } else { plain }
}

fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests;
