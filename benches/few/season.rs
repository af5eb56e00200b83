//! A camera's season: events of several frames, through the same gate and network as a live camera's. Every recipe is taught
//! the same events, and its answers to frames and crops become an event's in the same way, but for the reference recipe.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use eyeshine::config::load::{self, CameraArgument, Overrides};
use eyeshine::config::{CameraConfig, Config};
use eyeshine::domain::View;
use eyeshine::infer::closeness::Closeness;
use eyeshine::infer::models::Models;
use eyeshine::infer::space::kind;
use eyeshine::infer::together::Together;
use eyeshine::teach::fit::{by_recipe, fit};
use eyeshine::teach::folds::folds;
use eyeshine::teach::label_file;
use eyeshine::teach::pictures::{Eyes, look_through};
use eyeshine::teach::recipe::Recipe;
use eyeshine::teach::report::figures::{Asked, difference, figure};
use eyeshine::teach::report::gather::{Event, Frame, taught};
use eyeshine::teach::taught::{Taught, TaughtEvent, TaughtView};
use faer::Mat;

use crate::frigate::{Lesson, frigate, softmax};
use crate::parts::{parts, reference};
use crate::{FRIGATE, OURS};

const REFERENCE: &str = "the reference recipe (whole frames, .3)";

/// Right or not, by event that was asked about, of each recipe.
#[derive(Default)]
struct Rights {
    class: Vec<String>,
    group: Vec<String>,
    right: BTreeMap<&'static str, Vec<bool>>,
}

/// Cross-validates over the events of a table; or fits on it, and scores on another, which is to be written down.
pub(crate) fn season(table: &Path, valid: Option<&Path>) -> anyhow::Result<()> {
    let lessons = looked_at(table)?;
    let mut rights = Rights::default();
    match valid {
        Some(valid) => {
            println!("THIS IS A SCORING of {}: write it down in docs/measured.md", valid.display());
            let asked = looked_at(valid)?;
            ask(&lessons, &asked, &mut rights)?;
        }
        None => {
            let fold_of = folds(&lessons);
            for fold in 0..=fold_of.iter().flatten().max().copied().unwrap_or(0) {
                let rest = lessons.only(|it| fold_of[it] != Some(fold));
                ask(&rest, &lessons.only(|it| fold_of[it] == Some(fold)), &mut rights)?;
            }
        }
    }
    let mut names: Vec<&String> = rights.class.iter().collect();
    names.sort();
    names.dedup();
    let class: Vec<usize> = rights.class.iter().filter_map(|it| names.binary_search(&it).ok()).collect();
    let asked = Asked::new(class, &rights.group.iter().map(String::as_str).collect::<Vec<_>>());
    println!(
        "{} events of {} classes asked about; balanced accuracy (90 % interval), accuracy:",
        asked.len(),
        names.len()
    );
    for (name, right) in &rights.right {
        let it = figure(&asked.balanced(right));
        println!("  {name:<44} {:.4} ({:.3} to {:.3})  {:.4}", it.value, it.low, it.high, asked.accuracy(right));
    }
    for other in rights.right.keys().filter(|it| **it != OURS) {
        let it = figure(&difference(&asked.balanced(&rights.right[OURS]), &asked.balanced(&rights.right[other])));
        println!("  {OURS} less {other}: {:+.4} (90 % interval {:+.4} to {:+.4})", it.value, it.low, it.high);
    }
    Ok(())
}

/// Events of a table as they are taught.
fn looked_at(table: &Path) -> anyhow::Result<Taught> {
    let file = CameraArgument { name: Some("file".into()), uri: "/dev/null".into() };
    let config: Config = load::load(None, Overrides { cameras: vec![file], ..Overrides::default() })?;
    let gate: &CameraConfig = config.cameras.last().context("no camera")?;
    let models = Models::open(&config.models)?;
    let contract = models.contract.clone();
    let featurizer = eyeshine::infer::featurizer::Featurizer::open(&models.runtime, contract, 8)?;
    let mut eyes = Eyes { featurizer, second: None, second_frames: 0, to_teach: false, starter: models.starter() };
    let root = table.parent().unwrap_or(Path::new(""));
    let mut events = Vec::new();
    for burst in label_file::read(table, &[])? {
        let gate = CameraConfig { name: burst.camera.as_str().into(), ..gate.clone() };
        let looked = look_through(&burst, root, &gate, &mut eyes, &|_| false)?;
        anyhow::ensure!(looked.unread.is_empty(), "{}: {}", table.display(), looked.unread[0]);
        let frame = |it: eyeshine::teach::pictures::Seen| Frame {
            class: it.row.classes[label_file::SPECIES].clone(),
            kinds: it.look.candidates.iter().map(|candidate| (it.look.modality, candidate.view)).collect(),
            vectors: vec![it.embeddings.iter().map(|it| it.features.to_vec()).collect()],
        };
        let frames = looked.seen.into_iter().map(frame).collect();
        events.push(Event { camera: burst.camera, group: burst.name.clone(), name: burst.name, frames });
    }
    let taught = taught(events, 1).pop().context("no picture")?;
    Ok(Taught { classifier: models.contract.classifier.clone(), ..taught })
}

