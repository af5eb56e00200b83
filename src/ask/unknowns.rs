//! Animals that nobody taught: one question for each kind of them, and then for more of the same.
//!
//! Events that are strange to the head and lie together are likely to be of one species: the one with most strange events
//! around it is asked about, and covers these. What lies by a taught event is covered by that, so that one answer takes
//! their claim from all that are like it. But of a species of which one event is taught little can be told: until there are
//! some more, what is nearest to it is asked about, too.

use std::collections::BTreeMap;

use crate::teach::logistic::exp;

use super::herding::Herd;
use super::places::{Nearest, Places};
use super::pool::{Candidate, Lesson};

/// How far one strange event covers another.
const WIDTH: f32 = 0.9;
/// Look-alikes of one event, at most: as many as a page shows at once.
const MAX_ALIKE: usize = 20;
/// Of a species with fewer events than this more are asked for …
const ENOUGH: usize = 8;
/// … if the others have this many times as many. While all is new, herding knows better.
const BEHIND: usize = 4;

/// An event that is like nothing taught.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unknown {
    /// Its place.
    pub(super) at: usize,
    /// Events that are nearer to it than to anything taught, nearest first.
    pub(super) alike: Vec<usize>,
}

/// At most `n` events that stand for kinds of animals that were never taught, the commonest kinds first, among those that
/// `may` be asked. The first places are those of `events`; `nearest` is what each has nearest among the taught; `asked` are
/// places of events that are asked about already.
pub(super) fn unknowns(
    events: &[Candidate],
    places: &Places,
    nearest: &[Option<Nearest>],
    n: usize,
    may: impl Fn(usize) -> bool,
    asked: &[usize],
) -> Vec<Unknown> {
    let strangeness = |i: usize| events[i].strangeness.filter(|it| it.is_finite());
    if n == 0 || !(0..events.len()).any(|i| strangeness(i).is_some_and(|it| it > 0.0)) {
        return Vec::new();
    }
    let claims: Vec<f32> = (0..events.len()).map(|i| strangeness(i).map_or(0.0, claim)).collect();
    let mut herd = Herd::new(places, claims.clone(), nearest, WIDTH);
    asked.iter().for_each(|it| herd.cover(*it));
    let strange = |i: usize| may(i) && strangeness(i).is_some_and(|it| it > 0.0);
    let picked = herd.pick(n, strange, asked, |i| claims[i]);
    let unknown = |at: usize| {
        let square = |it: usize| places.square(it, at);
        let near = |it: &usize| *it != at && nearest[*it].is_none_or(|taught| square(*it) < taught.square);
        let mut alike: Vec<usize> = (0..events.len()).filter(near).collect();
        alike.sort_by(|a, b| square(*a).total_cmp(&square(*b)));
        alike.truncate(MAX_ALIKE);
        Unknown { at, alike }
    };
    picked.into_iter().map(unknown).collect()
}

/// How likely an event is of something never taught: strangeness is a regression's, the logarithm of odds.
fn claim(strangeness: f32) -> f32 {
    let odds = exp(-strangeness.abs());
    if strangeness > 0.0 { 1.0 / (1.0 + odds) } else { odds / (1.0 + odds) }
}

/// One more event of a species that has few.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct More<'a> {
    /// Its place.
    pub(super) at: usize,
    /// What it may be.
    pub(super) class: &'a str,
    /// How many of these are taught.
    pub(super) taught: usize,
}

/// At most `n` events that look like one of a species of which far fewer events are taught than of others, nearest first.
/// Lessons lie at the places from `first` on.
pub(super) fn more<'a>(
    lessons: &'a [Lesson],
    first: usize,
    nearest: &[Option<Nearest>],
    n: usize,
    may: impl Fn(usize) -> bool,
) -> Vec<More<'a>> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    lessons.iter().for_each(|it| *counts.entry(&it.said).or_default() += 1);
    let mut sorted: Vec<usize> = counts.values().copied().collect();
    sorted.sort_unstable();
    let usual = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
    let mut found: Vec<(f32, More<'a>)> = Vec::new();
    for (at, it) in nearest.iter().enumerate().filter(|it| may(it.0)) {
        let Some(it) = it else { continue };
        let Some(lesson) = it.at.checked_sub(first).and_then(|it| lessons.get(it)) else { continue };
        let taught = counts[&*lesson.said];
        if taught < ENOUGH && taught * BEHIND <= usual {
            found.push((it.square, More { at, class: &lesson.said, taught }));
        }
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.at.cmp(&b.1.at)));
    found.into_iter().map(|it| it.1).take(n).collect()
}
