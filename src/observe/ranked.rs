//! What a head holds possible of an event, the likeliest first, by the vectors that were kept of it: for people who are
//! asked which it is. The event's own answer says one thing alone.

use std::sync::Arc;

use crate::domain::Class;
use crate::infer::head::{BLANK, Head};
use crate::infer::learned::Answer;
use crate::infer::space::kind;
use crate::infer::together::Together;
use crate::observe::store::PastView;

/// A class, and how likely it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Guess {
    /// The class.
    pub class: Class,
    /// 0..=1.
    pub probability: f32,
}

/// The likeliest `n`; none of a head that cannot answer by vectors alone, which the starter head cannot.
pub fn ranked(head: &Arc<Head>, views: &[PastView], n: usize) -> Vec<Guess> {
    if head.generation().number == 0 {
        return Vec::new();
    }
    let opinions: Vec<_> =
        views.iter().filter_map(|it| head.own_opinion(&it.embedding, kind(it.modality, it.view))).collect();
    if opinions.is_empty() {
        return Vec::new();
    }
    let first = Together::of(opinions.iter().map(|it| (&*it.probabilities, it.closeness)), Some(0));
    let second: Vec<&Answer> = opinions.iter().filter_map(|it| it.second.as_ref()).collect();
    let second =
        (!second.is_empty()).then(|| Together::of(second.iter().map(|it| (&*it.probabilities, it.closeness)), Some(0)));
    let settled = head.settled(first, second.as_ref());
    // Whose head nobody taught what nothing looks like says nothing about it.
    let blank = head.knows_blank().then_some(0);
    let probability = |class: usize| match blank {
        Some(_) => settled.probability(class, blank),
        None => settled.given_present[class],
    };
    let classes = head.classes().iter().take(settled.given_present.len()).enumerate();
    let mut guesses: Vec<Guess> = classes
        .filter(|(_, it)| blank.is_some() || &*it.name != BLANK)
        .map(|(place, class)| Guess { class: class.clone(), probability: probability(place) })
        .collect();
    guesses.sort_by(|a, b| b.probability.total_cmp(&a.probability));
    guesses.truncate(n);
    guesses
}
