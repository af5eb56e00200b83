//! The truth beside what was seen: events matched one to one by their overlap in time.

use std::collections::BTreeMap;
use std::fmt;

use super::animals;
use super::script::TrueVisit;

/// Visits of one camera closer than this are one true event: so close the daemon is told to join them.
const GAP_SECS: f64 = 3.0;
/// Overlap (intersection over union of the times) from which an event is the one that it should be.
const MIN_OVERLAP: f64 = 0.5;

/// What was seen. Seconds count from the beginning of the scene.
#[derive(Debug, Clone)]
pub struct SeenEvent {
    /// Which camera.
    pub camera: String,
    /// First look.
    pub from_secs: f64,
    /// Last look.
    pub to_secs: f64,
    /// Its observations.
    pub labels: Vec<String>,
}

/// A true event: visits that overlap or follow closely.
#[derive(Debug, Clone)]
struct TrueEvent {
    camera: String,
    from_secs: f64,
    to_secs: f64,
    visits: Vec<TrueVisit>,
}

/// How the seen events compare with the true ones.
#[derive(Debug)]
pub struct Score {
    rows: Vec<(TrueEvent, Option<SeenEvent>)>,
    /// Seen events that match none, and touch none.
    pub n_false: usize,
    /// Seen events that match none and touch one true event: a part of it.
    pub n_split: usize,
    /// Seen events that touch several true events.
    pub n_merged: usize,
    false_events: Vec<SeenEvent>,
}

impl Score {
    /// Matches greedily, the best overlap first, one to one within a camera.
    pub fn new(truth: &[TrueVisit], seen: &[SeenEvent]) -> Score {
        let truth = joined(truth);
        let mut pairs: Vec<(f64, usize, usize)> = Vec::new();
        for (t, true_event) in truth.iter().enumerate() {
            for (s, event) in seen.iter().enumerate().filter(|(_, it)| it.camera == true_event.camera) {
                pairs.push((overlap(true_event, event), t, s));
            }
        }
        pairs.retain(|it| it.0 >= MIN_OVERLAP);
        pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut of_truth, mut taken) = (vec![None; truth.len()], vec![false; seen.len()]);
        for (_, t, s) in pairs {
            if of_truth[t].is_none() && !taken[s] {
                (of_truth[t], taken[s]) = (Some(seen[s].clone()), true);
            }
        }
        let spare: Vec<&SeenEvent> = seen.iter().zip(&taken).filter(|it| !it.1).map(|it| it.0).collect();
        let touched = |it: &SeenEvent| truth.iter().filter(|t| t.camera == it.camera && overlap(t, it) > 0.0).count();
        let n_split = spare.iter().filter(|it| touched(it) == 1).count();
        let n_merged = seen.iter().filter(|it| touched(it) > 1).count();
        let false_events: Vec<SeenEvent> = spare.iter().filter(|it| touched(it) == 0).map(|it| (*it).clone()).collect();
        let n_false = false_events.len();
        Score { rows: truth.into_iter().zip(of_truth).collect(), n_false, n_split, n_merged, false_events }
    }

    /// True events.
    pub fn n_true(&self) -> usize {
        self.rows.len()
    }

    /// True events that were found.
    pub fn n_found(&self) -> usize {
        self.rows.iter().filter(|it| it.1.is_some()).count()
    }

    /// Found events of which every species was named.
    pub fn n_named(&self) -> usize {
        self.rows.iter().filter(|(truth, seen)| seen.as_ref().is_some_and(|it| is_named(truth, it))).count()
    }

    /// By visit, not by event: where two came together, each counts where it belongs.
    fn recall_by(&self, key: impl Fn(&TrueVisit) -> String) -> BTreeMap<String, (usize, usize)> {
        let mut by: BTreeMap<String, (usize, usize)> = BTreeMap::new();
        for (truth, seen) in &self.rows {
            for visit in &truth.visits {
                let entry = by.entry(key(visit)).or_default();
                entry.0 += usize::from(seen.is_some());
                entry.1 += 1;
            }
        }
        by
    }
}

fn is_named(truth: &TrueEvent, seen: &SeenEvent) -> bool {
    truth.visits.iter().all(|visit| {
        animals::find(visit.species).is_some_and(|animal| seen.labels.iter().any(|label| animal.is_called(label)))
    })
}

fn overlap(truth: &TrueEvent, seen: &SeenEvent) -> f64 {
    let shared = truth.to_secs.min(seen.to_secs) - truth.from_secs.max(seen.from_secs);
    let all = truth.to_secs.max(seen.to_secs) - truth.from_secs.min(seen.from_secs);
    if all > 0.0 { (shared / all).max(0.0) } else { 0.0 }
}

