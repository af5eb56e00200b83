//! The figures of `eyeshine eval`, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;

use crate::teach::bounds::Difference;
use crate::teach::report::figures::Figure;
use crate::teach::score::Evaluation;

/// What `--json` prints.
#[derive(Serialize)]
pub(super) struct Answer<'a> {
    #[serde(flatten)]
    pub(super) head: &'a Evaluation,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) against: Option<Other>,
}

/// The other program's figures.
#[derive(Serialize)]
pub(super) struct Other {
    pub(super) file: String,
    /// Pictures of the table that it says nothing of: their events count without them, or not at all.
    pub(super) missing: usize,
    #[serde(flatten)]
    pub(super) scores: Evaluation,
    /// The head less it, of events of classes that the head knows and of which both say something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) difference: Option<Difference>,
}

impl Other {
    pub(super) fn text(&self) -> String {
        let mut text = text(&format!("\n{}, {} pictures missing", self.file, self.missing), &self.scores);
        if let Some(it) = &self.difference {
            let (all, classes) = (signed(&it.accuracy), signed(&it.balanced_accuracy));
            let _ = writeln!(text, "the head less that, of {} events: accuracy {all}, balanced {classes}", it.events);
        }
        text
    }
}

/// Figures for people, with where 90 of 100 draws of the events put them.
pub(super) fn text(whose: &str, it: &Evaluation) -> String {
    let figure = |it: Option<f64>| it.map_or("–".into(), |it| format!("{it:.3}"));
    let mut text =
        format!("{whose}: {} pictures, {} events; {} of the rows were taught\n", it.frames, it.events, it.fitted_rows);
    let _ = writeln!(
        text,
        "by event: accuracy {}, balanced {} (always the commonest class: {}, {}), macro-F1 {}, log-loss {}, calibration error {}",
        figure(it.event.accuracy),
        figure(it.event.balanced_accuracy),
        figure(it.majority.accuracy),
        figure(it.majority.balanced_accuracy),
        figure(it.event.macro_f1),
        figure(it.event.nll),
        figure(it.event.ece)
    );
    if let Some(it) = &it.event.bounds {
        let within = |it: &Figure| format!("{:.3} to {:.3}", it.low, it.high);
        let ece = it.ece.as_ref().map_or("–".into(), within);
        let (all, classes, nll) = (within(&it.accuracy), within(&it.balanced_accuracy), within(&it.nll));
        let _ = writeln!(
            text,
            "  90 of 100 draws: accuracy {all}, balanced {classes}, log-loss {nll}, calibration error {ece}"
        );
    }
    if it.fitted_rows > 0 {
        text.push_str("  what it was taught it knows: of new pictures this says too much\n");
    }
    let (accuracy, balanced) = (figure(it.frame.accuracy), figure(it.frame.balanced_accuracy));
    let _ = writeln!(text, "by picture: accuracy {accuracy}, balanced {balanced}");
    let _ = writeln!(
        text,
        "never taught: AUROC {}, known events called unknown {}, unknown events called by a known name {}",
        figure(it.unknown.auroc),
        figure(it.unknown.known_rejected),
        figure(it.unknown.unknown_accepted)
    );
    for (class, scores) in &it.per_class {
        let (precision, recall) = (figure(scores.precision), figure(scores.recall));
        let wrong: Vec<String> = it.confusion[class]
            .iter()
            .filter(|(answer, _)| *answer != class)
            .map(|(answer, n)| format!("{n} as {answer}"))
            .collect();
        let _ = writeln!(
            text,
            "  {class:<28} {:>4} events, recall {recall}, precision {precision}  {}",
            scores.events,
            wrong.join(", ")
        );
    }
    text
}

fn signed(it: &Figure) -> String {
    format!("{:+.3} (90 %: {:+.3} to {:+.3})", it.value, it.low, it.high)
}
