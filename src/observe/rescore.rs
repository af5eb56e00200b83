//! A head's answers to events that are over, by the vectors that were kept of them: no picture is decoded.
//!
//! The answer is put together as a live one is, of less: of a look the whole frame and its best crop are kept, not of every
//! look, and how sure it was that an animal is there only as the look's score, the surer head's more than half of it. So
//! the answer may differ from that which the same head would have given as it happened; what was said first stays.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use crate::domain::{Area, Observation, ObservationType};
use crate::infer::head::{Head, Opinion};
use crate::infer::heads::Heads;
use crate::infer::learned;
use crate::infer::predict::PRESENT;
use crate::infer::space::kind;
use crate::infer::together::Together;
use crate::observe::said::Said;
use crate::observe::store::{Featurizers, PastEvent, PastView, Reader, Span, Store, StoreError};
use crate::observe::track::Tracks;

/// Events that are read together, and whose answers are written in one transaction: so long others wait.
const BATCH: usize = 100;

/// What a rescoring came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Events that are over and not blank.
    pub events: u64,
    /// Those of which the head's answer held already.
    pub already: u64,
    /// Those without a vector that the head can read.
    pub without_vectors: u64,
    /// Those that it answered now.
    pub answered: u64,
    /// Those of them of which it says something else than what held.
    pub changed: u64,
    /// Those of them that were unknown and have a name now.
    pub named: u64,
    /// Those of them that had a name and are unknown now.
    pub unnamed: u64,
    /// What held, and what holds now, by how many of the changed.
    pub changes: BTreeMap<String, BTreeMap<String, u64>>,
}

/// Lets a head answer all events of a span that are over and not blank, the latest first, and takes its answers down.
/// `featurizers` are those of the head; `threshold` is as in [`Head::strangeness`]; `progress` hears the number of events
/// so far. Cut short and begun again it goes on where it was, for it leaves out what is answered.
pub fn rescore(
    store: &Store,
    head: &Arc<Head>,
    featurizers: Featurizers<'_>,
    threshold: f32,
    span: Span,
    mut progress: impl FnMut(u64),
) -> Result<Report, StoreError> {
    let (task, number) = (&*head.generation().task, head.generation().number);
    let is_its = |it: &[Observation]| !it.is_empty() && it.iter().all(|it| it.generation.number == number);
    let (mut report, mut before) = (Report::default(), None);
    loop {
        let events = store.past(task, span, before, BATCH)?;
        let Some(last) = events.last() else { return Ok(report) };
        before = Some(last.id);
        let mut answers: Vec<(Uuid, Vec<Observation>)> = Vec::new();
        for event in &events {
            report.events += 1;
            if is_its(&event.current) {
                report.already += 1;
            } else if let Some(answer) = again(store, head, featurizers, threshold, event, is_its(&event.first))? {
                report.count(&event.current, &answer);
                answers.push((event.id, answer));
            } else {
                report.without_vectors += 1;
            }
        }
        if !answers.is_empty() {
            store.rescore(task, featurizers.0, &answers)?;
        }
        progress(report.events);
    }
}

/// What it said as it happened is better than what can be said of less.
fn again(
    store: &Reader,
    head: &Arc<Head>,
    featurizers: Featurizers<'_>,
    threshold: f32,
    event: &PastEvent,
    is_its: bool,
) -> Result<Option<Vec<Observation>>, StoreError> {
    if is_its {
        return Ok(Some(event.first.clone()));
    }
    Ok(answer(head, event, &store.past_views(event.id, featurizers)?, threshold))
}

/// A head's answer to an event by what is kept of it; none where it can read none of that.
pub fn answer(head: &Arc<Head>, event: &PastEvent, views: &[PastView], threshold: f32) -> Option<Vec<Observation>> {
    let opinion = |it: &PastView| head.opinion(&it.embedding, kind(it.modality, it.view));
    let seen: Vec<(&PastView, Opinion)> = views.iter().filter_map(|it| Some((it, opinion(it)?))).collect();
    if seen.is_empty() {
        return None;
    }
    let second: Vec<&learned::Answer> = seen.iter().filter_map(|it| it.1.second.as_ref()).collect();
    let second =
        (!second.is_empty()).then(|| Together::of(second.iter().map(|it| (&*it.probabilities, it.closeness)), Some(0)));
    let mut answer = if event.is_imported {
        vec![of_pictures(head, &seen, second.as_ref(), threshold)]
    } else {
        of_looks(head, &seen, second.as_ref(), threshold, event.current.len() < 2)
    };
    for it in answer.iter_mut().filter(|it| it.kind == ObservationType::Unknown && it.hint.is_none()) {
        // What the starter head makes of it needs more than vectors; it may have said so then.
        it.hint = event.first.iter().find_map(|first| {
            let class = first.class.as_ref().filter(|_| first.generation.number == 0);
            first.hint.as_ref().or(class).cloned()
        });
    }
    Some(answer)
}

/// Where one animal was seen all crops are of it; where several were, crops are followed as they are live.
fn of_looks(
    head: &Arc<Head>,
    seen: &[(&PastView, Opinion)],
    second: Option<&Together>,
    threshold: f32,
    is_one: bool,
) -> Vec<Observation> {
    let mut tracks = Tracks::default();
    let somewhere = Area { x: 0.0, y: 0.0, width: 1.0, height: 1.0 };
    for (it, opinion) in seen {
        let (elapsed, area) = if is_one { (Duration::ZERO, somewhere) } else { (it.elapsed, it.area) };
        let area = (it.view != crate::domain::View::Whole).then_some(area);
        tracks.join(elapsed, area, it.score, &mut Vec::new(), |hearing| hearing.add_of(head, opinion, it.score));
    }
    match tracks.said().into_iter().next().filter(|_| is_one) {
        Some(said) => vec![said.observation(second, threshold)],
        None => tracks.observations(&Heads::from(Arc::clone(head)), threshold),
    }
}

/// Pictures of a table have no before and after: whether anything is there the head says itself, where it was taught that.
fn of_pictures(
    head: &Arc<Head>,
    seen: &[(&PastView, Opinion)],
    second: Option<&Together>,
    threshold: f32,
) -> Observation {
    let together = Together::of(seen.iter().map(|it| (&*it.1.probabilities, it.1.closeness)), Some(0));
    if together.presence < PRESENT {
        let (kind, generation) = (ObservationType::Blank, head.generation().clone());
        let probability = 1.0 - together.presence;
        return Observation { kind, class: None, rank: None, probability, hint: None, generation };
    }
    Said { head: Arc::clone(head), together, hint: None }.observation(second, threshold)
}

impl Report {
    fn count(&mut self, old: &[Observation], new: &[Observation]) {
        let (from, to) = (named(old), named(new));
        self.answered += 1;
        if from == to {
            return;
        }
        self.changed += 1;
        let is_unknown = |it: &[Observation]| it.iter().all(|it| it.kind == ObservationType::Unknown);
        let is_named = |it: &[Observation]| it.iter().any(|it| it.class.is_some());
        self.named += u64::from(!old.is_empty() && is_unknown(old) && is_named(new));
        self.unnamed += u64::from(is_named(old) && is_unknown(new));
        *self.changes.entry(from).or_default().entry(to).or_default() += 1;
    }
}

/// `fox`, `fox and hen`; `unclassified` where no head was asked.
fn named(observations: &[Observation]) -> String {
    let mut names: Vec<String> = observations.iter().map(Observation::label).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() { ObservationType::Unclassified.to_string() } else { names.join(" and ") }
}

#[cfg(test)]
mod tests;
