//! Generations on disk: written whole, read back as they were, refused where they are not.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::infer::classifier::Classifier;
use crate::infer::space::{Impressions, N_KINDS, Space};
use crate::teach::judge::Decision;

pub(in crate::teach) fn learned() -> Learned {
    let space = Space {
        means: vec![0.5; N_KINDS * 3],
        basis: vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        dimension: 3,
        impressions: None,
    };
    Learned {
        blank: true,
        space,
        whitening: vec![1.0, 0.0, 0.5, 1.0],
        means: vec![1.0, 0.0, 0.0, 1.0],
        sharpness: 10.0,
        weights: vec![1.0, -1.0, 0.0, 2.0],
        bias: vec![0.1, -0.1],
        shares: vec![0.5, 0.25],
        offsets: vec![0.0, 1.0],
    }
}

pub(in crate::teach) fn manifest(decision: Decision) -> Manifest {
    let class = |name: &str| TaughtClass { class: Class { name: name.into(), scientific_name: "".into() }, events: 3 };
    Manifest {
        format: FORMAT,
        generation: Generation { task: "species".into(), number: 0 },
        created: Timestamp::UNIX_EPOCH,
        cause: "a test".into(),
        featurizer: "lite0-test".into(),
        classes: vec![class("blank"), class("fox")],
        recipe: Recipe::PRIOR,
        sharpness: 1.25,
        unknown: Unknown { of_distance: 1.0, of_doubt: 2.0, of_lead: 0.5, of_second: 0.0, threshold: 3.0, reach: None },
        second: None,
        unknown_auroc: None,
        held_out: None,
        labels_sha256: "ab".into(),
        events: vec!["one".into()],
        weights_sha256: String::new(),
        verdict: Verdict { decision, reason: "so it is".into(), checks: Vec::new() },
    }
}

#[test]
fn a_generation_is_read_back_as_it_was_and_the_pointer_goes_to_and_fro() {
    let dir = tempfile::tempdir().unwrap();
    let generations = Generations::of(dir.path(), "species");
    assert_eq!((generations.current().unwrap(), generations.numbers().unwrap()), (0, vec![]));
    let added: Vec<Manifest> = [Decision::Promoted, Decision::Refused, Decision::Promoted]
        .map(|it| generations.add(manifest(it), &learned().into()).unwrap())
        .into();
    assert_eq!(generations.numbers().unwrap(), [1, 2, 3]);
    assert_eq!(generations.manifest(2).unwrap(), added[1]);
    assert_eq!(generations.weights(&added[1]).unwrap(), learned().into());
    assert_eq!(generations.current().unwrap(), 0, "what was added does not serve yet");
    generations.promote(1).unwrap();
    generations.promote(3).unwrap();
    assert_eq!(generations.current().unwrap(), 3);
    assert_eq!(generations.before(3).unwrap(), 1, "a refused one never served");
    assert_eq!(generations.before(1).unwrap(), 0);

    let starter = Arc::new(Head::starter(&[]));
    let head = generations.load(3, "lite0-test", Arc::clone(&starter)).unwrap();
    assert_eq!((head.generation().number, head.classes().len()), (3, 2));
    let foreign = generations.load(3, "another", starter).unwrap_err().to_string();
    assert!(foreign.contains("fitted on featurizer lite0-test, and another serves"), "{foreign}");
}

#[test]
fn what_a_head_knows_of_the_networks_own_answer_is_read_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let generations = Generations::of(dir.path(), "species");
    let mut learned = learned();
    let classifier = Classifier::new(&[0.5, 0.1, -1.0, 2.0, 0.25, 3.0], vec![0.5, -0.5], 3).unwrap();
    let (means, basis) = (vec![0.25; N_KINDS * 2], vec![0.6, 0.8]);
    learned.space.impressions = Some(Impressions { classifier: Arc::new(classifier), means, basis, weight: 2.0 });
    // A third direction: that of the impression.
    learned.whitening = vec![1.0, 0.0, 0.0, 0.5, 1.0, 0.0, 0.0, 0.0, 1.0];
    (learned.means, learned.weights) = (vec![0.5; 6], vec![1.5; 6]);
    let added = generations.add(manifest(Decision::Promoted), &learned.clone().into()).unwrap();
    assert_eq!(generations.weights(&added).unwrap(), learned.into());
}

#[test]
fn what_is_damaged_is_refused_and_what_a_crash_left_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let generations = Generations::of(dir.path(), "species");
    fs::create_dir_all(dir.path().join("heads/species/unfinished")).unwrap();
    fs::write(dir.path().join("heads/species/unfinished/half"), b"of it").unwrap();
    generations.add(manifest(Decision::Promoted), &learned().into()).unwrap();
    assert!(!dir.path().join("heads/species/unfinished").exists());
    assert!(!dir.path().join("heads/species/1/half").exists());

    let weights = dir.path().join("heads/species/1/head.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    bytes[100] ^= 1;
    fs::write(&weights, bytes).unwrap();
    let damaged = generations.promote(1).unwrap_err().to_string();
    assert!(damaged.contains("head.safetensors is damaged"), "{damaged}");
    assert_eq!(generations.current().unwrap(), 0);
    assert!(matches!(generations.promote(9), Err(GenerationError::Missing { number: 9, .. })));

    let manifest = dir.path().join("heads/species/1/head.json");
    let text = fs::read_to_string(&manifest).unwrap().replace("\"number\": 1", "\"number\": 4");
    fs::write(&manifest, text).unwrap();
    assert!(generations.manifest(1).unwrap_err().to_string().contains("head.json is damaged"));
    fs::write(dir.path().join("heads/species/current"), "the best").unwrap();
    assert!(generations.current().unwrap_err().to_string().contains("\"the best\" is no number"));
}

