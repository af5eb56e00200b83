//! Where `unknown` begins: an event of an animal that was never taught must not be called by another's name.

use serde::{Deserialize, Serialize};

use crate::infer::together::Together;

/// How strange an event is, and from where on it is unknown.
///
/// Strangeness is linear in the [signs](Together::signs) of a stranger; the weights
/// are those that tell taught species, each left out in turn, best from the rest.
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
}

impl Unknown {
    /// Of an event with that answer.
    pub fn strangeness(&self, together: &Together) -> f32 {
        let [distance, doubt, lead, second] = together.signs();
        self.of_distance * distance + self.of_doubt * doubt + self.of_lead * lead + self.of_second * second
    }
}
