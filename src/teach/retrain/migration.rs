//! `eyeshine migrate` as a child of the daemon, while the config names a next featurizer: whenever nothing is to be trained.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::metrics::Metrics;
use crate::teach::migrate::Migration;

use super::child::{Program, Training};

/// Between one that came to its end and the next: events go on.
const AGAIN: Duration = Duration::from_secs(600);
/// After one that failed.
const AFTER_FAILURE: Duration = Duration::from_secs(60);

/// The migration beside a daemon.
#[derive(Debug)]
pub(super) struct Migrating {
    /// Name of the next featurizer.
    to: String,
    child: Option<Training>,
    next: Instant,
    metrics: Arc<Metrics>,
}

impl Migrating {
    pub(super) fn to(next: &str, metrics: &Arc<Metrics>) -> Migrating {
        Migrating { to: next.into(), child: None, next: Instant::now(), metrics: Arc::clone(metrics) }
    }

    /// Something is to be trained: that goes before.
    pub(super) fn pause(&mut self) {
        self.child = None;
        self.next = Instant::now();
    }

    pub(super) fn look(&mut self, program: &Program) {
        let Some(child) = &mut self.child else {
            if Instant::now() >= self.next {
                self.start(program);
            }
            return;
        };
        let over = child.look(Duration::MAX);
        let last = Migration::last(&program.state_dir).filter(|it| it.to == self.to);
        if let Some(it) = &last {
            let gauge = &self.metrics.teaching.migration;
            for (state, n) in [("done", it.done), ("left", it.left), ("lost", it.lost)] {
                gauge.with_label_values(&[state]).set(i64::try_from(n).unwrap_or(i64::MAX));
            }
        }
        let Some(over) = over else { return };
        self.child = None;
        match (over.answer, last) {
            (Ok(_), Some(it)) => {
                self.next = Instant::now() + AGAIN;
                let Migration { to, done, left, lost, .. } = it;
                tracing::info!(to, done, left, lost, took_secs = over.took.as_secs_f64(), "migrated");
            }
            (Ok(_), None) => self.next = Instant::now() + AFTER_FAILURE,
            (Err(why), _) => {
                self.next = Instant::now() + AFTER_FAILURE;
                tracing::warn!(to = self.to, "migration failed, it goes on later: {why}");
            }
        }
    }

    fn start(&mut self, program: &Program) {
        tracing::debug!(to = self.to, "migrating");
        match Training::start(program, &["migrate", "--json", "--to", &self.to]) {
            Ok(child) => self.child = Some(child),
            Err(error) => {
                self.next = Instant::now() + AFTER_FAILURE;
                tracing::warn!(to = self.to, %error, "migration could not be started");
            }
        }
    }
}
