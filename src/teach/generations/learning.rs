//! What more labels would bring, as the training of a generation found: a note beside it. It names no event.

use super::{GenerationError, Generations};
use crate::teach::learning::Learning;

impl Generations {
    /// Writes it down.
    pub fn set_learning(&self, number: u32, learning: &Learning) -> Result<(), GenerationError> {
        self.put_json(&Self::learning_file(number), learning)
    }

    /// Of the newest generation of which it is known, and its number.
    pub fn learning(&self) -> Result<Option<(u32, Learning)>, GenerationError> {
        for number in self.numbers()?.into_iter().rev() {
            if let Some(it) = self.get_json(&Self::learning_file(number))? {
                return Ok(Some((number, it)));
            }
        }
        Ok(None)
    }

    pub(super) fn learning_file(number: u32) -> String {
        format!("learning-{number}.json")
    }
}
