//! Fills the queue of questions: as many as are left of the day's, chosen by [`plan`] from what the store has.

use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::gather::{Asked, Gathered, since};
use super::meanwhile::least_sure;
use super::plan;
use super::pool::{About, Ask, Day, Shares};
use crate::clock::Clock;
use crate::config::{AskConfig, Config};
use crate::infer::classifier::Classifier;
use crate::infer::contract::Contract;
use crate::infer::head::Head;
use crate::infer::models::Contracts;
use crate::observe::store::{Filling, NewQuestion, QueueState, Reader, Store, StoreError};
use crate::teach::generations::{GenerationError, Generations};

/// A day that begins so much later than now was chosen by a clock that was ahead: time zones differ by less.
const AHEAD: SignedDuration = SignedDuration::from_hours(36);

/// Questions cannot be chosen now.
#[derive(Debug, thiserror::Error)]
pub enum FillError {
    /// The store.
    #[error("{0}")]
    Store(#[from] StoreError),
    /// The head that serves cannot be read.
    #[error("{0}")]
    Generation(#[from] GenerationError),
}

/// What a filling came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    /// Questions added.
    pub added: usize,
    /// Questions of earlier days taken back.
    pub expired: usize,
}

/// Fills queues.
#[derive(Debug)]
pub struct Filler {
    config: AskConfig,
    protected: Vec<String>,
    threshold: f32,
    state_dir: PathBuf,
    featurizers: (String, Option<String>),
    classifier: Option<Arc<Classifier>>,
    starter: Arc<Head>,
    /// Where a day begins.
    zone: TimeZone,
    clock: Arc<dyn Clock>,
    store: Store,
    /// On a connection of its own: whoever reads for people does not wait for it.
    reader: Reader,
}

impl Filler {
    /// Of a whole configuration; `store` is written to.
    pub fn new(config: &Config, contracts: &Contracts, store: Store, clock: Arc<dyn Clock>) -> Filler {
        Filler {
            config: config.ask.clone(),
            protected: config.teach.protected.clone(),
            threshold: config.events.threshold,
            state_dir: config.state.dir.clone(),
            featurizers: (contracts.first.identity(), contracts.second.as_ref().map(Contract::identity)),
            classifier: contracts.first.classifier.clone(),
            starter: Arc::new(contracts.starter()),
            zone: config.cameras.first().and_then(|it| TimeZone::get(&it.time_zone).ok()).unwrap_or(TimeZone::UTC),
            clock,
            store,
            reader: Store::reader(&config.state.dir),
        }
    }

    /// What reads the questions.
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// How long is waited between two fillings, at least.
    pub fn pause(&self) -> Duration {
        Duration::try_from_secs_f64(self.config.refill_secs).unwrap_or_default()
    }

    /// When today began, where the first camera hangs.
    pub fn today(&self) -> Timestamp {
        let now = self.clock.now().to_zoned_datetime(self.zone.clone());
        now.start_of_day().map_or(now.timestamp(), |it| it.timestamp())
    }

    /// No day that began later was one: what was chosen then would stop the draws until it comes.
    fn too_late(&self) -> Timestamp {
        self.clock.now().saturating_add(AHEAD).unwrap_or(Timestamp::MAX)
    }

    /// How many questions are left of today's.
    pub fn left(&self, state: &QueueState) -> usize {
        // Who has skipped one may have another.
        let free = usize::try_from(state.open.saturating_sub(state.skipped)).unwrap_or(usize::MAX);
        let answered = usize::try_from(state.answered_today).unwrap_or(usize::MAX);
        self.config.questions_per_day.saturating_sub(free).saturating_sub(answered)
    }

    /// Whether a task is to be filled: a day has begun, or nothing is open and there is something left of the day.
    pub fn is_due(&self, task: &str, state: &QueueState) -> Result<bool, StoreError> {
        if self.config.questions_per_day == 0 {
            return Ok(false);
        }
        let last = self.reader.last_filling(task)?;
        let new_day = last.is_none_or(|it| it.day < self.today() || it.day > self.too_late());
        Ok(new_day || (state.open <= state.skipped && self.left(state) > 0))
    }

    /// The generation that serves a task: once it is another, what is open is [stale](Self::renew).
    pub fn generation(&self, task: &str) -> Result<u32, GenerationError> {
        Generations::of(&self.state_dir, task).current()
    }

