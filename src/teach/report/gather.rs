//! Labelled pictures, as every sight sees them: the same gate, the same candidates, one set of vectors each.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::tz::TimeZone;

use crate::config::{CameraConfig, Config};
use crate::domain::{Class, Modality, View};
use crate::infer::featurizer::{Featurizer, FeaturizerError};
use crate::infer::head::BLANK;
use crate::infer::models::Models;
use crate::observe::store::{Labelled, NO_CLASS, commonest};
use crate::teach::label_file::{LabelRow, LabelledBurst};
use crate::teach::pictures::{Eyes, Unread, look_through};
use crate::teach::side_by_side::handed_out;
use crate::teach::taught::{Taught, TaughtEvent, TaughtFrame, TaughtView};

use super::ReportError;
use super::sights::{Plan, Sights};

/// Pictures that are looked at, at most: with three networks they take some three minutes of two cores.
pub const MAX_PICTURES: usize = 1_600;
/// Pictures of one event, at most.
const MAX_OF_EVENT: usize = 6;
/// Events of a class that stay where others have to go.
const KEPT_OF_CLASS: usize = 10;

/// What was looked at.
pub struct Gathered {
    /// What each sight saw, in the order of [`Plan::sights`]: the same events, frames and views.
    pub seen: Vec<Taught>,
    /// Pictures looked at.
    pub pictures: usize,
    /// Labelled events that were left out as there are too many.
    pub left_out: usize,
    /// Pictures that could not be read.
    pub unread: Vec<Unread>,
}

/// The kept pictures of which something is said, by event.
pub fn bursts_of_store(labelled: Vec<Labelled>) -> Vec<LabelledBurst> {
    let mut bursts: Vec<LabelledBurst> = Vec::new();
    let mut place: BTreeMap<String, usize> = BTreeMap::new();
    for (line, it) in (1..).zip(labelled) {
        let at = *place.entry(it.event.to_string()).or_insert_with_key(|event| {
            bursts.push(LabelledBurst { camera: it.camera.clone(), name: event.clone(), rows: Vec::new() });
            bursts.len() - 1
        });
        let (path, captured_at) = (it.file.into(), Some(it.captured_at));
        bursts[at].rows.push(LabelRow { line, path, captured_at, classes: it.classes });
    }
    bursts
}

/// Looks at the pictures of bursts that have a label of the task, with every sight of the plan.
pub fn gather(
    config: &Config,
    gate: &CameraConfig,
    models: &Models,
    plan: &Plan,
    root: &Path,
    bursts: Vec<LabelledBurst>,
    task: &str,
) -> Result<Gathered, ReportError> {
    let (bursts, left_out) = thinned(bursts, task);
    let cores = std::thread::available_parallelism().map_or(1, |it| it.get());
    let workers = if config.featurizer.workers == 0 { cores } else { config.featurizer.workers };
    let open = || -> Result<(Eyes, Sights), FeaturizerError> {
        let contract = models.contract.clone();
        let featurizer = Featurizer::open(&models.runtime, contract, config.featurizer.max_batch)?;
        let eyes = Eyes { featurizer, second: None, second_frames: 0, to_teach: false, starter: models.starter() };
        Ok((eyes, plan.open()?))
    };
    let look = |(eyes, sights): &mut (Eyes, Sights), (at, burst): (usize, LabelledBurst)| {
        let gate = CameraConfig { name: burst.camera.as_str().into(), ..gate.clone() };
        let looked = look_through(&burst, root, &gate, eyes, &|_| false)?;
        let mut frames = Vec::new();
        for seen in looked.seen {
            let Some(class) = seen.row.classes.get(task).cloned() else { continue };
            let candidates = &seen.look.candidates;
            let kinds = candidates.iter().map(|it| (seen.look.modality, it.view)).collect();
            frames.push(Frame { class, kinds, vectors: sights.look(candidates, seen.embeddings)? });
        }
        let (group, name) = (group(&burst), format!("{}/{}", burst.camera, burst.name));
        Ok((at, Event { camera: burst.camera, name, group, frames }, looked.unread))
    };
    let (mut events, mut unread) = (Vec::new(), Vec::new());
    let items = bursts.into_iter().enumerate().collect();
    handed_out(workers, items, open, look, |(at, event, torn): (usize, Event, Vec<Unread>)| {
        unread.extend(torn);
        if !event.frames.is_empty() {
            events.push((at, event));
        }
        Ok::<(), FeaturizerError>(())
    })?;
    // Threads hand events on as they come; a fit depends on their order.
    events.sort_by_key(|it| it.0);
    unread.sort_by_key(|it| it.line);
    let events: Vec<Event> = events.into_iter().map(|it| it.1).collect();
    let pictures = events.iter().map(|it| it.frames.len()).sum();
    let mut seen = taught(events, plan.sights().len());
    seen.iter_mut().zip(plan.sights()).for_each(|(it, sight)| it.classifier.clone_from(&sight.classifier));
    Ok(Gathered { seen, pictures, left_out, unread })
}

