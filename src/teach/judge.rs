//! The judge: a challenger goes live only if, on events that neither it nor the serving head was fitted on, it is not
//! worse than that within stated margins, and better somewhere.
//!
//! Differences are paired, event by event, and their bounds are those of a bootstrap over groups of events (the days of a
//! camera), as the events of one night are much alike. The judge does not care how a challenger was made.

use std::collections::BTreeMap;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::score::auroc;

/// Resamples of the groups.
const RESAMPLES: usize = 1_000;
/// What may be lost: mean cross-entropy of the classes, nats.
const MAX_LOSS: f64 = 0.05;
/// Macro-F1.
const MAX_F1: f64 = 0.03;
/// Recall of a class of at least `MANY` events.
const MAX_RECALL: f64 = 0.10;
/// Accuracy at a camera, or by infrared, of at least `MANY_THERE` events.
const MAX_PLACE: f64 = 0.05;
/// Of a class of fewer events no interval says anything: then single events count.
pub(super) const MANY: usize = 8;
const MANY_THERE: usize = 20;
/// Share of known events called unknown, and of strangers called by a known name.
const MAX_REJECTED: f64 = 0.05;
const MAX_ACCEPTED: f64 = 0.10;
/// AUROC of strangers.
const MAX_AUROC: f64 = 0.05;
/// How far it says that it is right more often than it is.
const MAX_BOAST: f64 = 0.05;
/// What it was taught may be named so much less often than what its trials were not.
const MAX_FORGOTTEN: f64 = 0.10;
/// Classes of fewer events are judged by the harm to the others alone.
const FEW: usize = 3;
/// Events of a class of few that may be newly lost.
const MAX_LOST: usize = 1;

/// What became of a challenger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decision {
    /// It serves.
    Promoted,
    /// It is kept, and does not serve.
    Refused,
    /// There is no challenger: labels and recipe are those of the last.
    Unchanged,
    /// It comes from another site, and serves only if a person says so.
    Imported,
}

/// The decision, and all that it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// Serves it or not.
    pub decision: Decision,
    /// In a sentence.
    pub reason: String,
    /// What was looked at.
    pub checks: Vec<Check>,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Check {
    /// Which.
    pub name: String,
    /// Whether it holds.
    pub passed: bool,
    /// The challenger's figure less the serving head's.
    pub difference: f64,
    /// The bound of that which counts: how bad it may be.
    pub bound: f64,
    /// What the bound must not be worse than.
    pub limit: f64,
}

impl Verdict {
    /// Whether it went live.
    pub fn is_promoted(&self) -> bool {
        self.decision == Decision::Promoted
    }

    /// It goes live all the same, for a reason that is not the judge's; what the judge found stays beside it.
    pub fn overrule(&mut self, reason: &str) {
        let found = if self.is_promoted() { "the judge agrees" } else { "the judge had refused it" };
        self.reason = format!("{reason}; {found}: {}", self.reason);
        self.decision = Decision::Promoted;
    }

    /// Nothing to judge.
    pub fn unchanged() -> Verdict {
        let reason = "labels and recipe are those of the last generation".into();
        Verdict { decision: Decision::Unchanged, reason, checks: Vec::new() }
    }
}

/// An event that neither head was fitted on, and what both say of it.
#[derive(Debug, Clone)]
pub struct Bout {
    /// What it is.
    pub class: usize,
    /// What is resampled together with it.
    pub group: String,
    /// Where it was.
    pub camera: String,
    /// Seen by infrared light.
    pub infrared: bool,
    /// The serving head.
    pub serving: Stated,
    /// The challenger.
    pub challenger: Stated,
}

/// What a head says of an event.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Stated {
    /// Cross-entropy, nats.
    pub loss: f64,
    /// The class, forced.
    pub answer: usize,
    /// Its probability.
    pub confidence: f64,
    /// How strange the event is, less the threshold: above 0 it is unknown.
    pub strangeness: f64,
}

/// An event of a species that neither head was taught, left out in turn.
#[derive(Debug, Clone)]
pub struct Stranger {
    /// The serving head.
    pub serving: Stated,
    /// The challenger.
    pub challenger: Stated,
}

