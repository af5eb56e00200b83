//! What the random checks of a span say: how often heads name what comes by rightly, and how much the gate misses.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::estimate::{Estimate, Stratum, missed, share};
use crate::infer::head::BLANK;
use crate::observe::store::{Check, Reader, StoreError, Why};

/// Nobody could say: no answer to a check.
const UNIDENTIFIABLE: &str = "unidentifiable";

/// The figures of a span; none where nobody has answered.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Season {
    /// Of all events, those that the heads named rightly as they happened.
    pub accuracy: Option<Estimate>,
    /// Of all events with something in them, those that the gate took to be still.
    pub missed: Option<Estimate>,
}

/// The figures of all checks of a task that were drawn since.
pub fn season(store: &Reader, task: &str, since: Timestamp) -> Result<Season, StoreError> {
    let checks = store.checks(task, since)?;
    let of = |why: Why| strata(checks.iter().filter(|it| it.why == why));
    let (events, moments) = (of(Why::Random), of(Why::Still));
    Ok(Season { accuracy: share(&events), missed: missed(&moments, store.drawn_of(task, since)? as f64) })
}

/// Checks that were chosen at one time were drawn of the same.
fn strata<'a>(checks: impl Iterator<Item = &'a Check>) -> Vec<Stratum> {
    let mut strata: BTreeMap<Timestamp, Stratum> = BTreeMap::new();
    for it in checks {
        // `as` saturates.
        let of = it.of.round() as u64;
        let stratum = strata.entry(it.asked_at).or_insert(Stratum { of, answered: 0, hits: 0 });
        // Of an event that no head had seen there is no guess to be right or wrong.
        let is_guessed = it.why == Why::Still || it.guess.is_some();
        if is_guessed && !it.said.is_empty() && it.said.iter().all(|it| it != UNIDENTIFIABLE) {
            stratum.answered += 1;
            stratum.hits += u64::from(is_hit(it));
        }
    }
    strata.into_values().collect()
}

/// Of an event: the guess is one of what people say. Of a moment: they say that something is there.
fn is_hit(it: &Check) -> bool {
    match it.why {
        Why::Still => it.said.iter().any(|it| it != BLANK),
        _ => it.guess.as_ref().is_some_and(|guess| it.said.contains(guess)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checks_of_one_time_are_one_stratum_and_what_nobody_could_say_is_no_answer() {
        let check = |why, secs, guess: Option<&str>, said: &[&str]| Check {
            why,
            asked_at: Timestamp::from_second(secs).unwrap_or_default(),
            of: 10.4,
            probability: 0.5,
            guess: guess.map(str::to_owned),
            said: said.iter().map(|it| (*it).to_owned()).collect(),
        };
        let of_events = [
            check(Why::Random, 1, Some("fox"), &["hen", "fox"]),
            check(Why::Random, 1, Some("fox"), &["dog"]),
            check(Why::Random, 1, Some("unknown"), &["badger"]),
            check(Why::Random, 1, Some("fox"), &["unidentifiable"]),
            check(Why::Random, 2, Some("blank"), &["blank"]),
            check(Why::Random, 2, Some("fox"), &[]),
            check(Why::Random, 2, None, &["fox"]),
        ];
        let expected = [Stratum { of: 10, answered: 3, hits: 1 }, Stratum { of: 10, answered: 1, hits: 1 }];
        assert_eq!(strata(of_events.iter()), expected);
        let of_moments = [check(Why::Still, 1, None, &["blank"]), check(Why::Still, 1, None, &["unknown"])];
        assert_eq!(strata(of_moments.iter()), [Stratum { of: 10, answered: 2, hits: 1 }]);
    }
}
