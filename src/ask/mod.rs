//! What to ask people, so that a few answers a day teach most: which events, why, and what a random check says.
//!
//! ```text
//! pool ─▶ random ─▶ protected ─▶ unknowns ─▶ suspects ─▶ herding ─▶ questions
//!            └────▶ answers ─▶ estimate
//! ```
//!
//! All of it is a function of the pool and a seed. The random share is drawn first, of all that happened, so that what is
//! asked for other reasons leaves the estimate honest.

mod herding;
mod places;
mod random;
mod unknowns;

pub mod pool;
pub mod suspects;

mod plan;

mod beta;
pub mod estimate;

pub use plan::plan;
