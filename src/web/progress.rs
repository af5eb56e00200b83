//! What the labels have bought: how many there are, how right each generation is, and which species need more.

use std::collections::BTreeMap;

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use jiff::{SignedDuration, Timestamp};

use super::App;
use super::api::on_disk;
use super::frame::{Frame, in_query, not_done, page};
use super::gains::LearningView;
use super::history::{Asked, Line, lines, zone};
use super::plot::{Bar, Point, bars, points, wilson};
use super::said;
use super::who::Who;
use crate::ask::estimate::Estimate;
use crate::ask::season::{Season, season};
use crate::observe::store::{ClassTally, PersonTally, Tally};
use crate::teach::generations::Generations;

/// The random checks of so long are put together: a quarter, in which neither animals nor cameras are others.
const SEASON: SignedDuration = SignedDuration::from_hours(90 * 24);
/// Species of the plot; what is rarer stands in the table of what is missing.
const MAX_BARS: usize = 30;
/// Generations of the plot, the latest.
const MAX_POINTS: usize = 30;
/// Challengers of which it is said why.
const N_CHALLENGERS: usize = 3;
/// Species that are said to need labels.
const MAX_WANTED: usize = 12;
/// From so many events on the judge looks at a species by itself.
const ENOUGH: u64 = 8;
/// Answers that are no species.
const NO_SPECIES: [&str; 5] = ["unknown", "unidentifiable", "blank", "human", "unclassified"];

#[derive(Template)]
#[template(path = "progress.html")]
struct ProgressPage {
    frame: Frame,
    task: String,
    tasks: Vec<String>,
    serving: String,
    held_out: Option<String>,
    learning: Option<LearningView>,
    estimates: Vec<String>,
    species: Option<String>,
    enough: u64,
    wanted: Vec<Wanted>,
    people: Vec<PersonTally>,
    challengers: Vec<Challenger>,
}

struct Wanted {
    name: String,
    query: String,
    labelled: u64,
    seen: u64,
    missing: u64,
}

struct Challenger {
    number: u32,
    word: String,
    why: String,
    failed: Vec<String>,
}

pub(super) async fn progress(State(app): State<App>, who: Who, Query(asked): Query<Asked>) -> Response {
    made(&app, &who, &asked.task).await.unwrap_or_else(|it| it)
}

async fn made(app: &App, who: &Who, task: &str) -> Result<Response, Response> {
    let task = said::task(app, task).map_err(|(status, why)| not_done(who, status, why, "/progress"))?;
    let generations = Generations::of(&app.state_dir, &task);
    let (store, of, zone) = (app.store.clone(), task.clone(), zone(app));
    let read = move || {
        let heads = generations.current().and_then(|current| Ok((current, lines(&generations, current, &zone)?)));
        let since = Timestamp::now().checked_sub(SEASON).unwrap_or(Timestamp::MIN);
        let learning = generations.learning();
        let season = season(&store, &of, since)?;
        Ok((store.labelled_so_far(&of)?, store.classes_seen(&of)?, heads, learning, season))
    };
    let (Tally { classes: labelled, people }, seen, heads, learning, season) = on_disk(app, read).await?;
    let (current, generations) = heads.unwrap_or_else(|error| {
        tracing::error!(%error, "web: the generations could not be read");
        (0, Vec::new())
    });
    let learning = learning.unwrap_or_else(|error| {
        tracing::error!(%error, "web: what more labels would bring could not be read");
        None
    });
    Ok(page(&ProgressPage {
        frame: Frame::new("Progress", who),
        tasks: app.teach.tasks.clone(),
        task,
        serving: if current == 0 { "the starter head serves".into() } else { format!("generation {current} serves") },
        held_out: held_out(&generations),
        learning: learning.map(|(number, it)| LearningView::of(number, &it)),
        estimates: estimates(&season),
        species: (!labelled.is_empty()).then(|| bars("Labelled events by species", &species(&labelled))),
        enough: ENOUGH,
        wanted: wanted(&labelled, &seen),
        people,
        challengers: challengers(&generations),
    }))
}

/// What the random checks say, in sentences.
fn estimates(season: &Season) -> Vec<String> {
    let percent = |it: f64| format!("{:.0}", 100.0 * it);
    let said = |it: &Estimate| {
        let answered = if it.answered == 1 { "1 answer".into() } else { format!("{} answers", it.answered) };
        let (value, low, high) = (percent(it.value), percent(it.low), percent(it.high));
        format!("about {value} % ({low} to {high} %, of {answered} to random checks of the last 90 days)")
    };
    let right = match &season.accuracy {
        Some(it) => format!("Of all events the heads named rightly {}.", said(it)),
        None => {
            "How many of all events the heads name rightly is not known yet: no random check of an event was answered \
                 in the last 90 days."
                .into()
        }
    };
    let overlooked = match &season.overlooked {
        Some(it) => format!("Of the kept events that they took for nothing something was in {}.", said(it)),
        None => {
            "How often they overlook something, in kept events that they take for nothing, is not known yet: no random \
                 check of such an event was answered in the last 90 days."
                .into()
        }
    };
    let missed = match &season.missed {
        Some(it) => format!("Of what came by the gate took for stillness {}.", said(it)),
        None => {
            "How much of what comes by the gate takes for stillness is not known yet: that needs answers to random \
                 checks of still moments and of events, and of one of them there was none in the last 90 days."
                .into()
        }
    };
    vec![right, overlooked, missed]
}