#[test]
fn one_training_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let generations = Generations::of(dir.path(), "species");
    let first = generations.lock().unwrap();
    assert!(matches!(generations.lock(), Err(GenerationError::Busy { .. })));
    assert!(Generations::of(dir.path(), "content").lock().is_ok(), "another task's is another's");
    drop(first);
    assert!(generations.lock().is_ok());
}

fn numbered(generations: &Generations, n: usize) {
    for _ in 0..n {
        let number = generations.add(manifest(Decision::Promoted), &learned().into()).unwrap().generation.number;
        generations.promote(number).unwrap();
    }
}

#[test]
fn a_rollback_goes_back_the_way_that_heads_served() {
    let dir = tempfile::tempdir().unwrap();
    let generations = Generations::of(dir.path(), "species");
    numbered(&generations, 4);
    generations.promote(2).unwrap();
    assert_eq!(generations.roll_back().unwrap(), 4, "that served before 2 was made to serve again");
    assert_eq!(generations.roll_back().unwrap(), 3);
    let stale = generations.roll_back_from(4);
    assert!(matches!(stale, Err(GenerationError::Stale { from: 4, serves: 3, .. })), "{stale:?}");
    assert_eq!(generations.current().unwrap(), 3);
    generations.add(manifest(Decision::Promoted), &learned().into()).unwrap();
    generations.promote(5).unwrap();
    assert_eq!(generations.before(5).unwrap(), 3, "4 was rolled back");
    assert_eq!([5, 3, 2, 1].map(|it| generations.roll_back_from(it).unwrap()), [3, 2, 1, 0]);
}

#[test]
fn the_newest_are_kept_and_what_serves_and_no_number_is_given_twice() {
    let dir = tempfile::tempdir().unwrap();
    let generations = Generations::of(dir.path(), "species");
    numbered(&generations, 2);
    for _ in 0..3 {
        generations.add(manifest(Decision::Refused), &learned().into()).unwrap();
    }
    assert_eq!(generations.prune(3).unwrap(), [3, 4], "2 serves, and 1 did before");
    assert_eq!(generations.numbers().unwrap(), [1, 2, 5]);
    let serving = generations.remove(2).unwrap_err().to_string();
    assert!(serving.contains("generation 2 of species serves"), "{serving}");
    generations.remove(5).unwrap();
    generations.remove(5).unwrap();
    assert_eq!(generations.add(manifest(Decision::Refused), &learned().into()).unwrap().generation.number, 6);
    // Killed between the two steps of a deletion.
    fs::create_dir_all(dir.path().join("heads/species/removed-4")).unwrap();
    drop(generations.lock().unwrap());
    assert!(!dir.path().join("heads/species/removed-4").exists());
}

#[test]
fn where_the_featurizer_is_another_a_head_of_it_serves() {
    let dir = tempfile::tempdir().unwrap();
    let generations = Generations::of(dir.path(), "species");
    let weights = Weights { first: learned(), second: None };
    let add = |featurizer: &str, cause: &str, decision| {
        let (featurizer, cause) = (featurizer.to_owned(), cause.to_owned());
        let it = generations.add(Manifest { featurizer, cause, ..manifest(decision) }, &weights).unwrap();
        it.generation.number
    };
    assert_eq!(generations.take_up("vit").unwrap(), None, "nothing was ever fitted");
    let first = add("lite0", "labels", Decision::Promoted);
    generations.promote(first).unwrap();
    assert_eq!((generations.take_up("lite0").unwrap(), generations.take_up("vit").unwrap()), (None, None));
    let waits = add("vit", MIGRATION, Decision::Promoted);
    add("vit", MIGRATION, Decision::Refused);
    assert_eq!((generations.best_of("vit").unwrap(), generations.best_of("lite0").unwrap()), (waits, first));
    assert_eq!(generations.take_up("lite0").unwrap(), None, "it waits for its featurizer");
    for _ in 0..5 {
        add("lite0", "labels", Decision::Refused);
    }
    generations.prune(2).unwrap();
    assert_eq!(generations.take_up("vit").unwrap(), Some(waits), "however many came since");
    assert_eq!((generations.current().unwrap(), generations.take_up("vit").unwrap()), (waits, None));
    // Back again, and there and back.
    assert_eq!(generations.take_up("lite0").unwrap(), Some(first));
    assert_eq!(generations.take_up("vit").unwrap(), Some(waits));
    // Who went back to the starter head since meant it.
    generations.promote(0).unwrap();
    assert_eq!((generations.take_up("vit").unwrap(), generations.take_up("lite0").unwrap()), (None, None));
}