    /// Fills a task's queue. The same store and `seed` give the same questions.
    pub fn fill(&self, task: &str, seed: u64) -> Result<Filled, FillError> {
        let (now, today) = (self.clock.now(), self.today());
        let mut last = self.reader.last_filling(task)?;
        if last.is_some_and(|it| it.day > self.too_late()) {
            tracing::warn!(task, "questions were chosen by a clock that was ahead: that is forgotten");
            self.store.forget_ahead(task, self.too_late())?;
            last = self.reader.last_filling(task)?;
        }
        // A clock that was set back must not have the same drawn again.
        let is_new = last.is_none_or(|it| it.day < today);
        let expired = if is_new { self.store.expire(task, today)? } else { 0 };
        let mut state = self.reader.queue_state(task)?;
        if is_new {
            state.answered_today = 0;
        }
        let since = since(now, self.config.days);
        let from = last.map_or(since, |it| it.up_to.max(since));
        // What goes on is in the next draw, or it would be in none: it began before now, and is not over.
        let up_to = self.reader.oldest_open(now)?.map_or(now, |it| it.min(now));
        let added = self.choose(task, self.left(&state), (from, up_to.max(from)), seed)?;
        Ok(Filled { added, expired })
    }

    /// Chooses what is left of a day anew, for a head that was taught the answers to the first of it knows better what to ask.
    /// What somebody has before them stays, and so does what was drawn at random, of which no more is drawn; nor is anything
    /// asked of which nothing was drawn yet.
    pub fn renew(&self, task: &str, seed: u64) -> Result<Filled, FillError> {
        let Some(last) = self.reader.last_filling(task)?.filter(|it| it.day >= self.today()) else {
            return Ok(Filled { added: 0, expired: 0 });
        };
        let expired = self.store.expire(task, self.clock.now())?;
        let left = self.left(&self.reader.queue_state(task)?);
        let added = self.choose(task, left, (last.up_to, last.up_to), seed)?;
        Ok(Filled { added, expired })
    }

    /// Adds so many questions; the random ones are drawn of what happened from one moment to another.
    fn choose(
        &self,
        task: &str,
        budget: usize,
        (from, up_to): (Timestamp, Timestamp),
        seed: u64,
    ) -> Result<usize, FillError> {
        let generations = Generations::of(&self.state_dir, task);
        let head = generations.serving(&self.featurizers.0, Arc::clone(&self.starter))?;
        let asked = Asked {
            store: &self.reader,
            generations: &generations,
            head: &head,
            featurizers: (&self.featurizers.0, self.featurizers.1.as_deref()),
            classifier: self.classifier.as_ref(),
            protected: &self.protected,
            threshold: self.threshold,
        };
        let gathered = asked.gather(since(self.clock.now(), self.config.days), (from, up_to), seed)?;
        let questions = self.chosen(task, &gathered, budget, seed)?;
        let Day { events, blanks, .. } = &gathered.pool.day;
        let (events, blanks) = (events.len() as u64, blanks.len() as u64);
        let filling = Filling { day: self.today(), up_to, events, blanks, moments: gathered.n_moments };
        Ok(self.store.fill(task, &filling, &questions)?)
    }

    fn shares(&self) -> Shares {
        let AskConfig { random_share, blank_share, still_share, unknown_share, suspect_share, .. } = self.config;
        Shares {
            random: random_share,
            blank: blank_share,
            still: still_share,
            strange: unknown_share,
            suspect: suspect_share,
        }
    }

    fn chosen(&self, task: &str, gathered: &Gathered, budget: usize, seed: u64) -> Result<Vec<NewQuestion>, FillError> {
        let mut asks = plan(&gathered.pool, budget, &self.shares(), seed);
        asks.truncate(budget);
        let chosen: HashSet<_> =
            asks.iter().filter_map(|it| if let About::Event(id) = it.about { Some(id) } else { None }).collect();
        asks.extend(least_sure(&gathered.seen, &chosen, budget - asks.len()));
        let question = |Ask { about, why, reason, blind, probability, alike }: Ask| {
            let (event, moment) = match about {
                About::Event(id) => (Some(id), None),
                About::Moment(id) => (None, Some(id)),
            };
            let media = match event {
                Some(id) => self.reader.best_picture(id)?,
                None => moment,
            };
            Ok(NewQuestion { task: task.into(), why, reason, blind, event, moment, media, probability, alike })
        };
        asks.into_iter().map(question).collect()
    }
}

#[cfg(test)]
mod tests;
