//! What people are asked: questions about events and still moments, each lent to one person at a time.
//!
//! A question that nobody answers in time is there for the next. Whatever way its event is answered, it is settled in the
//! same transaction (by triggers, see `schema-4.sql`), so that nobody is asked what somebody has said.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Reader, Store, StoreError, words};

/// What was done to a question can be undone for so long.
const UNDONE_WITHIN: SignedDuration = SignedDuration::from_hours(24);
/// The longest day there is, where a clock goes back in it.
const LONGEST_DAY: SignedDuration = SignedDuration::from_hours(25);

/// Why something is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// The head is not sure of it.
    Unsure,
    /// Nothing like it was labelled so far.
    Cover,
    /// It may be of a kind that was never taught.
    Strange,
    /// It may be of a protected species.
    Protected,
    /// What was said of it looks wrong.
    Suspect,
    /// It was drawn at random, to know how right the head is.
    Random,
    /// A moment that the gate let pass as still, drawn at random, to know what the gate misses.
    Still,
}

impl Why {
    /// All of them.
    pub const ALL: [Why; 7] =
        [Why::Unsure, Why::Cover, Why::Strange, Why::Protected, Why::Suspect, Why::Random, Why::Still];

    /// The word in JSON, metrics and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Why::Unsure => "unsure",
            Why::Cover => "cover",
            Why::Strange => "strange",
            Why::Protected => "protected",
            Why::Suspect => "suspect",
            Why::Random => "random",
            Why::Still => "still",
        }
    }
}

/// A question.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Question {
    /// Its identity.
    pub id: Uuid,
    /// Of which task.
    pub task: String,
    /// Why it is asked.
    pub why: Why,
    /// The same for people: "unsure between fox and dog".
    pub reason: String,
    /// The guess is not shown, lest it lead the answer.
    pub blind: bool,
    /// What it is about …
    pub event: Option<Uuid>,
    /// … or the still moment that it is about, which has one picture, of the same identity.
    pub moment: Option<Uuid>,
    /// The picture to show first.
    pub media: Option<Uuid>,
    /// When it was chosen.
    pub asked_at: Timestamp,
    /// Until when it is lent to somebody.
    pub leased_until: Option<Timestamp>,
}

/// A question that is to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct NewQuestion {
    /// Of which task.
    pub task: String,
    /// Why.
    pub why: Why,
    /// The same for people.
    pub reason: String,
    /// The guess is not shown.
    pub blind: bool,
    /// What it is about: this event …
    pub event: Option<Uuid>,
    /// … or this moment.
    pub moment: Option<Uuid>,
    /// The picture to show first.
    pub media: Option<Uuid>,
    /// With which it was drawn at random, 0..=1; none where it was chosen.
    pub probability: Option<f64>,
}

/// How the questions of a task are.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct QueueState {
    /// Open ones, those on loan too.
    pub open: u64,
    /// Those of them that are on loan.
    pub leased: u64,
    /// Answered since the day began for which questions were chosen last.
    pub answered_today: u64,
    /// Open ones that somebody would not answer.
    pub skipped: u64,
    /// Open ones by why they are asked.
    pub by_why: BTreeMap<String, u64>,
}
