//! The metrics of learning, each by task.

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Registry};

use super::{counters, float_gauges, gauges};
use crate::teach::generations::Tally;

/// How a training can end, as far as a series is to be there before the first one.
const VERDICTS: [&str; 6] = ["promoted", "refused", "unchanged", "rolled_back", "too_few", "failed"];

/// Of training, and of how heads do in service.
#[derive(Debug)]
pub struct Teaching {
    /// `eyeshine_train_last_run_timestamp_seconds{task}`: when the daemon last began to train; 0 before.
    pub last_run: GaugeVec,
    /// `eyeshine_train_last_success_timestamp_seconds{task}`: when that last came to a verdict; 0 before.
    pub last_success: GaugeVec,
    /// `eyeshine_train_duration_seconds{task}`: what the last one took.
    pub duration: GaugeVec,
    /// `eyeshine_train_verdicts_total{task,verdict}`; one training can roll back and promote; `too_few`: there are labels
    /// of one class alone, or none with a vector.
    pub verdicts: IntCounterVec,
    /// `eyeshine_train_running{task}`: 1 while the daemon trains it.
    pub running: IntGaugeVec,
    /// `eyeshine_labels_waiting{task}`: labels that no training has seen.
    pub waiting: IntGaugeVec,
    /// `eyeshine_head_held_out_score{task,score}`: of the head that serves, on events that it was not fitted on.
    pub held_out: GaugeVec,
    /// `eyeshine_head_labelled_events{task}`: events that the head that serves answered and people labelled.
    pub labelled: IntGaugeVec,
    /// `eyeshine_head_agreement_ratio{task}`: the share of these in which both say the same.
    pub agreement: GaugeVec,
    /// `eyeshine_head_unknown_ratio{task}`: of the latest events that the head that serves answered.
    pub unknown: GaugeVec,
    /// `eyeshine_shadow_generation{task}`: the one that answers unheard; 0: none does.
    pub shadow: IntGaugeVec,
    /// `eyeshine_shadow_events{task,outcome}`: what it and the head that serves have said of live events: `same`, `otherwise`,
    /// `surely_otherwise`, `unknown`, `serving_unknown`, and `all` of them.
    pub shadow_events: IntGaugeVec,
    /// `eyeshine_shadow_verdicts_total{task,verdict}`: what came of shadows.
    pub shadow_verdicts: IntCounterVec,
    /// `eyeshine_migration_media{state}`: pictures and crops that the next featurizer has seen (`done`), has not seen yet (`left`),
    /// and never will, as no picture of them is left (`lost`); no series where the config names none.
    pub migration: IntGaugeVec,
}

impl Teaching {
    pub(super) fn new(r: &Registry) -> Teaching {
        let task = &["task"];
        Teaching {
            last_run: float_gauges(
                r,
                "eyeshine_train_last_run_timestamp_seconds",
                "When the daemon last began to train; 0 before.",
                task,
            ),
            last_success: float_gauges(
                r,
                "eyeshine_train_last_success_timestamp_seconds",
                "When a training of the daemon's last came to a verdict; 0 before.",
                task,
            ),
            duration: float_gauges(r, "eyeshine_train_duration_seconds", "What the last training took.", task),
            verdicts: counters(
                r,
                "eyeshine_train_verdicts_total",
                "What the daemon's trainings came to.",
                &["task", "verdict"],
            ),
            running: gauges(r, "eyeshine_train_running", "1 while the daemon trains a head.", task),
            waiting: gauges(r, "eyeshine_labels_waiting", "Labels that no training has seen.", task),
            held_out: float_gauges(
                r,
                "eyeshine_head_held_out_score",
                "Of the head that serves, on events that it was not fitted on.",
                &["task", "score"],
            ),
            labelled: gauges(
                r,
                "eyeshine_head_labelled_events",
                "Events that the head that serves answered and people labelled.",
                task,
            ),
            agreement: float_gauges(
                r,
                "eyeshine_head_agreement_ratio",
                "Share of these in which people and head say the same.",
                task,
            ),
            unknown: float_gauges(
                r,
                "eyeshine_head_unknown_ratio",
                "Share of unknowns among the latest events that the head that serves answered.",
                task,
            ),
            shadow: gauges(r, "eyeshine_shadow_generation", "The one that answers unheard; 0: none does.", task),
            shadow_events: gauges(
                r,
                "eyeshine_shadow_events",
                "Live events that it and the head that serves have answered.",
                &["task", "outcome"],
            ),
            shadow_verdicts: counters(
                r,
                "eyeshine_shadow_verdicts_total",
                "What came of heads that answered unheard.",
                &["task", "verdict"],
            ),
            migration: gauges(
                r,
                "eyeshine_migration_media",
                "Pictures and crops that the next featurizer has seen, has not seen yet, and never will.",
                &["state"],
            ),
        }
    }

    /// From now on every series of a task exists that does not wait for a head.
    pub fn begin(&self, task: &str) {
        self.last_run.with_label_values(&[task]);
        self.last_success.with_label_values(&[task]);
        self.duration.with_label_values(&[task]);
        self.running.with_label_values(&[task]);
        self.waiting.with_label_values(&[task]);
        for verdict in ["promoted", "refused"] {
            self.shadow_verdicts.with_label_values(&[task, verdict]);
        }
        for verdict in VERDICTS {
            self.verdicts.with_label_values(&[task, verdict]);
        }
    }

    /// Shows how far a shadow's trial is.
    pub fn show_shadow(&self, task: &str, it: &Tally) {
        self.shadow.with_label_values(&[task]).set(it.generation.into());
        for (outcome, n) in [
            ("all", it.events),
            ("same", it.agreed),
            ("otherwise", it.disagreed),
            ("surely_otherwise", it.sure_disagreed),
            ("unknown", it.unknown),
            ("serving_unknown", it.serving_unknown),
        ] {
            self.shadow_events.with_label_values(&[task, outcome]).set(i64::try_from(n).unwrap_or(i64::MAX));
        }
    }

    /// There is no shadow.
    pub fn no_shadow(&self, task: &str) {
        self.shadow.with_label_values(&[task]).set(0);
    }

    /// Counts what a training came to.
    pub fn count(&self, task: &str, verdict: &str) {
        self.verdicts.with_label_values(&[task, verdict]).inc();
    }
}
