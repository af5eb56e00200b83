//! Heads that prove worse in service, and those of which nobody can say so.

use super::*;
use crate::teach::judge::tests::stated;

/// 30 events of a fox and 30 of a deer, five a day; each head gives loss and whether it is right.
fn contest(before: impl Fn(usize) -> (f64, bool), serving: impl Fn(usize) -> (f64, bool)) -> Contest {
    let bout = |i: usize| {
        let class = i % 2;
        Bout {
            class,
            group: format!("day {}", i / 5),
            camera: "gate".into(),
            infrared: false,
            serving: stated(class, before(i)),
            challenger: stated(class, serving(i)),
        }
    };
    Contest {
        classes: vec!["fox".into(), "deer".into()],
        first: false,
        new: vec![false; 2],
        protected: vec![false; 2],
        n_events: vec![30; 2],
        bouts: (0..60).map(bout).collect(),
        ..Contest::default()
    }
}

fn names(contest: &Contest) -> Vec<String> {
    contest.proven_worse().into_iter().map(|it| it.name).collect()
}

#[test]
fn only_what_is_proven_counts() {
    let noisy = |i: usize| (0.3 + 0.1 * (i * 7 % 11) as f64, !(i * 5).is_multiple_of(7));
    let as_noisy = |i: usize| (0.3 + 0.1 * (i * 3 % 11) as f64, !(i * 3).is_multiple_of(7));
    assert!(names(&contest(noisy, noisy)).is_empty(), "the same is no worse");
    assert!(names(&contest(noisy, as_noisy)).is_empty(), "chance is no proof");
    assert!(names(&contest(noisy, |_| (0.1, true))).is_empty());
    let worse = names(&contest(|_| (0.2, true), |i| (0.4 + 0.1 * (i % 3) as f64, true)));
    assert_eq!(worse, ["log-loss"]);
    let loses_foxes = names(&contest(|_| (0.5, true), |i| (0.2, i % 2 == 1 || i % 8 == 0)));
    assert_eq!(loses_foxes, ["recall of fox"]);
}

#[test]
fn a_few_days_prove_nothing_but_a_protected_species_is_lost_at_once() {
    let mut few = contest(|_| (0.2, true), |_| (2.0, false));
    few.bouts.truncate(10);
    assert!(names(&few).is_empty(), "two days");
    few.protected[1] = true;
    assert_eq!(names(&few), ["events of deer newly lost"]);
    // The starter head knows no names: it has lost nothing.
    few.first = true;
    assert!(names(&few).is_empty());
    // Of what the head before never learned nobody can say that it was better.
    let mut new = contest(|_| (0.2, true), |i| if i % 2 == 0 { (2.0, false) } else { (0.2, true) });
    new.new[0] = true;
    assert!(names(&new).is_empty());
}
