//! What a head holds possible of an event, the likeliest first, by the vectors that were kept of it: for people who are
//! asked which it is. The event's own answer says one thing alone.

use std::sync::Arc;

use crate::domain::{Class, Observation, ObservationType};
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

/// What is said of an event, as a guess: of what the starter head does not know for sure what it takes it for. None where nothing is
/// said that could be an answer: that it is unknown teaches nothing, and how likely a taught head's hint is nobody has said.
pub fn guess_of(said: &Observation) -> Option<Guess> {
    if said.rank.is_some() {
        return None;
    }
    let class = match said.kind {
        ObservationType::Unclassified => None,
        ObservationType::Unknown => said.hint.clone().filter(|_| said.generation.number == 0),
        _ => {
            let unnamed = || Class { name: said.label().into(), scientific_name: "".into() };
            Some(said.class.clone().unwrap_or_else(unnamed))
        }
    }?;
    Some(Guess { class, probability: said.probability })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{Generation, Rank};
    use crate::observe::store::fixture::observation;

    #[test]
    fn that_it_is_unknown_is_no_guess_and_what_the_starter_head_takes_it_for_is() {
        let name = |it: &Observation| guess_of(it).map(|it| (it.class.name.to_string(), it.probability));
        let fox = observation("fox");
        assert_eq!(name(&fox), Some(("fox".into(), 0.75)));
        assert_eq!(name(&observation("blank")), Some(("blank".into(), 0.75)));
        assert_eq!(name(&Observation { rank: Some(Rank::Family), ..fox.clone() }), None);
        let unknown = Observation { kind: ObservationType::Unknown, class: None, probability: 0.34, ..fox.clone() };
        assert_eq!(name(&unknown), None);
        let hinted = Observation { hint: fox.class, ..unknown };
        assert_eq!(name(&hinted), Some(("fox".into(), 0.34)));
        let generation = Generation { number: 3, ..hinted.generation.clone() };
        assert_eq!(name(&Observation { generation, ..hinted }), None, "34 % is of what the taught head took it for");
    }
}
