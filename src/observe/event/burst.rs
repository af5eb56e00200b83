//! Strange looks without an animal: a blank event, and what other tasks than the first see in it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::id_at;
use crate::config::EventsConfig;
use crate::domain::{Change, Event, EventState, EventUpdate, Generation, Keepsake, Observation, ObservationType};
use crate::infer::predict::Prediction;
use crate::observe::said::Hearing;

/// Looks that make a blank event.
const BLANK_LOOKS: u32 = 4;

/// Strange looks of one camera, none long after the one before.
#[derive(Debug)]
pub(super) struct Burst {
    first: (Duration, Timestamp),
    last: (Duration, Timestamp),
    n_looks: u32,
    /// Of all looks together.
    presence: f32,
    /// Whose word it is that no animal is there.
    generation: Generation,
    /// What is said of what is new: a person is no animal.
    hearing: Hearing,
    keepsake: Keepsake,
    /// Whether people may be in it.
    pub(super) people: bool,
}

impl Burst {
    /// A burst that begins with what `keepsake` shows; its look is still to be [added](Self::add).
    pub(super) fn begin(generation: Generation, keepsake: Keepsake, people: bool) -> Burst {
        let at = (keepsake.frame.elapsed, keepsake.frame.at);
        let hearing = Hearing::default();
        Burst { first: at, last: at, n_looks: 0, presence: 0.0, generation, hearing, keepsake, people }
    }

    /// Adds a strange look.
    pub(super) fn add(&mut self, prediction: &Prediction) {
        let frame = &prediction.look.frame;
        self.last = (frame.elapsed, frame.at);
        self.n_looks += 1;
        self.presence += prediction.presence();
        if !prediction.heads.further().is_empty() {
            let new = prediction.seen.iter().filter(|it| it.novelty.is_some_and(|it| it.excess >= 1.0));
            new.for_each(|it| self.hearing.add(prediction, it, 1.0));
        }
    }

    /// Stream time of its last look.
    pub(super) fn last(&self) -> Duration {
        self.last.0
    }

    /// The event that it was; none where the looks are too few.
    pub(super) fn end(self, config: &EventsConfig) -> Option<EventUpdate> {
        if self.n_looks < BLANK_LOOKS {
            return None;
        }
        let probability = 1.0 - self.presence / self.n_looks as f32;
        let blank = Observation {
            kind: ObservationType::Blank,
            class: None,
            rank: None,
            probability,
            hint: None,
            generation: self.generation,
        };
        let further = self.hearing.said().into_iter().filter(|it| it.head.generation().task != blank.generation.task);
        let further: Vec<Observation> = further.filter_map(|it| it.beside_blank(config.threshold)).collect();
        let event = Event {
            id: id_at(self.first.1),
            camera: Arc::clone(&self.keepsake.frame.camera),
            state: EventState::Ended,
            start: self.first.1,
            end: self.last.1.max(self.first.1),
            duration_secs: self.last.0.saturating_sub(self.first.0).as_secs_f64(),
            modality: self.keepsake.modality,
            observations: std::iter::once(blank).chain(further).collect(),
            looks: self.n_looks,
            media: vec![self.keepsake.id],
            people: self.people,
        };
        Some(EventUpdate { change: Change::Ended, event, keepsakes: vec![self.keepsake], said: Vec::new() })
    }
}
