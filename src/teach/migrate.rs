//! Another featurizer: what is kept of pictures is looked at by it, beside the one that serves, and heads are fitted on that.
//! Once the config names it there is a head that serves at once.
//!
//! What people have labelled goes first, then the rest, the latest first. At any point it can be cut short: the next one goes
//! on, for it asks what is lacking.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::capture::still;
use crate::config::Config;
use crate::domain::{Area, Candidate, Frame, View};
use crate::infer::contract::Contract;
use crate::infer::featurizer::{Featurizer, FeaturizerError};
use crate::infer::models::{Contracts, Models, ModelsError};
use crate::metrics::{CameraMetrics, Metrics};
use crate::observe::store::{Coverage, LackingPicture, Of, Store, StoreError};

use super::train::{TrainError, train_aside};

/// Below the state folder: how far it is.
const FILE: &str = "migration.json";
/// Whoever migrates holds it.
const LOCK: &str = "migrate.lock";
/// Pictures that are asked for together.
const PAGE: usize = 64;
/// Between words of how far it is.
const EVERY: Duration = Duration::from_secs(1);
/// Of the room that the database may take, in percent: beyond it the daemon would delete the oldest vectors for the new ones.
const MOST_FULL: u64 = 95;

/// A migration came to nothing, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// The store.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The featurizer is not there.
    #[error("{0}")]
    Models(#[from] ModelsError),
    /// It cannot look.
    #[error("{0}")]
    Featurizer(#[from] FeaturizerError),
    /// No head can be fitted.
    #[error("{0}")]
    Train(#[from] TrainError),
    /// Nobody said to what.
    #[error(
        "migrate: to what? name a contract (--to NAME, or models.next in the config), or a second featurizer (models.second)"
    )]
    Nowhere,
    /// Another one is on its way.
    #[error("migrate: another eyeshine migrates already: wait for that one")]
    Busy,
    /// The state folder.
    #[error("migrate: {}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
}

/// How far a migration is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Migration {
    /// The contract's name.
    pub to: String,
    /// Its identity.
    pub featurizer: String,
    /// Pictures and crops that it has seen.
    pub done: u64,
    /// Those that it has not seen yet.
    pub left: u64,
    /// Those of which no picture is left, or none that can be read.
    pub lost: u64,
    /// The database has no room for the vectors of all that are left.
    pub full: bool,
    /// What became of the head of each task, once all were seen.
    pub heads: Vec<MigratedHead>,
}

/// What became of a head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MigratedHead {
    /// The task.
    pub task: String,
    /// The generation that will serve once the config names the featurizer; 0 is the starter head.
    pub generation: u32,
    /// Why.
    pub reason: String,
}

impl Migration {
    /// How far it was last; none where there was none, or its word cannot be read.
    pub fn last(state_dir: &Path) -> Option<Migration> {
        serde_json::from_slice(&fs::read(state_dir.join(FILE)).ok()?).ok()
    }

    fn put(&self, state_dir: &Path) -> Result<(), MigrateError> {
        let path = state_dir.join(FILE);
        let unfinished = path.with_extension("tmp");
        let json = serde_json::to_vec(self).map_err(io::Error::from);
        let written = json.and_then(|it| fs::write(&unfinished, it)).and_then(|()| fs::rename(&unfinished, &path));
        written.map_err(|source| MigrateError::Io { path, source })
    }
}

/// What is migrated to: a featurizer in the first's place, or the second that the config names.
#[derive(Debug, Clone)]
pub struct Goal {
    /// As the config would be.
    config: Config,
    contract: Arc<Contract>,
    models: Models,
    is_second: bool,
}

impl Goal {
    /// A featurizer by its name; else the config's next; else its second.
    pub fn of(config: &Config, to: Option<&str>) -> Result<Goal, MigrateError> {
        let mut config = config.clone();
        let next = to.unwrap_or(&config.models.next).to_owned();
        let is_second = next.is_empty();
        if is_second && config.models.second.is_empty() {
            return Err(MigrateError::Nowhere);
        }
        if !is_second {
            // What takes the place of the first is no second to itself.
            if config.models.second == next {
                config.models.second = String::new();
            }
            config.models.featurizer = next;
        }
        let models = Models::open(&config.models)?;
        let second = models.second.clone().filter(|_| is_second);
        let contract = second.unwrap_or_else(|| Arc::clone(&models.contract));
        Ok(Goal { config, contract, models, is_second })
    }

    /// Identity of the featurizer.
    pub fn featurizer(&self) -> String {
        self.contract.identity()
    }
}

