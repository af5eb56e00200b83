//! What the heads say together of all looks at one thing: one sum and one answer a task.

use std::sync::Arc;

use crate::domain::{Class, Observation, ObservationType};
use crate::infer::closeness::Closeness;
use crate::infer::head::{Head, Opinion};
use crate::infer::predict::{Prediction, Seen};
use crate::infer::ranks::Higher;
use crate::infer::space::kind;
use crate::infer::together::Together;

/// What is heard of one thing, look by look, of every head that serves; in the order of the config.
#[derive(Debug, Clone, Default)]
pub struct Hearing(Vec<Heard>);

/// One head's answers so far; each counts by how sure it is that something is there, and by the square of how sure the
/// head is that it is not a blank.
#[derive(Debug, Clone)]
struct Heard {
    head: Arc<Head>,
    /// `[classes]`.
    probabilities: Vec<f32>,
    /// `[the starter head's classes]`; empty where that was not asked.
    guess: Vec<f32>,
    closeness: Closeness,
    weight: f32,
    /// How sure the head itself was that anything is there, at best.
    presence: f32,
}

impl Hearing {
    /// Adds a candidate of a look, which counts by `weight`. Only here further tasks' heads are asked: what no event is
    /// made of costs them nothing.
    pub fn add(&mut self, prediction: &Prediction, seen: &Seen, weight: f32) {
        let heads = &prediction.heads;
        self.0.retain(|it| heads.generation(it.task()).is_some());
        let mut place = self.hear(0, heads.first(), seen.opinion.as_ref(), weight);
        if heads.further().is_empty() {
            return;
        }
        let embedding = &prediction.embeddings[seen.candidate_idx];
        let kind = kind(prediction.look.modality, prediction.look.candidates[seen.candidate_idx].view);
        for head in heads.further() {
            place = self.hear(place, head, head.own_opinion(embedding, kind).as_ref(), weight);
        }
    }

    /// Adds what one head says of something else: its opinion and what that counts.
    pub fn add_of(&mut self, head: &Arc<Head>, opinion: &Opinion, weight: f32) {
        self.hear(0, head, Some(opinion), weight);
    }

    /// Adds a head's opinion at `place` or behind it, and gives the place of the next.
    fn hear(&mut self, place: usize, head: &Arc<Head>, opinion: Option<&Opinion>, weight: f32) -> usize {
        let Some(opinion) = opinion else { return place };
        let task = &*head.generation().task;
        let found = self.0.iter().position(|it| it.task() == task);
        let at = found.unwrap_or(place);
        match self.0.get_mut(at).filter(|_| found.is_some()) {
            Some(it) if it.is_of(head, opinion) => {}
            // Another head was promoted in mid-event: its classes are other ones, so that task starts anew.
            Some(it) => *it = Heard::new(head, opinion),
            None => self.0.insert(at, Heard::new(head, opinion)),
        }
        self.0[at].add(opinion, weight);
        at + 1
    }

    /// What each head says that has said anything, in their order.
    pub fn said(&self) -> Vec<Said> {
        self.0.iter().filter_map(Heard::said).collect()
    }

    /// What a task's head says.
    pub fn said_of(&self, task: &str) -> Option<Said> {
        self.0.iter().find(|it| it.task() == task)?.said()
    }
}

impl Heard {
    fn new(head: &Arc<Head>, opinion: &Opinion) -> Heard {
        let zeros = |it: &Arc<[f32]>| vec![0.0; it.len()];
        Heard {
            head: Arc::clone(head),
            probabilities: zeros(&opinion.probabilities),
            guess: opinion.guess.as_ref().map(zeros).unwrap_or_default(),
            closeness: Closeness::default(),
            weight: 0.0,
            presence: 0.0,
        }
    }

    fn task(&self) -> &str {
        &self.head.generation().task
    }

    fn is_of(&self, head: &Head, opinion: &Opinion) -> bool {
        self.head.generation() == head.generation() && self.probabilities.len() == opinion.probabilities.len()
    }

