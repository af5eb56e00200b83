//! Which generation serves where the config names another featurizer than before.

use super::{GenerationError, Generations, Manifest};

/// Why a head was fitted that waits for its featurizer to serve.
pub const MIGRATION: &str = "migration";

impl Generations {
    /// Makes a head of the featurizer that serves serve, where the one that the pointer names is of another: the last that
    /// served on this one, or one that a migration has fitted since. Gives its number; none where nothing is to be done.
    pub fn take_up(&self, featurizer: &str) -> Result<Option<u32>, GenerationError> {
        let current = self.current()?;
        // One that is damaged is for others to complain of.
        if current > 0 && self.manifest(current).map_or(true, |it| it.featurizer == featurizer) {
            return Ok(None);
        }
        // Who went back to the starter head on this very featurizer meant it.
        let served = if current == 0 && self.served()?.contains(&0) { None } else { self.served_on(featurizer)? };
        let number = self.migrated_to(featurizer)?.into_iter().chain(served).max();
        number.map(|it| self.promote(it).map(|()| it)).transpose()
    }

    /// The best that there is on a featurizer, whichever serves: what a migration has fitted, or what served last.
    pub(in crate::teach) fn best_of(&self, featurizer: &str) -> Result<u32, GenerationError> {
        let newest = self.migrated_to(featurizer)?.into_iter().chain(self.served_on(featurizer)?).max();
        Ok(newest.unwrap_or(0))
    }

    /// The newest head that was fitted for the day that this featurizer serves, and has not served yet.
    fn migrated_to(&self, featurizer: &str) -> Result<Option<u32>, GenerationError> {
        self.waiting(|it| it.featurizer == featurizer)
    }

    /// The newest head that waits for its featurizer to serve, of those that a condition holds of.
    pub(super) fn waiting(&self, of: impl Fn(&Manifest) -> bool) -> Result<Option<u32>, GenerationError> {
        let served = self.served()?;
        let is_fit = |it: &Manifest| it.cause == MIGRATION && it.verdict.is_promoted() && of(it);
        let waits = |it: &u32| !served.contains(it) && self.manifest(*it).is_ok_and(|it| is_fit(&it));
        Ok(self.numbers()?.into_iter().rev().find(waits))
    }

    fn served_on(&self, featurizer: &str) -> Result<Option<u32>, GenerationError> {
        let mut served = self.served()?;
        // Nothing was written down of the first.
        served.insert(0, self.current()?);
        let is_fit = |it: &u32| {
            self.rolled_back(*it).is_ok_and(|it| it.is_none())
                && self.manifest(*it).is_ok_and(|it| it.featurizer == featurizer)
        };
        Ok(served.into_iter().rev().find(is_fit))
    }
}
