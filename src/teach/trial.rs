//! After promotion: the labels that keep coming are a head's test. One that proves worse than the head before it is rolled
//! back by itself.
//!
//! The judge asks whether a challenger may be worse, and refuses in doubt; here a head serves already, and goes only when it
//! is proven to be worse, on events that neither head was fitted on: in balanced log-loss with 95 % confidence, in the
//! recall of a class of many events with 95 % shared among all such classes, or by an event of a protected species that the
//! head before it names and it does not.

use std::collections::{BTreeSet, HashSet};

use super::contest::is_infrared;
use super::generations::RolledBack;
use super::judge::{Bout, Check, Contest, MANY, Stated, balanced_loss, check, quantile, recall, resamples};
use super::taught::Taught;
use super::train::Incumbent;

/// How sure it must be.
const DOUBT: f64 = 0.05;
/// Camera-days without which no bootstrap says anything.
const MANY_GROUPS: usize = 5;

impl Contest {
    /// What the challenger is proven to be worse in than the head before it.
    pub fn proven_worse(&self) -> Vec<Check> {
        let bouts: Vec<&Bout> = self.bouts.iter().filter(|it| !self.new[it.class]).collect();
        let mut checks: Vec<Check> = Vec::new();
        if !self.first {
            for (class, name) in self.classes.iter().enumerate().filter(|it| self.protected[it.0]) {
                let lost = bouts.iter().filter(|it| it.class == class && it.serving.answer == class);
                let lost = -(lost.filter(|it| it.challenger.answer != class).count() as f64);
                checks.push(check(&format!("events of {name} newly lost"), lost, lost, 0.0, true));
            }
        }
        let groups: BTreeSet<&str> = bouts.iter().map(|it| &*it.group).collect();
        if bouts.len() >= MANY && groups.len() >= MANY_GROUPS {
            let resamples = resamples(&bouts);
            let loss = |it: &[&Bout]| balanced_loss(it, |it| it.challenger) - balanced_loss(it, |it| it.serving);
            checks.push(check("log-loss", loss(&bouts), quantile(&resamples, &loss, DOUBT), 0.0, false));
            let n = |class: usize| bouts.iter().filter(|it| it.class == class).count();
            let many: Vec<usize> = (0..self.classes.len()).filter(|it| !self.first && n(*it) >= MANY).collect();
            for &class in &many {
                let recall = |it: &[&Bout]| recall(it, class, |it| it.challenger) - recall(it, class, |it| it.serving);
                let bound = quantile(&resamples, &recall, 1.0 - DOUBT / many.len() as f64);
                checks.push(check(&format!("recall of {}", self.classes[class]), recall(&bouts), bound, 0.0, true));
            }
        }
        checks.retain(|it| !it.passed);
        checks
    }
}

/// Whether the head that serves proved worse than the one before it, which may be the starter head: that one stands for
/// always saying the commonest class, as it knows none of the names.
pub(super) fn relapse(
    taught: &Taught,
    serving: &Incumbent,
    before: Option<&Incumbent>,
    protected: &[String],
) -> Option<RolledBack> {
    let contest = since(taught, serving, before, protected);
    let checks = contest.proven_worse();
    if checks.is_empty() {
        return None;
    }
    let in_what: Vec<&str> = checks.iter().map(|it| &*it.name).collect();
    let (generation, to) = (serving.manifest.generation.number, before.map_or(0, |it| it.manifest.generation.number));
    let events = contest.bouts.len();
    let reason = format!(
        "on {events} events labelled since, it is worse than generation {to} that served before: {}",
        in_what.join(", ")
    );
    Some(RolledBack { generation, to, at: jiff::Timestamp::now(), events, reason, checks })
}

/// What both say of events that neither was fitted on; `serving` is the challenger.
pub(super) fn since(taught: &Taught, serving: &Incumbent, before: Option<&Incumbent>, protected: &[String]) -> Contest {
    let fitted = |it: &Incumbent| it.manifest.events.iter().cloned().collect::<HashSet<String>>();
    let known = [Some(serving), before].into_iter().flatten().map(fitted).collect::<Vec<_>>();
    let place = |name: &str| taught.classes.iter().position(|it| &*it.name == name);
    let (n_classes, classes) = (serving.manifest.classes.len(), &serving.manifest.classes);
    let commonest = classes.iter().max_by_key(|it| it.events).and_then(|it| place(&it.class.name));
    let answer = commonest.unwrap_or(usize::MAX);
    let guess = Stated { loss: (n_classes.max(1) as f64).ln(), answer, ..Stated::default() };
    let says = |it: &Incumbent, event: usize| {
        let serving = it.serving();
        serving.stated(taught, event, &serving.by_itself(taught, event))
    };
    let new_to_both =
        (0..taught.events.len()).filter(|it| !known.iter().any(|ids| ids.contains(&taught.events[*it].id)));
    let bouts = new_to_both.map(|it| {
        let event = &taught.events[it];
        Bout {
            class: event.class,
            group: event.group.clone(),
            camera: event.camera.clone(),
            infrared: is_infrared(event),
            serving: before.map_or(guess, |before| says(before, it)),
            challenger: says(serving, it),
        }
    });
    let knows = |it: &Incumbent, name: &str| it.manifest.classes.iter().any(|it| &*it.class.name == name);
    Contest {
        classes: taught.classes.iter().map(|it| it.name.to_string()).collect(),
        first: before.is_none(),
        new: taught.classes.iter().map(|it| !knows(before.unwrap_or(serving), &it.name)).collect(),
        protected: taught.classes.iter().map(|it| protected.iter().any(|name| **name == *it.name)).collect(),
        n_events: taught.n_events(),
        bouts: bouts.collect(),
        blank: taught.blank(),
        ..Contest::default()
    }
}

#[cfg(test)]
mod tests;
