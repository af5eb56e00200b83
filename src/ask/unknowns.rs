//! Animals that nobody taught: one question for each kind of them, and then for more of the same.
//!
//! Events that are strange to the head and lie together are likely to be of one species: the one with most strange events
//! around it is asked about, and covers these. What lies by a taught event is covered by that, so that one answer takes
//! their claim from all that are like it. But of a species of which one event is taught little can be told: until there are
//! some more, what a head that was taught it takes for the same is asked about, too (active search: Garnett et al. 2012).
//! With each question stand the events that look most like it, as one answer may name many.

use std::collections::BTreeMap;

use crate::teach::logistic::exp;

use super::herding::Herd;
use super::places::{Nearest, Places};
use super::pool::{Candidate, Lesson, Pool};

/// How far one strange event covers another.
const WIDTH: f32 = 0.5;
/// Look-alikes of one event, at most: as many as a page shows at once.
pub(super) const MAX_ALIKE: usize = 20;
/// Of a species with fewer events than this more are asked for …
const ENOUGH: usize = 8;
/// … if the others have this many times as many. While all is new, herding knows better.
const BEHIND: usize = 4;
/// How much it counts for a look-alike that nothing taught lies near it.
const ALONE: f32 = 0.5;
/// Below this probability an event is not taken for one more of a species.
const LEAST: f32 = 0.05;

/// An event that is like nothing taught.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unknown {
    /// Its place.
    pub(super) at: usize,
    /// Events that look like it, the likeliest first: the nearer to it, and the further from anything taught.
    pub(super) alike: Vec<usize>,
    /// How many of all are nearer to it than to anything taught.
    pub(super) n_nearer: usize,
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
        let (alike, n_nearer) = alike(events.len(), places, nearest, at, &may);
        Unknown { at, alike, n_nearer }
    };
    picked.into_iter().map(unknown).collect()
}

/// Of the first `n_events` those that look like one of them, the likeliest first: the nearer to it, and the further from anything
/// taught. And how many of all are nearer to it than to anything taught.
pub(super) fn alike(
    n_events: usize,
    places: &Places,
    nearest: &[Option<Nearest>],
    at: usize,
    may: impl Fn(usize) -> bool,
) -> (Vec<usize>, usize) {
    let far = |it: usize| nearest[it].map_or(f32::INFINITY, |taught| taught.square);
    let mut found: Vec<(f32, usize)> = Vec::new();
    let mut n_nearer = 0;
    for it in (0..n_events).filter(|it| *it != at && may(*it)) {
        let square = places.square(it, at);
        n_nearer += usize::from(square < far(it));
        // No two are further apart than 4.
        found.push((square - ALONE * far(it).min(4.0), it));
    }
    found.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    (found.into_iter().take(MAX_ALIKE).map(|it| it.1).collect(), n_nearer)
}

/// How likely an event is of something never taught: strangeness is a regression's, the logarithm of odds.
fn claim(strangeness: f32) -> f32 {
    let odds = exp(-strangeness.abs());
    if strangeness > 0.0 { 1.0 / (1.0 + odds) } else { odds / (1.0 + odds) }
}

/// One more event of a species that has few.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct More<'a> {
    /// Its place.
    pub(super) at: usize,
    /// What it may be.
    pub(super) class: &'a str,
    /// How many of these are taught.
    pub(super) taught: usize,
    /// Others that may be one, the likeliest first.
    pub(super) alike: Vec<usize>,
}

/// At most `n` events that may be of a species of which far fewer events are taught than of others, the likeliest first, among
/// those that `may` be asked. Of a species that the head was not taught yet it is what lies next to a lesson of it; lessons lie
/// at the places from that of the last event on.
pub(super) fn more<'a>(
    pool: &'a Pool,
    (events, lessons): (&[Candidate], &'a [Lesson]),
    nearest: &[Option<Nearest>],
    n: usize,
    may: impl Fn(usize) -> bool,
) -> Vec<More<'a>> {
    let few = of_few(lessons);
    let places: Vec<Option<usize>> = few.iter().map(|few| pool.classes.iter().position(|it| it == few.0)).collect();
    let likely = |at: usize, of: usize| match places[of] {
        Some(place) => events[at].probabilities.get(place).copied().filter(|it| it.is_finite()).unwrap_or(0.0),
        None => {
            let lesson = |it: &Nearest| it.at.checked_sub(events.len()).and_then(|it| lessons.get(it));
            let next = nearest[at].filter(|it| lesson(it).is_some_and(|it| it.said == few[of].0));
            next.map_or(0.0, |it| 1.0 / (1.0 + it.square))
        }
    };
    let free: Vec<usize> = (0..events.len()).filter(|it| may(*it)).collect();
    let best = |&at: &usize| {
        let all = (0..few.len()).map(|of| (likely(at, of), at, of));
        all.max_by(|a, b| a.0.total_cmp(&b.0))
    };
    let with_alike = |(_, at, of): (f32, usize, usize)| {
        let (class, taught) = few[of];
        let others = free.iter().filter(|it| **it != at).map(|it| (likely(*it, of), *it, of));
        let alike = likeliest(others).into_iter().take(MAX_ALIKE).map(|it| it.1).collect();
        More { at, class, taught, alike }
    };
    likeliest(free.iter().filter_map(best)).into_iter().take(n).map(with_alike).collect()
}

