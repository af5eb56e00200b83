//! What the random check says of all: how often answers are right, how much is overlooked, and how much the gate misses.
//!
//! Days differ in how much happens, so that an answer of a busy day stands for more. Each answer has the weight of one over
//! the share of its day's units that were answered; the figure is the weighted mean (Hájek's estimator). Its interval is
//! that of Clopper and Pearson on as many answers as the weighted ones are worth (Korn & Graubard 1998): exact where all
//! weigh the same, and wide enough where only a few of hundreds have what is asked for, or none.

use super::beta::beta_share;

/// What an interval leaves out at each end: 95 % lie within.
const TAIL: f64 = 0.025;
/// Halvings that an end is found by: to more digits than anyone reads.
const HALVINGS: usize = 50;

/// A span that a check was drawn of, mostly a day: the draw was random, each of its units as likely as any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stratum {
    /// Units that there were: events, or still moments.
    pub of: u64,
    /// Those drawn that people have answered.
    pub answered: u64,
    /// Those among them that have what is asked for: a right guess, an animal.
    pub hits: u64,
}

/// A figure, and where the truth lies in 95 of 100 seasons.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The best guess.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Answers that it rests on.
    pub answered: u64,
}

/// The share of all units that have what was asked for. None without answers. Spans of which nobody answered anything are
/// taken to be like the others.
pub fn share(strata: &[Stratum]) -> Option<Estimate> {
    let (mut total, mut hits, mut squares, mut answered) = (0.0, 0.0, 0.0, 0u64);
    for it in strata.iter().filter(|it| it.answered > 0) {
        // More answers than units, or more hits than answers, can only be a mistake in counting.
        let weight = it.of.max(it.answered) as f64 / it.answered as f64;
        total += weight * it.answered as f64;
        hits += weight * it.hits.min(it.answered) as f64;
        squares += weight * weight * it.answered as f64;
        answered += it.answered;
    }
    if answered == 0 {
        return None;
    }
    let value = hits / total;
    // Kish's: never more than there are.
    let worth = total * total / squares;
    let (low, high) = interval(value * worth, worth);
    Some(Estimate { value, low, high, answered })
}

/// Of all that came by, the share that the gate let pass as still: of what people said of the still moments, of how many events
/// there were in the same spans, and of what people said of events, which wind and rain make, too. A moment with something in
/// it counts as one event. None without answers to both.
///
/// Each end takes both shares at their worst, which holds at least as often as they do together, and is rather too wide.
pub fn missed(moments: &[Stratum], events: &[Stratum], n_events: f64) -> Option<Estimate> {
    let n_moments: f64 = moments.iter().map(|it| it.of as f64).sum();
    let still = share(moments)?;
    let none = Estimate { value: 0.0, low: 0.0, high: 0.0, answered: 0 };
    let seen = share(events).or((n_events <= 0.0).then_some(none))?;
    let of = |of_moments: f64, of_events: f64| {
        let missed = of_moments * n_moments;
        if missed > 0.0 { missed / (missed + of_events * n_events.max(0.0)) } else { 0.0 }
    };
    let (value, low, high) = (of(still.value, seen.value), of(still.low, seen.high), of(still.high, seen.low));
    Some(Estimate { value, low, high, answered: still.answered })
}

/// Clopper and Pearson's, for hits and answers that need not be whole.
fn interval(hits: f64, n: f64) -> (f64, f64) {
    let low = if hits <= 0.0 { 0.0 } else { quantile(hits, n - hits + 1.0, TAIL) };
    let high = if hits >= n { 1.0 } else { quantile(hits + 1.0, n - hits, 1.0 - TAIL) };
    (low, high)
}

