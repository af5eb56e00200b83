//! Answers that look wrong: those that heads which were not fitted on them find least likely, and the more so by people
//! whose answers heads often contradict. A suspect is shown to people and never changed by itself.
//!
//! A labeller is taken to be wrong now and then, and then to say any other class (Dawid & Skene 1979, with a head in the
//! place of the truth, as in confident learning: Northcutt et al. 2021); how often is found from all that they said.

use std::collections::BTreeMap;

use super::pool::Lesson;

/// How often anyone is wrong, before anything is known of them, and how many answers that is worth.
const USUAL: f64 = 0.03;
const USUAL_ANSWERS: f64 = 30.0;
/// Rounds of finding out who is wrong how often: it settles in fewer.
const ROUNDS: usize = 20;
/// However sure a head is, it may be mistaken.
const LEAST: f64 = 1e-4;

/// An answer, and how likely it is wrong.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suspect {
    /// A place among the lessons.
    pub lesson: usize,
    /// How likely it is wrong, 0..=1.
    pub wrong: f64,
    /// The place of the class that it looks like instead.
    pub rather: usize,
}

/// All answers of which heads that were not fitted on them have said something, the likeliest to be wrong first.
pub fn suspects(classes: &[String], lessons: &[Lesson]) -> Vec<Suspect> {
    let heard: Vec<Heard<'_>> = lessons.iter().enumerate().filter_map(|it| Heard::of(classes, it.0, it.1)).collect();
    let mut rates: BTreeMap<&str, f64> = heard.iter().map(|it| (it.labeller, USUAL)).collect();
    for _ in 0..ROUNDS {
        let mut sums: BTreeMap<&str, (f64, f64)> = BTreeMap::new();
        for it in &heard {
            let sum = sums.entry(it.labeller).or_insert((USUAL * USUAL_ANSWERS, USUAL_ANSWERS));
            // What people have looked at twice holds, whatever a head says.
            let wrong = if lessons[it.lesson].settled { 0.0 } else { it.wrong(rates[it.labeller]) };
            *sum = (sum.0 + wrong, sum.1 + 1.0);
        }
        rates = sums.into_iter().map(|(name, (wrong, all))| (name, wrong / all)).collect();
    }
    let mut all: Vec<Suspect> = heard
        .iter()
        .map(|it| Suspect { lesson: it.lesson, wrong: it.wrong(rates[it.labeller]), rather: it.rather })
        .collect();
    all.sort_by(|a, b| b.wrong.total_cmp(&a.wrong).then(a.lesson.cmp(&b.lesson)));
    all
}

/// How much asking about suspects is worth, 0..=1: as often as an answer no longer looks wrong after people have looked again because
/// it did, and one in two before they have (Laplace's rule of succession). Where heads suspect what people find right
/// again and again, a question is better spent otherwise.
pub(super) fn worth(suspects: &[Suspect], lessons: &[Lesson], suspicious: f64) -> f64 {
    let looked_at = suspects.iter().filter(|it| lessons[it.lesson].asked_again);
    let (n, no_more) = looked_at.fold((0, 0), |(n, no_more), it| (n + 1, no_more + u32::from(it.wrong <= suspicious)));
    f64::from(no_more + 1) / f64::from(n + 2)
}

/// An answer, as a head sees it that was not fitted on it.
struct Heard<'a> {
    lesson: usize,
    labeller: &'a str,
    /// Probability of what was said.
    said: f64,
    /// Of saying it though it is something else, of those who are wrong: spread over all others.
    else_said: f64,
    /// The likeliest other class.
    rather: usize,
}

impl Heard<'_> {
    fn of<'a>(classes: &[String], place: usize, lesson: &'a Lesson) -> Option<Heard<'a>> {
        let probabilities = lesson.out_of_fold.as_ref().filter(|it| it.len() == classes.len() && it.len() > 1)?;
        let class = classes.iter().position(|it| *it == lesson.said)?;
        let said = Some(f64::from(probabilities[class])).filter(|it| it.is_finite())?.clamp(LEAST, 1.0 - LEAST);
        let others = (0..classes.len()).filter(|it| *it != class);
        let rather = others.max_by(|a, b| probabilities[*a].total_cmp(&probabilities[*b]))?;
        let else_said = (1.0 - said) / (classes.len() - 1) as f64;
        Some(Heard { lesson: place, labeller: &lesson.labeller, said, else_said, rather })
    }

    /// How likely it is wrong, if its labeller is so often.
    fn wrong(&self, rate: f64) -> f64 {
        let (wrong, right) = (rate * self.else_said, (1.0 - rate) * self.said);
        wrong / (wrong + right)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn lesson(labeller: &str, looks_wrong: bool, settled: bool) -> Lesson {
        Lesson {
            id: Uuid::nil(),
            vector: Vec::new(),
            said: "fox".into(),
            labeller: labeller.into(),
            settled,
            asked_again: settled,
            out_of_fold: Some(if looks_wrong { vec![0.001, 0.999] } else { vec![0.999, 0.001] }),
        }
    }

    /// Half of what she says looks wrong, and one answer of hers is doubtful: how suspicious that one is.
    #[test]
    fn what_was_looked_at_twice_does_not_count_against_who_said_it() {
        let classes = ["fox", "deer"].map(String::from);
        let of_doubtful = |settled: bool| {
            let mut lessons: Vec<Lesson> = (0..40).map(|i| lesson("ann", i % 2 == 0, settled)).collect();
            lessons.push(Lesson { out_of_fold: Some(vec![0.2, 0.8]), ..lesson("ann", false, false) });
            let all = suspects(&classes, &lessons);
            all.iter().find(|it| it.lesson == 40).expect("the doubtful one").wrong
        };
        assert!(of_doubtful(false) > 0.5, "{}", of_doubtful(false));
        assert!(of_doubtful(true) < 0.1, "{}", of_doubtful(true));
    }

    #[test]
    fn suspicion_that_people_do_not_share_is_worth_less_and_less() {
        let lesson = |looks_wrong: bool, settled: bool| lesson("ann", looks_wrong, settled);
        let classes = ["fox", "deer"].map(String::from);
        let worth_of = |lessons: &[Lesson]| worth(&suspects(&classes, lessons), lessons, 0.5);
        let unasked: Vec<Lesson> = (0..20).map(|i| lesson(i < 2, false)).collect();
        assert_eq!(worth_of(&unasked), 0.5, "nobody has looked twice");
        let with = |still: usize, no_more: usize| {
            let again = (0..still + no_more).map(|i| lesson(i < still, true));
            worth_of(&unasked.iter().cloned().chain(again).collect::<Vec<_>>())
        };
        assert_eq!((with(2, 0), with(6, 0)), (0.25, 0.125));
        assert_eq!((with(2, 2), with(0, 6)), (0.5, 0.875), "some were wrong");
    }
}
