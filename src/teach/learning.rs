//! What more labels would bring: how right heads of fewer labels are, and which species have most to gain by more.
//!
//! Computed where a head is taught, once it serves, and kept beside it: whoever looks at it later waits for nothing.

use serde::{Deserialize, Serialize};

use super::recipe::{OutOfFold, Recipe};
use super::report::curve::{Curve, Pace, curve};
use super::report::figures::Figure;
use super::taught::Taught;

/// A curve holds until labels are this share more, or fewer: it is flat between, and the next labels wait for it.
const STALE: f64 = 0.2;
/// Beside a training: a few seconds, however much is labelled.
const DRAWS: usize = 4;
const LESSONS: usize = 1_500;
const ASKED: usize = 60;
/// More labels of a species of which it is said what they would bring.
pub const MORE: usize = 10;
/// How fast errors fall where nobody can say: by the root, as chance does. It orders species, and foretells nothing.
const USUAL_EXPONENT: f64 = 0.5;

/// What is known of a head's learning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Learning {
    /// How right heads of fewer labels are; none where there are too few to say.
    pub curve: Option<Curve>,
    /// Labelled events when it was drawn.
    pub curve_events: usize,
    /// Every class that was taught.
    pub classes: Vec<ClassLearned>,
}

/// How well one class is known, by heads that were not fitted on what they were asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassLearned {
    /// Its name.
    pub class: String,
    /// Labelled events.
    pub events: usize,
    /// Those that were asked about: the only event of a class is not.
    pub asked: usize,
    /// Those that were named rightly.
    pub right: usize,
}

/// A class, and what more labels of it may bring.
#[derive(Debug, Clone, PartialEq)]
pub struct Gain<'a> {
    /// The class.
    pub of: &'a ClassLearned,
    /// What [`MORE`] labels of it may add to the balanced accuracy; none where the curve foretells nothing.
    pub added: Option<Figure>,
}

impl Learning {
    /// Of what a head was taught, by its recipe and its answers out of fold. The curve of a former head is drawn anew only where
    /// labels are many more or fewer.
    pub(super) fn of(taught: &Taught, recipe: Recipe, out_of_fold: &[OutOfFold], former: Option<Learning>) -> Learning {
        let mut classes: Vec<ClassLearned> = taught
            .classes
            .iter()
            .zip(taught.n_events())
            .map(|(class, events)| ClassLearned { class: class.name.to_string(), events, asked: 0, right: 0 })
            .collect();
        for it in out_of_fold {
            let class = taught.events[it.event].class;
            classes[class].asked += 1;
            classes[class].right += usize::from(it.together.answer(taught.blank()) == Some(class));
        }
        let events = taught.events.len();
        let holds = |it: &Learning| it.curve_events.abs_diff(events) as f64 <= STALE * it.curve_events as f64;
        if let Some(Learning { curve: Some(curve), curve_events, .. }) = former.filter(holds) {
            return Learning { curve: Some(curve), curve_events, classes };
        }
        let pace = Pace { draws: DRAWS, recipe: Some(recipe), lessons: LESSONS, asked: ASKED };
        let curve = curve(taught, &pace).unwrap_or_else(|error| {
            tracing::debug!(%error, "no learning curve");
            None
        });
        Learning { curve, curve_events: events, classes }
    }

