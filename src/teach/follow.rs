//! Which generation serves: the daemon follows the pointer, and swaps heads between looks.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, RecvTimeoutError};

use crate::infer::head::Head;
use crate::metrics::Metrics;

use super::generations::{GenerationError, Generations};

/// Between looks at the pointer.
const EVERY: Duration = Duration::from_secs(1);

/// Keeps a daemon's head that of the pointer. What cannot be used is refused, said once, and the old one goes on serving.
#[derive(Debug)]
pub struct Follower {
    generations: Generations,
    /// Identity of the featurizer that serves.
    featurizer: String,
    starter: Arc<Head>,
    heads: Arc<ArcSwap<Head>>,
    metrics: Arc<Metrics>,
    refused: String,
}

impl Follower {
    /// Of a daemon whose head is `heads`; `starter` is generation 0.
    pub fn new(
        generations: Generations,
        featurizer: String,
        starter: Arc<Head>,
        heads: Arc<ArcSwap<Head>>,
        metrics: Arc<Metrics>,
    ) -> Follower {
        let follower = Follower { generations, featurizer, starter, heads, metrics, refused: String::new() };
        follower.say(&follower.heads.load());
        follower
    }

    /// Looks at the pointer once.
    pub fn look(&mut self) {
        match self.wanted() {
            Ok(None) => self.refused.clear(),
            Ok(Some(head)) => {
                self.refused.clear();
                let generation = head.generation();
                tracing::info!(task = &*generation.task, generation = generation.number, "another head serves");
                self.say(&head);
                self.heads.store(head);
            }
            Err(error) => {
                let said = error.to_string();
                if said != self.refused {
                    tracing::error!("{said}; the head that serves goes on");
                    self.refused = said;
                }
            }
        }
    }

    /// The head that the pointer names, where it is another than the one that serves.
    fn wanted(&self) -> Result<Option<Arc<Head>>, GenerationError> {
        let number = self.generations.current()?;
        if number == self.heads.load().generation().number {
            return Ok(None);
        }
        if number == 0 {
            return Ok(Some(Arc::clone(&self.starter)));
        }
        let head = self.generations.load(number, &self.featurizer, Arc::clone(&self.starter))?;
        Ok(Some(Arc::new(head)))
    }

    fn say(&self, head: &Head) {
        let generation = head.generation();
        self.metrics.head_info.reset();
        let number = generation.number.to_string();
        self.metrics.head_info.with_label_values(&[&*generation.task, &*number, &*self.featurizer]).set(1);
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
