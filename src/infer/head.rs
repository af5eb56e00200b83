//! Heads: from an embedding to the probabilities of a task's classes.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::{Class, Embedding, Generation};
use crate::infer::both::{Both, fused};
use crate::infer::closeness::Closeness;
use crate::infer::contract::NetworkClass;
use crate::infer::learned::{Answer, Learned};
use crate::infer::ranks::{Higher, Ranks};
use crate::infer::taxonomy::Taxonomy;
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
    Starter {
        /// For each of the network's own classes the index of ours.
        fold: Vec<usize>,
        /// What the names of classes mean, for the heads that come after it.
        taxonomy: Taxonomy,
    },
    Taught(Box<Taught>, Ranks),
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
        Head::starter_with(network, Taxonomy::new(&[], network))
    }

    /// The same, where a site gives names a meaning of its own.
    pub fn starter_with(network: &[NetworkClass], taxonomy: Taxonomy) -> Head {
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
        Head { generation, classes, answers: Answers::Starter { fold, taxonomy } }
    }

    /// A taught head. `classes` are those of `taught.learned`, `blank` first where it is among them.
    pub fn taught(generation: Generation, mut classes: Vec<Class>, taught: Taught) -> Head {
        if classes.first().is_none_or(|it| &*it.name != BLANK) {
            classes.insert(0, blank());
        }
        let ranks = match &taught.starter.answers {
            Answers::Starter { taxonomy, .. } => Ranks::of(&classes, taxonomy),
            Answers::Taught(..) => Ranks::default(),
        };
        Head { generation, classes, answers: Answers::Taught(Box::new(taught), ranks) }
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
            Answers::Taught(it, _) => &it.starter,
        }
    }

    /// Whether anybody taught it what nothing looks like; the network has seen plenty of that.
    pub fn knows_blank(&self) -> bool {
        match &self.answers {
            Answers::Starter { .. } => true,
            Answers::Taught(it, _) => it.learned.n_classes() == self.classes.len(),
        }
    }

    /// What it says of an embedding of a candidate of a [kind](crate::infer::space::kind); none where neither the
    /// network nor anybody else has taught it anything.
    pub fn opinion(&self, embedding: &Embedding, kind: usize) -> Option<Opinion> {
        let own = self.own_opinion(embedding, kind)?;
        let Answers::Taught(it, _) = &self.answers else { return Some(own) };
        let first = it.starter.own_opinion(embedding, kind);
        let log_odds = first.as_ref().map_or(0.0, |it| it.log_odds);
        Some(Opinion { log_odds, guess: first.map(|it| it.probabilities), ..own })
    }

    /// The same without the starter head's: all that is asked of a further task's head.
    pub fn own_opinion(&self, embedding: &Embedding, kind: usize) -> Option<Opinion> {
        match &self.answers {
            Answers::Starter { fold, .. } => {
                let probabilities = folded(fold, self.classes.len(), embedding)?;
                let log_odds = log_odds(&probabilities);
                Some(Opinion { probabilities, guess: None, log_odds, closeness: Closeness::default(), second: None })
            }
            Answers::Taught(it, _) => {
                let answer = self.named(it.learned.answer_with(&embedding.features, embedding.logits.as_deref(), kind));
                let second = embedding.second.as_ref().zip(it.both.as_ref());
                let second = second.filter(|(seen, both)| seen.featurizer == both.featurizer);
                Some(Opinion {
                    probabilities: answer.probabilities.into(),
                    guess: None,
                    log_odds: 0.0,
                    closeness: answer.closeness,
                    second: second.map(|(seen, both)| self.named(both.learned.answer(&seen.features, kind))),
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
            Answers::Taught(it, _) => match it.both.as_ref().zip(second) {
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
            Answers::Taught(it, _) => {
                let unknown = it.unknown(together);
                unknown.strangeness(together) - unknown.threshold
            }
        }
    }

    /// What an event with that [settled](Self::settled) answer is sure to be, where it is not sure of the species: a taxon
    /// above several taught classes. The starter head, which nobody calibrated, has none.
    pub fn higher(&self, together: &Together) -> Option<Higher> {
        match &self.answers {
            Answers::Starter { .. } => None,
            Answers::Taught(it, ranks) => ranks.of_event(together, it.unknown(together)),
        }
    }
}

impl Taught {
    /// Where unknown begins for an event, by what has seen it.
    fn unknown(&self, together: &Together) -> &Unknown {
        let both = self.both.as_ref().filter(|_| together.second_closeness.is_some());
        both.map_or(&self.unknown, |it| &it.unknown)
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