/// Teaches each recipe the lessons, and asks it about the events of which it knows the class.
fn ask(lessons: &Taught, asked: &Taught, rights: &mut Rights) -> anyhow::Result<()> {
    let (blank, n_events) = (lessons.blank(), lessons.n_events());
    let place = |event: &TaughtEvent| {
        let name = &asked.classes[event.class].name;
        (0..n_events.len()).find(|&it| lessons.classes[it].name == *name && n_events[it] > 0)
    };
    let events: Vec<(&TaughtEvent, usize)> = asked.events.iter().filter_map(|it| Some((it, place(it)?))).collect();
    for (event, _) in &events {
        rights.class.push(asked.classes[event.class].name.to_string());
        rights.group.push(event.group.clone());
    }
    let views = |event: &TaughtEvent| event.frames.iter().flat_map(|it| it.views.clone()).collect::<Vec<TaughtView>>();
    let mut answered = |name: &'static str, of: &dyn Fn(&TaughtEvent) -> Vec<Vec<f32>>| {
        let right = events.iter().map(|(event, class)| {
            let answers = of(event);
            let together = Together::of(answers.iter().map(|it| (&**it, Closeness::default())), blank);
            together.answer(blank) == Some(*class)
        });
        rights.right.entry(name).or_default().extend(right);
    };
    // The parts have the features alone, as whoever else takes a network for its features.
    let plain = Taught { classifier: None, ..lessons.clone() };
    let space = by_recipe(&plain, &Recipe::PRIOR)?.space().clone();
    let samples = plain.samples(&space);
    let at = |views: &[TaughtView]| {
        let rows: Vec<Vec<f32>> =
            views.iter().map(|it| space.project(&it.features, None, kind(it.modality, it.view))).collect();
        Mat::from_fn(rows.len(), space.directions(), |i, j| f64::from(rows[i][j]))
    };
    for (name, scores) in parts(&samples)? {
        answered(name, &|event| {
            let logits = scores(&at(&views(event)));
            (0..logits.nrows()).map(|i| softmax(logits.row(i).iter().map(|it| *it as f32).collect())).collect()
        });
    }
    let fitted = fit(lessons)?;
    answered(OURS, &|event| {
        let answer =
            |it: &TaughtView| fitted.alone.learned.answer(&it.features, kind(it.modality, it.view)).probabilities;
        views(event).iter().map(answer).collect()
    });
    let taught: Vec<Lesson<'_>> = lessons
        .events
        .iter()
        .flat_map(|it| &it.frames)
        .flat_map(|frame| frame.views.iter().map(|it| (&*it.features, frame.class)))
        .collect();
    // All at once: each call teaches anew.
    let all: Vec<TaughtView> = events.iter().flat_map(|it| views(it.0)).collect();
    let features: Vec<&[f32]> = all.iter().map(|it| &*it.features).collect();
    let mut theirs = frigate(&taught, lessons.classes.len(), &features, 0).into_iter();
    let theirs: BTreeMap<&str, Vec<Vec<f32>>> =
        events.iter().map(|it| (&*it.0.id, theirs.by_ref().take(views(it.0).len()).collect())).collect();
    answered(FRIGATE, &|event| theirs[&*event.id].clone());

    // The mean of the cosines of the whole frames that are not judged blank.
    let mut whole = plain;
    let is_whole = |it: &TaughtView| it.view == View::Whole;
    whole.events.iter_mut().flat_map(|it| &mut it.frames).for_each(|it| it.views.retain(is_whole));
    let space = by_recipe(&whole, &Recipe::PRIOR)?.space().clone();
    let scores = reference(&whole.samples(&space))?;
    let right = events.iter().map(|(event, class)| {
        let rows: Vec<Vec<f32>> = views(event)
            .iter()
            .filter(|it| is_whole(it))
            .map(|it| space.project(&it.features, None, kind(it.modality, it.view)))
            .collect();
        let cosines = scores(&Mat::from_fn(rows.len(), space.directions(), |i, j| f64::from(rows[i][j])));
        let top = |row: &[f64]| (0..row.len()).max_by(|a, b| row[*a].total_cmp(&row[*b])).unwrap_or(0);
        let rows = (0..cosines.nrows()).map(|i| cosines.row(i).iter().copied().collect::<Vec<f64>>());
        let shown: Vec<Vec<f64>> = rows.filter(|it| Some(top(it)) != blank).collect();
        let sum: Vec<f64> = (0..cosines.ncols()).map(|c| shown.iter().map(|it| it[c]).sum()).collect();
        Some(*class) == if shown.is_empty() { blank } else { Some(top(&sum)) }
    });
    rights.right.entry(REFERENCE).or_default().extend(right);
    Ok(())
}
