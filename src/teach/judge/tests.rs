//! Challengers that are better, worse, and worse in one place: who goes live, and why not.

use super::*;

const SURE: Stated = Stated { loss: 0.1, answer: 0, confidence: 0.0, strangeness: 0.0 };

/// An answer of a head that tells two classes apart: its loss, and whether it is right.
pub(in crate::teach) fn stated(class: usize, (loss, right): (f64, bool)) -> Stated {
    Stated { loss, answer: if right { class } else { 1 - class }, ..Stated::default() }
}

/// 40 events of a fox and 40 of a deer at two cameras; `serving` and `challenger` give loss and whether it is right.
fn contest(serving: impl Fn(usize) -> (f64, bool), challenger: impl Fn(usize) -> (f64, bool)) -> Contest {
    let bout = |i: usize| {
        let class = i % 2;
        Bout {
            class,
            group: format!("day {}", i / 4),
            camera: format!("camera {}", i % 4 / 2),
            infrared: i.is_multiple_of(4),
            serving: stated(class, serving(i)),
            challenger: stated(class, challenger(i)),
        }
    };
    Contest {
        classes: vec!["fox".into(), "deer".into()],
        first: false,
        new: vec![false; 2],
        protected: vec![false; 2],
        n_events: vec![40; 2],
        bouts: (0..80).map(bout).collect(),
        ..Contest::default()
    }
}

fn failed(verdict: &Verdict) -> Vec<&str> {
    verdict.checks.iter().filter(|it| !it.passed).map(|it| &*it.name).collect()
}

#[test]
fn what_is_better_goes_live_and_what_is_nowhere_better_does_not() {
    let same = |i: usize| (0.5, !i.is_multiple_of(10));
    let better = contest(same, |_| (0.3, true)).judge();
    assert_eq!((better.decision, failed(&better).len()), (Decision::Promoted, 0), "{better:?}");
    let equal = contest(same, same).judge();
    assert_eq!(equal.decision, Decision::Refused);
    assert!(equal.reason.contains("nowhere better"), "{}", equal.reason);
}

#[test]
fn what_is_worse_is_refused_for_what_it_is_worse_in() {
    let good = |_| (0.3, true);
    // Taught on shuffled labels.
    let shuffled = contest(good, |i| (0.9, i % 3 != 0)).judge();
    assert!(failed(&shuffled).contains(&"log-loss") && failed(&shuffled).contains(&"macro-F1"), "{shuffled:?}");
    // As often right, and too sure where it is not.
    let boastful = contest(|i| (0.4, i % 5 != 0), |i| if i % 5 == 0 { (5.0, false) } else { (0.01, true) }).judge();
    assert_eq!(failed(&boastful), ["log-loss"]);
    // Lost a quarter of the foxes, and better at deer.
    let one_species = contest(|_| (0.5, true), |i| if i % 8 == 0 { (0.9, false) } else { (0.01, true) }).judge();
    assert!(failed(&one_species).contains(&"recall of fox"), "{one_species:?}");
    // Worse by infrared alone.
    let infrared = contest(|_| (0.5, true), |i| if i % 24 == 0 { (0.9, false) } else { (0.3, true) }).judge();
    assert!(failed(&infrared).contains(&"accuracy by infrared"), "{infrared:?}");
}

#[test]
fn of_few_events_single_ones_count_and_of_a_protected_species_each() {
    let mut few = contest(|_| (0.5, true), |_| (0.3, true));
    few.classes.push("lynx".into());
    few.new.push(false);
    few.protected.push(false);
    few.n_events.push(4);
    let lynx = |day: usize, challenger: Stated| Bout {
        class: 2,
        group: format!("lynx {day}"),
        camera: "camera 0".into(),
        infrared: false,
        serving: Stated { loss: 0.5, answer: 2, ..SURE },
        challenger,
    };
    few.bouts.extend((0..3).map(|day| lynx(day, Stated { answer: 2, ..SURE })));
    few.bouts.push(lynx(3, Stated { loss: 0.6, ..SURE }));
    assert_eq!(few.judge().decision, Decision::Promoted, "one may be lost");
    few.protected[2] = true;
    assert_eq!(failed(&few.judge()), ["events of lynx newly lost"]);
}

#[test]
fn a_new_species_is_better_somewhere_and_must_not_harm_the_others() {
    let same = |i: usize| (0.5, !i.is_multiple_of(10));
    let mut new = contest(same, same);
    new.classes.push("lynx".into());
    new.new.push(true);
    new.protected.push(false);
    new.n_events.push(1);
    let verdict = new.judge();
    assert_eq!(verdict.decision, Decision::Promoted);
    assert!(verdict.reason.contains("lynx"), "{}", verdict.reason);
    let mut harmful = contest(same, |i| (0.9, i % 4 != 0));
    harmful.classes.push("lynx".into());
    harmful.new.push(true);
    harmful.protected.push(false);
    harmful.n_events.push(1);
    assert_eq!(harmful.judge().decision, Decision::Refused);
}
