//! From labels to a better head.
//!
//! ```text
//! labels ─▶ taught events ─▶ space ─▶ fit (cross-validated) ─▶ calibrate ─▶ judge ─▶ generation
//! ```
//!
//! The event is the unit: weights, folds and scores count events, and the frames of one are never on both sides of a split.

pub mod label_file;
pub mod pictures;
pub mod taught;

mod answers;
mod directions;
pub mod folds;
pub mod logistic;
pub mod side_by_side;
pub mod stands_for;
pub mod whitened;

pub mod both;
pub mod fit;
pub mod recipe;
pub mod strangers;

pub mod contest;
pub mod held_out;
pub mod judge;

pub mod against;
pub mod bounds;
pub mod learning;
pub mod report;
pub mod score;

pub mod erase;
pub mod follow;
pub mod generations;
pub mod migrate;
pub mod retrain;
pub mod shadow;
pub mod train;
pub mod trial;
pub mod waiting;