fn species(labelled: &[ClassTally]) -> Vec<Bar> {
    labelled.iter().take(MAX_BARS).map(|it| Bar { name: it.class.clone(), value: it.events }).collect()
}

fn held_out(generations: &[Line]) -> Option<String> {
    let scored: Vec<(&Line, _)> = generations.iter().filter_map(|it| Some((it, it.held_out?))).collect();
    let latest = &scored[scored.len().saturating_sub(MAX_POINTS)..];
    let point = |(it, score): &(&Line, crate::teach::generations::HeldOut)| Point {
        name: it.number.to_string(),
        value: score.accuracy,
        interval: wilson(score.accuracy, score.events),
        served: it.served,
    };
    let all: Vec<Point> = latest.iter().map(point).collect();
    (!all.is_empty()).then(|| points("Right answers by generation, on events that it was not fitted on", &all))
}

/// Species that are seen or labelled, and labelled less than a head can be judged by: the commonest of them first, as they
/// are what it is wrong about most often.
fn wanted(labelled: &[ClassTally], seen: &[(String, u64)]) -> Vec<Wanted> {
    let mut species: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    labelled.iter().for_each(|it| species.entry(&it.class).or_default().0 = it.events);
    seen.iter().for_each(|it| species.entry(&it.0).or_default().1 = it.1);
    let few = species.into_iter().filter(|(name, (n, _))| *n < ENOUGH && !NO_SPECIES.contains(name));
    let mut wanted: Vec<Wanted> = few
        .map(|(name, (labelled, seen))| Wanted {
            name: name.into(),
            query: in_query(name),
            labelled,
            seen,
            missing: ENOUGH - labelled,
        })
        .collect();
    wanted.sort_by(|a, b| b.seen.cmp(&a.seen).then(a.labelled.cmp(&b.labelled)).then(a.name.cmp(&b.name)));
    wanted.truncate(MAX_WANTED);
    wanted
}

fn challengers(generations: &[Line]) -> Vec<Challenger> {
    let taught = generations.iter().rev().filter(|it| it.number > 0).take(N_CHALLENGERS);
    let check = |it: &crate::teach::judge::Check| {
        format!("{}: {:+.3}, may be as bad as {:+.3}; the limit is {:+.3}", it.name, it.difference, it.bound, it.limit)
    };
    taught
        .map(|it| Challenger {
            number: it.number,
            word: it.word.clone(),
            why: it.why.clone(),
            failed: it.failed.iter().map(check).collect(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_seen_often_and_labelled_seldom_is_wanted_first() {
        let tally = |class: &str, events| ClassTally { class: class.into(), events, verified: 0 };
        let labelled = [tally("red fox", 30), tally("badger", 2), tally("hare", 3), tally("blank", 1)];
        let seen =
            [("red fox", 900), ("roe deer", 40), ("hare", 12), ("unknown", 99)].map(|it| (it.0.to_owned(), it.1));
        let wanted = wanted(&labelled, &seen);
        let names: Vec<(&str, u64)> = wanted.iter().map(|it| (&*it.name, it.missing)).collect();
        assert_eq!(names, [("roe deer", 8), ("hare", 5), ("badger", 6)]);
    }

    #[test]
    fn what_random_checks_say_is_said_with_its_interval_and_without_answers_that_there_are_none() {
        let accuracy = Some(Estimate { value: 0.914, low: 0.85, high: 0.96, answered: 70 });
        let said = estimates(&Season { accuracy, ..Season::default() });
        assert!(said[0].contains("about 91 % (85 to 96 %, of 70 answers"), "{said:?}");
        assert!(said.len() == 3 && said[1..].iter().all(|it| it.contains("not known yet")), "{said:?}");
        let overlooked = Some(Estimate { value: 0.02, low: 0.0, high: 0.07, answered: 50 });
        let said = estimates(&Season { overlooked, ..Season::default() });
        assert!(said[1].contains("took for nothing something was in about 2 % (0 to 7 %, of 50"), "{said:?}");
        assert!(estimates(&Season::default())[0].contains("no random check of an event was answered"));
    }
}
