//! Heads: from an embedding to the probabilities of a task's classes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::{Class, Embedding, Generation};
use crate::infer::both::{Both, fused};
use crate::infer::closeness::Closeness;
use crate::infer::contract::NetworkClass;
use crate::infer::learned::{Answer, Learned};
use crate::infer::together::Together;
use crate::infer::unknown::Unknown;

/// The class of pictures with nothing in them.
pub const BLANK: &str = "blank";

/// A head that serves: immutable, and known by its generation.
#[derive(Debug)]
pub struct Head {
    generation: Generation,
    classes: Vec<Class>,
    answers: Answers,
}

#[derive(Debug)]
enum Answers {
    /// For each of the network's own classes the index of ours.
    Starter {
        fold: Vec<usize>,
    },
    Taught(Box<Taught>),
}

/// A head that people have taught.
#[derive(Debug)]
pub struct Taught {
    /// What it computes; its classes are the head's, less `blank` where nobody taught it that.
    pub learned: Learned,
    /// How sharp the answer of a whole event is to be.
    pub sharpness: f32,
    /// Where `unknown` begins.
    pub unknown: Unknown,
    /// What it has learned of the second featurizer's vectors, where there were enough.
    pub both: Option<Both>,
    /// What says whether anything is there at all, and what a stranger may be.
    pub starter: Arc<Head>,
}

/// What a head says of a candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Opinion {
    /// `[classes]`, summing to 1.
    pub probabilities: Arc<[f32]>,
    /// The starter head's, where that is another.
    pub guess: Option<Arc<[f32]>>,
    /// The starter head's log-odds of an animal; 0 where the network has no answer of its own.
    pub log_odds: f32,
    /// How near it is to anything taught; nothing is said by the starter head, which nobody taught.
    pub closeness: Closeness,
    /// What it says of the second featurizer's vector, where there is one that it was taught on.
    pub second: Option<Answer>,
}

impl Head {
    /// The starter head (generation 0): the network's own output, folded to the animals it knows and `blank`.
    ///
    /// `network` is what each of the network's logits means; where it has none, the head knows `blank` alone.
    pub fn starter(network: &[NetworkClass]) -> Head {
        let mut classes = vec![blank()];
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
        let generation = Generation { task: "species".into(), number: 0 };
        Head { generation, classes, answers: Answers::Starter { fold } }
    }

    /// A taught head. `classes` are those of `taught.learned`, `blank` first where it is among them.
    pub fn taught(generation: Generation, mut classes: Vec<Class>, taught: Taught) -> Head {
        if classes.first().is_none_or(|it| &*it.name != BLANK) {
            classes.insert(0, blank());
        }
        Head { generation, classes, answers: Answers::Taught(Box::new(taught)) }
    }

    /// Which head this is.
    pub fn generation(&self) -> &Generation {
        &self.generation
    }

    /// What it can answer; the first is `blank`.
    pub fn classes(&self) -> &[Class] {
        &self.classes
    }

    /// The starter head: itself, or the one that it came after.
    pub fn first(&self) -> &Head {
        match &self.answers {
            Answers::Starter { .. } => self,
            Answers::Taught(it) => &it.starter,
        }
    }

    /// What it says of an embedding of a candidate of a [kind](crate::infer::space::kind); none where neither the
    /// network nor anybody else has taught it anything.
    pub fn opinion(&self, embedding: &Embedding, kind: usize) -> Option<Opinion> {
        match &self.answers {
            Answers::Starter { fold } => {
                let probabilities = folded(fold, self.classes.len(), embedding)?;
                Some(Opinion {
                    log_odds: log_odds(&probabilities),
                    probabilities,
                    guess: None,
                    closeness: Closeness::default(),
                    second: None,
                })
            }
            Answers::Taught(it) => {
                let answer = self.named(it.learned.answer(&embedding.features, kind));
                let second = embedding.second.as_ref().zip(it.both.as_ref());
                let second = second.filter(|(seen, both)| seen.featurizer == both.featurizer);
                let first = it.starter.opinion(embedding, kind);
                Some(Opinion {
                    probabilities: answer.probabilities.into(),
                    second: second.map(|(seen, both)| self.named(both.learned.answer(&seen.features, kind))),
                    log_odds: first.as_ref().map_or(0.0, |it| it.log_odds),
                    guess: first.map(|it| it.probabilities),
                    closeness: answer.closeness,
                })
            }
        }
    }

    /// An answer over this head's classes: `blank` first, though nobody taught it that.
    fn named(&self, mut answer: Answer) -> Answer {
        if answer.probabilities.len() < self.classes.len() {
            answer.probabilities.insert(0, 0.0);
        }
        answer
    }

    /// An event's answer, made as sure as it is right: of what all its candidates say together, `[classes]`, and what
    /// the second featurizer's say, where that has seen some.
    pub fn settled(&self, first: Together, second: Option<&Together>) -> Together {
        match &self.answers {
            Answers::Starter { .. } => first,
            Answers::Taught(it) => match it.both.as_ref().zip(second) {
                Some((both, second)) => fused(&first, second, both.share, Some(0)).tempered(both.sharpness),
                None => first.tempered(it.sharpness),
            },
        }
    }

    /// How strange an event is with that [settled](Self::settled) answer: above 0 it is to be called unknown.
    ///
    /// `threshold` is the probability below which the starter head's answer, which nobody calibrated, is not believed.
    pub fn strangeness(&self, together: &Together, threshold: f32) -> f32 {
        match &self.answers {
            Answers::Starter { .. } => threshold - together.top().map_or(0.0, |it| together.given_present[it]),
            Answers::Taught(it) => {
                let both = it.both.as_ref().filter(|_| together.second_closeness.is_some());
                let unknown = both.map_or(&it.unknown, |it| &it.unknown);
                unknown.strangeness(together) - unknown.threshold
            }
        }
    }
}

fn blank() -> Class {
    Class { name: BLANK.into(), scientific_name: "".into() }
}

fn folded(fold: &[usize], n_classes: usize, embedding: &Embedding) -> Option<Arc<[f32]>> {
    let logits = embedding.logits.as_ref().filter(|it| it.len() == fold.len())?;
    let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut probabilities = vec![0.0; n_classes];
    for (logit, &class) in logits.iter().zip(fold) {
        probabilities[class] += (logit - top).exp();
    }
    let sum: f32 = probabilities.iter().sum();
    probabilities.iter_mut().for_each(|it| *it /= sum);
    Some(probabilities.into())
}

/// Of anything but `blank`, the first.
fn log_odds(probabilities: &[f32]) -> f32 {
    let blank = probabilities.first().copied().unwrap_or(0.5).clamp(1e-3, 1.0 - 1e-3);
    ((1.0 - blank) / blank).ln()
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
        let embedding =
            Embedding { features: vec![].into(), logits: Some(vec![0.0, 0.0, 0.0, 2.0f32.ln()].into()), second: None };
        let opinion = head.opinion(&embedding, 0).unwrap();
        let probabilities = &opinion.probabilities;
        assert!((opinion.log_odds - 1.5f32.ln()).abs() < 1e-6, "{opinion:?}");
        for (got, expected) in probabilities.iter().zip([0.4, 0.4, 0.2]) {
            assert!((got - expected).abs() < 1e-6, "{probabilities:?}");
        }
    }

    #[test]
    fn without_an_output_of_the_network_there_is_no_answer() {
        let head = Head::starter(&[]);
        assert_eq!(head.opinion(&Embedding { features: vec![1.0].into(), logits: None, second: None }, 0), None);
    }
}
