//! What the random checks of a span say: how often heads name what comes by rightly, how much they overlook, and how much the gate
//! misses.

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
    /// Of all events in which the heads saw something, those that they named rightly as they happened.
    pub accuracy: Option<Estimate>,
    /// Of the events in which they saw nothing, and which were kept, those in which something was.
    pub overlooked: Option<Estimate>,
    /// Of all that came by, seen or not, what the gate took to be still.
    pub missed: Option<Estimate>,
}

/// The figures of all checks of a task that were drawn since.
pub fn season(store: &Reader, task: &str, since: Timestamp) -> Result<Season, StoreError> {
    let checks = store.checks(task, since)?;
    let (of_events, moments): (Vec<&Check>, Vec<&Check>) = checks.iter().partition(|it| it.why == Why::Random);
    let (blanks, events): (Vec<&Check>, Vec<&Check>) = of_events.into_iter().partition(|it| it.blank);
    let n_events = store.drawn_of(task, since)? as f64;
    let missed = missed(&strata(&moments, is_of_something), &strata(&events, is_of_something), n_events);
    let overlooked = share(&strata(&blanks, is_of_something));
    Ok(Season { accuracy: share(&strata(&events, is_right)), overlooked, missed })
}

/// Checks that were chosen at one time were drawn of the same. Those of which `is_hit` cannot be said count as not answered.
fn strata(checks: &[&Check], is_hit: impl Fn(&Check) -> Option<bool>) -> Vec<Stratum> {
    let mut strata: BTreeMap<Timestamp, Stratum> = BTreeMap::new();
    for it in checks {
        // `as` saturates.
        let of = it.of.round() as u64;
        let stratum = strata.entry(it.asked_at).or_insert(Stratum { of, answered: 0, hits: 0 });
        let is_said = !it.said.is_empty() && it.said.iter().all(|it| it != UNIDENTIFIABLE);
        if let Some(hit) = is_hit(it).filter(|_| is_said) {
            stratum.answered += 1;
            stratum.hits += u64::from(hit);
        }
    }
    strata.into_values().collect()
}

/// Whether the guess is one of what people say; of an event that no head had seen there is none to be right or wrong.
fn is_right(it: &Check) -> Option<bool> {
    it.guess.as_ref().map(|guess| it.said.contains(guess))
}

