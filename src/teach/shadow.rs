//! Shadow mode: a challenger that the judge found better answers live events beside the head that serves, unheard, before it may
//! take its place.
//!
//! Both are asked what the stored vectors of each event that has ended show: the very vectors that the live answer was made of, so
//! that nothing is featurized twice, and no answer of the shadow's is ever published. After so many events it goes live, unless it
//! is [proven worse](super::trial) on those that people have labelled since, or says too often what the other does not.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use jiff::Timestamp;

use crate::config::TeachConfig;
use crate::domain::Class;
use crate::infer::contract::Contract;
use crate::infer::head::BLANK;
use crate::infer::models::Contracts;
use crate::metrics::Metrics;
use crate::observe::store::Reader;

use super::contest::Serving;
use super::generations::{Generations, Shadowed, Tally};
use super::judge::{Check, check};
use super::taught::Taught;
use super::train::{Incumbent, TrainError, incumbent};
use super::trial::since;

/// Between looks at the pointer and at events.
const EVERY: Duration = Duration::from_secs(2);
/// Events answered at one look: a second's work at most.
const MOST: usize = 100;
/// Share of events that it may call unknown more than the other does.
const MAX_UNKNOWN: f64 = 0.10;
/// Share of events that both may name otherwise, of what both know …
const MAX_DISAGREED: f64 = 0.30;
/// … and be sure of it: one of them is badly wrong.
const MAX_SURE: f64 = 0.15;
/// From this probability on a head is sure.
const SURE: f64 = 0.8;

/// Watches the shadows of all tasks.
#[derive(Debug)]
pub struct Shadows {
    config: TeachConfig,
    /// Identity of the featurizer, and of the second where there is one.
    featurizers: (String, Option<String>),
    store: Reader,
    tasks: Vec<Generations>,
    metrics: Arc<Metrics>,
    /// What was complained of last, of each task.
    complained: Vec<String>,
}

impl Shadows {
    /// Of the tasks of a config, below a state folder; `store` reads what is there.
    pub fn new(
        config: &TeachConfig,
        state_dir: &Path,
        contracts: &Contracts,
        store: Reader,
        metrics: Arc<Metrics>,
    ) -> Shadows {
        Shadows {
            config: config.clone(),
            featurizers: (contracts.first.identity(), contracts.second.as_ref().map(Contract::identity)),
            store,
            tasks: config.tasks.iter().map(|it| Generations::of(state_dir, it)).collect(),
            metrics,
            complained: vec![String::new(); config.tasks.len()],
        }
    }

    /// Goes on, on a thread of its own, until the other end of `running` is gone.
    pub fn spawn(mut self, running: Receiver<()>) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name("shadow".into()).spawn(move || {
            while running.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                self.look();
            }
        })
    }

    /// Looks once: asks both heads of each task what has come by, and decides where it is enough.
    pub fn look(&mut self) {
        for at in 0..self.tasks.len() {
            let said = self.look_at(&self.tasks[at]).err().map(|it| it.to_string()).unwrap_or_default();
            if !said.is_empty() && said != self.complained[at] {
                tracing::warn!(task = self.tasks[at].task(), "shadow: {said}; it is tried again");
            }
            self.complained[at] = said;
        }
    }

    fn look_at(&self, generations: &Generations) -> Result<(), TrainError> {
        let Some(number) = generations.shadow()? else {
            self.metrics.teaching.no_shadow(generations.task());
            return Ok(());
        };
        let against = generations.current()?;
        // A crash came after the pointer to what serves …
        if number == against {
            return Ok(generations.forget_shadow()?);
        }
        // … or before it, and after the note.
        if let Some(it) = generations.shadowed(number)?.filter(|it| it.tally.against == against) {
            return Ok(generations.end_shadow(&it)?);
        }
        let now = Timestamp::now();
        let begun = Tally { generation: number, against, begun: now, up_to: now, ..Tally::default() };
        let mut tally = match generations.tally().filter(|it| (it.generation, it.against) == (number, against)) {
            Some(tally) => tally,
            None => {
                generations.set_tally(&begun)?;
                begun
            }
        };
        let featurizers = (&*self.featurizers.0, self.featurizers.1.as_deref());
        let both = incumbent(generations, number, featurizers)?.zip(incumbent(generations, against, featurizers)?);
        let Some((shadow, serving)) = both else {
            let reason = "it cannot be compared with the head that serves: one of them is of another featurizer".into();
            let checks = Vec::new();
            let it =
                Shadowed { at: now, labelled: 0, right: 0, serving_right: 0, promoted: false, reason, checks, tally };
            return self.end(generations, &it);
        };
        // No more than it takes: what comes after is no part of the trial.
        let most = usize::try_from(self.config.shadow_events.saturating_sub(tally.events)).unwrap_or(MOST).min(MOST);
        let lately = self.store.ended_since(tally.up_to, most, featurizers)?;
        if let Some(last) = lately.last() {
            tally.up_to = last.0;
            count(&mut tally, (&shadow, &serving), lately.into_iter().map(|it| it.1).collect());
            generations.set_tally(&tally)?;
        }
        self.metrics.teaching.show_shadow(generations.task(), &tally);
        if tally.events < self.config.shadow_events {
            return Ok(());
        }
        let taught = self.store.taught(generations.task(), featurizers.0, featurizers.1)?;
        let it = decide(tally, &taught, (&shadow, &serving), &self.config.protected);
        self.end(generations, &it)
    }

    fn end(&self, generations: &Generations, it: &Shadowed) -> Result<(), TrainError> {
        generations.end_shadow(it)?;
        let (task, generation) = (generations.task(), it.tally.generation);
        let verdict = if it.promoted { "promoted" } else { "refused" };
        self.metrics.teaching.shadow_verdicts.with_label_values(&[task, verdict]).inc();
        self.metrics.teaching.no_shadow(task);
        tracing::info!(task, generation, "shadow {verdict}: {}", it.reason);
        Ok(())
    }
}

