//! What a taught head computes: two classifiers on the same coordinates, and how much of each.
//!
//! Whitened cosine to class means (within-class covariance normalisation: Hatch & Stolcke 2006) is right where a class
//! has few events, multinomial logistic regression where it has many; their log-probabilities are mixed, class by class.

use crate::infer::closeness::{Closeness, lead};
use crate::infer::space::Space;
use crate::infer::vector::{dot, softmax};

/// Below this a probability is not told from 0.
const LEAST: f32 = 1e-7;

/// The numbers of a taught head; `k` are the space's directions, `n` its classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Learned {
    /// Whether its first class is `blank`.
    pub(crate) blank: bool,
    /// Where its classes lie.
    pub(crate) space: Space,
    /// `[k][k]`: the inverse of the Cholesky factor of the shrunk within-class covariance.
    pub(crate) whitening: Vec<f32>,
    /// `[n][k]`: class means, whitened, of length 1.
    pub(crate) means: Vec<f32>,
    /// What a cosine is multiplied with before the softmax.
    pub(crate) sharpness: f32,
    /// `[n][k]`: of the logistic regression.
    pub(crate) weights: Vec<f32>,
    /// `[n]`.
    pub(crate) bias: Vec<f32>,
    /// `[n]`, 0..=1: how much the logistic regression says of each class.
    pub(crate) shares: Vec<f32>,
    /// `[n]`: what is added to the mixed log-probability of each class.
    pub(crate) offsets: Vec<f32>,
}

/// What a taught head says of a candidate.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// `[n]`, summing to 1.
    pub probabilities: Vec<f32>,
    /// How near it is to anything that was taught.
    pub closeness: Closeness,
}

impl Learned {
    /// How many classes it tells apart.
    pub fn n_classes(&self) -> usize {
        self.bias.len()
    }

    /// The space that it lives in.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// Answers for features `[dimension]` of a [kind](crate::infer::space::kind).
    pub fn answer(&self, features: &[f32], kind: usize) -> Answer {
        self.answer_with(features, None, kind)
    }

    /// The same where the network was asked for its logits, too, which are not computed again then.
    pub fn answer_with(&self, features: &[f32], logits: Option<&[f32]>, kind: usize) -> Answer {
        let at = self.space.project(features, logits, kind);
        let k = at.len();
        let white: Vec<f32> = self.whitening.chunks_exact(k).map(|row| dot(row, &at)).collect();
        let length = dot(&white, &white).sqrt().max(f32::MIN_POSITIVE);
        let cosines: Vec<f32> = self.means.chunks_exact(k).map(|mean| dot(mean, &white) / length).collect();
        let mut near: Vec<f32> = cosines.iter().map(|it| self.sharpness * it).collect();
        let mut likely: Vec<f32> =
            self.weights.chunks_exact(k).zip(&self.bias).map(|(weights, bias)| dot(weights, &at) + bias).collect();
        let closeness = Closeness {
            cosine: cosines.iter().copied().fold(-1.0, f32::max),
            lead: lead(likely.iter().copied().skip(usize::from(self.blank))),
        };
        told(&mut near);
        told(&mut likely);
        Answer { probabilities: mixed(&near, &likely, &self.shares, &self.offsets), closeness }
    }
}

/// Makes log-probabilities of scores, as they are [mixed].
pub fn told(scores: &mut [f32]) {
    softmax(scores);
    scores.iter_mut().for_each(|it| *it = (*it + LEAST).ln());
}

/// Probabilities of what two classifiers have [told]: the geometric mean of both, weighted class by class with the second's share,
/// with each class's offset; made to sum to 1.
pub fn mixed(near: &[f32], likely: &[f32], shares: &[f32], offsets: &[f32]) -> Vec<f32> {
    let both = near.iter().zip(likely).zip(shares).zip(offsets);
    let mut mixed: Vec<f32> = both.map(|(((a, b), share), offset)| (1.0 - share) * a + share * b + offset).collect();
    softmax(&mut mixed);
    mixed
}