fn joined(truth: &[TrueVisit]) -> Vec<TrueEvent> {
    let mut visits = truth.to_vec();
    visits.sort_by(|a, b| a.camera.cmp(&b.camera).then(a.from_secs.total_cmp(&b.from_secs)));
    let mut events: Vec<TrueEvent> = Vec::new();
    for visit in visits {
        match events.last_mut() {
            Some(last) if last.camera == visit.camera && visit.from_secs - last.to_secs < GAP_SECS => {
                last.to_secs = last.to_secs.max(visit.to_secs);
                last.visits.push(visit);
            }
            _ => events.push(TrueEvent {
                camera: visit.camera.clone(),
                from_secs: visit.from_secs,
                to_secs: visit.to_secs,
                visits: vec![visit],
            }),
        }
    }
    events
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<10} {:>7} {:>7}  {:<34} {:>7} {:>7}  seen as", "camera", "from", "to", "truth", "from", "to")?;
        for (truth, seen) in &self.rows {
            let who: Vec<String> =
                truth.visits.iter().map(|it| format!("{} ({:?})", it.species, it.distance).to_lowercase()).collect();
            write!(f, "{:<10} {:>7.1} {:>7.1}  {:<34}", truth.camera, truth.from_secs, truth.to_secs, who.join(", "))?;
            match seen {
                Some(it) => writeln!(f, " {:>7.1} {:>7.1}  {}", it.from_secs, it.to_secs, it.labels.join(", "))?,
                None => writeln!(f, " {:>7} {:>7}  missed", "", "")?,
            }
        }
        for it in &self.false_events {
            writeln!(
                f,
                "{:<10} {:>7} {:>7}  {:<34} {:>7.1} {:>7.1}  {}",
                it.camera,
                "",
                "",
                "nothing",
                it.from_secs,
                it.to_secs,
                it.labels.join(", ")
            )?;
        }
        let percent = |(part, all): (usize, usize)| if all == 0 { 0.0 } else { 100.0 * part as f64 / all as f64 };
        writeln!(f)?;
        let found = (self.n_found(), self.n_true());
        writeln!(
            f,
            "events found: {} of {} ({:.0} %); split: {}; merged: {}; false: {}",
            found.0,
            found.1,
            percent(found),
            self.n_split,
            self.n_merged,
            self.n_false
        )?;
        let named = (self.n_named(), self.n_found());
        writeln!(f, "every species right: {} of {} found ({:.0} %)", named.0, named.1, percent(named))?;
        for (title, by) in [
            ("visits found by distance", self.recall_by(|it| format!("{:?}", it.distance).to_lowercase())),
            ("by modality", self.recall_by(|it| format!("{:?}", it.modality).to_lowercase())),
            ("by species", self.recall_by(|it| it.species.into())),
        ] {
            let parts: Vec<String> = by.iter().map(|(key, (found, all))| format!("{key} {found}/{all}")).collect();
            writeln!(f, "{title}: {}", parts.join(", "))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::script::Distance;
    use super::*;
    use crate::domain::Modality;

    fn visit(species: &'static str, from_secs: f64, to_secs: f64) -> TrueVisit {
        let (camera, scientific_name) = ("trail".into(), "");
        TrueVisit {
            camera,
            species,
            scientific_name,
            from_secs,
            to_secs,
            distance: Distance::Mid,
            modality: Modality::Infrared,
        }
    }

    fn seen(from_secs: f64, to_secs: f64, label: &str) -> SeenEvent {
        SeenEvent { camera: "trail".into(), from_secs, to_secs, labels: vec![label.into()] }
    }

    fn counts(score: &Score) -> (usize, usize, usize, usize, usize) {
        (score.n_true(), score.n_found(), score.n_named(), score.n_split + score.n_merged, score.n_false)
    }

    #[test]
    fn what_fits_is_found_and_named() {
        let truth = [visit("badger", 10.0, 20.0), visit("red fox", 40.0, 50.0)];
        let score = Score::new(&truth, &[seen(11.0, 20.0, "badger"), seen(40.0, 49.0, "unknown")]);
        assert_eq!(counts(&score), (2, 2, 1, 0, 0));
    }

    #[test]
    fn a_split_a_merger_and_a_false_event_are_errors() {
        let split =
            Score::new(&[visit("badger", 10.0, 30.0)], &[seen(10.0, 18.0, "badger"), seen(22.0, 30.0, "badger")]);
        assert_eq!(counts(&split), (1, 0, 0, 2, 0));
        let truth = [visit("badger", 10.0, 20.0), visit("red fox", 25.0, 35.0)];
        assert_eq!(counts(&Score::new(&truth, &[seen(10.0, 35.0, "badger")])), (2, 0, 0, 1, 0));
        assert_eq!(counts(&Score::new(&[], &[seen(10.0, 35.0, "badger")])), (0, 0, 0, 0, 1));
    }

    #[test]
    fn visits_that_overlap_are_one_event_of_two_species() {
        let truth = [visit("badger", 10.0, 20.0), visit("red fox", 15.0, 30.0)];
        let both = SeenEvent { labels: vec!["red fox".into(), "badger".into()], ..seen(10.0, 30.0, "") };
        assert_eq!(counts(&Score::new(&truth, &[both])), (1, 1, 1, 0, 0));
        assert_eq!(counts(&Score::new(&truth, &[seen(10.0, 30.0, "badger")])), (1, 1, 0, 0, 0));
    }
}