/// What the challenger itself says of events that it was taught.
#[derive(Debug, Clone, Copy, Default)]
pub struct Lessons {
    /// How many it was asked.
    pub asked: usize,
    /// How many it named rightly.
    pub right: usize,
    /// How many the heads named rightly that were tried, and not taught them.
    pub right_in_trials: usize,
}

/// All there is to judge by.
#[derive(Debug, Clone, Default)]
pub struct Contest {
    /// Names.
    pub classes: Vec<String>,
    /// Nobody taught the serving head: its answers stand for always saying the commonest class.
    pub first: bool,
    /// `[classes]`: those that the serving head never learned.
    pub new: Vec<bool>,
    /// `[classes]`: those of which no event may be newly lost.
    pub protected: Vec<bool>,
    /// `[classes]`: events that the challenger was taught by.
    pub n_events: Vec<usize>,
    /// Paired answers.
    pub bouts: Vec<Bout>,
    /// The place of `blank`: nothing that is there is no stranger.
    pub blank: Option<usize>,
    /// Paired answers of strangers; none where too few species are known.
    pub strangers: Vec<Stranger>,
    /// Whether the challenger is what was tried.
    pub lessons: Option<Lessons>,
}

impl Contest {
    /// Decides.
    pub fn judge(&self) -> Verdict {
        // Of what the serving head never learned it cannot have been better.
        let old = |it: &&Bout| !self.new[it.class] && self.n_events[it.class] >= FEW;
        let bouts: Vec<&Bout> = self.bouts.iter().filter(old).collect();
        let mut checks = Vec::new();
        if !bouts.is_empty() {
            let resamples = resamples(&bouts);
            let many = self.many(&bouts);
            let loss = |it: &[&Bout]| balanced_loss(it, |it| it.challenger) - balanced_loss(it, |it| it.serving);
            let f1 = |it: &[&Bout]| macro_f1(it, &many, |it| it.challenger) - macro_f1(it, &many, |it| it.serving);
            checks.push(check("log-loss", loss(&bouts), quantile(&resamples, &loss, 0.95), MAX_LOSS, false));
            checks.push(check("macro-F1", f1(&bouts), quantile(&resamples, &f1, 0.05), -MAX_F1, true));
            if !self.first {
                checks.extend(self.recalls(&bouts, &resamples));
                checks.extend(places(&bouts));
                checks.extend(self.unknowns(&bouts));
                checks.extend(boast(&bouts));
            }
        }
        checks.extend(self.lessons.filter(|it| it.asked > 0).map(forgotten));
        let better = self.better(&bouts);
        let failed: Vec<&str> = checks.iter().filter(|it| !it.passed).map(|it| &*it.name).collect();
        let (decision, reason) = match (failed.is_empty(), better) {
            (true, Some(better)) => (Decision::Promoted, better),
            (true, None) => (Decision::Refused, "it is nowhere better than the head that serves".into()),
            (false, _) => {
                (Decision::Refused, format!("it may be worse than the head that serves: {}", failed.join(", ")))
            }
        };
        Verdict { decision, reason, checks }
    }

    /// The classes that an interval says something of.
    fn many(&self, bouts: &[&Bout]) -> Vec<usize> {
        let n = |class: usize| bouts.iter().filter(|it| it.class == class).count();
        (0..self.classes.len()).filter(|&it| n(it) >= MANY).collect()
    }

    /// Where it is better, if anywhere.
    fn better(&self, bouts: &[&Bout]) -> Option<String> {
        let new: Vec<&str> = self.classes.iter().zip(&self.new).filter(|it| *it.1).map(|(name, _)| &**name).collect();
        if !new.is_empty() {
            return Some(format!("it knows what the head that serves does not: {}", new.join(", ")));
        }
        let (old, new) = (balanced_loss(bouts, |it| it.serving), balanced_loss(bouts, |it| it.challenger));
        if !bouts.is_empty() && new < old {
            return Some(format!("its log-loss is {new:.3} where that of the head that serves is {old:.3}"));
        }
        let all: Vec<usize> = (0..self.classes.len()).collect();
        let (old, new) = (macro_f1(bouts, &all, |it| it.serving), macro_f1(bouts, &all, |it| it.challenger));
        (new > old).then(|| format!("its macro-F1 is {new:.3} where that of the head that serves is {old:.3}"))
    }

