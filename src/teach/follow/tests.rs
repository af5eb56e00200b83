//! Pointers of two tasks, and what a daemon that follows them serves.

#![allow(clippy::unwrap_used)]

use std::fs;

use super::*;
use crate::teach::generations::tests::{learned, manifest};
use crate::teach::judge::Decision;

const FEATURIZER: &str = "lite0-test";

struct Site {
    dir: tempfile::TempDir,
    heads: Arc<ArcSwap<Heads>>,
    metrics: Arc<Metrics>,
    follower: Follower,
}

impl Site {
    fn new() -> Site {
        let dir = tempfile::tempdir().unwrap();
        let (starter, metrics) = (Arc::new(Head::starter(&[])), Metrics::new());
        let heads = Arc::new(ArcSwap::from_pointee(Heads::from(Arc::clone(&starter))));
        let (tasks, of) = (tasks(), (Arc::clone(&heads), Arc::clone(&metrics)));
        let follower = Follower::new(dir.path(), &tasks, FEATURIZER.into(), starter, of.0, of.1);
        Site { dir, heads, metrics, follower }
    }

    /// Makes a new generation serve; its number.
    fn promote(&self, task: &str) -> u32 {
        let generations = Generations::of(self.dir.path(), task);
        let number = generations.add(manifest(Decision::Promoted), &learned().into()).unwrap().generation.number;
        generations.promote(number).unwrap();
        number
    }

    /// The heads after a look at the pointers.
    fn look(&mut self) -> Arc<Heads> {
        self.follower.look();
        self.heads.load_full()
    }

    /// Which series say that a head serves.
    fn info(&self) -> Vec<String> {
        let text = self.metrics.text();
        let lines = text.lines().filter(|it| it.starts_with("eyeshine_head_info"));
        lines.map(str::to_owned).collect()
    }
}

fn tasks() -> Vec<String> {
    ["content", "species", "behaviour"].map(String::from).into()
}

fn names(heads: &Heads) -> Vec<(&str, u32)> {
    heads.iter().map(|it| (&*it.generation().task, it.generation().number)).collect()
}

#[test]
fn each_task_follows_its_own_pointer_and_a_swap_of_one_leaves_the_others() {
    let mut site = Site::new();
    assert_eq!(names(&site.look()), [("species", 0)], "what nobody was taught says nothing");
    site.promote("behaviour");
    site.promote("content");
    let heads = site.look();
    assert_eq!(names(&heads), [("species", 0), ("content", 1), ("behaviour", 1)], "in the order of the config");
    site.promote("content");
    let swapped = site.look();
    assert_eq!(names(&swapped), [("species", 0), ("content", 2), ("behaviour", 1)]);
    assert!(Arc::ptr_eq(heads.first(), swapped.first()) && Arc::ptr_eq(&heads.further()[1], &swapped.further()[1]));
    let again = site.look();
    assert!(Arc::ptr_eq(&swapped, &again), "nothing is swapped where no pointer has moved");
    Generations::of(site.dir.path(), "content").promote(0).unwrap();
    assert_eq!(names(&site.look()), [("species", 0), ("behaviour", 1)]);
    let info = site.info();
    assert_eq!(info.len(), 2, "{info:?}");
    let starter = Head::starter(&[]);
    assert_eq!(names(&serving(site.dir.path(), &tasks(), FEATURIZER, starter).unwrap()), names(&site.look()));
}

#[test]
fn a_damaged_generation_of_one_task_is_refused_and_all_that_serve_go_on() {
    let mut site = Site::new();
    site.promote("species");
    site.promote("content");
    assert_eq!(names(&site.look()), [("species", 1), ("content", 1)]);
    let number = site.promote("content");
    let weights = site.dir.path().join(format!("heads/content/{number}/head.safetensors"));
    let whole = fs::read(&weights).unwrap();
    let mut bytes = whole.clone();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&weights, bytes).unwrap();
    site.promote("species");
    assert_eq!(names(&site.look()), [("species", 2), ("content", 1)], "the other task's swap does not wait for it");
    assert!(site.follower.tasks[1].refused.contains("is damaged"), "{:?}", site.follower.tasks[1]);
    let starter = Head::starter(&[]);
    let refused = serving(site.dir.path(), &tasks(), FEATURIZER, starter).unwrap_err().to_string();
    assert!(refused.contains("is damaged"), "{refused}");
    fs::write(&weights, whole).unwrap();
    assert_eq!(names(&site.look()), [("species", 2), ("content", 2)]);
    assert!(site.follower.tasks[1].refused.is_empty());

    // One that was fitted on another featurizer.
    let generations = Generations::of(site.dir.path(), "content");
    let foreign = crate::teach::generations::Manifest { featurizer: "another".into(), ..manifest(Decision::Promoted) };
    generations.add(foreign, &learned().into()).unwrap();
    generations.promote(3).unwrap();
    assert_eq!(names(&site.look()), [("species", 2), ("content", 2)]);
    let info = site.info();
    assert!(
        info.len() == 2 && info.iter().any(|it| it.contains("generation=\"2\"") && it.contains("content")),
        "{info:?}"
    );
}
