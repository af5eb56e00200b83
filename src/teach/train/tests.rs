//! Whole trainings on a real store: a head that turns bad is rolled back, and a training that is killed at any moment leaves
//! a head that serves.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};

use super::*;
use crate::domain::{Generation, View};
use crate::infer::contract::Contract;
use crate::infer::head::Head;
use crate::infer::taxonomy::Taxonomy;
use crate::infer::tiny;
use crate::observe::store::fixture;
use crate::observe::store::{ImportedEvent, ImportedFrame};

pub(crate) const SPECIES: [&str; 3] = ["deer", "fox", "hare"];
const DIMENSION: usize = 12;

pub(crate) struct Site {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) contracts: Contracts,
    pub(crate) config: TeachConfig,
}

impl Site {
    pub(crate) fn new() -> Site {
        Site { dir: tempfile::tempdir().unwrap(), contracts: contracts(), config: config() }
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn featurizer(&self) -> String {
        self.contracts.first.identity()
    }

    /// Labels events `from..to` of each species; no two are of one day.
    pub(crate) fn label(&self, from: u32, to: u32) {
        let store = Store::open_beside(self.dir.path(), &fixture::config()).unwrap();
        for (class, species) in SPECIES.iter().enumerate() {
            for nth in from..to {
                let event = event_of(class, species, nth, cloud(class, nth));
                store.import(&event, &self.contracts.first.identity()).unwrap();
            }
        }
    }

    pub(crate) fn train(&self) -> Trained {
        train(self.dir.path(), &self.config, &self.contracts, "species", "a test", true).unwrap()
    }

    pub(crate) fn generations(&self) -> Generations {
        Generations::of(self.dir.path(), "species")
    }

    /// A head that mixes up its species serves after the one that serves now.
    pub(crate) fn spoil(&self) -> u32 {
        let generations = self.generations();
        let good = generations.manifest(generations.current().unwrap()).unwrap();
        let mut weights = generations.weights(&good).unwrap();
        let learned = &mut weights.first;
        let directions = learned.space.directions();
        learned.means.rotate_left(directions);
        learned.weights.rotate_left(directions);
        learned.bias.rotate_left(1);
        let bad = Manifest { labels_sha256: "other labels".into(), ..good };
        let number = generations.add(bad, &weights).unwrap().generation.number;
        generations.promote(number).unwrap();
        number
    }
}

fn contracts() -> Contracts {
    let first = Contract::load(&tiny::models_dir(), "efficientnet-lite0-int8").unwrap();
    let taxonomy = Taxonomy::new(&[], &first.classes);
    Contracts { first, second: None, taxonomy }
}

fn config() -> TeachConfig {
    TeachConfig {
        tasks: vec!["species".into()],
        protected: Vec::new(),
        min_new_labels: 1,
        retrain_hours: 24.0,
        retrain_max_secs: 60.0,
        shadow_events: 0,
        keep_generations: 2,
    }
}

/// A cloud around each species' own direction.
pub(crate) fn cloud(class: usize, nth: u32) -> Vec<f32> {
    let mut dice = rand_chacha::ChaCha8Rng::seed_from_u64(u64::from(nth) * 8 + class as u64);
    let of = |i: usize, noise: f32| if i % SPECIES.len() == class { 1.0 + noise } else { noise };
    (0..DIMENSION).map(|i| of(i, dice.random_range(-0.7f32..0.7))).collect()
}

/// An event of one picture.
pub(crate) fn event_of(class: usize, species: &str, nth: u32, features: Vec<f32>) -> ImportedEvent {
    let frame = fixture::frame(16, 16, [class as u8, nth as u8, 60]);
    let mut keepsake = fixture::keepsake(&frame, 1.0);
    keepsake.view = View::Whole;
    keepsake.embedding.features = features.into();
    let mut sha256 = [class as u8; 32];
    sha256[..4].copy_from_slice(&nth.to_le_bytes());
    let classes = BTreeMap::from([("species".to_owned(), species.to_owned())]);
    ImportedEvent {
        camera: "gate".into(),
        name: format!("{species}-{nth}"),
        time_known: false,
        labeller: "ann".into(),
        frames: vec![ImportedFrame { sha256, keepsakes: vec![keepsake], classes }],
        known: Vec::new(),
    }
}

#[test]
fn a_head_that_turns_bad_after_promotion_is_rolled_back_by_itself() {
    let site = Site::new();
    site.label(0, 10);
    let first = site.train();
    assert_eq!((first.serving, first.rolled_back), (1, None), "{:?}", first.verdict);
    let held_out = first.manifest.unwrap().held_out.unwrap();
    assert!(held_out.events == 30 && held_out.balanced_accuracy > 0.8 && held_out.log_loss < 1.0, "{held_out:?}");
    assert_eq!(site.generations().seen().labels["fox"], [10, 0]);

    // Labels that keep coming do no harm to an honest head.
    site.label(10, 20);
    let second = site.train();
    assert_eq!(second.rolled_back, None);
    let good = second.serving;

    let bad = site.spoil();
    site.label(20, 30);
    let dry = train(site.dir.path(), &site.config, &site.contracts, "species", "a test", false).unwrap();
    assert_eq!(dry.rolled_back.as_ref().map(|it| (it.generation, it.to)), Some((bad, good)));
    assert_eq!(site.generations().current().unwrap(), bad, "a dry run changes nothing");
    let third = site.train();
    let why = third.rolled_back.unwrap();
    assert_eq!((why.generation, why.to), (bad, good));
    // The second generation may have been refused: then neither head was fitted on its labels either.
    assert_eq!(why.events, if good == 1 { 60 } else { 30 });
    assert!(why.reason.contains("events labelled since, it is worse") && why.reason.contains("log-loss"), "{why:?}");
    assert_ne!(third.serving, bad);
    // One training later nothing is new, and nothing is rolled back again.
    let again = site.train();
    assert_eq!((again.verdict, again.rolled_back), (Verdict::unchanged(), None));
}

#[test]
fn what_was_rolled_back_is_not_promoted_again_on_the_same_labels() {
    let site = Site::new();
    site.label(0, 10);
    let first = site.train();
    assert_eq!(first.serving, 1);
    let mut why = RolledBack {
        generation: 1,
        to: 0,
        at: Timestamp::now(),
        events: 9,
        reason: "it is worse".into(),
        checks: Vec::new(),
    };
    site.generations().roll_back_for(&why).unwrap();
    assert_eq!(site.generations().current().unwrap(), 0);
    let other = Manifest { labels_sha256: "other labels".into(), ..first.manifest.unwrap() };
    let weights = site.generations().weights(&site.generations().manifest(1).unwrap()).unwrap();
    site.generations().add(other, &weights).unwrap();
    let again = site.train();
    assert_eq!((again.verdict, again.serving), (Verdict::unchanged(), 0));
    // A crash came between the note and the pointer: the next training rolls back.
    site.generations().promote(1).unwrap();
    assert_eq!(site.generations().rolled_back(1).unwrap(), None, "whoever makes it serve again knows better");
    why.reason = "it is worse, again".into();
    let file = site.dir.path().join("heads/species/rolled-back-1.json");
    fs::write(file, serde_json::to_vec(&why).unwrap()).unwrap();
    assert_eq!((site.train().rolled_back, site.generations().current().unwrap()), (Some(why), 0));
}

/// What a training finds that is to be killed: a bad head serves, a good one did before, and new labels wait. It rolls
/// back, fits, adds, promotes and deletes.
fn before_the_kill() -> Site {
    let site = Site::new();
    site.label(0, 6);
    assert_eq!(site.train().serving, 1);
    site.spoil();
    site.label(6, 14);
    site
}

pub(crate) fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// After the kill: what serves can be read and is one of those that may; the next training comes to its end.
fn check(site: &Site, kill: &str) {
    let generations = site.generations();
    let serving = generations.current().unwrap_or_else(|error| panic!("{kill}: {error}"));
    assert!((1..=3).contains(&serving), "{kill}: {serving} serves");
    let starter = Arc::new(Head::starter(&[]));
    let head = generations.load(serving, &site.contracts.first.identity(), starter);
    let head = head.unwrap_or_else(|error| panic!("{kill}: {error}"));
    assert_eq!(*head.generation(), Generation { task: "species".into(), number: serving }, "{kill}");
    for number in generations.numbers().unwrap() {
        let whole = generations.manifest(number).and_then(|it| generations.weights(&it));
        whole.unwrap_or_else(|error| panic!("{kill}: {number}: {error}"));
    }
    let trained = train(site.dir.path(), &site.config, &site.contracts, "species", "after a kill", true);
    let trained = trained.unwrap_or_else(|error| panic!("{kill}: {error}"));
    assert_ne!(trained.serving, 2, "{kill}: the bad head serves still");
    assert_eq!(generations.current().unwrap(), trained.serving, "{kill}");
    let left = fs::read_dir(site.dir.path().join("heads/species")).unwrap();
    let left: Vec<String> = left.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!left.iter().any(|it| it.starts_with("unfinished") || it.starts_with("removed")), "{kill}: {left:?}");
}