    /// Known events called unknown, strangers called by a known name, and how well both are told apart.
    fn unknowns(&self, bouts: &[&Bout]) -> Vec<Check> {
        let known: Vec<&Bout> = bouts.iter().filter(|it| Some(it.class) != self.blank).copied().collect();
        let mut checks = Vec::new();
        if known.len() < MANY_THERE {
            return checks;
        }
        let is_rejected = |it: Stated| Some(it.answer) != self.blank && it.strangeness > 0.0;
        let rejected =
            |of: fn(&Bout) -> Stated| known.iter().filter(|it| is_rejected(of(it))).count() as f64 / known.len() as f64;
        let difference = rejected(|it| it.challenger) - rejected(|it| it.serving);
        checks.push(check("known events called unknown", difference, difference, MAX_REJECTED, false));
        if self.strangers.len() < MANY_THERE {
            return checks;
        }
        let accepted = |of: fn(&Stranger) -> Stated| {
            self.strangers.iter().filter(|it| !is_rejected(of(it))).count() as f64 / self.strangers.len() as f64
        };
        let difference = accepted(|it| it.challenger) - accepted(|it| it.serving);
        checks.push(check("strangers called by a known name", difference, difference, MAX_ACCEPTED, false));
        let told = |of: fn(&Bout) -> Stated, of_stranger: fn(&Stranger) -> Stated| {
            let strangers = self.strangers.iter().map(|it| of_stranger(it).strangeness);
            auroc(known.iter().map(|it| of(it).strangeness), strangers)
        };
        let challenger = told(|it| it.challenger, |it| it.challenger);
        if let Some((challenger, serving)) = challenger.zip(told(|it| it.serving, |it| it.serving)) {
            checks.push(check("AUROC of strangers", challenger - serving, challenger - serving, -MAX_AUROC, true));
        }
        checks
    }

    fn recalls(&self, bouts: &[&Bout], resamples: &[Vec<&Bout>]) -> Vec<Check> {
        let mut checks = Vec::new();
        for (class, name) in self.classes.iter().enumerate() {
            let of = bouts.iter().filter(|it| it.class == class);
            let n = of.clone().count();
            let lost = of.filter(|it| it.serving.answer == class && it.challenger.answer != class).count();
            if n == 0 {
                continue;
            }
            if self.protected[class] || n < MANY {
                let most = if self.protected[class] { 0 } else { MAX_LOST };
                let lost = -(lost as f64);
                checks.push(check(&format!("events of {name} newly lost"), lost, lost, -(most as f64), true));
            } else {
                let recall = |it: &[&Bout]| recall(it, class, |it| it.challenger) - recall(it, class, |it| it.serving);
                let bound = quantile(resamples, &recall, 0.10);
                checks.push(check(&format!("recall of {name}"), recall(bouts), bound, -MAX_RECALL, true));
            }
        }
        checks
    }
}

/// What is said with more confidence than it is right.
fn boast(bouts: &[&Bout]) -> Option<Check> {
    let over = |of: fn(&Bout) -> Stated| {
        let over = |it: &&Bout| of(it).confidence - f64::from(u8::from(of(it).answer == it.class));
        bouts.iter().map(over).sum::<f64>() / bouts.len() as f64
    };
    // Being less modest than the other is no fault.
    let difference = over(|it| it.challenger) - over(|it| it.serving).max(0.0);
    (bouts.len() >= MANY_THERE).then(|| check("over-confidence", difference, difference, MAX_BOAST, false))
}

/// A head of other vectors, or a broken one, does not know what it was taught.
fn forgotten(lessons: Lessons) -> Check {
    let difference = (lessons.right as f64 - lessons.right_in_trials as f64) / lessons.asked as f64;
    check("its own lessons", difference, difference, -MAX_FORGOTTEN, true)
}