/// Species of which far fewer events are taught than of others, and how many.
fn of_few(lessons: &[Lesson]) -> Vec<(&str, usize)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    lessons.iter().for_each(|it| *counts.entry(&it.said).or_default() += 1);
    let mut sorted: Vec<usize> = counts.values().copied().collect();
    sorted.sort_unstable();
    let usual = sorted.get(sorted.len() / 2).copied().unwrap_or(0);
    counts.into_iter().filter(|it| it.1 < ENOUGH && it.1 * BEHIND <= usual).collect()
}

/// Those that are likely at all, the likeliest first: how likely, and which event.
fn likeliest(all: impl Iterator<Item = (f32, usize, usize)>) -> Vec<(f32, usize, usize)> {
    let mut found: Vec<(f32, usize, usize)> = all.filter(|it| it.0 >= LEAST).collect();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    found
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn candidate(probabilities: &[f32], strangeness: f32) -> Candidate {
        Candidate {
            id: Uuid::nil(),
            vector: Vec::new(),
            probabilities: probabilities.to_vec(),
            strangeness: Some(strangeness),
            protected: false,
        }
    }

    fn lesson(said: &str) -> Lesson {
        Lesson {
            id: Uuid::nil(),
            vector: Vec::new(),
            said: said.into(),
            labeller: String::new(),
            settled: false,
            asked_again: false,
            out_of_fold: None,
        }
    }

    #[test]
    fn more_are_asked_of_a_species_that_has_few_and_all_likely_ones_stand_beside() {
        let common = (0..24).map(|i| lesson(if i % 2 == 0 { "deer" } else { "fox" }));
        let lessons: Vec<Lesson> = common.chain([lesson("lynx")]).collect();
        let events: Vec<Candidate> =
            [[0.9, 0.1, 0.0], [0.3, 0.3, 0.4], [0.1, 0.1, 0.8], [0.5, 0.4, 0.1]].map(|it| candidate(&it, 0.0)).into();
        let mut pool = Pool { classes: ["deer", "fox", "lynx"].map(String::from).into(), ..Pool::default() };
        let to = |lesson: usize, square: f32| Some(Nearest { at: events.len() + lesson, square });
        let nearest = [to(0, 0.1), to(24, 0.5), to(1, 0.2), to(24, 0.3)];
        let ask = |pool: &Pool, n: usize, may: &dyn Fn(usize) -> bool| -> Vec<(usize, String, usize, Vec<usize>)> {
            let found = more(pool, (&events, &lessons), &nearest, n, may);
            found.into_iter().map(|it| (it.at, it.class.to_owned(), it.taught, it.alike)).collect()
        };
        assert_eq!(ask(&pool, 1, &|_| true), [(2, "lynx".into(), 1, vec![1, 3])]);
        assert_eq!(ask(&pool, 9, &|it| it != 2).iter().map(|it| it.0).collect::<Vec<_>>(), [1, 3]);
        // A head that was not taught it yet says nothing: what lies next to the lesson is asked about.
        pool.classes.pop();
        assert_eq!(ask(&pool, 1, &|_| true), [(3, "lynx".into(), 1, vec![1])]);
    }

    #[test]
    fn beside_a_stranger_stands_what_is_near_it_and_far_from_all_that_is_taught() {
        let at = |angle: f32| vec![angle.cos(), angle.sin()];
        let angles = [0.0, 0.1, 0.4, -0.4, 3.0, -0.6];
        let vectors: Vec<Vec<f32>> = angles.into_iter().map(at).collect();
        let places = Places::of(&vectors.iter().map(|it| &**it).collect::<Vec<_>>());
        let events: Vec<Candidate> = [2.0, 1.0, 1.0, 1.0, -5.0].map(|it| candidate(&[], it)).into();
        // The lesson lies beside the fourth, which is as near to the first as the third is.
        let nearest = places.nearest(0..5, 5..6);
        let found = unknowns(&events, &places, &nearest, 1, |it| it != 1, &[]);
        assert_eq!(found.len(), 1);
        let alike: Vec<usize> = found[0].alike.iter().copied().filter(|it| *it != 0).collect();
        assert!(found[0].at != 1 && !alike.contains(&1), "{found:?}");
        let place = |event: usize| alike.iter().position(|it| *it == event);
        assert!(found[0].at == 2 || place(2) < place(3), "{found:?}");
    }
}
