//! Whether these features are right for these pictures: how many of the errors that one makes who has learned nothing of
//! pictures they take away.

use serde::Serialize;

use super::figures::{Figure, figure};

/// From here on, of the errors of the best that has learned nothing, with 95 in 100 of certainty.
const APPROPRIATE: f64 = 0.25;
/// Where who has learned nothing is so often right, these pictures do not show what features are worth.
const EASY: f64 = 0.9;

/// In a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// They take away a good part of the errors, for certain.
    Appropriate,
    /// They are better than nothing, for certain; how much is little, or not certain.
    Weak,
    /// They are not known to be better than what has learned nothing of pictures.
    Not,
}

/// The verdict, and what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// In a word.
    pub word: Word,
    /// Of the errors that the best of the rest makes, the share that is gone; below 0 there are more.
    pub errors_gone: Figure,
    /// The best of majority, raw pixels and untrained network, on all events.
    pub best_baseline: f64,
    /// What to do, a sentence each.
    pub advice: Vec<String>,
}

/// Judges balanced accuracies by draw: that of the features, and those of what has learned nothing of pictures; `control` is
/// what the features reach with shuffled labels. Draws of events alone do not show how far chance goes where labels mean
/// nothing: so what is not clear of the control is worth nothing, whatever it is against the rest.
pub fn verdict(features: &[f64], baselines: &[Vec<f64>], control: &Figure) -> Verdict {
    let best = |draw: usize| baselines.iter().map(|it| it[draw]).fold(0.0, f64::max);
    let gone = |(draw, it): (usize, &f64)| (it - best(draw)) / (1.0 - best(draw)).max(1e-3);
    let errors_gone = figure(&features.iter().enumerate().map(gone).collect::<Vec<_>>());
    let word = if errors_gone.low <= 0.0 || figure(features).low <= control.high {
        Word::Not
    } else if errors_gone.low < APPROPRIATE {
        Word::Weak
    } else {
        Word::Appropriate
    };
    Verdict { word, errors_gone, best_baseline: best(0), advice: Vec::new() }
}

/// What the advice is given on.
pub struct Case<'a> {
    /// The featurizer that serves.
    pub serving: &'a str,
    /// The installed one that is better by more than chance, where there is one.
    pub better: Option<&'a str>,
    /// Events a class, of the rarest that was asked about.
    pub fewest: usize,
    /// The class that is named worst, with its recall.
    pub worst: Option<(&'a str, f64)>,
    /// Events and accuracy that the next point costs, where that can be said.
    pub next_point: Option<f64>,
    /// What is lost at a camera that was never taught, where that is more than chance.
    pub lost_elsewhere: Option<f64>,
}

/// What to do about a verdict.
pub fn advice(verdict: &Verdict, case: &Case<'_>) -> Vec<String> {
    let mut said = Vec::new();
    let mut say = |it: String| said.push(it);
    match verdict.word {
        Word::Appropriate => say("keep the featurizer as it is, and teach the head".into()),
        Word::Weak if verdict.errors_gone.high >= APPROPRIATE => {
            say("label more events: how good the features are is not certain yet".into());
        }
        Word::Weak => {
            say("the features help little: crops, nearer or sharper pictures may, and another featurizer".into())
        }
        Word::Not if verdict.best_baseline >= EASY => {
            say("who has learned nothing of pictures names these as well: either they are easy, or each class has a scene of its own; label events of other days and cameras".into());
        }
        Word::Not if verdict.errors_gone.high >= APPROPRIATE => {
            say("label more events before you rely on it: so few show no difference to one who has learned nothing"
                .into());
        }
        Word::Not => {
            say("do not rely on these features here: look at the labels first (are they right?), then try another featurizer".into());
        }
    }
    if let Some(better) = case.better {
        say(format!("{better} sees more than {} here: set `featurizer` in `[models]` to it", case.serving));
    }
    if let Some((class, recall)) = case.worst.filter(|it| it.1 < 0.5) {
        say(format!("{class} is named in {:.0} of 100 of its events: label more of these first", 100.0 * recall));
    }
    if case.fewest < 5 {
        say("some classes have fewer than 5 events: their figures say next to nothing yet".into());
    }
    if let Some(it) = case.next_point.filter(|_| verdict.word != Word::Not) {
        say(format!("about {it:.0} more events would give the next point of accuracy"));
    }
    if let Some(it) = case.lost_elsewhere {
        say(format!("a new camera costs {:.0} points until some of its own events are labelled", 100.0 * it));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A figure, and draws around it.
    fn draws(value: f64, spread: f64) -> Vec<f64> {
        let around = (0..1_000).map(|i| value + spread * (f64::from(i) / 500.0 - 1.0));
        std::iter::once(value).chain(around).collect()
    }

    #[test]
    fn the_word_is_that_of_the_lower_bound() {
        let baselines = [draws(0.2, 0.0), draws(0.5, 0.0)];
        let control = figure(&draws(0.2, 0.1));
        for (value, spread, word) in [
            (0.8, 0.05, Word::Appropriate),
            (0.8, 0.25, Word::Weak),
            (0.55, 0.04, Word::Weak),
            (0.55, 0.1, Word::Not),
            (0.3, 0.02, Word::Not),
        ] {
            let it = verdict(&draws(value, spread), &baselines, &control);
            assert_eq!(it.word, word, "{it:?}");
            assert!((it.errors_gone.value - (value - 0.5) / 0.5).abs() < 1e-9 && it.best_baseline == 0.5);
        }
        // Who is always right leaves no error to take away.
        assert_eq!(verdict(&draws(1.0, 0.0), &[draws(1.0, 0.0)], &control).word, Word::Not);
        // Better than the rest by what chance can do.
        assert_eq!(verdict(&draws(0.28, 0.02), &[draws(0.2, 0.0)], &control).word, Word::Not);
        assert_eq!(verdict(&draws(0.35, 0.02), &[draws(0.2, 0.0)], &control).word, Word::Weak);
    }

    #[test]
    fn advice_is_of_the_case() {
        let case = Case {
            serving: "a",
            better: Some("b"),
            fewest: 2,
            worst: Some(("lynx", 0.1)),
            next_point: Some(31.4),
            lost_elsewhere: Some(0.2),
        };
        let control = figure(&draws(0.2, 0.1));
        let weak = verdict(&draws(0.8, 0.25), &[draws(0.5, 0.0)], &control);
        let said = advice(&weak, &case).join("\n");
        for part in [
            "label more events: how good",
            "b sees more than a",
            "lynx is named in 10 of 100",
            "about 31 more",
            "20 points",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let not = verdict(&draws(0.4, 0.01), &[draws(0.5, 0.0)], &control);
        let plain = Case { better: None, fewest: 9, worst: None, next_point: Some(3.0), lost_elsewhere: None, ..case };
        assert_eq!(advice(&not, &plain).len(), 1, "{:?}", advice(&not, &plain));
        let easy = verdict(&draws(1.0, 0.0), &[draws(1.0, 0.0)], &control);
        assert!(easy.word == Word::Not && advice(&easy, &plain)[0].contains("these as well"), "{easy:?}");
    }
}
