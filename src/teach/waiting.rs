//! Which labels the last training saw, and how many have come, gone or changed since.

use std::fs;
use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::generations::{GenerationError, Generations};
use crate::observe::store::LabelCounts;

/// What the last training that came to an answer saw; one that crashed saw nothing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Seen {
    /// When it read them.
    pub at: Timestamp,
    /// The labels.
    pub labels: LabelCounts,
}

impl Seen {
    /// Labels given, taken back, erased and renamed since; one that was renamed is one less and one more.
    pub fn waiting(&self, now: &LabelCounts) -> u64 {
        let gone = self.labels.iter().filter(|(class, _)| !now.contains_key(*class)).map(|(_, n)| n[0] + n[1]);
        let changed = now.iter().map(|(class, now)| {
            let seen = self.labels.get(class).copied().unwrap_or_default();
            now[0].abs_diff(seen[0]) + now[1].abs_diff(seen[1])
        });
        gone.chain(changed).sum()
    }
}

impl Generations {
    /// What the last training saw; nothing where there was none, or nobody can say.
    pub fn seen(&self) -> Seen {
        fs::read(self.seen_file()).ok().and_then(|it| serde_json::from_slice(&it).ok()).unwrap_or_default()
    }

    /// Writes that down.
    pub fn set_seen(&self, seen: &Seen) -> Result<(), GenerationError> {
        let json = serde_json::to_vec(seen).map_err(io::Error::other);
        json.and_then(|it| self.put_seen(&it))
            .map_err(|source| GenerationError::Io { path: self.seen_file().display().to_string(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_taken_back_renamed_and_erased_waits() {
        let counts = |all: &[(&str, [u64; 2])]| all.iter().map(|(class, n)| ((*class).to_owned(), *n)).collect();
        let seen = Seen { at: Timestamp::UNIX_EPOCH, labels: counts(&[("deer", [4, 0]), ("fox", [7, 1])]) };
        let waiting = |all: &[(&str, [u64; 2])]| seen.waiting(&counts(all));
        assert_eq!(waiting(&[("deer", [4, 0]), ("fox", [7, 1])]), 0);
        assert_eq!(waiting(&[("deer", [5, 0]), ("fox", [7, 1]), ("lynx", [2, 0])]), 3, "given");
        assert_eq!(waiting(&[("deer", [4, 2]), ("fox", [7, 1])]), 2, "taken back");
        assert_eq!(waiting(&[("deer", [3, 0]), ("fox", [8, 1])]), 2, "renamed");
        assert_eq!(waiting(&[("fox", [7, 1])]), 4, "erased");
        assert_eq!(Seen::default().waiting(&counts(&[("fox", [7, 1])])), 8, "nobody was trained yet");
    }
}