    /// Classes by what more labels of each may bring, the most first.
    ///
    /// Each is taken to learn as fast as all do together: its error, as far as so few answers tell (with one more right and one more
    /// wrong, so that none of two is not taken for never), falls with its own events.
    pub fn gains(&self) -> Vec<Gain<'_>> {
        let foretold = self.curve.as_ref().filter(|it| it.next_point_events.is_some()).and_then(|it| it.exponent);
        let added = |it: &ClassLearned, exponent: f64| {
            let error = (it.asked - it.right + 1) as f64 / (it.asked + 2) as f64;
            let less = 1.0 - (it.events.max(1) as f64 / (it.events.max(1) + MORE) as f64).powf(exponent.max(0.0));
            error * less / self.classes.len().max(1) as f64
        };
        let by = foretold.map_or(USUAL_EXPONENT, |it| it.value);
        let mut gains: Vec<(f64, Gain<'_>)> = self
            .classes
            .iter()
            .map(|of| {
                let figure = |it: Figure| Figure {
                    value: added(of, it.value),
                    low: added(of, it.low),
                    high: added(of, it.high),
                };
                (added(of, by), Gain { of, added: foretold.map(figure) })
            })
            .collect();
        gains.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.of.class.cmp(&b.1.of.class)));
        gains.into_iter().map(|it| it.1).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::teach::fit::fit;
    use crate::teach::fit::tests::World;

    #[test]
    fn heads_of_more_labels_are_more_right_and_what_is_mixed_up_has_most_to_gain() {
        let mut world = World::new();
        // Of three of them the places are nearly one.
        world.move_near(2, 1, 0.2);
        world.move_near(3, 2, 0.2);
        let taught = world.taught(&[24, 24, 24, 8]);
        let fitted = fit(&taught).unwrap();
        let learning = Learning::of(&taught, fitted.alone.choice.recipe, &fitted.out_of_fold(), None);
        let curve = learning.curve.as_ref().unwrap();
        let points = &curve.points;
        assert!(points.len() >= 3 && points[0].events_a_class == 1, "{curve:?}");
        let (first, last) = (points[0].balanced_accuracy, points[points.len() - 1].balanced_accuracy);
        assert!(last.value > first.value + 0.03 && last.low <= last.value && last.value <= last.high, "{curve:?}");
        assert_eq!(curve.next_point_events.is_none(), curve.why_not.is_some());
        let classes: Vec<(usize, usize)> = learning.classes.iter().map(|it| (it.events, it.asked)).collect();
        assert_eq!(classes, [(24, 24), (24, 24), (24, 24), (8, 8)]);
        let gains = learning.gains();
        assert_eq!(gains[0].of.class, taught.classes[3].name.to_string(), "few, and mixed up: {learning:?}");
        assert_eq!(gains[3].of.class, "blank", "it lies apart: {learning:?}");
        // The same labels say the same.
        let of =
            |taught: &Taught, former| Learning::of(taught, fitted.alone.choice.recipe, &fitted.out_of_fold(), former);
        assert_eq!(learning, of(&taught, None));
        // A few labels more are no reason to draw it again, many are.
        let former = |curve_events| Some(Learning { curve_events, classes: Vec::new(), ..learning.clone() });
        assert_eq!(of(&taught, former(70)), Learning { curve_events: 70, ..learning.clone() });
        assert_eq!(of(&taught, former(60)), learning);
        let json = serde_json::to_string(&learning).unwrap();
        assert_eq!(serde_json::from_str::<Learning>(&json).unwrap().classes, learning.classes);
    }

    #[test]
    fn of_a_few_labels_nothing_is_foretold() {
        let taught = World::new().taught(&[3, 3, 1]);
        let fitted = fit(&taught).unwrap();
        let learning = Learning::of(&taught, fitted.alone.choice.recipe, &fitted.out_of_fold(), None);
        assert_eq!(learning.curve, None);
        assert!(learning.gains().iter().all(|it| it.added.is_none()));
        assert_eq!(learning.classes[2].asked, 0, "the only one is never asked about");
    }

    #[test]
    fn what_is_foretold_is_what_the_law_says() {
        let figure = |value| Figure { value, low: value, high: value };
        let curve = Curve {
            classes: vec!["deer".into(), "fox".into()],
            points: Vec::new(),
            exponent: Some(figure(1.0)),
            next_point_events: Some(figure(9.0)),
            why_not: None,
        };
        let class = |class: &str, events, right| ClassLearned { class: class.into(), events, asked: events, right };
        let mut learning = Learning {
            curve: Some(curve),
            curve_events: 40,
            classes: vec![class("deer", 30, 29), class("fox", 10, 4)],
        };
        // 7 of 12 are wrong; twice the events leave half of that; of two classes that is an eighth and a bit.
        let gains = learning.gains();
        assert_eq!((&*gains[0].of.class, &*gains[1].of.class), ("fox", "deer"));
        assert!((gains[0].added.unwrap().value - 7.0 / 12.0 / 2.0 / 2.0).abs() < 1e-12);
        learning.curve.as_mut().unwrap().next_point_events = None;
        assert!(learning.gains()[0].added.is_none(), "a flat curve foretells nothing");
        assert_eq!(learning.gains()[0].of.class, "fox");
    }
}
