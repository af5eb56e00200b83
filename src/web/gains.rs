//! What more labels would bring, in a plot and in sentences: as the training of a head found it, never computed here.

use super::frame::in_query;
use super::plot::{Point, points, wilson};
use crate::teach::learning::{Gain, Learning, MORE};
use crate::teach::report::curve::Curve;
use crate::teach::report::figures::Figure;

/// Classes of which it is said, those with most to gain.
const MAX_CLASSES: usize = 8;

/// For the page.
pub(super) struct LearningView {
    /// The curve as SVG.
    pub(super) plot: Option<String>,
    /// Of whose training.
    pub(super) generation: u32,
    /// The species that are on the curve.
    pub(super) classes: String,
    /// How many more would help.
    pub(super) said: String,
    /// So many more of a species are spoken of.
    pub(super) more: usize,
    /// Whether it is foretold what they bring.
    pub(super) foretold: bool,
    /// Which would help most.
    pub(super) gains: Vec<GainLine>,
}

/// A class.
pub(super) struct GainLine {
    pub(super) name: String,
    pub(super) query: String,
    pub(super) events: usize,
    /// How many are named rightly.
    pub(super) right: String,
    /// What more may add.
    pub(super) added: String,
}

impl LearningView {
    pub(super) fn of(generation: u32, learning: &Learning) -> LearningView {
        let curve = learning.curve.as_ref();
        let gains = learning.gains();
        LearningView {
            plot: curve.map(plot),
            generation,
            classes: curve.map(|it| it.classes.join(", ")).unwrap_or_default(),
            said: said(curve),
            more: MORE,
            foretold: gains.iter().any(|it| it.added.is_some()),
            gains: gains.iter().take(MAX_CLASSES).map(line).collect(),
        }
    }
}

fn plot(curve: &Curve) -> String {
    let point = |it: &crate::teach::report::curve::Point| Point {
        name: it.events_a_class.to_string(),
        value: it.balanced_accuracy.value,
        interval: (it.balanced_accuracy.low, it.balanced_accuracy.high),
        served: true,
    };
    let all: Vec<Point> = curve.points.iter().map(point).collect();
    points("Balanced accuracy by labelled events of each species, on events that the head was not taught", &all)
}

/// How many more labels would help, as surely as can be said.
fn said(curve: Option<&Curve>) -> String {
    let Some(curve) = curve else {
        return "There are too few labels to say how many more would help: at least two species need four labelled events each."
            .into();
    };
    let n = curve.classes.len();
    match (&curve.next_point_events, &curve.why_not) {
        (Some(it), _) => format!(
            "If errors go on to fall as they did, the next point of balanced accuracy costs about {:.0} more labelled events \
             (90 % interval {:.0} to {:.0}), the same number of each of these {n} species.",
            it.value, it.low, it.high
        ),
        (None, Some(why)) => format!("How many more labels would help cannot be said: {why}."),
        (None, None) => "How many more labels would help cannot be said.".into(),
    }
}

fn line(it: &Gain<'_>) -> GainLine {
    let of = it.of;
    let right = if of.asked == 0 {
        "nobody could ask: it has one event".into()
    } else {
        let (low, high) = wilson(of.right as f64 / of.asked as f64, of.asked);
        format!("{} of {} ({:.0} to {:.0} %)", of.right, of.asked, 100.0 * low, 100.0 * high)
    };
    let points = |it: f64| format!("{:.1}", 100.0 * it);
    let added = |it: &Figure| format!("{} ({} to {})", points(it.value), points(it.low), points(it.high));
    GainLine {
        name: of.class.clone(),
        query: in_query(&of.class),
        events: of.events,
        right,
        added: it.added.as_ref().map(added).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::teach::learning::ClassLearned;
    use crate::teach::report::curve;

    fn figure(value: f64) -> Figure {
        Figure { value, low: value - 0.1, high: value + 0.1 }
    }

    fn learning(next: Option<Figure>, why_not: Option<&str>) -> Learning {
        let points = [(1, 0.5), (2, 0.7), (5, 0.8)];
        let points = points.map(|(events_a_class, it)| curve::Point { events_a_class, balanced_accuracy: figure(it) });
        let curve = Curve {
            classes: vec!["<i>fox</i>".into(), "deer".into()],
            points: points.into(),
            exponent: Some(figure(0.5)),
            next_point_events: next,
            why_not: why_not.map(str::to_owned),
        };
        let class = |class: &str, asked, right| ClassLearned { class: class.into(), events: 7, asked, right };
        Learning { curve: Some(curve), curve_events: 7, classes: vec![class("deer", 7, 7), class("<i>fox</i>", 0, 0)] }
    }

    #[test]
    fn what_is_foretold_is_said_with_its_interval() {
        let it = LearningView::of(3, &learning(Some(Figure { value: 40.0, low: 21.0, high: 300.0 }), None));
        assert!(it.said.contains("about 40 more") && it.said.contains("21 to 300") && it.foretold, "{}", it.said);
        let plot = it.plot.unwrap_or_default();
        assert!(plot.contains("5: 80 %, interval 70 % to 90 %") && !plot.contains("<i>"), "{plot}");
        assert_eq!((&*it.gains[0].name, it.gains[0].right.contains("one event")), ("<i>fox</i>", true));
        // 1 of 9 is wrong, 7 of 17 events are there, of two classes.
        assert!(it.gains[1].right.starts_with("7 of 7 (65 to 100 %") && it.gains[1].added.starts_with("2.0 ("));
    }

    #[test]
    fn what_cannot_be_said_is_said_to_be_so() {
        let it = LearningView::of(3, &learning(None, Some("the curve is flat")));
        assert!(it.said.ends_with("cannot be said: the curve is flat.") && !it.foretold && it.plot.is_some());
        assert!(it.gains.iter().all(|it| it.added.is_empty()));
        let it = LearningView::of(3, &Learning { curve: None, ..learning(None, None) });
        assert!(it.said.contains("too few labels") && it.plot.is_none(), "{}", it.said);
    }
}
