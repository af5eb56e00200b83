//! What there is to ask about, and what is asked of it.

use uuid::Uuid;

use crate::observe::store::Why;

/// All that a day's questions are chosen from.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    /// Names of the classes of the head that serves, `blank` among them; empty where none does.
    pub classes: Vec<String>,
    /// The place of `blank` among them.
    pub blank: Option<usize>,
    /// Events that nobody has answered and that are not asked about yet: the newest, at most some thousands.
    pub events: Vec<Candidate>,
    /// Events that people have answered.
    pub taught: Vec<Lesson>,
    /// [Vectors](Candidate::vector) of events that are asked about and not answered yet.
    pub asked: Vec<Vec<f32>>,
    /// What the random check is drawn of.
    pub day: Day,
}

/// An event that may be asked about.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Its name.
    pub id: Uuid,
    /// The mean of the centred vectors of length 1 of its looks that are not blank (of all, where all are); see
    /// [`vector`]. All in a pool, lessons too, are of one length.
    pub vector: Vec<f32>,
    /// Its settled answer by class, `blank` among them, as sure as it is right; empty where no head serves.
    pub probabilities: Vec<f32>,
    /// How strange it is, less where [unknown](crate::infer::unknown::Unknown) begins: above 0 it is called unknown.
    pub strangeness: Option<f32>,
    /// Whether it may be of a protected species.
    pub protected: bool,
}

/// An event that people have answered.
#[derive(Debug, Clone)]
pub struct Lesson {
    /// Its name.
    pub id: Uuid,
    /// As a [candidate's](Candidate::vector).
    pub vector: Vec<f32>,
    /// What people say that it is.
    pub said: String,
    /// Who said it last.
    pub labeller: String,
    /// Whether it is not to be asked again though it looks wrong: someone has looked twice.
    pub settled: bool,
    /// Whether someone has looked twice because it looked wrong.
    pub asked_again: bool,
    /// By class of the pool: what heads that were not fitted on it say. None where nobody asked one.
    pub out_of_fold: Option<Vec<f32>>,
}

/// What a random check is drawn of: a span that no check was drawn of before, mostly the day before.
#[derive(Debug, Clone, Default)]
pub struct Day {
    /// All its events in which something was seen, asked about for another reason or not.
    pub events: Vec<Uuid>,
    /// Those in which nothing was seen, as far as there are pictures of them.
    pub blanks: Vec<Uuid>,
    /// Moments that the gate let pass as still of which a picture is kept: chosen at random among [`Day::n_moments`].
    pub moments: Vec<Uuid>,
    /// How many such moments there were.
    pub n_moments: u64,
}

/// How many questions go where; what a share finds no use for goes to the rest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// Of the budget, drawn at random of the day's events in which something was seen, the guess hidden; and no more than that
    /// share of these, rounded up.
    pub random: f64,
    /// The same of those in which nothing was.
    pub blank: f64,
    /// Of the budget, drawn at random of the day's still moments.
    pub still: f64,
    /// Of the budget, at most, one for each kind of animal that is like nothing taught.
    pub strange: f64,
    /// Of the budget, at most, answers that look wrong.
    pub suspect: f64,
}

impl Default for Shares {
    fn default() -> Shares {
        Shares { random: 0.1, blank: 0.05, still: 0.05, strange: 0.2, suspect: 0.1 }
    }
}

/// What a question is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum About {
    /// An event.
    Event(Uuid),
    /// A moment that the gate let pass as still.
    Moment(Uuid),
}

/// A question to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Ask {
    /// What it is about.
    pub about: About,
    /// Why.
    pub why: Why,
    /// The same for people: "unsure between fox and dog".
    pub reason: String,
    /// Whether the guess is hidden: an answer that was led by one says nothing of how right guesses are.
    pub blind: bool,
    /// Of a random one: how likely it was to be drawn. The estimate needs it.
    pub probability: Option<f64>,
    /// Of a strange or protected one: events that look like it, the likeliest first, which one answer may name too.
    pub alike: Vec<Uuid>,
}

/// An event's vector, of the centred vectors of its looks (see [`Space::centred`](crate::infer::space::Space::centred)) and
/// of how surely something is in each: looks that are rather blank count only where all are. None without looks.
pub fn vector<'a>(looks: impl Iterator<Item = (&'a [f32], f32)> + Clone) -> Option<Vec<f32>> {
    let any = looks.clone().any(|(_, presence)| presence >= 0.5);
    let (mut sum, mut n) = (Vec::new(), 0.0f32);
    for (look, _) in looks.filter(|it| !any || it.1 >= 0.5) {
        sum.resize(look.len(), 0.0);
        sum.iter_mut().zip(look).for_each(|(sum, it)| *sum += it);
        n += 1.0;
    }
    sum.iter_mut().for_each(|it| *it /= n);
    (n > 0.0).then_some(sum)
}
