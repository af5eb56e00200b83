//! What the random check says of all: how often answers are right, and how much the gate misses.

/// A span that a check was drawn of, mostly a day: the draw was random, each of its units as likely as any other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stratum {
    /// Units that there were: events, or still moments.
    pub of: u64,
    /// Those drawn that people have answered.
    pub answered: u64,
    /// Those among them that have what is asked for: a right guess, an animal.
    pub hits: u64,
}

/// A figure, and where the truth lies in 95 of 100 seasons.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The best guess.
    pub value: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
    /// Answers that it rests on.
    pub answered: u64,
}

/// The share of all units that have what was asked for. None without answers.
pub fn share(strata: &[Stratum]) -> Option<Estimate> {
    let _ = strata;
    None
}

/// Of all events of something, those that the gate let pass as still: of what [`share`] says of the moments, how many
/// moments there were, and how many events of something were seen. A moment is counted as one event.
pub fn missed(moments: &[Stratum], n_seen: f64) -> Option<Estimate> {
    let _ = (moments, n_seen);
    None
}
