//! Heads: from an embedding to the probabilities of a task's classes.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::domain::{Class, Embedding, Generation};

/// The class of pictures with nothing in them.
pub const BLANK: &str = "blank";

/// A head cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum HeadError {
    /// The table of classes cannot be read.
    #[error("{path}: {source}", path = path.display())]
    Read {
        /// The table.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line of the table says nothing usable.
    #[error("{path}:{line}: {why}", path = path.display())]
    Line {
        /// The table.
        path: PathBuf,
        /// 1 is the heading.
        line: usize,
        /// Why.
        why: String,
    },
}

/// A head that serves: immutable, and known by its generation.
#[derive(Debug)]
pub struct Head {
    generation: Generation,
    classes: Vec<Class>,
    /// For each of the network's own classes the index of ours.
    fold: Vec<usize>,
}

impl Head {
    /// The starter head (generation 0): the network's own output, folded to the animals it knows and `blank`.
    ///
    /// `table` is a CSV `index,label,animal,common_name,scientific_name,rank`, a row for each of the network's classes.
    pub fn starter(table: &Path) -> Result<Head, HeadError> {
        let path = table.to_path_buf();
        let text = fs::read_to_string(table).map_err(|source| HeadError::Read { path: path.clone(), source })?;
        let mut classes = vec![Class { name: BLANK.into(), scientific_name: "".into() }];
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut fold = Vec::new();
        for (n, line) in text.lines().enumerate().skip(1) {
            let wrong = |why: String| HeadError::Line { path: path.clone(), line: n + 1, why };
            let fields = split(line);
            let [index, _, animal, common, scientific, ..] = &fields[..] else {
                return Err(wrong("expected index,label,animal,common_name,scientific_name,rank".into()));
            };
            if index.parse() != Ok(fold.len()) {
                return Err(wrong(format!("expected the index {}, found {index:?}", fold.len())));
            }
            fold.push(match animal.as_str() {
                "0" => 0,
                "1" if !common.is_empty() => *known.entry(common.clone()).or_insert_with(|| {
                    classes.push(Class { name: common.as_str().into(), scientific_name: scientific.as_str().into() });
                    classes.len() - 1
                }),
                _ => return Err(wrong("expected animal to be 0, or 1 with a common name".into())),
            });
        }
        Ok(Head { generation: Generation { task: "species".into(), number: 0 }, classes, fold })
    }

    /// Which head this is.
    pub fn generation(&self) -> &Generation {
        &self.generation
    }

    /// What it can answer; the first is `blank`.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// Probabilities `[classes]`, summing to 1; none where the featurizer gives no output of its own.
    pub fn predict(&self, embedding: &Embedding) -> Option<Arc<[f32]>> {
        let logits = embedding.logits.as_ref().filter(|it| it.len() == self.fold.len())?;
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut probabilities = vec![0.0; self.classes.len()];
        for (logit, &class) in logits.iter().zip(&self.fold) {
            probabilities[class] += (logit - top).exp();
        }
        let sum: f32 = probabilities.iter().sum();
        probabilities.iter_mut().for_each(|it| *it /= sum);
        Some(probabilities.into())
    }
}

/// The fields of a CSV line; quotes hold commas.
fn split(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.trim_end_matches('\r').chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.last_mut().expect("there is always a field: this is a bug").push(c),
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("classes.csv");
        fs::write(&path, text).unwrap();
        (dir, path)
    }

    #[test]
    fn the_networks_classes_fold_to_animals_and_blank() {
        let (_dir, path) = table(
            "index,label,animal,common_name,scientific_name,rank\n0,beagle,1,domestic dog,Canis familiaris,species\n\
             1,\"crane, bird\",1,crane,Gruidae,family\n2,pug,1,domestic dog,Canis familiaris,species\n3,sofa,0,,,\n",
        );
        let head = Head::starter(&path).unwrap();
        let names: Vec<&str> = head.classes().iter().map(|it| &*it.name).collect();
        assert_eq!(names, ["blank", "domestic dog", "crane"]);
        let embedding = Embedding { features: vec![].into(), logits: Some(vec![0.0, 0.0, 0.0, 2.0f32.ln()].into()) };
        let probabilities = head.predict(&embedding).unwrap();
        for (got, expected) in probabilities.iter().zip([0.4, 0.4, 0.2]) {
            assert!((got - expected).abs() < 1e-6, "{probabilities:?}");
        }
    }

    #[test]
    fn a_bad_line_is_named() {
        let (_dir, path) = table("index,label,animal,common_name,scientific_name,rank\n0,beagle,1,,,\n");
        let message = Head::starter(&path).unwrap_err().to_string();
        assert!(message.contains("classes.csv:2: expected animal to be 0, or 1 with a common name"), "{message}");
    }
}
