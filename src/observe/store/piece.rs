//! What is worth keeping of an event, and which of it is kept when there is more than may be.

use std::collections::HashSet;
use std::sync::Arc;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::{Area, CaptureMethod, Frame, Keepsake, Modality, View};

use super::words;

/// A keepsake on its way to the disk: its vector as it is stored, and its frame for as long as a picture is wanted of it.
#[derive(Debug, Clone)]
pub(crate) struct Piece {
    pub(super) id: Uuid,
    pub(super) captured_at: Timestamp,
    pub(super) area: Area,
    pub(super) view: View,
    pub(super) method: CaptureMethod,
    pub(super) modality: Modality,
    pub(super) score: f32,
    pub(super) vector: Vec<u8>,
    /// Identity of the second featurizer, and its vector.
    pub(super) second: Option<(Arc<str>, Vec<u8>)>,
    pub(super) frame: Option<Arc<Frame>>,
}

impl From<&Keepsake> for Piece {
    fn from(it: &Keepsake) -> Piece {
        Piece {
            id: it.id,
            captured_at: it.frame.at,
            area: it.area,
            view: it.view,
            method: it.method,
            modality: it.modality,
            // A score that is no number is the worst.
            score: if it.score.is_nan() { 0.0 } else { it.score.clamp(0.0, 1.0) },
            vector: words::vector(&it.embedding.features),
            second: it.embedding.second.as_ref().map(|it| (Arc::clone(&it.featurizer), words::vector(&it.features))),
            frame: it.picture.then(|| Arc::clone(&it.frame)),
        }
    }
}

impl Piece {
    /// Lets go of the frame; gives whether there was one.
    pub(crate) fn forget_frame(&mut self) -> bool {
        self.frame.take().is_some()
    }
}

/// One of those that compete for a place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Rival {
    pub(super) id: Uuid,
    pub(super) score: f32,
}

/// The best `most` of those that have a place and those that want one; at a tie the one that has it stays.
pub(super) fn best(
    kept: impl IntoIterator<Item = Rival>,
    wanting: impl IntoIterator<Item = Rival>,
    most: usize,
) -> HashSet<Uuid> {
    let mut all: Vec<Rival> = kept.into_iter().chain(wanting).collect();
    // The sort is stable, and those kept come first.
    all.sort_by(|a, b| b.score.total_cmp(&a.score));
    all.into_iter().take(most).map(|it| it.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_better_takes_the_place_of_the_worst_and_a_tie_changes_nothing() {
        let rival = |n: u128, score| Rival { id: Uuid::from_u128(n), score };
        let ids = |numbers: &[u128]| numbers.iter().map(|&n| Uuid::from_u128(n)).collect::<HashSet<_>>();
        let kept = [rival(1, 0.5), rival(2, 0.2)];
        assert_eq!(best(kept, [rival(3, 0.3)], 2), ids(&[1, 3]));
        assert_eq!(best(kept, [rival(3, 0.2)], 2), ids(&[1, 2]));
        assert_eq!(best(kept, [rival(3, 0.1)], 3), ids(&[1, 2, 3]));
        assert_eq!(best(kept, [rival(3, 0.9)], 0), ids(&[]));
    }
}
