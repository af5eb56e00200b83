//! The heads that serve, one a task: one embedding, many answers.

use std::sync::Arc;

use crate::domain::Generation;
use crate::infer::head::Head;

/// The heads that serve: swapped together, so that a look is answered by one set of them.
///
/// The first task says what came by, and has an answer before anybody has taught it (the starter head's); a further one
/// (`content`, …) is heard once a head of it was taught.
#[derive(Debug, Clone)]
pub struct Heads {
    first: Arc<Head>,
    further: Vec<Arc<Head>>,
}

impl Heads {
    /// The first task's, and the taught ones of further tasks in the order of the config.
    pub fn new(first: Arc<Head>, further: Vec<Arc<Head>>) -> Heads {
        Heads { first, further }
    }

    /// The first task's.
    pub fn first(&self) -> &Arc<Head> {
        &self.first
    }

    /// Those of further tasks that people have taught.
    pub fn further(&self) -> &[Arc<Head>] {
        &self.further
    }

    /// All of them, the first task's first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Head>> {
        std::iter::once(&self.first).chain(&self.further)
    }

    /// Who answers for a task.
    pub fn generation(&self, task: &str) -> Option<&Generation> {
        self.iter().map(|it| it.generation()).find(|it| &*it.task == task)
    }
}

impl From<Arc<Head>> for Heads {
    fn from(first: Arc<Head>) -> Heads {
        Heads::new(first, Vec::new())
    }
}
