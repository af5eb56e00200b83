//! Where `unknown` begins: an event of an animal that was never taught must not be called by another's name.

use serde::{Deserialize, Serialize};

use crate::infer::together::Together;

/// How strange an event is, and from where on it is unknown.
///
/// Strangeness is linear in the [signs](Together::signs) of a stranger; the weights are those that tell taught species, each
/// left out in turn, best from the rest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unknown {
    /// Of 1 − the cosine to what is nearest.
    pub of_distance: f32,
    /// Of the negative logarithm of the best answer's probability.
    pub of_doubt: f32,
    /// Of minus the [lead](crate::infer::closeness::lead) of the likeliest class.
    pub of_lead: f32,
    /// Of minus that by the second featurizer.
    pub of_second: f32,
    /// Strangeness above which an event is unknown.
    pub threshold: f32,
    /// 1 − the cosine beyond which an event is far from everything taught, however sure its answer: as few known events lie
    /// there as are called unknown. None of a head that was fitted before this was looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reach: Option<f32>,
}

impl Unknown {
    /// Of an event with that answer.
    pub fn strangeness(&self, together: &Together) -> f32 {
        let [distance, doubt, lead, second] = together.signs();
        self.of_distance * distance + self.of_doubt * doubt + self.of_lead * lead + self.of_second * second
    }

    /// Whether an event is sure to be of a group of taught classes that has this probability, though it is not sure which.
    ///
    /// The threshold is the same; the doubt is that of the group, which is all that differs: within it nobody need know
    /// which. So what is strange by its distance stays so. But where strangers are told by doubt more than by distance the
    /// threshold alone would let through what is far from everything, once all of it falls to one group: therefore the
    /// distance must be one that known events have, too.
    pub fn is_sure_of_group(&self, together: &Together, probability: f32) -> bool {
        let [distance, of_species, ..] = together.signs();
        let doubt = -probability.max(1e-6).ln();
        let strangeness = self.strangeness(together) + self.of_doubt * (doubt - of_species);
        self.reach.is_some_and(|reach| distance <= reach) && strangeness <= self.threshold
    }
}
