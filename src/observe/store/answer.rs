//! What people say, as it is handed to the store.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::StoreError;

/// Characters of a client's own key, at most.
pub(super) const MAX_KEY: usize = 64;

/// What people say cannot be taken down, or there is nothing to take back.
#[derive(Debug, thiserror::Error)]
pub enum AnswerError {
    /// The store cannot do it.
    #[error("{0}")]
    Store(#[source] StoreError),
    /// There is no such event.
    #[error("labels: there is no event {0}: the page and `/api/v1/events` name those that there are")]
    NoEvent(Uuid),
    /// The event has no such frame.
    #[error("labels: event {event} has no frame {frame}; {known}")]
    NoFrame {
        /// The event.
        event: Uuid,
        /// As it was named.
        frame: FrameName,
        /// Those that it has, in a sentence.
        known: String,
    },
    /// There is no such question.
    #[error("labels: there is no question {0} about a still moment: it may have been erased, or asked anew")]
    NoQuestion(Uuid),
    /// A client's key is none.
    #[error("labels: a key is 1 to {MAX_KEY} visible ASCII characters")]
    Key,
    /// The same person has said something else by this key.
    #[error("labels: the key {0:?} was used for another answer: what differs needs a key of its own")]
    KeyUsed(String),
    /// Nobody of that name has said anything.
    #[error("labels: nobody called {name:?} has given a label; {known}")]
    NoLabeller {
        /// The name.
        name: String,
        /// Who has, in a sentence.
        known: String,
    },
    /// Nothing is called so.
    #[error("labels: no label of {task} says {name:?}; {known}")]
    NoClass {
        /// The task.
        task: String,
        /// The class.
        name: String,
        /// What they say, in a sentence.
        known: String,
    },
}

impl From<StoreError> for AnswerError {
    fn from(error: StoreError) -> AnswerError {
        AnswerError::Store(error)
    }
}

/// Which frame of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameName {
    /// That of a moment, or the nearest within a second.
    At(Timestamp),
    /// That of a kept picture.
    Picture(Uuid),
}

impl std::fmt::Display for FrameName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FrameName::At(at) => write!(f, "of {at}"),
            FrameName::Picture(id) => write!(f, "with picture {id}"),
        }
    }
}

/// Camtrap DP `sex`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Sex {
    /// Female.
    Female,
    /// Male.
    Male,
}

/// Camtrap DP `lifeStage`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LifeStage {
    /// Fully grown.
    Adult,
    /// Nearly.
    Subadult,
    /// Young.
    Juvenile,
}

/// One species of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Species {
    /// Its class.
    pub class: String,
    /// How many.
    pub count: Option<u32>,
    /// All of one sex.
    pub sex: Option<Sex>,
    /// All of one age.
    pub life_stage: Option<LifeStage>,
}

impl Species {
    /// A class, and nothing else known.
    pub fn of(class: &str) -> Species {
        Species { class: class.into(), count: None, sex: None, life_stage: None }
    }
}

/// What somebody says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Of which event.
    pub event: Uuid,
    /// Of which frame; none: of the whole event.
    pub frame: Option<FrameName>,
    /// Of which task.
    pub task: String,
    /// Who.
    pub labeller: String,
    /// What it shows; several for a fox and a deer.
    pub species: Vec<Species>,
    /// A second person agrees.
    pub verified: bool,
    /// The client's own key of this answer, 1 to 64 visible ASCII characters: the same person and key again change nothing.
    pub key: Option<String>,
    /// The question that it answers, which is settled with it.
    pub question: Option<Uuid>,
}

/// An answer that was taken down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given {
    /// Its identity.
    pub id: Uuid,
    /// It was taken down before, by the same key, and nothing was changed now.
    pub again: bool,
    /// The frame; none: the whole event.
    pub frame: Option<Timestamp>,
    /// What had held until then.
    pub superseded: Vec<String>,
    /// What the head had suggested, and its generation.
    pub suggested: Option<(u32, String)>,
}
