//! `/api/v1/generations`: the heads of a task, and which of them serves; as `eyeshine heads` has it.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{blocking, limit, task};
use crate::teach::generations::{GenerationError, Generations};
use crate::teach::label_file;
use crate::web::App;
use crate::web::refused::{Asked, Named, Refused};
use crate::web::who::Who;

/// Generations a page, at most.
const MAX_GENERATIONS: usize = 200;

/// A part of the list of generations.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Window {
    task: Option<String>,
    limit: Option<usize>,
    before: Option<u32>,
}

/// Which one is to be rolled back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Rollback {
    /// The one that whoever asks believes to serve; none: whichever does.
    from: Option<u32>,
}

/// Which serves now.
#[derive(Debug, Serialize)]
struct Serving {
    task: String,
    serving: u32,
}

/// The newest first; the starter head, number 0, is the last.
pub(in crate::web) async fn list(State(app): State<App>, Asked(window): Asked<Window>) -> Result<Response, Refused> {
    let limit = limit(window.limit, MAX_GENERATIONS)?;
    let generations = of(&app, window.task.as_deref().unwrap_or(label_file::SPECIES))?;
    let mut all = blocking(&app, move || generations.listed()).await?.map_err(refused)?;
    all.retain(|it| window.before.is_none_or(|before| it.number < before));
    all.reverse();
    all.truncate(limit);
    Ok(Json(all).into_response())
}

/// Of the events that it was fitted on their number alone: there may be ten thousand.
pub(in crate::web) async fn show(
    State(app): State<App>,
    Named((task, number)): Named<(String, u32)>,
) -> Result<Response, Refused> {
    let generations = of(&app, &task)?;
    let mut shown = blocking(&app, move || generations.shown(number)).await?.map_err(refused)?;
    if let Some(events) = shown.get_mut("events") {
        *events = Value::from(events.as_array().map_or(0, Vec::len));
    }
    Ok(Json(shown).into_response())
}

pub(in crate::web) async fn promote(
    State(app): State<App>,
    who: Who,
    Named((task, number)): Named<(String, u32)>,
) -> Result<Response, Refused> {
    let generations = of(&app, &task)?;
    blocking(&app, move || generations.promote(number)).await?.map_err(refused)?;
    Ok(serves(&who, task, number))
}

pub(in crate::web) async fn roll_back(
    State(app): State<App>,
    who: Who,
    Named(task): Named<String>,
    Asked(Rollback { from }): Asked<Rollback>,
) -> Result<Response, Refused> {
    let generations = of(&app, &task)?;
    let back = move || match (generations.current()?, from) {
        (0, None | Some(0)) => Ok(None),
        (_, Some(from)) => generations.roll_back_from(from).map(Some),
        (_, None) => generations.roll_back().map(Some),
    };
    match blocking(&app, back).await?.map_err(refused)? {
        Some(number) => Ok(serves(&who, task, number)),
        None => Err(Refused::conflict("the starter head serves: there is nothing before it")),
    }
}

fn of(app: &App, task: &str) -> Result<Generations, Refused> {
    // A task that the config names is no path: it is of letters and digits.
    self::task(app, task)?;
    Ok(Generations::of(&app.state_dir, task))
}

/// A running daemon takes it within seconds.
fn serves(who: &Who, task: String, serving: u32) -> Response {
    tracing::info!(who = who.name, task, generation = serving, "somebody made a generation serve");
    Json(Serving { task, serving }).into_response()
}

fn refused(error: GenerationError) -> Refused {
    match error {
        GenerationError::Missing { .. } => Refused::missing(error.to_string()),
        GenerationError::Foreign { .. }
        | GenerationError::Serving { .. }
        | GenerationError::Overtaken { .. }
        | GenerationError::Stale { .. }
        | GenerationError::Busy { .. } => Refused::conflict(error.to_string()),
        GenerationError::Io { .. } | GenerationError::Damaged { .. } | GenerationError::Unfit { .. } => {
            tracing::error!(%error, "web: the generations could not be read or written");
            Refused::broken("the generation is damaged, or cannot be read or written; the daemon's log says why")
        }
    }
}