    fn add(&mut self, opinion: &Opinion, weight: f32) {
        let present = 1.0 - opinion.probabilities.first().unwrap_or(&0.0);
        self.presence = self.presence.max(present);
        // The starter head has said in `weight` already how much of a blank it is.
        let trusted = if self.head.generation().number > 0 { present } else { 1.0 };
        let own = weight * trusted * trusted;
        self.weight += own;
        self.closeness += own * opinion.closeness;
        let add =
            |sums: &mut Vec<f32>, by: f32, of: &[f32]| sums.iter_mut().zip(of).for_each(|(sum, it)| *sum += by * it);
        add(&mut self.probabilities, own, &opinion.probabilities);
        add(&mut self.guess, weight, opinion.guess.as_deref().unwrap_or_default());
    }

    fn said(&self) -> Option<Said> {
        let closeness = self.closeness / self.weight.max(f32::MIN_POSITIVE);
        let given_present = given_present(&self.probabilities)?;
        let together = Together { presence: self.presence, given_present, closeness, second_closeness: None };
        let guess = given_present_top(&self.guess).and_then(|it| self.head.first().classes().get(it));
        Some(Said { head: Arc::clone(&self.head), together, hint: guess.cloned() })
    }
}

/// What sums say is there, the rest of them summing to 1 without `blank`; none where they say nothing.
fn given_present(sums: &[f32]) -> Option<Vec<f32>> {
    let there: f32 = sums.iter().skip(1).sum();
    let mut shares: Vec<f32> = sums.iter().map(|it| it / there).collect();
    *shares.first_mut()? = 0.0;
    (there > 0.0).then_some(shares)
}

fn given_present_top(sums: &[f32]) -> Option<usize> {
    let shares = given_present(sums)?;
    (1..shares.len()).max_by(|a, b| shares[*a].total_cmp(&shares[*b]))
}

/// What a head says of one thing, before the answer is [settled](Head::settled).
#[derive(Debug, Clone)]
pub struct Said {
    /// The head that says so.
    pub head: Arc<Head>,
    /// What it says is there.
    pub together: Together,
    /// What a stranger may be: the starter head's guess.
    pub hint: Option<Class>,
}

impl Said {
    /// What it is, given that something is there, with what the second featurizer's vectors say where that has seen some:
    /// a class, a taxon above several of them where only that is sure, or `unknown` with a hint. `threshold` as in [`Head::strangeness`].
    pub fn observation(&self, second: Option<&Together>, threshold: f32) -> Observation {
        let head = &self.head;
        let settled = head.settled(self.together.clone(), second);
        let top = settled.top().filter(|it| *it > 0);
        let class = top.and_then(|it| head.classes().get(it)).cloned();
        let probability = top.map_or(0.0, |it| settled.given_present[it]);
        let generation = head.generation().clone();
        if let Some(class) = &class
            && head.strangeness(&settled, threshold) <= 0.0
        {
            let (kind, class) = (kind_of(class), Some(class.clone()));
            return Observation { kind, class, rank: None, probability, hint: None, generation };
        }
        if let Some(Higher { class, rank, probability }) = head.higher(&settled) {
            let (kind, class, rank) = (ObservationType::Animal, Some(class), Some(rank));
            return Observation { kind, class, rank, probability, hint: None, generation };
        }
        let hint = if generation.number == 0 { class } else { self.hint.clone() };
        Observation { kind: ObservationType::Unknown, class: None, rank: None, probability, hint, generation }
    }

    /// What it is where the first task says that nothing is there: `blank`, or what another head knows for sure (a person is
    /// no animal); none of a head that was never taught what nothing looks like.
    pub fn beside_blank(&self, threshold: f32) -> Option<Observation> {
        if !self.head.knows_blank() {
            return None;
        }
        if self.is_blank() {
            return Some(self.blank());
        }
        let it = self.observation(None, threshold);
        let probability = self.together.presence * it.probability;
        (it.kind != ObservationType::Unknown).then_some(Observation { probability, ..it })
    }

    /// Whether by the head itself it is likelier that nothing is there.
    pub fn is_blank(&self) -> bool {
        self.together.presence < 0.5
    }

    /// That nothing is there.
    pub fn blank(&self) -> Observation {
        let (kind, probability) = (ObservationType::Blank, 1.0 - self.together.presence);
        Observation {
            kind,
            class: None,
            rank: None,
            probability,
            hint: None,
            generation: self.head.generation().clone(),
        }
    }
}

fn kind_of(class: &Class) -> ObservationType {
    match &*class.name {
        "human" => ObservationType::Human,
        "vehicle" => ObservationType::Vehicle,
        "blank" => ObservationType::Blank,
        _ => ObservationType::Animal,
    }
}
