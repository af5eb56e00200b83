//! The simulated reserve as films, through the stages of the daemon: what is found of its animals. Live it is the newcomer's.

use std::process::Stdio;

use crate::daemon::{alone, eyeshine, output};

/// The films are the same on every machine; what a network makes of them differs in the last digits between processors.
#[test]
fn the_reserve_s_animals_are_found_at_full_speed_and_nothing_else() {
    let _alone = alone();
    let state = tempfile::tempdir().unwrap();
    let (code, out, err) = output(
        eyeshine(state.path()).args(["demo", "--calm", "--fast", "--for", "100s", "--seed", "12"]).stdin(Stdio::null()),
    );
    assert_eq!(code, 0, "{err}");
    let score = out.lines().find_map(|it| it.strip_prefix("events found: ")).unwrap_or_else(|| panic!("{out}"));
    let (found, rest) = score.split_once(" of ").unwrap();
    let n_true: usize = rest.split(' ').next().unwrap().parse().unwrap();
    assert!(n_true >= 5 && found.parse::<usize>().unwrap() + 1 >= n_true, "{out}");
    assert!(score.ends_with("false: 0"), "{out}");
}