pub(super) fn check(name: &str, difference: f64, bound: f64, limit: f64, more_is_better: bool) -> Check {
    let passed = if more_is_better { bound >= limit } else { bound <= limit };
    Check { name: name.into(), passed, difference, bound, limit }
}

/// Accuracy by infrared, and at each camera.
fn places(bouts: &[&Bout]) -> Vec<Check> {
    let mut places: BTreeMap<String, Vec<&Bout>> = BTreeMap::new();
    for bout in bouts {
        places.entry(format!("accuracy at {}", bout.camera)).or_default().push(bout);
        if bout.infrared {
            places.entry("accuracy by infrared".into()).or_default().push(bout);
        }
    }
    let accuracy = |it: &[&Bout], of: fn(&Bout) -> Stated| {
        it.iter().filter(|it| of(it).answer == it.class).count() as f64 / it.len() as f64
    };
    let many = places.into_iter().filter(|it| it.1.len() >= MANY_THERE);
    many.map(|(name, there)| {
        let difference = accuracy(&there, |it| it.challenger) - accuracy(&there, |it| it.serving);
        check(&name, difference, difference, -MAX_PLACE, true)
    })
    .collect()
}

/// The same number of groups, drawn with replacement; always the same draws.
pub(super) fn resamples<'a>(bouts: &[&'a Bout]) -> Vec<Vec<&'a Bout>> {
    let mut groups: BTreeMap<&str, Vec<&'a Bout>> = BTreeMap::new();
    bouts.iter().for_each(|it| groups.entry(&it.group).or_default().push(it));
    let groups: Vec<Vec<&Bout>> = groups.into_values().collect();
    let mut dice = ChaCha8Rng::seed_from_u64(0);
    let mut draw = || (0..groups.len()).flat_map(|_| groups[dice.random_range(0..groups.len())].clone()).collect();
    (0..RESAMPLES).map(|_| draw()).collect()
}

pub(super) fn quantile(resamples: &[Vec<&Bout>], figure: &impl Fn(&[&Bout]) -> f64, at: f64) -> f64 {
    let mut figures: Vec<f64> = resamples.iter().map(|it| figure(it)).filter(|it| it.is_finite()).collect();
    figures.sort_by(f64::total_cmp);
    let place = (at * figures.len() as f64) as usize;
    figures.get(place.min(figures.len().saturating_sub(1))).copied().unwrap_or(0.0)
}

/// Each class with the same weight.
pub(super) fn balanced_loss(bouts: &[&Bout], of: impl Fn(&Bout) -> Stated) -> f64 {
    let mut by: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for it in bouts {
        let entry = by.entry(it.class).or_default();
        *entry = (entry.0 + of(it).loss, entry.1 + 1.0);
    }
    by.values().map(|it| it.0 / it.1).sum::<f64>() / by.len().max(1) as f64
}

/// Over the classes that are asked for and have events.
fn macro_f1(bouts: &[&Bout], classes: &[usize], of: impl Fn(&Bout) -> Stated) -> f64 {
    // True events, answers, hits.
    let mut by: BTreeMap<usize, [f64; 3]> = BTreeMap::new();
    for it in bouts {
        by.entry(it.class).or_default()[0] += 1.0;
        by.entry(of(it).answer).or_default()[1] += 1.0;
        by.entry(it.class).or_default()[2] += f64::from(u8::from(of(it).answer == it.class));
    }
    let asked = by.iter().filter(|it| it.1[0] > 0.0 && classes.contains(it.0));
    let there: Vec<&[f64; 3]> = asked.map(|it| it.1).collect();
    there.iter().map(|it| 2.0 * it[2] / (it[0] + it[1])).sum::<f64>() / there.len().max(1) as f64
}

pub(super) fn recall(bouts: &[&Bout], class: usize, of: impl Fn(&Bout) -> Stated) -> f64 {
    let (mut n, mut hits) = (0.0, 0.0);
    for it in bouts.iter().filter(|it| it.class == class) {
        n += 1.0;
        hits += f64::from(u8::from(of(it).answer == class));
    }
    hits / n
}

#[cfg(test)]
pub(super) mod tests;
