//! What two gates make of the same night: bursts of motion, and which of them only one of the two let through.

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::capture::tape::Share;

/// Bursts that are remembered of one gate, at most: a branch in a storm makes no better answer by making more of them.
pub const MAX_BURSTS: usize = 5_000;

/// Frames in which something moved, one soon after the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Burst {
    /// When the first was taken.
    pub from: Timestamp,
    /// When the last was.
    pub to: Timestamp,
    /// How many there are.
    pub frames: u32,
    /// When the one was taken in which most moved.
    pub shown_at: Timestamp,
    /// Where, in that one.
    pub shown: Share,
}

impl Burst {
    /// Whether it was going on at a time, or within `gap` of it.
    pub fn is_about(&self, from: Timestamp, to: Timestamp, gap: SignedDuration) -> bool {
        self.from.duration_since(to) <= gap && from.duration_since(self.to) <= gap
    }
}

/// Puts frames together to bursts, as events are put together of looks.
#[derive(Debug)]
pub struct Bursts {
    gap: SignedDuration,
    min_frames: u32,
    open: Option<Burst>,
    over: Vec<Burst>,
}

impl Bursts {
    /// A burst ends after `gap` of stillness, and is one with so many frames.
    pub fn new(gap: SignedDuration, min_frames: u32) -> Bursts {
        Bursts { gap, min_frames, open: None, over: Vec::new() }
    }

    /// Something moved then, and there.
    pub fn add(&mut self, at: Timestamp, moved: Share) {
        let surface = |it: &Share| it.width * it.height;
        match &mut self.open {
            Some(it) if at.duration_since(it.to) <= self.gap && at >= it.to => {
                it.to = at;
                it.frames += 1;
                if surface(&moved) > surface(&it.shown) {
                    (it.shown_at, it.shown) = (at, moved);
                }
            }
            open => {
                let new = Burst { from: at, to: at, frames: 1, shown_at: at, shown: moved };
                let ended = open.replace(new);
                self.over.extend(ended.filter(|it| it.frames >= self.min_frames));
            }
        }
    }

    /// Whether there is no room for more.
    pub fn is_full(&self) -> bool {
        self.over.len() >= MAX_BURSTS
    }

    /// All of them.
    pub fn finish(mut self) -> Vec<Burst> {
        self.over.extend(self.open.filter(|it| it.frames >= self.min_frames));
        self.over
    }
}

/// What changed.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Difference {
    /// Of the present settings' bursts those that the others let through, too.
    pub kept: Vec<Burst>,
    /// Those that they did not.
    pub lost: Vec<Burst>,
    /// Those that only they let through.
    pub gained: Vec<Burst>,
}

/// Holds what two gates let through against one another.
pub fn compare(present: Vec<Burst>, changed: &[Burst], gap: SignedDuration) -> Difference {
    let is_among = |all: &[Burst], it: &Burst| {
        // Both are in the order of time: what ended long before is skipped.
        let first = all.partition_point(|other| it.from.duration_since(other.to) > gap);
        all.get(first).is_some_and(|other| other.is_about(it.from, it.to, gap))
    };
    let gained = changed.iter().filter(|it| !is_among(&present, it)).cloned().collect();
    let (kept, lost) = present.into_iter().partition(|it| is_among(changed, it));
    Difference { kept, lost, gained }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const GAP: SignedDuration = SignedDuration::from_secs(3);

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_second(secs).unwrap()
    }

    fn bursts(secs: &[i64]) -> Vec<Burst> {
        let mut bursts = Bursts::new(GAP, 2);
        let share = |side: f64| Share { x: 0.0, y: 0.0, width: side, height: side };
        secs.iter().for_each(|it| bursts.add(at(*it), share(1.0 / (1.0 + (*it % 4) as f64))));
        bursts.finish()
    }

    #[test]
    fn frames_soon_after_one_another_are_a_burst_and_one_alone_is_none() {
        let found = bursts(&[1, 2, 4, 7, 20, 40, 42, 90]);
        let spans: Vec<_> = found.iter().map(|it| (it.from, it.to, it.frames, it.shown_at)).collect();
        assert_eq!(spans, [(at(1), at(7), 4, at(4)), (at(40), at(42), 2, at(40))]);
        // A clock that is set back begins another.
        assert_eq!(bursts(&[50, 51, 10, 11]).len(), 2);
    }

    #[test]
    fn what_only_one_of_two_gates_saw_is_lost_or_gained() {
        let present = bursts(&[1, 2, 30, 31, 60, 61]);
        let changed = bursts(&[4, 5, 45, 46, 59, 60, 62, 63]);
        let difference = compare(present, &changed, GAP);
        let froms = |all: &[Burst]| all.iter().map(|it| it.from).collect::<Vec<_>>();
        assert_eq!(froms(&difference.kept), [at(1), at(60)]);
        assert_eq!(froms(&difference.lost), [at(30)]);
        assert_eq!(froms(&difference.gained), [at(45)]);
        assert_eq!(compare(Vec::new(), &[], GAP), Difference::default());
    }
}
