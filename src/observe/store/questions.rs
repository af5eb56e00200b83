//! Questions to people.

use serde::{Deserialize, Serialize};

/// Why an event is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Why {
    /// A head is not sure of it.
    Unsure,
    /// Nothing like it was taught so far.
    Cover,
    /// It may be of a species that was never taught.
    Strange,
    /// It may be of a protected species.
    Protected,
    /// Its answer looks wrong.
    Suspect,
    /// A random check of events.
    Random,
    /// A random check of moments in which the gate saw nothing move.
    Still,
}
