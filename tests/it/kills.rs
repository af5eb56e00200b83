//! The daemon is killed while people label: what it acknowledged is there.

use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use eyeshine::observe::store::Store;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use uuid::Uuid;

use crate::daemon::{Daemon, is_proof};
use crate::http::{address, try_send};
use crate::review::asked;

const N_EVENTS: usize = 40;
/// What people say, in turn.
const SAID: [&str; 3] = ["red fox", "European badger", "blank"];

/// An answer, by its event and key.
type Given = (Uuid, String, &'static str);

/// Says it; the status, or none where the daemon was gone before it answered.
fn say(url: &str, (event, key, class): &Given) -> Option<u16> {
    let body = json!({ "species": [{ "class": class }], "key": key }).to_string();
    let headers = [
        format!("Host: {}", address(url)),
        "Content-Type: application/json".to_owned(),
        format!("Content-Length: {}", body.len()),
    ];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    try_send(url, &format!("POST /api/v1/events/{event}/labels"), &headers, body.as_bytes()).map(|it| it.status)
}

#[test]
fn prove_that_labels_which_were_acknowledged_outlive_kills_of_the_daemon() {
    let kills = if is_proof() { 50 } else { 4 };
    let (state, config, truth) = asked(N_EVENTS);
    let events: Vec<Uuid> = truth.keys().copied().collect();
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut n_acknowledged, mut n_unanswered) = (0, 0);
    let start = || Daemon::start_in_folder(state.path(), "run", &["--config", &config]);
    let mut daemon = start();
    for kill in 0..kills {
        let (acknowledged, unanswered) = (Mutex::new(Vec::<Given>::new()), Mutex::new(Vec::<Given>::new()));
        let url = &daemon.url.clone();
        thread::scope(|scope| {
            for person in 0..2 {
                let (events, acknowledged, unanswered) = (&events, &acknowledged, &unanswered);
                scope.spawn(move || {
                    for nth in 0.. {
                        let event = events[(2 * nth + person) % events.len()];
                        let it = (event, Uuid::now_v7().to_string(), SAID[(nth + person) % SAID.len()]);
                        match say(url, &it) {
                            Some(201) => acknowledged.lock().unwrap().push(it),
                            None => return unanswered.lock().unwrap().push(it),
                            Some(other) => panic!("{it:?}: {other}"),
                        }
                    }
                });
            }
            // The first answers come within some milliseconds: half of the kills fall among them.
            let millis = if kill % 2 == 0 { rng.random_range(1..60) } else { rng.random_range(60..800) };
            thread::sleep(Duration::from_millis(millis));
            daemon.kill();
        });
        let (acknowledged, unanswered) = (acknowledged.into_inner().unwrap(), unanswered.into_inner().unwrap());
        daemon = start();
        let count = || Store::reader(state.path()).recorded(None, None).unwrap().len();
        let before = count();
        for it in &acknowledged {
            assert_eq!(say(&daemon.url, it), Some(200), "kill {kill}: {it:?} is lost");
        }
        assert_eq!(count(), before, "kill {kill}: what is said again counts once");
        // Nobody was told whether these are there: said again, they are, and once.
        for it in &unanswered {
            assert!(matches!(say(&daemon.url, it), Some(200 | 201)), "kill {kill}: {it:?}");
            assert_eq!(say(&daemon.url, it), Some(200), "kill {kill}: {it:?}");
        }
        n_acknowledged += acknowledged.len();
        n_unanswered += unanswered.len();
    }
    assert!(n_acknowledged >= kills, "nothing was tried: {n_acknowledged}");
    println!(
        "prove: the daemon, killed at {kills} random moments while two people label: {n_acknowledged} labels acknowledged, \
         none lost; {n_unanswered} on their way, none counted twice"
    );
}
