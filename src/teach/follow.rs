//! Which generations serve: the daemon follows the pointer of every task, and swaps heads between looks.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::domain::Generation;
use crate::infer::head::Head;
use crate::infer::heads::Heads;
use crate::metrics::Metrics;

use super::generations::{GenerationError, Generations};

/// Between looks at the pointers.
const EVERY: Duration = Duration::from_secs(1);

/// The heads that serve in a state folder: the first task's (the starter where none was taught), and those of the further
/// tasks that have a taught one.
pub fn serving(state_dir: &Path, tasks: &[String], featurizer: &str, starter: Head) -> Result<Heads, GenerationError> {
    let starter = Arc::new(starter);
    let first = Generations::of(state_dir, &starter.generation().task).serving(featurizer, Arc::clone(&starter))?;
    let mut heads = Vec::new();
    for generations in further(state_dir, tasks, &starter) {
        heads.push(generations.serving(featurizer, Arc::clone(&starter))?);
    }
    heads.retain(|it| it.generation().number > 0);
    Ok(Heads::new(first, heads))
}

fn further(state_dir: &Path, tasks: &[String], starter: &Head) -> Vec<Generations> {
    let first = &*starter.generation().task;
    let new = |(i, it): &(usize, &String)| *it != first && !tasks[..*i].contains(it);
    tasks.iter().enumerate().filter(new).map(|(_, it)| Generations::of(state_dir, it)).collect()
}

/// Keeps a daemon's heads those of the pointers. What cannot be used is refused, said once, and the old one of that task
/// goes on serving; the others do not feel it.
#[derive(Debug)]
pub struct Follower {
    /// Identity of the featurizer that serves.
    featurizer: String,
    starter: Arc<Head>,
    /// The first task's first.
    tasks: Vec<Followed>,
    heads: Arc<ArcSwap<Heads>>,
    metrics: Arc<Metrics>,
}

/// One task.
#[derive(Debug)]
struct Followed {
    generations: Generations,
    /// What serves; of a further task none until one was taught.
    head: Option<Arc<Head>>,
    refused: String,
}

impl Follower {
    /// Of a daemon whose heads are `heads`; `starter` is the first task's generation 0, and serves until the first look.
    pub fn new(
        state_dir: &Path,
        tasks: &[String],
        featurizer: String,
        starter: Arc<Head>,
        heads: Arc<ArcSwap<Heads>>,
        metrics: Arc<Metrics>,
    ) -> Follower {
        let of = |generations, head| Followed { generations, head, refused: String::new() };
        let first = of(Generations::of(state_dir, &starter.generation().task), Some(Arc::clone(&starter)));
        let further = further(state_dir, tasks, &starter).into_iter().map(|it| of(it, None));
        let tasks = std::iter::once(first).chain(further).collect();
        let follower = Follower { featurizer, starter, tasks, heads, metrics };
        follower.say(None, Some(&follower.starter));
        follower
    }

    /// Looks at the pointers once.
    pub fn look(&mut self) {
        let mut swapped = false;
        for i in 0..self.tasks.len() {
            // Of a further task generation 0 is nobody.
            let untaught = (i == 0).then(|| Arc::clone(&self.starter));
            let task = &self.tasks[i];
            match task.wanted(&self.featurizer, &self.starter) {
                Ok(None) => self.tasks[i].refused.clear(),
                Ok(Some(wanted)) => {
                    let generation = wanted.generation().number;
                    tracing::info!(task = task.generations.task(), generation, "another head serves");
                    let head = if generation > 0 { Some(wanted) } else { untaught };
                    self.say(task.head.as_deref(), head.as_deref());
                    (self.tasks[i].head, self.tasks[i].refused) = (head, String::new());
                    swapped = true;
                }
                Err(error) => {
                    let said = error.to_string();
                    if said != task.refused {
                        tracing::error!("{said}; the head that serves goes on");
                        self.tasks[i].refused = said;
                    }
                }
            }
        }
        if swapped {
            let mut heads = self.tasks.iter().filter_map(|it| it.head.clone());
            let first = heads.next().unwrap_or_else(|| Arc::clone(&self.starter));
            self.heads.store(Arc::new(Heads::new(first, heads.collect())));
        }
    }

    /// Shows which head serves now, and no longer which did before.
    fn say(&self, before: Option<&Head>, now: Option<&Head>) {
        let info = &self.metrics.head_info;
        if let Some(Generation { task, number }) = before.map(Head::generation) {
            // It was not there: that is what was asked for.
            let _ = info.remove_label_values(&[&**task, &number.to_string(), &self.featurizer]);
        }
        if let Some(Generation { task, number }) = now.map(Head::generation) {
            info.with_label_values(&[&**task, &number.to_string(), &self.featurizer]).set(1);
        }
    }

    /// Follows on a thread of its own until the other end of `running` is gone.
    pub fn spawn(mut self, running: Receiver<()>) -> io::Result<JoinHandle<()>> {
        thread::Builder::new().name("heads".into()).spawn(move || {
            while running.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                self.look();
            }
        })
    }
}

impl Followed {
    /// The head that the pointer names, where it is another than the one that serves.
    fn wanted(&self, featurizer: &str, starter: &Arc<Head>) -> Result<Option<Arc<Head>>, GenerationError> {
        let number = self.generations.current()?;
        if number == self.head.as_ref().map_or(0, |it| it.generation().number) {
            return Ok(None);
        }
        self.generations.serving(featurizer, Arc::clone(starter)).map(Some)
    }
}

#[cfg(test)]
mod tests;