/// Looks at all that is kept, and fits heads on it; `progress` hears how far it is, every second or so.
pub fn migrate(goal: &Goal, mut progress: impl FnMut(&Migration)) -> Result<Migration, MigrateError> {
    let config = &goal.config;
    let state_dir = &config.state.dir;
    Store::open_read(state_dir)?;
    let _alone = lock(&state_dir.join(LOCK))?;
    let store = Store::open_beside(state_dir, &config.store)?;
    let featurizer = goal.featurizer();
    // The second looks at what teaches; of other events it sees the best as they end.
    let all = if goal.is_second { Of::Labelled } else { Of::All };
    let Coverage { done, left, lost } = store.coverage(&featurizer, all)?;
    let to = goal.contract.featurizer.name.clone();
    let migration = Migration { to, featurizer, done, left, lost, full: false, heads: Vec::new() };
    let eyes = Featurizer::open(&goal.models.runtime, Arc::clone(&goal.contract), config.featurizer.max_batch)?;
    let counters = Metrics::new().camera("migration");
    let mut work = Work { store: &store, state_dir, eyes, migration, counters, told: None };
    for of in if goal.is_second { vec![Of::Labelled] } else { vec![Of::Labelled, Of::All] } {
        work.look(of, config.store.database_max_mb.saturating_mul(1_000_000 / 100 * MOST_FULL), &mut progress)?;
    }
    let mut migration = work.migration;
    if !goal.is_second {
        let contracts = Contracts::load(&config.models)?;
        for task in &config.teach.tasks {
            migration.heads.push(head(state_dir, config, &contracts, task)?);
        }
    }
    migration.put(state_dir)?;
    progress(&migration);
    Ok(migration)
}

/// Too few labels are no reason to fail: there the starter head will serve.
fn head(state_dir: &Path, config: &Config, contracts: &Contracts, task: &str) -> Result<MigratedHead, MigrateError> {
    let (generation, reason) = match train_aside(state_dir, &config.teach, contracts, task) {
        Ok((generation, verdict)) => (generation, verdict.reason),
        Err(TrainError::Fit(error)) => (0, error.to_string()),
        Err(error) => return Err(error.into()),
    };
    Ok(MigratedHead { task: task.into(), generation, reason })
}

struct Work<'a> {
    store: &'a Store,
    state_dir: &'a Path,
    eyes: Featurizer,
    migration: Migration,
    counters: Arc<CameraMetrics>,
    told: Option<Instant>,
}

impl Work<'_> {
    fn look(&mut self, of: Of, most_bytes: u64, progress: &mut impl FnMut(&Migration)) -> Result<(), MigrateError> {
        let mut after = None;
        loop {
            let pictures = self.store.lacking(&self.migration.featurizer, of, after, PAGE)?;
            let Some(last) = pictures.last() else { return Ok(()) };
            after = Some((last.captured_us, last.id));
            if of == Of::All && !self.store.is_below(most_bytes)? {
                self.migration.full = true;
                return Ok(());
            }
            for picture in pictures.iter().filter(|it| !it.parts.is_empty()) {
                self.look_at(picture)?;
                if self.told.is_none_or(|it| it.elapsed() >= EVERY) {
                    self.told = Some(Instant::now());
                    self.migration.put(self.state_dir)?;
                    progress(&self.migration);
                }
            }
        }
    }

    fn look_at(&mut self, picture: &LackingPicture) -> Result<(), MigrateError> {
        let n = picture.parts.len() as u64;
        self.migration.left = self.migration.left.saturating_sub(n);
        match self.vectors(picture) {
            Ok(vectors) => {
                self.store.add_vectors(&self.migration.featurizer, &vectors)?;
                self.migration.done += n;
            }
            Err(why) => {
                tracing::warn!(file = picture.file, "the next featurizer cannot look at it: {why}");
                self.migration.lost += n;
            }
        }
        Ok(())
    }

    fn vectors(&mut self, picture: &LackingPicture) -> Result<Vec<(Uuid, Vec<f32>)>, String> {
        let decoded = still::read(&self.state_dir.join(&picture.file))?;
        let shown = decoded.area();
        let frame = Arc::new(Frame {
            camera: "migration".into(),
            number: 0,
            at: Timestamp::from_microsecond(picture.captured_us).unwrap_or(Timestamp::UNIX_EPOCH),
            elapsed: Duration::ZERO,
            picture: decoded,
            fate: self.counters.receive(),
        });
        let candidate = |(_, area): &(Uuid, Area)| Candidate {
            view: View::Whole,
            cell: None,
            area: within(*area, picture.area, shown),
            frame: Arc::clone(&frame),
        };
        let candidates: Vec<Candidate> = picture.parts.iter().map(candidate).collect();
        let embeddings = self.eyes.featurize(&candidates).map_err(|error| error.to_string())?;
        frame.fate.classified();
        let ids = picture.parts.iter().map(|it| it.0);
        Ok(ids.zip(embeddings).map(|(id, it)| (id, it.features.to_vec())).collect())
    }
}

/// Where an area of a frame lies in a picture that shows `whole` of it in the pixels of `shown`.
fn within(area: Area, whole: Area, shown: Area) -> Area {
    let (x, y) = (shown.width / whole.width, shown.height / whole.height);
    Area { x: (area.x - whole.x) * x, y: (area.y - whole.y) * y, width: area.width * x, height: area.height * y }
}

fn lock(path: &Path) -> Result<File, MigrateError> {
    let failed = |source| MigrateError::Io { path: path.to_owned(), source };
    let file = File::options().create(true).append(true).open(path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(MigrateError::Busy),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crop_is_cut_out_of_a_smaller_picture_of_a_part_of_its_frame() {
        let area = |x, y, width, height| Area { x, y, width, height };
        let whole = area(0.0, 40.0, 1_920.0, 1_000.0);
        let shown = area(0.0, 0.0, 960.0, 500.0);
        assert_eq!(within(area(960.0, 140.0, 200.0, 100.0), whole, shown), area(480.0, 50.0, 100.0, 50.0));
        assert_eq!(within(whole, whole, shown), shown);
    }
}
