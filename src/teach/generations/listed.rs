//! The generations of a task as people look through them: which serves, what each was taught, and what was said of it.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::{GenerationError, Generations, HeldOut};

/// A generation among others.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Listed {
    /// Its number; 0 is the starter head.
    pub number: u32,
    /// What it does now.
    pub does: Does,
    /// When it was fitted; the starter head was by nobody here.
    pub created: Option<Timestamp>,
    /// Events that it was fitted on.
    pub events: usize,
    /// How right heads of its recipe are on events that they were not fitted on.
    pub held_out: Option<HeldOut>,
    /// What was decided of it last: `promoted`, `refused`, `shadow`, `rolled back`, `starter`, `damaged` …
    pub decision: String,
    /// Why, in a sentence.
    pub reason: String,
}

/// What a generation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Does {
    /// It answers.
    Serves,
    /// It answers beside the one that serves, unheard.
    Shadow,
    /// Nothing.
    Rests,
}

impl Generations {
    /// All of them, in the order of their numbers, the starter head first. One that is damaged is among them, with what is
    /// wrong with it.
    pub fn listed(&self) -> Result<Vec<Listed>, GenerationError> {
        let (current, shadow) = (self.current()?, self.shadow()?);
        let does = |number: u32| match number {
            _ if number == current => Does::Serves,
            _ if Some(number) == shadow => Does::Shadow,
            _ => Does::Rests,
        };
        let mut all = vec![Listed {
            number: 0,
            does: does(0),
            created: None,
            events: 0,
            held_out: None,
            decision: "starter".into(),
            reason: String::new(),
        }];
        for number in self.numbers()? {
            all.push(self.one(number, does(number)));
        }
        Ok(all)
    }

    fn one(&self, number: u32, does: Does) -> Listed {
        let manifest = match self.manifest(number) {
            Ok(it) => it,
            Err(error) => {
                let (decision, reason) = ("damaged".into(), error.to_string());
                return Listed { number, does, created: None, events: 0, held_out: None, decision, reason };
            }
        };
        let rolled_back = self.rolled_back(number).ok().flatten();
        let shadowed = self.shadowed(number).ok().flatten();
        let tally = self.tally().filter(|it| does == Does::Shadow && it.generation == number);
        let (decision, reason) = match (rolled_back, shadowed, tally) {
            (Some(it), _, _) => ("rolled back".into(), it.reason),
            (None, Some(it), _) => {
                let decision = if it.promoted { "promoted" } else { "refused" };
                (decision.into(), format!("as a shadow: {}", it.reason))
            }
            (None, None, Some(it)) => {
                ("shadow".into(), format!("{} live events so far, {} called the same", it.events, it.agreed))
            }
            (None, None, None) => (format!("{:?}", manifest.verdict.decision).to_lowercase(), manifest.verdict.reason),
        };
        let (created, events) = (Some(manifest.created), manifest.events.len());
        Listed { number, does, created, events, held_out: manifest.held_out, decision, reason }
    }

    /// All that is known of one: its manifest, and how its trial as a shadow goes or went.
    pub fn shown(&self, number: u32) -> Result<Value, GenerationError> {
        let json = |it: Result<Value, serde_json::Error>| {
            it.map_err(|error| super::damaged(&self.folder(number), error.to_string()))
        };
        let mut shown = json(serde_json::to_value(self.manifest(number)?))?;
        let trial = match self.shadowed(number)? {
            Some(it) => Some(json(serde_json::to_value(it))?),
            None => match self.tally().filter(|it| it.generation == number) {
                Some(it) => Some(json(serde_json::to_value(it))?),
                None => None,
            },
        };
        if let (Some(trial), Some(shown)) = (trial, shown.as_object_mut()) {
            shown.insert("shadow".into(), trial);
        }
        Ok(shown)
    }
}