/// Takes down what both say of events, of which nobody has said yet what they show.
fn count(tally: &mut Tally, (shadow, serving): (&Incumbent, &Incumbent), events: Vec<super::taught::TaughtEvent>) {
    let names = |it: &Incumbent| it.manifest.classes.iter().map(|it| it.class.name.clone()).collect::<BTreeSet<_>>();
    let (own, theirs) = (names(shadow), names(serving));
    // A place for each class that either knows; `blank` is the first, as everywhere.
    let mut all: Vec<_> = own.union(&theirs).cloned().collect();
    all.sort_by_key(|it| (&**it != BLANK, it.clone()));
    let classes = all.iter().map(|it| Class { name: it.clone(), scientific_name: "".into() }).collect();
    let taught = Taught { classes, events, ..Taught::default() };
    let (own_head, their_head) = (shadow.serving(), serving.serving());
    let shared = |class: usize| all.get(class).is_some_and(|it| own.contains(it) && theirs.contains(it));
    for event in 0..taught.events.len() {
        let says = |it: &Serving<'_>| it.stated(&taught, event, &it.by_itself(&taught, event));
        let (one, other) = (says(&own_head), says(&their_head));
        let unknown = (one.strangeness > 0.0, other.strangeness > 0.0);
        let same = unknown == (true, true) || (unknown == (false, false) && one.answer == other.answer);
        // Of a species that only one of them was taught they cannot agree.
        let otherwise = unknown == (false, false) && !same && shared(one.answer) && shared(other.answer);
        tally.events += 1;
        tally.agreed += u64::from(same);
        tally.disagreed += u64::from(otherwise);
        tally.sure_disagreed += u64::from(otherwise && one.confidence >= SURE && other.confidence >= SURE);
        tally.unknown += u64::from(unknown.0);
        tally.serving_unknown += u64::from(unknown.1);
    }
}

/// Whether it may serve.
fn decide(
    tally: Tally,
    taught: &Taught,
    (shadow, serving): (&Incumbent, &Incumbent),
    protected: &[String],
) -> Shadowed {
    let labelled = since(taught, shadow, Some(serving), protected);
    let right = |of: fn(&super::judge::Bout) -> usize| labelled.bouts.iter().filter(|it| of(it) == it.class).count();
    let share = |part: u64| part as f64 / tally.events.max(1) as f64;
    let more_unknown = share(tally.unknown) - share(tally.serving_unknown);
    let below = |name: &str, it: f64, limit: f64| check(name, it, it, limit, false);
    let mut checks: Vec<Check> = vec![
        below("events called unknown", more_unknown, MAX_UNKNOWN),
        below("events named otherwise", share(tally.disagreed), MAX_DISAGREED),
        below("events surely named otherwise", share(tally.sure_disagreed), MAX_SURE),
    ];
    checks.extend(labelled.proven_worse().into_iter().map(|it| Check { name: format!("labelled: {}", it.name), ..it }));
    let failed: Vec<&str> = checks.iter().filter(|it| !it.passed).map(|it| &*it.name).collect();
    let (against, events) = (tally.against, tally.events);
    let reason = if failed.is_empty() {
        format!("on {events} live events it did no worse than generation {against}, and agreed on {}", tally.agreed)
    } else {
        format!("on {events} live events beside generation {against}: {}", failed.join(", "))
    };
    Shadowed {
        at: Timestamp::now(),
        labelled: labelled.bouts.len(),
        right: right(|it| it.challenger.answer),
        serving_right: right(|it| it.serving.answer),
        promoted: failed.is_empty(),
        reason,
        checks,
        tally,
    }
}

#[cfg(test)]
mod tests;
