//! Where `unknown` begins: an event of an animal that was never taught must not be called by another's name.

use serde::{Deserialize, Serialize};

/// How strange an event is, and from where on it is unknown.
///
/// Strangeness is linear in how far the event is from anything taught and in how little sure its answer is; the weights
/// are those that tell taught species, each left out in turn, best from the rest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unknown {
    /// Of 1 − closeness.
    pub of_distance: f32,
    /// Of the negative logarithm of the best answer's probability.
    pub of_doubt: f32,
    /// Strangeness above which an event is unknown.
    pub threshold: f32,
}

impl Unknown {
    /// Of an event whose best answer has that probability, and whose mean closeness is that.
    pub fn strangeness(&self, probability: f32, closeness: f32) -> f32 {
        self.of_distance * (1.0 - closeness) - self.of_doubt * probability.max(1e-6).ln()
    }
}