/// Whether people say that something is there.
fn is_of_something(it: &Check) -> Option<bool> {
    Some(it.said.iter().any(|it| it != BLANK))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::print_stdout)]

    use std::collections::BTreeSet;

    use jiff::SignedDuration;
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use rusqlite::{Connection, params};
    use uuid::Uuid;

    use super::*;
    use crate::ask::pool::{About, Day};
    use crate::ask::random::draw;
    use crate::observe::store::{Filling, NewQuestion, Store, fixture};

    const SEASONS: u64 = 100;
    const DAYS: usize = 8;
    const PER_DAY: usize = 30;
    const DRAWN: usize = 8;

    /// Events of some days, of which the head's guess is `fox`: of every third it is in doubt, and mostly wrong.
    struct Made {
        days: Vec<Vec<Uuid>>,
        doubtful: BTreeSet<Uuid>,
        foxes: BTreeSet<Uuid>,
    }

    impl Made {
        fn of(db: &Connection) -> Made {
            let mut made = Made { days: Vec::new(), doubtful: BTreeSet::new(), foxes: BTreeSet::new() };
            let mut dice = ChaCha8Rng::seed_from_u64(1);
            db.execute_batch("BEGIN").unwrap();
            for _ in 0..DAYS {
                let mut day = Vec::new();
                for nth in 0..PER_DAY {
                    let id = Uuid::now_v7();
                    let doubtful = nth % 3 == 0;
                    if doubtful {
                        made.doubtful.insert(id);
                    }
                    if dice.random_bool(if doubtful { 0.3 } else { 0.97 }) {
                        made.foxes.insert(id);
                    }
                    db.execute(
                        "INSERT INTO events (id, deployment, camera, start_us, end_us, duration_secs, state, modality,
                             looks, blank)
                         SELECT ?1, id, 'feeder', 1, 2, 3.0, 'ended', 'colour', 5, 0 FROM deployments",
                        [id.as_bytes()],
                    )
                    .unwrap();
                    day.push(id);
                }
                made.days.push(day);
            }
            db.execute_batch("COMMIT").unwrap();
            made
        }

        fn truth(&self) -> f64 {
            self.foxes.len() as f64 / (DAYS * PER_DAY) as f64
        }

        /// As the store does, but for the disk's sake many at once.
        fn answer(&self, db: &Connection, task: &str, event: Uuid, question: Option<Uuid>) {
            let class = if self.foxes.contains(&event) { "fox" } else { "badger" };
            let (id, now) = (Uuid::now_v7(), Timestamp::now().as_microsecond());
            let question = question.as_ref().map(Uuid::as_bytes);
            let sql = "INSERT INTO answers (id, event, task, labeller, given_us, question) VALUES (?1, ?2, ?3, 'ann', ?4, ?5)";
            db.prepare_cached(sql)
                .unwrap()
                .execute(params![id.as_bytes(), event.as_bytes(), task, now, question])
                .unwrap();
            let sql = "INSERT INTO labels (answer, position, class) VALUES (?1, 0, ?2)";
            db.prepare_cached(sql).unwrap().execute(params![id.as_bytes(), class]).unwrap();
        }

        /// What people label of their own accord: of the doubtful ones, with the guess before them.
        fn label_some(&self, db: &Connection, task: &str, day: &[Uuid], dice: &mut ChaCha8Rng) {
            for it in day.iter().filter(|it| self.doubtful.contains(it)) {
                if dice.random_bool(0.3) {
                    self.answer(db, task, *it, None);
                }
            }
        }

        /// A season of a task of its own: some of each day's doubtful events are labelled before its check is drawn, and some
        /// before it is answered.
        fn season(&self, store: &Store, db: &Connection, nth: u64) -> Season {
            let (task, mut dice) = (format!("s{nth}"), ChaCha8Rng::seed_from_u64(nth));
            let began = Timestamp::now() - SignedDuration::from_secs(1);
            for events in &self.days {
                db.execute_batch("BEGIN").unwrap();
                self.label_some(db, &task, events, &mut dice);
                db.execute_batch("COMMIT").unwrap();
                let day = Day { events: events.clone(), ..Day::default() };
                let question = |it: super::super::pool::Ask| NewQuestion {
                    task: task.clone(),
                    why: it.why,
                    reason: it.reason,
                    blind: it.blind,
                    event: if let About::Event(id) = it.about { Some(id) } else { None },
                    moment: None,
                    media: None,
                    probability: it.probability,
                    alike: Vec::new(),
                };
                let drawn: Vec<NewQuestion> =
                    draw(&day, [DRAWN, 0, 0], &mut dice).events.into_iter().map(question).collect();
                let now = Timestamp::now();
                let filling = Filling { day: now, up_to: now, events: PER_DAY as u64, blanks: 0, moments: 0.0 };
                store.fill(&task, &filling, &drawn).unwrap();
                db.execute_batch("BEGIN").unwrap();
                self.label_some(db, &task, events, &mut dice);
                db.execute_batch("COMMIT; BEGIN").unwrap();
                let open = store.open_questions(&task).unwrap();
                for it in open.iter().filter(|it| it.event.is_some_and(|it| events.contains(&it))) {
                    if dice.random_bool(0.9) {
                        self.answer(db, &task, it.event.unwrap(), Some(it.id));
                    }
                }
                db.execute_batch("COMMIT").unwrap();
            }
            season(store, &task, began).unwrap()
        }
    }

    /// Labels of the doubtful, of which heads are mostly wrong, must not thin the check of just these.
    #[test]
    fn the_truth_lies_within_in_90_of_100_seasons_whatever_is_labelled_beside_the_check() {
        let dir = tempfile::tempdir().unwrap();
        let (store, _) = fixture::open(dir.path());
        // For a deployment.
        store.save(&fixture::update(crate::domain::Change::Ended, "fox", 0), fixture::FEATURIZER).unwrap();
        let db = Connection::open(dir.path().join("eyeshine.db")).unwrap();
        db.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF").unwrap();
        let made = Made::of(&db);
        db.execute_batch(&format!(
            "BEGIN;
             WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < {SEASONS})
             INSERT INTO observations (event, task, task_position, rescored, current, position, generation, type, class,
                 scientific_name, probability)
             SELECT e.id, 's' || n, 1, 0, 1, 0, 1, 'animal', 'fox', '', .5 FROM events e, n WHERE e.start_us = 1;
             COMMIT;"
        ))
        .unwrap();
        let truth = made.truth();
        let mut sum = 0.0;
        let mut held = |nth: u64| {
            let it = made.season(&store, &db, nth).accuracy.unwrap();
            sum += it.value;
            it.low <= truth && truth <= it.high
        };
        let n = (0..SEASONS).filter(|nth| held(*nth)).count();
        println!("{n} of {SEASONS}, {:.3} on average for {truth:.3}", sum / SEASONS as f64);
        assert!(n >= 90 && (sum / SEASONS as f64 - truth).abs() < 0.02, "{n}");
    }

    #[test]
    fn checks_of_one_time_are_one_stratum_and_what_nobody_could_say_is_no_answer() {
        let check = |why, secs, guess: Option<&str>, said: &[&str]| Check {
            why,
            asked_at: Timestamp::from_second(secs).unwrap_or_default(),
            blank: false,
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
        assert_eq!(strata(&of_events.iter().collect::<Vec<_>>(), is_right), expected);
        let of_something = [Stratum { of: 10, answered: 3, hits: 3 }, Stratum { of: 10, answered: 2, hits: 1 }];
        assert_eq!(strata(&of_events.iter().collect::<Vec<_>>(), is_of_something), of_something);
        let of_moments = [check(Why::Still, 1, None, &["blank"]), check(Why::Still, 1, None, &["unknown"])];
        let expected = [Stratum { of: 10, answered: 2, hits: 1 }];
        assert_eq!(strata(&of_moments.iter().collect::<Vec<_>>(), is_of_something), expected);
    }
}
