//! The files that a contract names: what its logits mean, its last layer, and the network itself.

use std::fs;

use sha2::{Digest, Sha256};

use super::{Contract, ContractError, NetworkClass, hex};
use crate::infer::classifier::Classifier;

impl Contract {
    pub(super) fn read_classes(&self) -> Result<Vec<NetworkClass>, ContractError> {
        const FIELD: &str = "outputs.classes";
        const HEADER: &str = "index,label,animal,common_name,scientific_name,rank";
        if self.outputs.classes.as_os_str().is_empty() {
            return Ok(Vec::new());
        }
        let path = self.beside(&self.outputs.classes);
        let refuse = |why: String| self.refuse(FIELD, format!("{}: {why}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| refuse(error.to_string()))?;
        let mut lines = text.lines();
        if lines.next() != Some(HEADER) {
            return Err(refuse(format!("line 1: the header must be {HEADER}")));
        }
        let mut classes = Vec::new();
        for (i, line) in lines.enumerate() {
            let refuse = |why: &str| refuse(format!("line {}: {why}", i + 2));
            let cells: Vec<&str> = line.split(',').collect();
            let [index, label, animal, common_name, scientific_name, rank] = cells[..] else {
                return Err(refuse("must have 6 cells (none can hold a comma)"));
            };
            if index.parse() != Ok(i) {
                return Err(refuse(&format!("index must be {i}: rows stand in the order of the logits")));
            }
            let animal = match animal {
                "0" => false,
                "1" => true,
                _ => return Err(refuse("animal must be 0 or 1")),
            };
            if animal && common_name.is_empty() {
                return Err(refuse("an animal needs a common_name"));
            }
            classes.push(NetworkClass {
                label: label.into(),
                animal,
                common_name: common_name.into(),
                scientific_name: scientific_name.into(),
                rank: rank.into(),
            });
        }
        if classes.is_empty() { Err(refuse("has no rows".into())) } else { Ok(classes) }
    }

    /// A label a line, lines with `#` said by people to people.
    pub(super) fn read_people(&self) -> Result<Vec<usize>, ContractError> {
        if self.outputs.people.as_os_str().is_empty() {
            return Ok(Vec::new());
        }
        let path = self.beside(&self.outputs.people);
        let refuse = |why: String| self.refuse("outputs.people", format!("{}: {why}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| refuse(error.to_string()))?;
        let lines = text.lines().enumerate().map(|(i, line)| (i + 1, line.trim()));
        lines
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(number, label)| {
                let place = self.classes.iter().position(|it| *it.label == *label);
                place.ok_or_else(|| refuse(format!("line {number}: {label:?} is no label of outputs.classes")))
            })
            .collect()
    }

    pub(super) fn read_classifier(&self) -> Result<Option<Classifier>, ContractError> {
        if self.outputs.classifier.as_os_str().is_empty() {
            return Ok(None);
        }
        let path = self.beside(&self.outputs.classifier);
        let refuse = |why: String| self.refuse("outputs.classifier", format!("{}: {why}", path.display()));
        let classifier = Classifier::read(&path).map_err(refuse)?;
        let (found, wanted) = (classifier.dimension(), self.featurizer.dimension);
        if found != wanted {
            return Err(refuse(format!("is for {found} features, featurizer.dimension is {wanted}")));
        }
        if !self.classes.is_empty() && classifier.n_classes() != self.classes.len() {
            let (found, wanted) = (classifier.n_classes(), self.classes.len());
            return Err(refuse(format!("makes {found} logits, outputs.classes has {wanted} rows")));
        }
        Ok(Some(classifier))
    }

    pub(super) fn check_file(&self) -> Result<(), ContractError> {
        let path = self.file();
        let refuse = |why: String| self.refuse("featurizer.file", format!("{}: {why}", path.display()));
        let bytes = fs::read(&path).map_err(|error| refuse(format!("{error}; `make setup` makes it")))?;
        let wanted = self.featurizer.sha256.to_lowercase();
        let found = hex(&Sha256::digest(&bytes));
        if !wanted.is_empty() && found != wanted {
            let why = format!("has sha256 {found}, featurizer.sha256 says {wanted}: delete it and run `make setup`");
            return Err(refuse(why));
        }
        Ok(())
    }
}