pub(crate) fn child(test: &str, state: &Path, die_at: u32) -> Command {
    let mut command = Command::new("env");
    command.arg(format!("EYESHINE_DIE_AT={die_at}"));
    fixture::play(&mut command, &std::env::current_exe().unwrap(), test, state.to_str().unwrap());
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn train_in_child(state: &Path) {
    train(state, &config(), &contracts(), "species", "a test", true).unwrap();
}

fn heads(site: &Site) -> (PathBuf, PathBuf) {
    (site.dir.path().join("heads"), site.dir.path().join("heads-before"))
}

fn is_proof() -> bool {
    std::env::var_os("EYESHINE_PROVE").is_some()
}

#[test]
fn prove_that_a_training_killed_around_any_write_leaves_a_head_that_serves() {
    if let Some(state) = fixture::role() {
        return train_in_child(Path::new(&state));
    }
    let test = concat!(module_path!(), "::prove_that_a_training_killed_around_any_write_leaves_a_head_that_serves");
    let site = before_the_kill();
    let (heads, before) = heads(&site);
    copy(&heads, &before);
    let mut kills = 0;
    // A sample begins anywhere; together they reach every moment.
    let (mut at, by) = if is_proof() { (1, 1) } else { (rand::rng().random_range(1..=4), 4) };
    loop {
        copy(&before, &heads);
        let status: ExitStatus = child(test, site.dir.path(), at).status().unwrap();
        check(&site, &format!("at step {at}"));
        if status.success() {
            break;
        }
        kills += 1;
        at += by;
    }
    println!(
        "prove: eyeshine train, killed before and after every write, sync and rename: {kills} kills, none harmed the head"
    );
    assert!(kills * by >= 50, "only {kills} kills: nothing was tried");
}

#[test]
fn prove_that_a_training_killed_at_random_moments_leaves_a_head_that_serves() {
    if let Some(state) = fixture::role() {
        return train_in_child(Path::new(&state));
    }
    let test = concat!(module_path!(), "::prove_that_a_training_killed_at_random_moments_leaves_a_head_that_serves");
    let site = before_the_kill();
    let (heads, before) = heads(&site);
    copy(&heads, &before);
    let began = Instant::now();
    assert!(child(test, site.dir.path(), 0).status().unwrap().success());
    let whole = began.elapsed();
    let kills = if is_proof() { 50 } else { 5 };
    for kill in 0..kills {
        copy(&before, &heads);
        let mut child = child(test, site.dir.path(), 0).spawn().unwrap();
        let after = whole.mul_f64(rand::rng().random_range(0.0..1.1));
        thread::sleep(after.max(Duration::from_millis(1)));
        // `env` has become the test program: it is this that is killed.
        child.kill().unwrap();
        child.wait().unwrap();
        check(&site, &format!("kill {kill}, after {after:?}"));
    }
    println!("prove: eyeshine train, killed at {kills} random moments: none harmed the head");
}

/// What comes by while nobody labels anything changes no head: what events stand for is counted when there is something to teach.
#[test]
fn what_events_stand_for_is_counted_of_what_cameras_saw_and_is_no_reason_to_train() {
    let site = Site::new();
    site.label(0, 6);
    assert_eq!(site.train().serving, 1);
    let first = site.generations().weights(&site.generations().manifest(1).unwrap()).unwrap();
    let store = Store::open_beside(site.path(), &fixture::config()).unwrap();
    for nth in 100..160 {
        let mut update = fixture::update(crate::domain::Change::Ended, "fox", 1);
        update.keepsakes[0].view = View::Whole;
        update.keepsakes[0].embedding.features = cloud(1, 100 + nth % 4).into();
        store.save(&update, &site.featurizer()).unwrap();
    }
    assert_eq!(site.train().verdict.decision, Decision::Unchanged, "no label is new");
    // The same labels, taught anew.
    let again = refit(&store, &site.generations(), &site.config, &site.contracts, "a test", "it must").unwrap();
    let second = site.generations().weights(&again.manifest.unwrap()).unwrap();
    assert_ne!(first.first.means, second.first.means, "foxes near to what is seen weigh more");
}
