//! The second featurizer, for the doubtful: slower, and better at telling strangers. It is asked about an event's best
//! candidates only.

use std::sync::Arc;

use crate::domain::{Candidate, SecondFeatures};
use crate::infer::featurizer::{Featurizer, FeaturizerError};
use crate::infer::models::Models;

/// The second featurizer, ready.
pub struct Second {
    featurizer: Featurizer,
    identity: Arc<str>,
}

impl Second {
    /// Opens it and warms it up; none where the config names none.
    pub fn open(models: &Models) -> Result<Option<Second>, FeaturizerError> {
        let Some(contract) = &models.second else { return Ok(None) };
        let identity = contract.identity().into();
        // One at a time: several at once take several times as long, and nobody waits for the first of them.
        let featurizer = Featurizer::open(&models.runtime, Arc::clone(contract), 1)?;
        Ok(Some(Second { featurizer, identity }))
    }

    /// What it says of candidates, in order.
    pub fn look(&mut self, candidates: &[Candidate]) -> Result<Vec<SecondFeatures>, FeaturizerError> {
        let embeddings = self.featurizer.featurize(candidates)?;
        let of = |features| SecondFeatures { featurizer: Arc::clone(&self.identity), features };
        Ok(embeddings.into_iter().map(|it| of(it.features)).collect())
    }
}
