//! What a head says of what it was taught, by heads that were not: where that is far from what people said, one of the two
//! is wrong.

use super::contest::held_out as answers;
use super::fit::FitError;
use super::generations::{GenerationError, Generations};
use super::taught::Taught;
use super::train::incumbent;
use crate::infer::together::Together;

/// No answers are to be had.
#[derive(Debug, thiserror::Error)]
pub enum HeldOutError {
    /// The head cannot be read.
    #[error("{0}")]
    Generation(#[from] GenerationError),
    /// No head can be fitted on the rest.
    #[error("{0}")]
    Fit(#[from] FitError),
}

/// The settled answer to each event of `taught`, in the places of its classes, by heads like generation `number` that were not
/// fitted on it; nothing where that is the starter head, or one of another featurizer.
pub fn held_out(
    taught: &Taught,
    generations: &Generations,
    number: u32,
    featurizers: (&str, Option<&str>),
) -> Result<Vec<Option<Together>>, HeldOutError> {
    let Some(incumbent) = incumbent(generations, number, featurizers)? else { return Ok(Vec::new()) };
    Ok(answers(taught, &incumbent.serving())?)
}
