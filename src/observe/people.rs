//! People in the pictures: how likely a look shows some, with every doubt counted as a yes.
//!
//! A head that was taught `human` or `vehicle` says so itself. Until then what the network knows of what people wear, carry
//! and drive is asked: it was never shown people for their own sake, but it has seen jeans, backpacks and pickups.

use std::sync::Arc;

use crate::config::PeopleConfig;
use crate::domain::{Embedding, PEOPLE};
use crate::infer::contract::Contract;
use crate::infer::predict::{Prediction, Seen};

/// Presence, or novelty, from which a candidate shows something that is not always there: what always is marks nothing.
const THERE: (f32, f32) = (0.25, 1.0);

/// What counts as a sign of people.
#[derive(Debug, Clone)]
pub struct Signs {
    /// Of the network's logits, those of what people wear, carry and drive.
    logits: Arc<[usize]>,
    /// From which on a taught head's answer does.
    taught: f32,
    /// From which on the network's does.
    starter: f32,
}

impl Signs {
    /// As configured, with what the contract knows of the network's classes.
    pub fn new(config: &PeopleConfig, contract: &Contract) -> Signs {
        Signs::of(contract.people.as_slice().into(), config)
    }

    pub(crate) fn of(logits: Arc<[usize]>, config: &PeopleConfig) -> Signs {
        Signs { logits, taught: config.probability, starter: config.starter_probability }
    }

    /// Whether a look may show people in what is new in it.
    pub fn show(&self, prediction: &Prediction) -> bool {
        let there = |it: &&Seen| it.presence >= THERE.0 || it.novelty.is_some_and(|novelty| novelty.excess >= THERE.1);
        self.any(prediction, prediction.seen.iter().filter(there))
    }

    /// Whether it may show any at all: who stands still is soon no news, and of a still nothing else is known.
    pub fn linger(&self, prediction: &Prediction) -> bool {
        self.any(prediction, prediction.seen.iter())
    }

    fn any<'a>(&self, prediction: &Prediction, mut seen: impl Iterator<Item = &'a Seen>) -> bool {
        let classes = prediction.heads.first().classes().iter().enumerate();
        let taught: Vec<usize> =
            classes.filter(|(_, it)| PEOPLE.contains(&&*it.name)).map(|(class, _)| class).collect();
        if taught.is_empty() {
            return seen.any(|it| self.worn(&prediction.embeddings[it.candidate_idx]) >= self.starter);
        }
        seen.filter_map(Seen::probabilities)
            .any(|it| taught.iter().filter_map(|class| it.get(*class)).sum::<f32>() >= self.taught)
    }

    /// Probability, 0..=1, of all that people wear, carry and drive together; below 0 where the network has no such answer.
    fn worn(&self, embedding: &Embedding) -> f32 {
        let Some(logits) = embedding.logits.as_ref().filter(|_| !self.logits.is_empty()) else { return -1.0 };
        let top = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let share = |it: &f32| (it - top).exp();
        let worn: f32 = self.logits.iter().filter_map(|it| logits.get(*it)).map(share).sum();
        worn / logits.iter().map(share).sum::<f32>()
    }
}
