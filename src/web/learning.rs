//! What becomes of answers, told on the review page while one answers: how many are new, that a head is trained on them, which
//! generation is live, and what it has named since.

use askama::Template;
use axum::extract::{Query, State};
use axum::response::Response;
use serde::Deserialize;

use super::App;
use super::api::on_disk;
use super::frame::{Frame, not_done, page};
use super::said;
use super::who::Who;
use crate::observe::store::{StoreError, StoredEvent};
use crate::teach::generations::Generations;
use crate::teach::judge::Decision;

/// Events that are looked through for what the head has named …
const LATEST: usize = 48;
/// … and names that are said.
const MAX_NAMED: usize = 6;

#[derive(Template)]
#[template(path = "review-learning.html")]
struct Line {
    frame: Frame,
    learning: Learning,
}

/// How learning goes.
pub(super) struct Learning {
    pub(super) task: String,
    pub(super) state: String,
    pub(super) named: String,
    pub(super) training: bool,
    pub(super) generation: u32,
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    task: String,
}

/// For the script, which asks every now and then.
pub(super) async fn learning(State(app): State<App>, who: Who, Query(asked): Query<Asked>) -> Response {
    let task = match said::task(&app, &asked.task) {
        Ok(it) => it,
        Err((status, why)) => return not_done(&who, status, why, "/review"),
    };
    of(&app, &task)
        .await
        .map_or_else(|response| response, |learning| page(&Line { frame: Frame::new("Review", &who), learning }))
}

/// How it goes with a task.
pub(super) async fn of(app: &App, task: &str) -> Result<Learning, Response> {
    let (own, task) = (app.clone(), task.to_owned());
    on_disk(app, move || read(&own, task)).await
}

fn read(app: &App, task: String) -> Result<Learning, StoreError> {
    let teaching = &app.metrics.teaching;
    let waiting = u64::try_from(teaching.waiting.with_label_values(&[&task]).get()).unwrap_or_default();
    let training = teaching.running.with_label_values(&[&task]).get() > 0;
    let heads = app.heads.load();
    // What answers now, not what is pointed to.
    let generation = heads.iter().map(|it| it.generation()).find(|it| *it.task == *task).map_or(0, |it| it.number);
    let generations = Generations::of(&app.state_dir, &task);
    let taught_by = generations.manifest(generation).map_or(0, |it| it.events.len());
    let newest = generations.numbers().ok().and_then(|it| it.last().copied()).filter(|it| *it > generation);
    let is_refused = |it: &u32| generations.manifest(*it).is_ok_and(|it| it.verdict.decision == Decision::Refused);
    let refused = newest.filter(is_refused);
    let answered = app.store.queue_state(&task)?.answered_today;
    let mut said = Vec::new();
    if training {
        said.push(format!("{}: training on them.", counted(answered, "answer today", "answers today")));
    } else if waiting > 0 {
        let min = app.teach.min_new_labels;
        said.push(match min {
            0 => format!("{} waiting.", counted(waiting, "new answer is", "new answers are")),
            _ if waiting < min => format!("{waiting} of the {min} new answers that a training waits for."),
            _ => format!("{}: training begins.", counted(waiting, "new answer", "new answers")),
        });
    }
    if let Some(number) = refused.filter(|_| !training) {
        said.push(format!("Generation {number} did not prove better and does not serve."));
    }
    let (mut named, mut n) = (String::new(), 0);
    if generation == 0 {
        said.push("Nobody has taught the head that serves.".into());
    } else {
        said.push(format!(
            "Generation {generation} is live, taught by {}.",
            counted(taught_by as u64, "event", "events")
        ));
        let since = app.store.latest_events(LATEST, None)?;
        let names: Vec<String> = since.iter().filter_map(|it| name(it, &task, generation)).collect();
        n = names.len();
        named = names[..n.min(MAX_NAMED)].join(", ");
    }
    let named = match n {
        0 => String::new(),
        n if n > MAX_NAMED => format!("Named since, the latest first: {named} …"),
        _ => format!("Named since, the latest first: {named}."),
    };
    Ok(Learning { task, state: said.join(" "), named, training, generation })
}

/// What a generation said of an event as it happened, if it was that one.
fn name(stored: &StoredEvent, task: &str, number: u32) -> Option<String> {
    let observations = if stored.first.is_empty() { &stored.event.observations } else { &stored.first };
    let own: Vec<String> = observations
        .iter()
        .filter(|it| &*it.generation.task == task && it.generation.number == number)
        .map(|it| it.shown())
        .collect();
    (!own.is_empty()).then(|| own.join(" and "))
}

/// `1 event`, `2 events`.
fn counted(n: u64, one: &str, many: &str) -> String {
    if n == 1 { format!("1 {one}") } else { format!("{n} {many}") }
}
