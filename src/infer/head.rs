//! Heads: from an embedding to the probabilities of a task's classes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::{Class, Embedding, Generation};
use crate::infer::contract::NetworkClass;

/// The class of pictures with nothing in them.
pub const BLANK: &str = "blank";

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
    /// `network` is what each of the network's logits means; where it has none, the head knows `blank` alone.
    pub fn starter(network: &[NetworkClass]) -> Head {
        let mut classes = vec![Class { name: BLANK.into(), scientific_name: "".into() }];
        let mut known: HashMap<Arc<str>, usize> = HashMap::new();
        let fold = network
            .iter()
            .map(|it| {
                if !it.animal {
                    return 0;
                }
                *known.entry(Arc::clone(&it.common_name)).or_insert_with(|| {
                    let (name, scientific_name) = (Arc::clone(&it.common_name), Arc::clone(&it.scientific_name));
                    classes.push(Class { name, scientific_name });
                    classes.len() - 1
                })
            })
            .collect();
        Head { generation: Generation { task: "species".into(), number: 0 }, classes, fold }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn row(animal: bool, common: &str) -> NetworkClass {
        NetworkClass {
            label: common.into(),
            animal,
            common_name: common.into(),
            scientific_name: "".into(),
            rank: "species".into(),
        }
    }

    #[test]
    fn the_networks_classes_fold_to_animals_and_blank() {
        let head =
            Head::starter(&[row(true, "domestic dog"), row(true, "crane"), row(true, "domestic dog"), row(false, "")]);
        let names: Vec<&str> = head.classes().iter().map(|it| &*it.name).collect();
        assert_eq!(names, ["blank", "domestic dog", "crane"]);
        let embedding = Embedding { features: vec![].into(), logits: Some(vec![0.0, 0.0, 0.0, 2.0f32.ln()].into()) };
        let probabilities = head.predict(&embedding).unwrap();
        for (got, expected) in probabilities.iter().zip([0.4, 0.4, 0.2]) {
            assert!((got - expected).abs() < 1e-6, "{probabilities:?}");
        }
    }

    #[test]
    fn without_an_output_of_the_network_there_is_no_answer() {
        let head = Head::starter(&[]);
        assert_eq!(head.predict(&Embedding { features: vec![1.0].into(), logits: None }), None);
    }
}
