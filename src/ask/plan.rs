//! A day's questions: which of the pool, in which order, and what people read as the reason.

use std::collections::{HashMap, HashSet};

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use uuid::Uuid;

use crate::observe::store::Why;

use super::herding::{Herd, NEAR_DUPLICATE, doubt, width};
use super::places::{Nearest, Places};
use super::pool::{About, Ask, Candidate, Lesson, Pool, Shares};
use super::random::{self, Drawn};
use super::suspects::{Suspect, suspects, worth};
use super::unknowns::{MAX_ALIKE, alike, more, unknowns};

/// Events that are compared, at most: the first of the pool, and the last that were taught.
const MAX_EVENTS: usize = 5_000;
const MAX_LESSONS: usize = 5_000;
/// An event below this is not asked for its doubt, but for what lies around it.
const UNSURE: f32 = 0.5;
/// However sure a head is: where nothing is unsure what is least like the taught is asked.
const LEAST_DOUBT: f32 = 1e-4;
/// An answer that is likelier wrong than right is a suspect: with less, right ones cost more questions than they are worth.
const SUSPICIOUS: f64 = 0.5;

/// The day's questions, at most `budget`, in the order in which they are to be asked. The same pool and seed give the same.
pub fn plan(pool: &Pool, budget: usize, shares: &Shares, seed: u64) -> Vec<Ask> {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    // Where no head serves there is no guess that could be right.
    let of_guesses = |share: f64| if pool.classes.is_empty() { 0.0 } else { share };
    let n_events = to_draw(of_guesses(shares.random), budget, pool.day.events.len(), &mut dice);
    let n_moments = whole(shares.still * budget as f64, &mut dice).min(budget - n_events);
    let n_blanks = to_draw(of_guesses(shares.blank), budget, pool.day.blanks.len(), &mut dice);
    let n_blanks = n_blanks.min(budget - n_events - n_moments);
    let Drawn { events, blanks, moments } = random::draw(&pool.day, [n_events, n_blanks, n_moments], &mut dice);
    let random = [&*events, &*blanks].concat();
    let mut desk = Desk::of(pool, &random);
    let mut left = budget - random.len() - moments.len();
    let protected = desk.protected(left);
    left -= protected.len();
    // What a head was never taught it can tell as far as it can tell what it was; until then what covers most finds it.
    let n_strange = whole(shares.strange * budget as f64 * f64::from(desk.trust()), &mut dice);
    let strange = desk.strange(n_strange.min(left));
    left -= strange.len();
    let all = suspects(&pool.classes, &pool.taught);
    let n_suspect = whole(shares.suspect * budget as f64 * worth(&all, &pool.taught, SUSPICIOUS), &mut dice);
    let wrong = desk.suspects(n_suspect.min(left), all, &random);
    left -= wrong.len();
    let herded = desk.herded(left);
    let mut asks = protected;
    asks.extend(interleaved(vec![strange, herded, wrong, events, blanks, moments]));
    asks
}

/// A share of the questions, and of `n` events no more than that share, rounded up: where little comes by, most of it is asked
/// with the guess shown.
fn to_draw(share: f64, budget: usize, n: usize, dice: &mut impl Rng) -> usize {
    if n == 0 {
        return 0;
    }
    // `as` saturates.
    whole(share * budget as f64, dice).min(budget).min((share * n as f64).ceil() as usize)
}

/// A number that is so large on average.
fn whole(number: f64, dice: &mut impl Rng) -> usize {
    let number = if number.is_finite() { number.max(0.0) } else { 0.0 };
    number as usize + usize::from(dice.random_bool(number.fract()))
}

/// All of them, those of one list in order and spread over the whole: whoever stops early has seen some of each.
fn interleaved(lists: Vec<Vec<Ask>>) -> Vec<Ask> {
    let mut all: Vec<(f64, Ask)> = Vec::new();
    for list in lists {
        let n = list.len() as f64;
        all.extend(list.into_iter().enumerate().map(|(i, it)| ((i as f64 + 0.5) / n, it)));
    }
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.into_iter().map(|it| it.1).collect()
}