/// An event as all sights see it.
pub struct Event {
    /// The camera.
    pub camera: String,
    /// What it is called: no two are called alike.
    pub name: String,
    /// What is drawn together, see [`TaughtEvent::group`].
    pub group: String,
    /// Those of its pictures that have a label.
    pub frames: Vec<Frame>,
}

/// A picture of it.
pub struct Frame {
    /// What it shows.
    pub class: String,
    /// `[views]`.
    pub kinds: Vec<(Modality, View)>,
    /// `[sights][views]`.
    pub vectors: Vec<Vec<Vec<f32>>>,
}

/// What is taught of these events, by sight.
pub fn taught(events: Vec<Event>, n_sights: usize) -> Vec<Taught> {
    let mut names: Vec<&str> = events.iter().flat_map(|it| &it.frames).map(|it| &*it.class).collect();
    names.sort_by_key(|it| (*it != BLANK, *it));
    names.dedup();
    let classes: Vec<Class> = names.iter().map(|it| Class { name: (*it).into(), scientific_name: "".into() }).collect();
    let blank = classes.iter().position(|it| &*it.name == BLANK);
    let empty = Taught { classes, ..Taught::default() };
    let mut seen = vec![empty; n_sights];
    for event in events {
        let place = |it: &Frame| seen[0].classes.iter().position(|class| *class.name == *it.class).unwrap_or_default();
        let places: Vec<usize> = event.frames.iter().map(place).collect();
        let class = commonest(places.iter().copied(), blank);
        let mut of_sight: Vec<Vec<TaughtFrame>> = vec![Vec::new(); n_sights];
        for (frame, class) in event.frames.into_iter().zip(places) {
            for (to, vectors) in of_sight.iter_mut().zip(frame.vectors) {
                let view = |(&(modality, view), features)| TaughtView { modality, view, features, second: None };
                to.push(TaughtFrame { class, views: frame.kinds.iter().zip(vectors).map(view).collect() });
            }
        }
        for (taught, frames) in seen.iter_mut().zip(of_sight) {
            taught.dimension = frames[0].views[0].features.len();
            let (id, group, camera) = (event.name.clone(), event.group.clone(), event.camera.clone());
            taught.events.push(TaughtEvent { id, class, group, camera, stands_for: 1.0, frames });
        }
    }
    seen
}

/// A camera's day, where all of the event has a time; else the event itself.
fn group(burst: &LabelledBurst) -> String {
    let first = burst.rows.iter().map(|it| it.captured_at).min().flatten();
    match first {
        Some(at) => format!("{} {}", burst.camera, TimeZone::UTC.to_datetime(at).date()),
        None => format!("{} {}", burst.camera, burst.name),
    }
}

