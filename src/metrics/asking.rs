//! Of what people are asked, and of what they say.

use prometheus::{GaugeVec, IntCounterVec, IntGaugeVec, Registry};

use super::{counters, float_gauges, gauges};
use crate::observe::store::{QueueState, Why};

/// Why an answer that nobody asked for was given.
pub(crate) const UNASKED: &str = "unasked";

/// The metrics of questions.
#[derive(Debug)]
pub struct Asking {
    /// `eyeshine_questions{task,state}`: open ones: `free`, `leased` to somebody, and, of both, `skipped` by somebody.
    pub questions: IntGaugeVec,
    /// `eyeshine_answers_total{why}`: answers, by why they were asked for.
    pub answers: IntCounterVec,
    /// `eyeshine_ask_last_fill_timestamp_seconds{task}`: when questions were last chosen; 0 before.
    pub last_fill: GaugeVec,
    /// `eyeshine_still_moments_total{outcome}`: still moments that were drawn: `kept`, `left_out`, `failed`.
    pub moments: IntCounterVec,
}

impl Asking {
    pub(super) fn new(r: &Registry) -> Asking {
        let asking = Asking {
            questions: gauges(r, "eyeshine_questions", "Open questions to people.", &["task", "state"]),
            answers: counters(r, "eyeshine_answers_total", "Answers of people, by why they were asked for.", &["why"]),
            last_fill: float_gauges(
                r,
                "eyeshine_ask_last_fill_timestamp_seconds",
                "When questions were last chosen; 0 before.",
                &["task"],
            ),
            moments: counters(
                r,
                "eyeshine_still_moments_total",
                "Frames in which the gate saw nothing that were drawn at random.",
                &["outcome"],
            ),
        };
        for why in Why::ALL.map(Why::as_str).into_iter().chain([UNASKED]) {
            asking.answers.with_label_values(&[why]);
        }
        for outcome in ["kept", "left_out", "failed"] {
            asking.moments.with_label_values(&[outcome]);
        }
        asking
    }

    /// From now on every series of a task exists.
    pub fn begin(&self, task: &str) {
        self.last_fill.with_label_values(&[task]);
        self.show(task, &QueueState::default());
    }

    /// Shows how the questions of a task are.
    pub fn show(&self, task: &str, it: &QueueState) {
        for (state, n) in [("free", it.open.saturating_sub(it.leased)), ("leased", it.leased), ("skipped", it.skipped)]
        {
            self.questions.with_label_values(&[task, state]).set(i64::try_from(n).unwrap_or(i64::MAX));
        }
    }
}