/// The pool, laid out: how all lies to each other, and what is asked about already.
struct Desk<'a> {
    pool: &'a Pool,
    events: &'a [Candidate],
    lessons: &'a [Lesson],
    /// Events, then lessons, then what was asked before.
    places: Places,
    /// What each event has nearest among the lessons.
    nearest: Vec<Option<Nearest>>,
    /// By event: whether it is asked about today.
    taken: Vec<bool>,
    /// Places of all that is asked about, today and before.
    asked: Vec<usize>,
}

impl<'a> Desk<'a> {
    fn of(pool: &'a Pool, random: &[Ask]) -> Desk<'a> {
        let events = &pool.events[..pool.events.len().min(MAX_EVENTS)];
        let lessons = &pool.taught[pool.taught.len().saturating_sub(MAX_LESSONS)..];
        let before = &pool.asked[pool.asked.len().saturating_sub(MAX_LESSONS)..];
        let vectors = events.iter().map(|it| &*it.vector).chain(lessons.iter().map(|it| &*it.vector));
        let vectors: Vec<&[f32]> = vectors.chain(before.iter().map(|it| &**it)).collect();
        let places = Places::of(&vectors);
        let (n, n_taught) = (events.len(), lessons.len());
        let nearest = places.nearest(0..n, n..n + n_taught);
        let at: HashMap<Uuid, usize> = events.iter().enumerate().map(|(i, it)| (it.id, i)).collect();
        let mut taken = vec![false; n];
        let mut asked: Vec<usize> = (n + n_taught..vectors.len()).collect();
        let drawn = random.iter().filter_map(|it| if let About::Event(id) = it.about { at.get(&id) } else { None });
        for &i in drawn {
            taken[i] = true;
            asked.push(i);
        }
        Desk { pool, events, lessons, places, nearest, taken, asked }
    }

    fn ask(&mut self, at: usize, why: Why, reason: String, alike: Vec<Uuid>) -> Ask {
        self.taken[at] = true;
        self.asked.push(at);
        Ask { about: About::Event(self.events[at].id), why, reason, blind: false, probability: None, alike }
    }

    /// All of protected species, as far as the budget goes. One that is another seen again stands beside it, and is asked about
    /// another day where nobody names it with that.
    fn protected(&mut self, n: usize) -> Vec<Ask> {
        let mut firsts: Vec<(usize, Vec<usize>)> = Vec::new();
        for i in (0..self.events.len()).filter(|&i| self.events[i].protected && !self.taken[i]) {
            let places = &self.places;
            let is_again = |it: &(usize, Vec<usize>)| it.1.len() < MAX_ALIKE && places.square(i, it.0) < NEAR_DUPLICATE;
            match firsts.iter().position(is_again) {
                Some(first) => firsts[first].1.push(i),
                None if firsts.len() < n => firsts.push((i, Vec::new())),
                None => {}
            }
        }
        let mut asks = Vec::new();
        for (i, alike) in firsts {
            let ids = self.free(&alike);
            alike.iter().for_each(|it| self.taken[*it] = true);
            asks.push(self.ask(i, Why::Protected, self.of_protected(i), ids));
        }
        asks
    }

    /// Those of them that are not asked about.
    fn free(&self, alike: &[usize]) -> Vec<Uuid> {
        alike.iter().filter(|i| !self.taken[**i]).map(|i| self.events[*i].id).collect()
    }

    fn strange(&mut self, n: usize) -> Vec<Ask> {
        let may = |i: usize| !self.taken[i];
        let more = more(self.pool, (self.events, self.lessons), &self.nearest, n.div_ceil(2), may);
        let n_unknown = n - more.len();
        let mut asks = Vec::new();
        for it in more {
            let reason = format!(
                "may be one more {}, of which {} so far",
                it.class,
                counted(it.taught, "is known", "are known")
            );
            let alike = self.free(&it.alike);
            asks.push(self.ask(it.at, Why::Strange, reason, alike));
        }
        let found = unknowns(self.events, &self.places, &self.nearest, n_unknown, |i| !self.taken[i], &self.asked);
        for it in found {
            let alike = self.free(&it.alike);
            let reason = match it.n_nearer {
                0 => "nothing like it so far: a new species?".into(),
                n => format!(
                    "nothing like it so far: a new species? {} like it",
                    counted(n, "event looks", "events look")
                ),
            };
            asks.push(self.ask(it.at, Why::Strange, reason, alike));
        }
        asks
    }

    fn suspects(&self, n: usize, all: Vec<Suspect>, random: &[Ask]) -> Vec<Ask> {
        let due =
            all.into_iter().take_while(|it| it.wrong > SUSPICIOUS).filter(|it| !self.pool.taught[it.lesson].settled);
        // An event that was answered already may have been drawn for the random check.
        let drawn: HashSet<About> = random.iter().map(|it| it.about).collect();
        let ask = |it: Suspect| {
            let lesson = &self.pool.taught[it.lesson];
            Ask {
                about: About::Event(lesson.id),
                why: Why::Suspect,
                reason: format!("was called {}, and looks like {}", lesson.said, self.pool.classes[it.rather]),
                blind: false,
                probability: None,
                alike: Vec::new(),
            }
        };
        due.map(ask).filter(|it| !drawn.contains(&it.about)).take(n).collect()
    }

    fn herded(&mut self, n: usize) -> Vec<Ask> {
        let n_events = self.events.len();
        let served = !self.pool.classes.is_empty();
        let doubts: Vec<f32> = self.events.iter().map(|it| doubt(&it.probabilities)).collect();
        let trust = self.trust();
        let weight = |doubt: &f32| if served { doubt.max(LEAST_DOUBT).powf(trust) } else { 1.0 };
        let weights: Vec<f32> = doubts.iter().map(weight).collect();
        let lessons = n_events..n_events + self.lessons.len();
        let width = width(&self.places.nearest(lessons.clone(), lessons));
        let mut herd = Herd::new(&self.places, weights, &self.nearest, width);
        self.asked.iter().for_each(|it| herd.cover(*it));
        let picked = herd.pick(n, |i| !self.taken[i], &self.asked, |_| 1.0);
        let mut asks = Vec::new();
        for i in picked {
            let unsure = served && doubts[i] >= UNSURE;
            let between = if unsure { self.between(i) } else { None };
            // Asked for another reason, it may be the first of a species all the same.
            let is_strange = self.events[i].strangeness.is_some_and(|it| it > 0.0);
            let alike = if is_strange { self.alike(i) } else { Vec::new() };
            asks.push(match between {
                Some((a, b)) => self.ask(i, Why::Unsure, format!("unsure between {a} and {b}"), alike),
                None => self.ask(i, Why::Cover, "little like it so far".into(), alike),
            });
        }
        asks
    }

    /// How much the head's doubt says, 0..=1: how often heads like it are right about answers that they were not fitted on. While
    /// there is one answer of each species none is, and what covers most teaches most; the more they are right, the more it is
    /// the unsure that teach. A head that was taught elsewhere is taken at its word.
    fn trust(&self) -> f32 {
        if self.lessons.is_empty() {
            return 1.0;
        }
        let right = |it: &&Lesson| {
            let class = it
                .out_of_fold
                .as_ref()
                .and_then(|answer| (0..answer.len()).max_by(|a, b| answer[*a].total_cmp(&answer[*b])));
            class.and_then(|it| self.pool.classes.get(it)).is_some_and(|name| *name == it.said)
        };
        self.lessons.iter().filter(right).count() as f32 / self.lessons.len() as f32
    }

    fn alike(&self, i: usize) -> Vec<Uuid> {
        let free = |it: usize| !self.taken[it];
        self.free(&alike(self.events.len(), &self.places, &self.nearest, i, free).0)
    }

    /// The two likeliest classes of an event.
    fn between(&self, i: usize) -> Option<(&'a str, &'a str)> {
        let probabilities = &self.events[i].probabilities;
        let mut places: Vec<usize> = (0..probabilities.len().min(self.pool.classes.len())).collect();
        places.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]).then(a.cmp(b)));
        let name = |it: usize| places.get(it).map(|it| &*self.pool.classes[*it]);
        Some((name(0)?, name(1)?))
    }

    fn of_protected(&self, i: usize) -> String {
        match self.between(i) {
            Some((first, _)) if Some(first) != self.pool.blank.map(|it| &*self.pool.classes[it]) => {
                format!("may be of a protected species: looks like {first}")
            }
            _ => "may be of a protected species".into(),
        }
    }
}

/// `1 event looks`, `2 events look`.
fn counted(n: usize, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}

#[cfg(test)]
mod tests;
