//! What leaves the daemon when an event changes, and the one shape it has for programs.

use serde::Serialize;

use crate::domain::{Change, Event, Observation};

/// Somebody who is told of events. Called on the store's thread, in order, and only of what is on disk: it must hand on
/// quickly and bear its own failures.
pub trait Sink: Send {
    /// An event opened, changed or ended.
    fn publish(&mut self, event: &Event, change: Change);
}

/// An announcement as programs read it: the event, and why it is announced.
#[derive(Debug, Serialize)]
pub struct Announcement<'a> {
    /// Why.
    pub change: Change,
    /// The event as it now stands.
    #[serde(flatten)]
    pub event: &'a Event,
}

impl Announcement<'_> {
    /// One line of JSON, without its end.
    pub fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }
}

/// `red fox 87 %, badger 60 %; content: animal 99 %`: what every task says of an event, for people; `said` words one
/// observation.
pub fn in_words(event: &Event, said: impl Fn(&Observation) -> String) -> String {
    let mut words = String::new();
    for (i, observations) in event.by_task().enumerate() {
        if i > 0 {
            words += &format!("; {}: ", observations[0].generation.task);
        }
        words += &observations.iter().map(&said).collect::<Vec<_>>().join(", ");
    }
    words
}
