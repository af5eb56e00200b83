//! How near a candidate, or an event, is to anything that a head was taught.

use std::ops::{AddAssign, Div, Mul};

/// Two measures of it, as one alone does not always tell a stranger.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Closeness {
    /// The largest whitened cosine to a class mean, −1..=1.
    pub cosine: f32,
    /// How far the likeliest class stands out: see [`lead`].
    pub lead: f32,
}

/// By how much the largest score of a regression exceeds the mean of all. A stranger resembles several classes a little and
/// none much, so that its scores lie close together (the largest logit tells strangers best: Vaze et al. 2022, Hendrycks
/// et al. 2022; less the mean, as a regression's scores are only known up to what they share). 0 where there are none.
pub fn lead(scores: impl Iterator<Item = f32>) -> f32 {
    let (mut top, mut sum, mut n) = (f32::NEG_INFINITY, 0.0, 0.0);
    for it in scores {
        top = top.max(it);
        sum += it;
        n += 1.0;
    }
    if n > 0.0 { top - sum / n } else { 0.0 }
}

impl AddAssign for Closeness {
    fn add_assign(&mut self, other: Closeness) {
        self.cosine += other.cosine;
        self.lead += other.lead;
    }
}

impl Mul<Closeness> for f32 {
    type Output = Closeness;

    fn mul(self, it: Closeness) -> Closeness {
        Closeness { cosine: self * it.cosine, lead: self * it.lead }
    }
}

impl Div<f32> for Closeness {
    type Output = Closeness;

    fn div(self, by: f32) -> Closeness {
        Closeness { cosine: self.cosine / by, lead: self.lead / by }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_class_that_stands_out_leads_whatever_all_scores_share() {
        assert_eq!(lead([5.0, -1.0, -1.0].into_iter()), 4.0);
        assert_eq!(lead([105.0, 99.0, 99.0].into_iter()), 4.0);
        assert!(lead([1.0, 0.9, 0.8].into_iter()) < 0.2);
        assert_eq!(lead([].into_iter()), 0.0);
    }
}