/// What has a label of the task, and no more than can be looked at: of long events some pictures, of common classes some
/// events, both evenly; rare ones stay. How many events went.
fn thinned(bursts: Vec<LabelledBurst>, task: &str) -> (Vec<LabelledBurst>, usize) {
    let mut kept: Vec<(String, LabelledBurst)> = Vec::new();
    for mut burst in bursts {
        let is_class = |it: &String| !NO_CLASS.contains(&&**it);
        let n_unnamed = burst.rows.iter().filter_map(|it| it.classes.get(task)).filter(|it| !is_class(it)).count();
        burst.rows.retain(|it| it.classes.get(task).is_some_and(is_class));
        let n = burst.rows.len();
        if n > MAX_OF_EVENT {
            let places: Vec<usize> = (0..MAX_OF_EVENT).map(|i| i * n / MAX_OF_EVENT).collect();
            let mut at = 0..;
            burst.rows.retain(|_| at.next().is_some_and(|it| places.contains(&it)));
        }
        let names: Vec<&String> = burst.rows.iter().filter_map(|it| it.classes.get(task)).collect();
        let class = names.iter().find(|it| ***it != BLANK).or(names.first()).map(|it| (*it).clone());
        // What nobody could name was something: where all else is blank the event is not.
        let class = class.filter(|it| n_unnamed == 0 || it != BLANK);
        kept.extend(class.map(|it| (it, burst)));
    }
    let pictures: usize = kept.iter().map(|it| it.1.rows.len()).sum();
    let mut n_of: BTreeMap<&str, usize> = BTreeMap::new();
    kept.iter().for_each(|it| *n_of.entry(&it.0).or_default() += 1);
    let keep_of = |n: usize| (n * MAX_PICTURES / pictures.max(1)).max(KEPT_OF_CLASS).min(n);
    let mut nth: BTreeMap<&str, usize> = BTreeMap::new();
    let stays: Vec<bool> = kept
        .iter()
        .map(|it| {
            let (n, nth) = (n_of[&*it.0], nth.entry(&it.0).or_default());
            *nth += 1;
            // Every so many-th: that at which the share of those kept reaches another whole one.
            *nth * keep_of(n) / n > (*nth - 1) * keep_of(n) / n
        })
        .collect();
    let left_out = stays.iter().filter(|it| !**it).count();
    (kept.into_iter().zip(stays).filter(|it| it.1).map(|it| it.0.1).collect(), left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_too_many_the_common_go_evenly_and_the_rare_stay() {
        let burst = |class: &str, nth: usize| {
            let classes = BTreeMap::from([("species".to_owned(), class.to_owned())]);
            let row = |line| LabelRow { line, path: "a.png".into(), captured_at: None, classes: classes.clone() };
            LabelledBurst { camera: "c".into(), name: format!("{class}-{nth}"), rows: (0..9).map(row).collect() }
        };
        let mut bursts: Vec<LabelledBurst> = (0..1_000).map(|nth| burst("fox", nth)).collect();
        bursts.extend((0..4).map(|nth| burst("lynx", nth)));
        bursts.extend((0..4).map(|nth| burst("unknown", nth)));
        let (kept, left_out) = thinned(bursts.clone(), "species");
        let of = |class: &str| kept.iter().filter(|it| it.name.starts_with(class)).count();
        assert_eq!((of("lynx"), of("unknown"), kept.len() + left_out), (4, 0, 1_004));
        let pictures: usize = kept.iter().map(|it| it.rows.len()).sum();
        assert!((MAX_PICTURES - 100..=MAX_PICTURES + 100).contains(&pictures), "{pictures}");
        assert!(kept.iter().all(|it| it.rows.len() == MAX_OF_EVENT && it.rows[1].line == 1 && it.rows[5].line == 7));
        let nths: Vec<usize> = kept[..of("fox")].iter().map(|it| it.name[4..].parse().unwrap()).collect();
        assert!(nths.windows(2).all(|it| it[1] - it[0] <= 4) && nths[nths.len() - 1] > 990, "evenly: {nths:?}");
        let (all, left_out) = thinned(bursts.split_off(1_000), "species");
        assert_eq!((all.len(), left_out), (4, 0));
        let mut doubtful = burst("unidentifiable", 9);
        doubtful.rows.extend(burst("blank", 9).rows);
        assert!(thinned(vec![doubtful.clone()], "species").0.is_empty(), "something was there");
        doubtful.rows.extend(burst("fox", 9).rows);
        assert_eq!(thinned(vec![doubtful], "species").0.len(), 1);
        assert!(thinned(vec![burst("fox", 1)], "content").0.is_empty(), "nothing is said of that task");
    }
}
