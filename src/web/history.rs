//! The generations of a task: what became of each, and which of them serves.

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::tz::TimeZone;
use serde::Deserialize;

use super::App;
use super::api::on_disk;
use super::frame::{Frame, go, in_query, not_done, page};
use super::plot::wilson;
use super::said::{self, Fields};
use super::who::Who;
use crate::teach::generations::{GenerationError, Generations, HeldOut};
use crate::teach::judge::Check;

#[derive(Template)]
#[template(path = "history.html")]
struct History {
    frame: Frame,
    task: String,
    tasks: Vec<String>,
    current: u32,
    before: u32,
    generations: Vec<Line>,
}

/// A generation, for people.
pub(super) struct Line {
    pub(super) number: u32,
    pub(super) fitted: String,
    pub(super) events: String,
    pub(super) score: String,
    pub(super) word: String,
    pub(super) why: String,
    pub(super) held_out: Option<HeldOut>,
    /// Whether it ever went live.
    pub(super) served: bool,
    pub(super) usable: bool,
    pub(super) failed: Vec<Check>,
}

/// What is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    pub(super) task: String,
}

pub(super) async fn history(State(app): State<App>, who: Who, Query(asked): Query<Asked>) -> Response {
    made(&app, &who, &asked.task).await.unwrap_or_else(|it| it)
}

async fn made(app: &App, who: &Who, task: &str) -> Result<Response, Response> {
    let task = said::task(app, task).map_err(|(status, why)| not_done(who, status, why, "/history"))?;
    let generations = Generations::of(&app.state_dir, &task);
    let zone = zone(app);
    let read = move || -> Result<_, GenerationError> {
        let current = generations.current()?;
        Ok((current, generations.before(current)?, lines(&generations, current, &zone)?))
    };
    let (current, before, mut generations) = told(who, on_disk(app, move || Ok(read())).await?)?;
    generations.reverse();
    let (frame, tasks) = (Frame::new("History", who), app.teach.tasks.clone());
    Ok(page(&History { frame, task, tasks, current, before, generations }))
}

#[expect(clippy::result_large_err, reason = "an answer, as handlers give it")]
fn told<T>(who: &Who, done: Result<T, GenerationError>) -> Result<T, Response> {
    done.map_err(|error| {
        if !matches!(error, GenerationError::Stale { .. }) {
            tracing::error!(%error, "web: the generations could not be read or changed");
        }
        not_done(who, StatusCode::CONFLICT, error.to_string(), "/history")
    })
}

/// Makes a generation serve.
pub(super) async fn promote(State(app): State<App>, who: Who, Form(fields): Form<Vec<(String, String)>>) -> Response {
    let fields = Fields(fields);
    let Ok(number) = fields.get("number").parse::<u32>() else {
        let why = format!("number: {:?} is no generation", fields.get("number"));
        return not_done(&who, StatusCode::UNPROCESSABLE_ENTITY, why, "/history");
    };
    changed(&app, &who, &fields, move |it| it.promote(number)).await
}

/// Makes the one serve that did before the one that the page was about, if that serves still.
pub(super) async fn roll_back(State(app): State<App>, who: Who, Form(fields): Form<Vec<(String, String)>>) -> Response {
    let fields = Fields(fields);
    let Ok(from @ 1..) = fields.get("from").parse::<u32>() else {
        let why = format!("from: {:?} is no generation that was fitted here", fields.get("from"));
        return not_done(&who, StatusCode::UNPROCESSABLE_ENTITY, why, "/history");
    };
    changed(&app, &who, &fields, move |it| it.roll_back_from(from).map(drop)).await
}

async fn changed(
    app: &App,
    who: &Who,
    fields: &Fields,
    change: impl FnOnce(&Generations) -> Result<(), GenerationError> + Send + 'static,
) -> Response {
    let done = async {
        let task = said::task(app, fields.get("task"));
        let task = task.map_err(|(status, why)| not_done(who, status, why, "/history"))?;
        let generations = Generations::of(&app.state_dir, &task);
        let changed = on_disk(app, move || Ok(change(&generations))).await?;
        told(who, changed)?;
        tracing::info!(task, by = who.name, "a person chose which generation serves");
        Ok(go(&format!("/history?task={}", in_query(&task))))
    };
    done.await.unwrap_or_else(|it: Response| it)
}

/// The time zone of the first camera, as days begin there too; UTC where there is none.
pub(super) fn zone(app: &App) -> TimeZone {
    app.cameras.first().map_or(TimeZone::UTC, |it| TimeZone::get(it.time_zone()).unwrap_or(TimeZone::UTC))
}

/// Every generation in the order of its number, the starter first.
pub(super) fn lines(generations: &Generations, current: u32, zone: &TimeZone) -> Result<Vec<Line>, GenerationError> {
    let shadow = generations.shadow()?;
    let starter = Line {
        number: 0,
        fitted: String::new(),
        events: String::new(),
        score: String::new(),
        word: "starter".into(),
        why: "what the network itself says, before anybody has taught it".into(),
        held_out: None,
        served: true,
        usable: true,
        failed: Vec::new(),
    };
    let numbers = generations.numbers()?;
    Ok(std::iter::once(starter)
        .chain(numbers.into_iter().map(|it| line(generations, it, (current, shadow), zone)))
        .collect())
}

fn line(generations: &Generations, number: u32, (current, shadow): (u32, Option<u32>), zone: &TimeZone) -> Line {
    let it = match generations.manifest(number) {
        Ok(it) => it,
        Err(error) => {
            let (fitted, events, score) = (String::new(), String::new(), String::new());
            let (word, why) = ("damaged".into(), error.to_string());
            let (held_out, failed) = (None, Vec::new());
            return Line { number, fitted, events, score, word, why, held_out, served: false, usable: false, failed };
        }
    };
    let rolled_back = generations.rolled_back(number).ok().flatten();
    let shadowed = generations.shadowed(number).ok().flatten();
    let tally = generations.tally().filter(|it| Some(number) == shadow && it.generation == number);
    let promoted = it.verdict.is_promoted() || shadowed.as_ref().is_some_and(|it| it.promoted) || number == current;
    let (word, why, checks) = match (rolled_back, shadowed, tally) {
        (Some(it), _, _) => ("rolled back".into(), it.reason, it.checks),
        (None, Some(it), _) => {
            let word = if it.promoted { "promoted" } else { "refused" };
            (word.to_owned(), format!("as a shadow: {}", it.reason), it.checks)
        }
        (None, None, Some(of)) => {
            let why = format!("{} live events so far, {} called the same", of.events, of.agreed);
            ("shadow".into(), why, Vec::new())
        }
        _ => (format!("{:?}", it.verdict.decision).to_lowercase(), it.verdict.reason, it.verdict.checks),
    };
    Line {
        number,
        fitted: it.created.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M %Z").to_string(),
        events: it.events.len().to_string(),
        score: it.held_out.as_ref().map(score).unwrap_or_default(),
        word,
        why,
        held_out: it.held_out,
        served: promoted,
        usable: true,
        failed: checks.into_iter().filter(|it| !it.passed).collect(),
    }
}

fn score(it: &HeldOut) -> String {
    let (low, high) = wilson(it.accuracy, it.events);
    let percent = |it: f64| 100.0 * it;
    format!("{:.0} % ({:.0} to {:.0} %), n {}", percent(it.accuracy), percent(low), percent(high), it.events)
}
