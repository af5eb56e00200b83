//! The simulated reserve through the whole daemon: a minute of it, as `make demo` shows it.

use std::process::Stdio;

use crate::daemon::{alone, eyeshine, free_port, output};

#[test]
fn the_reserve_is_watched_and_scored_against_its_truth() {
    let _alone = alone();
    let state = tempfile::tempdir().unwrap();
    let listen = format!("127.0.0.1:{}", free_port());
    let (code, out, err) = output(
        eyeshine(state.path()).args(["demo", "--for", "75s", "--seed", "11", "--listen", &listen]).stdin(Stdio::null()),
    );
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("found"), "{out}\n{err}");
    let found = out.lines().find(|it| it.contains("events found")).unwrap_or_else(|| panic!("{out}"));
    println!("{found}");
    let unaccounted: Vec<&str> =
        err.split("unaccounted=").skip(1).filter_map(|it| it.split_whitespace().next()).collect();
    assert_eq!(unaccounted, ["0"; 3], "{err}");
    let truth = std::fs::read_to_string(state.path().join("truth.csv")).unwrap();
    assert!(truth.lines().count() > 2, "{truth}");
}

/// The films are the same on every machine; what a network makes of them differs in the last digits between processors.
#[test]
fn the_reserve_s_animals_are_found_at_full_speed_and_nothing_else() {
    let _alone = alone();
    let state = tempfile::tempdir().unwrap();
    let (code, out, err) =
        output(eyeshine(state.path()).args(["demo", "--fast", "--for", "100s", "--seed", "12"]).stdin(Stdio::null()));
    assert_eq!(code, 0, "{err}");
    let score = out.lines().find_map(|it| it.strip_prefix("events found: ")).unwrap_or_else(|| panic!("{out}"));
    let (found, rest) = score.split_once(" of ").unwrap();
    let n_true: usize = rest.split(' ').next().unwrap().parse().unwrap();
    assert!(n_true >= 5 && found.parse::<usize>().unwrap() + 1 >= n_true, "{out}");
    assert!(score.ends_with("false: 0"), "{out}");
}