/// The quantile of a beta distribution.
fn quantile(a: f64, b: f64, share: f64) -> f64 {
    // What is left of n by rounding.
    let b = b.max(1e-9);
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = (low + high) / 2.0;
        if beta_share(a, b, middle) < share { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use rand::seq::index::sample;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    const SEASONS: u64 = 100;

    #[test]
    fn intervals_are_those_of_the_tables() {
        let near = |(low, high): (f64, f64), expected: (f64, f64)| {
            assert!((low - expected.0).abs() < 1e-4 && (high - expected.1).abs() < 1e-4, "{low} {high} {expected:?}");
        };
        near(interval(0.0, 10.0), (0.0, 0.3085));
        near(interval(5.0, 10.0), (0.1871, 0.8129));
        near(interval(10.0, 10.0), (0.6915, 1.0));
        near(interval(1.0, 100.0), (0.0003, 0.0545));
    }

    #[test]
    fn a_busy_day_weighs_more_and_nothing_says_nothing() {
        let days = [Stratum { of: 100, answered: 2, hits: 2 }, Stratum { of: 300, answered: 2, hits: 0 }];
        let it = share(&days).expect("answers");
        assert_eq!((it.value, it.answered), (0.25, 4));
        assert!(it.low < 0.05 && it.high > 0.7, "{it:?}");
        assert_eq!(share(&[]), None);
        assert_eq!(share(&[Stratum { of: 9, answered: 0, hits: 0 }]), None);
        let still = [Stratum { of: 1_000, answered: 50, hits: 0 }];
        let all = [Stratum { of: 200, answered: 1_000_000, hits: 1_000_000 }];
        let none = missed(&still, &all, 200.0).expect("answers");
        assert_eq!((none.value, none.low), (0.0, 0.0));
        // 0 of 50: at most 7.1 %, which is 71 moments beside 200 events.
        assert!((none.high - 71.1 / 271.1).abs() < 0.01, "{none:?}");
        // Nine of ten events show nothing: what was missed is so much more of the rest.
        let windy = [Stratum { of: 2_000, answered: 1_000_000, hits: 100_000 }];
        let some = [Stratum { of: 1_000, answered: 50, hits: 10 }];
        let (few, many) = (missed(&some, &all, 200.0), missed(&some, &windy, 2_000.0));
        assert!(few.zip(many).is_some_and(|(a, b)| (a.value - 0.5).abs() < 1e-9 && (b.value - 0.5).abs() < 1e-9));
        assert_eq!(missed(&some, &[], 200.0), None, "nobody has said what events show");
        assert!(missed(&some, &[], 0.0).is_some_and(|it| it.value == 1.0), "nothing was seen, and something was there");
        // What cannot be true does not break it.
        assert!(share(&[Stratum { of: 1, answered: 3, hits: 5 }]).is_some_and(|it| it.value == 1.0));
    }

    /// A season of 90 days, some quiet and some busy, busy ones with more mistakes: of each `per_day` units are drawn, some
    /// of which nobody answers.
    fn season(
        dice: &mut ChaCha8Rng,
        hit: impl Fn(f64) -> f64,
        least: u64,
        most: u64,
        per_day: usize,
    ) -> (Vec<Stratum>, f64) {
        let (mut days, mut all, mut n) = (Vec::new(), 0u64, 0u64);
        for _ in 0..90 {
            let busy: f64 = dice.random();
            let of = least + (busy.powi(3) * (most - least) as f64) as u64;
            let units: Vec<bool> = (0..of).map(|_| dice.random_bool(hit(busy))).collect();
            (all, n) = (all + units.iter().filter(|it| **it).count() as u64, n + of);
            let drawn: Vec<usize> = sample(dice, units.len(), per_day.min(units.len())).into_iter().collect();
            let answered: Vec<usize> = drawn.into_iter().filter(|_| dice.random_bool(0.8)).collect();
            let hits = answered.iter().filter(|it| units[**it]).count() as u64;
            days.push(Stratum { of, answered: answered.len() as u64, hits });
        }
        (days, all as f64 / n as f64)
    }

    #[test]
    fn the_truth_lies_within_in_90_of_100_seasons() {
        for (name, accuracy, per_day) in [("good", 0.97, 2), ("fair", 0.85, 2), ("poor", 0.6, 1)] {
            let held = |seed: u64| {
                let mut dice = ChaCha8Rng::seed_from_u64(seed);
                let (days, truth) = season(&mut dice, |busy| accuracy - 0.1 * busy, 1, 120, per_day);
                share(&days).is_some_and(|it| it.low <= truth && truth <= it.high)
            };
            let n = (0..SEASONS).filter(|seed| held(*seed)).count();
            println!("accuracy, {name}: {n} of {SEASONS}");
            assert!(n >= 90, "{name}: {n}");
        }
        for (name, rate) in [("rarely", 0.005), ("often", 0.08)] {
            let held = |seed: u64| {
                let mut dice = ChaCha8Rng::seed_from_u64(seed);
                let (days, truth) = season(&mut dice, |busy| rate * (0.5 + busy), 0, 140, 3);
                share(&days).is_some_and(|it| it.low <= truth && truth <= it.high)
            };
            let n = (0..SEASONS).filter(|seed| held(*seed)).count();
            println!("overlooked, {name}: {n} of {SEASONS}");
            assert!(n >= 90, "{name}: {n}");
        }
        for (name, rate, real) in
            [("rarely", 0.001, 0.9), ("sometimes", 0.01, 0.9), ("often", 0.08, 0.9), ("in wind", 0.01, 0.1)]
        {
            let held = |seed: u64| {
                let mut dice = ChaCha8Rng::seed_from_u64(seed);
                let (days, still) = season(&mut dice, |busy| rate * (0.5 + busy), 200, 4_000, 2);
                // Busy days are those of wind.
                let (events, shown) = season(&mut dice, |busy| real * (1.0 - 0.5 * busy), 1, 60, 4);
                let sum = |all: &[Stratum]| all.iter().map(|it| it.of as f64).sum::<f64>();
                let (n_moments, n_events) = (sum(&days), sum(&events));
                let truth = still * n_moments / (still * n_moments + shown * n_events);
                missed(&days, &events, n_events).is_some_and(|it| it.low <= truth && truth <= it.high)
            };
            let n = (0..SEASONS).filter(|seed| held(*seed)).count();
            println!("missed, {name}: {n} of {SEASONS}");
            assert!(n >= 90, "{name}: {n}");
        }
    }
}
