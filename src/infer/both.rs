//! A head on both featurizers: what the second says of an event's best candidates corrects what the first says of all.

use std::sync::Arc;

use crate::infer::learned::Learned;
use crate::infer::together::Together;
use crate::infer::unknown::Unknown;
use crate::infer::vector::softmax;

/// Below this a probability is not told from 0.
const LEAST: f32 = 1e-6;

/// What a head has learned of the second featurizer's vectors, and how much that says.
#[derive(Debug, Clone, PartialEq)]
pub struct Both {
    /// Identity of the second featurizer.
    pub featurizer: Arc<str>,
    /// On its vectors; its classes are the head's.
    pub learned: Learned,
    /// How much it says, 0..=1.
    pub share: f32,
    /// How sharp the answer of both is to be.
    pub sharpness: f32,
    /// Where `unknown` begins for events that both have seen.
    pub unknown: Unknown,
}

/// An event's answer by both: the geometric mean of what they say is there, weighted with the second's share. Whether
/// anything is there the first alone says: it has seen every look.
pub fn fused(first: &Together, second: &Together, share: f32, blank: Option<usize>) -> Together {
    let ln = |it: f32| (it + LEAST).ln();
    let both = first.given_present.iter().zip(&second.given_present);
    let mut given_present: Vec<f32> = both.map(|(a, b)| (1.0 - share) * ln(*a) + share * ln(*b)).collect();
    if let Some(blank) = blank.filter(|it| *it < given_present.len()) {
        given_present[blank] = f32::NEG_INFINITY;
    }
    softmax(&mut given_present);
    Together { given_present, second_closeness: Some(second.closeness), ..first.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::closeness::Closeness;

    #[test]
    fn the_second_corrects_and_does_not_say_whether_anything_is_there() {
        let of = |given_present: &[f32], presence, lead| Together {
            presence,
            given_present: given_present.to_vec(),
            closeness: Closeness { lead, ..Closeness::default() },
            second_closeness: None,
        };
        let (first, second) = (of(&[0.0, 0.6, 0.4], 0.7, 0.5), of(&[0.0, 0.1, 0.9], 1.0, 0.3));
        let both = fused(&first, &second, 0.5, Some(0));
        assert_eq!(
            (both.presence, both.closeness, both.second_closeness),
            (0.7, first.closeness, Some(second.closeness))
        );
        let odds = (0.4f32 * 0.9).sqrt() / (0.6f32 * 0.1).sqrt();
        assert!((both.given_present[2] / both.given_present[1] - odds).abs() < 1e-3, "{both:?}");
        assert_eq!(both.given_present[0], 0.0);
        let alone = fused(&first, &second, 0.0, Some(0)).given_present;
        assert!(alone.iter().zip(&first.given_present).all(|(a, b)| (a - b).abs() < 1e-4), "{alone:?}");
    }
}
