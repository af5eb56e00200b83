//! What to ask people, so that a few answers a day teach most: which events, why, and what a random check says.
//!
//! ```text
//! pool ─▶ random ─▶ protected ─▶ unknowns ─▶ suspects ─▶ herding ─▶ questions
//!            └────▶ answers ─▶ estimate
//! ```
//!
//! [`fill`] gathers the pool from the store, and puts what is to be asked there; [`asker`] does so day by day beside a daemon. The
//! rest is a function of the pool and a seed. The random share is drawn first, of all that happened, so that what is
//! asked for other reasons leaves the estimate honest.

pub mod asker;
pub mod fill;
mod gather;
mod meanwhile;

mod herding;
mod places;
mod random;
mod unknowns;

pub mod pool;
pub mod suspects;
pub mod usual;

mod plan;

mod beta;
pub mod estimate;
pub mod season;

pub use plan::plan;
