//! Looks at one cell, second by second: when something is present, and what the banks learn meanwhile.

use super::*;
use crate::domain::Candidate;
use crate::infer::contract::NetworkClass;
use crate::infer::tiny;

const CELL: Cell = Cell { divisor: 8, column: 3, row: 4 };

/// Looks at one cell, one a second: how new it is and how sure that an animal is there.
struct Bench {
    predictor: Predictor,
    heads: Arc<Heads>,
    secs: u64,
}

impl Bench {
    fn new() -> Bench {
        let config = NoveltyConfig { whole: 0.1, crop: 0.15, sigma: 4.0, bank: 64, renew_secs: 10.0 };
        let class = |animal: bool, name: &str| NetworkClass {
            label: name.into(),
            animal,
            common_name: name.into(),
            scientific_name: "".into(),
            rank: "species".into(),
        };
        let head = Arc::new(Head::starter(&[class(true, "red fox"), class(false, "")]));
        Bench { predictor: Predictor::new(&config), heads: Arc::new(head.into()), secs: 0 }
    }

    /// `turned`: sideways against the empty cell, of length 1; `odds`: log-odds of an animal.
    fn look(&mut self, turned: f32, odds: f32) -> Seen {
        // Five frames a second.
        let mut look = tiny::look("garden", 5 * self.secs, 0);
        look.method = CaptureMethod::TimeLapse;
        let whole = tiny::whole(&look.frame);
        let cell = Candidate { view: View::Crop, cell: Some(CELL), ..whole.clone() };
        // A place is known from what the gate sends along as empty.
        let empty = Candidate { view: View::Empty, cell: Some(CELL), ..whole.clone() };
        let shown = |features: [f32; 2], odds: f32| Embedding {
            features: Arc::from(features.as_slice()),
            logits: Some(Arc::from([odds, 0.0].as_slice())),
            second: None,
        };
        let embeddings = vec![shown([1.0, 0.0], -2.0), shown([1.0, turned], odds), shown([1.0, 0.01], -1.0)];
        look.candidates = vec![whole, cell, empty];
        if self.secs >= 4 {
            look.candidates.truncate(2);
        }
        let embeddings = embeddings.into_iter().take(look.candidates.len()).collect();
        self.secs += 1;
        self.predictor.predict(Featurized { look, embeddings }, &self.heads).seen[1].clone()
    }
}

#[test]
fn what_is_new_and_an_animal_is_present_and_what_is_only_new_is_not() {
    let mut bench = Bench::new();
    (0..10).for_each(|_| drop(bench.look(0.0, -1.0)));
    assert!(bench.look(0.02, -1.0).presence < 0.05);
    assert!(bench.look(2.0, 2.0).presence > 0.8);
    assert!(bench.look(2.0, -3.0).presence < 0.3);
}

#[test]
fn a_cell_that_may_hold_an_animal_is_not_learned_as_empty() {
    let mut bench = Bench::new();
    (0..10).for_each(|_| drop(bench.look(0.0, -1.0)));
    // Not sure enough at any look, and for as long as a fox stands still.
    let seen: Vec<Seen> = (0..20).map(|_| bench.look(0.8, 0.8)).collect();
    assert!(seen.iter().all(|it| it.presence < ABSENT), "{seen:?}");
    let excess = |it: &Seen| it.novelty.map_or(0.0, |it| it.excess);
    assert!(excess(&seen[19]) > 0.5 && (excess(&seen[19]) - excess(&seen[0])).abs() < 0.1, "{seen:?}");
}

#[test]
fn what_stays_new_and_is_no_animal_is_the_scene_before_long() {
    let mut bench = Bench::new();
    (0..10).for_each(|_| drop(bench.look(0.0, -1.0)));
    let seen: Vec<Seen> = (0..20).map(|_| bench.look(0.8, -1.0)).collect();
    assert!(seen[19].novelty.is_some_and(|it| it.excess < 0.2), "{seen:?}");
}
