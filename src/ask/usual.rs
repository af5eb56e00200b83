//! What is usual at a site, of which events are told apart: the mean of each kind of view, of features and of the network's
//! impressions. Heads are taught on both, so that what lies near is what a head takes for alike.

use std::sync::Arc;

use crate::infer::classifier::{Classifier, impression};
use crate::infer::space::{Impressions, N_KINDS, Space};
use crate::teach::recipe::Recipe;

/// Views of a kind below which its own mean says nothing.
const FEW: usize = 20;

/// Sums over views, by kind, and the last of all.
#[derive(Debug, Default)]
pub struct Usual {
    features: [Sum; N_KINDS + 1],
    impressions: [Sum; N_KINDS + 1],
}

#[derive(Debug, Default)]
struct Sum {
    of: Vec<f32>,
    n: usize,
}

impl Usual {
    /// Takes in a view of a [kind](crate::infer::space::kind); `logits` are the network's of it, where it has a last layer.
    pub fn add(&mut self, kind: usize, features: &[f32], logits: Option<&[f32]>) {
        let seen = logits.map(impression);
        for own in [kind.min(N_KINDS), N_KINDS] {
            self.features[own].add(features);
            if let Some(it) = &seen {
                self.impressions[own].add(it);
            }
        }
    }

    /// Whether nothing was taken in.
    pub fn is_empty(&self) -> bool {
        self.features[N_KINDS].n == 0
    }

    /// Where views lie, less what is usual for their kind: a kind of which there is little is compared with all. With impressions
    /// where `classifier` is the layer that they came from.
    pub fn space(self, classifier: Option<&Arc<Classifier>>) -> Space {
        let dimension = self.features[N_KINDS].of.len();
        let seen =
            classifier.filter(|it| it.dimension() == dimension && it.n_classes() == self.impressions[N_KINDS].of.len());
        let impressions = seen.map(|it| Impressions {
            classifier: Arc::clone(it),
            means: means(&self.impressions),
            basis: Vec::new(),
            weight: Recipe::PRIOR.impression as f32,
        });
        Space { means: means(&self.features), basis: Vec::new(), dimension, impressions }
    }
}

impl Sum {
    fn add(&mut self, values: &[f32]) {
        self.of.resize(values.len(), 0.0);
        self.of.iter_mut().zip(values).for_each(|(sum, it)| *sum += it);
        self.n += 1;
    }
}

/// `[N_KINDS][values]`.
fn means(sums: &[Sum; N_KINDS + 1]) -> Vec<f32> {
    let of = |own: usize| if sums[own].n < FEW { &sums[N_KINDS] } else { &sums[own] };
    (0..N_KINDS).flat_map(|own| of(own).of.iter().map(move |it| it / of(own).n.max(1) as f32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_share_is_no_difference_and_impressions_count_twice_as_much() {
        let layer = Arc::new(Classifier::new(&[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], vec![0.0; 3], 2).expect("a layer"));
        let mut usual = Usual::default();
        assert!(usual.is_empty());
        for it in [[3.0, 1.0], [1.0, 3.0]] {
            usual.add(0, &it, Some(&layer.logits(&it)));
        }
        let space = usual.space(Some(&layer));
        let at = space.centred(&[3.0, 1.0], None, 0);
        assert_eq!(at, space.centred(&[3.0, 1.0], Some(&layer.logits(&[3.0, 1.0])), 0));
        let length = |it: &[f32]| it.iter().map(|x| x * x).sum::<f32>();
        assert!((length(&at) - 1.0).abs() < 1e-5 && at.len() == 5, "{at:?}");
        assert!((length(&at[2..]) / length(&at[..2]) - 4.0).abs() < 1e-3, "{at:?}");
        // Opposite ends of two.
        let other = space.centred(&[1.0, 3.0], None, 0);
        assert!(at.iter().zip(&other).all(|(a, b)| (a + b).abs() < 1e-4), "{at:?} {other:?}");
        // A layer of other vectors is none.
        let mut plain = Usual::default();
        plain.add(0, &[1.0, 2.0, 3.0], None);
        assert_eq!(plain.space(Some(&layer)).centred(&[2.0, 2.0, 3.0], None, 0), [1.0, 0.0, 0.0]);
    }
}
