//! Setting a camera up: what its gate goes by, tried on what the gate saw lately, saved in versions, taken up while it runs.
//!
//! ```text
//! wanted settings ─▶ trial (the tape, through the gate, twice) ─▶ lost and gained ─▶ saved as a version ─▶ the running gate
//! ```

pub mod compare;
pub mod error;
pub mod settings;
pub mod trial;
pub mod versions;
