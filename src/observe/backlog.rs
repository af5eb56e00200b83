//! Events that could not be saved yet: what a full disk leaves in memory, bounded.

use std::collections::VecDeque;

use uuid::Uuid;

use crate::domain::{Change, Event};
use crate::observe::store::Piece;

/// Events that may wait; the oldest is lost when another comes.
const MOST_EVENTS: usize = 1000;
/// Vectors that may wait, of all events together: about 10 MB.
const MOST_PIECES: usize = 4096;

/// An event that waits to be saved, as it last stood.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) event: Event,
    /// The most telling of its changes that nobody has heard of.
    pub(super) change: Change,
    pub(super) pieces: Vec<Piece>,
    /// How often it was refused although the store could write.
    pub(super) refused: u32,
}

/// What did not fit.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Lost {
    /// A whole event.
    pub(super) event: Option<Uuid>,
    /// Pictures of an event that is kept.
    pub(super) pictures: usize,
    /// Vectors of an event that is kept.
    pub(super) vectors: usize,
}

/// Events in the order in which they first failed.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    events: VecDeque<Pending>,
    pieces: usize,
}

impl Backlog {
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.events.len()
    }

    /// Adds what could not be saved, or joins it to what waits of the same event. Frames are let go of: they hold a
    /// decoder's buffers.
    pub(super) fn add(&mut self, mut new: Pending) -> Lost {
        let mut lost = Lost {
            pictures: new.pieces.iter_mut().filter_map(|it| it.forget_frame().then_some(())).count(),
            ..Lost::default()
        };
        let room = MOST_PIECES - self.pieces;
        lost.vectors = new.pieces.len().saturating_sub(room);
        new.pieces.truncate(room);
        self.pieces += new.pieces.len();
        if let Some(waiting) = self.events.iter_mut().find(|it| it.event.id == new.event.id) {
            waiting.change = both(waiting.change, new.change);
            waiting.event = new.event;
            waiting.pieces.append(&mut new.pieces);
            return lost;
        }
        if self.events.len() == MOST_EVENTS {
            lost.event = self.pop().map(|it| it.event.id);
        }
        self.events.push_back(new);
        lost
    }

    /// The one that waits longest.
    pub(super) fn pop(&mut self) -> Option<Pending> {
        let first = self.events.pop_front()?;
        self.pieces -= first.pieces.len();
        Some(first)
    }

    /// Puts one back to where [`pop`](Self::pop) took it from.
    pub(super) fn unpop(&mut self, it: Pending) {
        self.pieces += it.pieces.len();
        self.events.push_front(it);
    }
}

/// Two changes that nobody has heard of, told as one.
fn both(first: Change, second: Change) -> Change {
    match (first, second) {
        (_, Change::Ended) => Change::Ended,
        (Change::Progressed, second) => second,
        (first, _) => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::store::fixture;

    fn pending(change: Change) -> Pending {
        let update = fixture::update(change, "red fox", 3);
        let pieces = update.keepsakes.iter().map(Piece::from).collect();
        Pending { event: update.event, change, pieces, refused: 0 }
    }

    #[test]
    fn one_event_waits_once_as_it_last_stood() {
        let mut backlog = Backlog::default();
        let first = pending(Change::Opened);
        let mut second = pending(Change::Progressed);
        second.event.id = first.event.id;
        second.event.looks = 99;
        assert_eq!(backlog.add(first), Lost { event: None, pictures: 3, vectors: 0 });
        backlog.add(second);
        assert_eq!(backlog.len(), 1);
        let it = backlog.pop().expect("it waits");
        assert_eq!((it.event.looks, it.change, it.pieces.len()), (99, Change::Opened, 6));
        assert!(it.pieces.into_iter().all(|mut piece| !piece.forget_frame()), "a frame is still held");
    }

    #[test]
    fn what_waits_is_bounded_and_what_does_not_fit_is_told() {
        let mut backlog = Backlog::default();
        let first = pending(Change::Opened);
        let oldest = first.event.id;
        backlog.add(first);
        let mut vectors = 0;
        for _ in 1..MOST_EVENTS {
            vectors += backlog.add(pending(Change::Opened)).vectors;
        }
        assert_eq!(vectors, 0);
        let mut many = pending(Change::Opened);
        many.pieces = (0..MOST_PIECES).map(|_| many.pieces[0].clone()).collect();
        let lost = backlog.add(many);
        assert_eq!((lost.event, lost.vectors), (Some(oldest), MOST_EVENTS * 3));
        assert_eq!((backlog.len(), backlog.pieces), (MOST_EVENTS, MOST_PIECES - 3));
    }
}
