//! `/api/v1/queue`: what people are asked, lent to one at a time; and what they say of still moments.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::labels::{self, SpeciesSaid};
use super::{blocking, limit, on_disk, task};
use crate::observe::store::{MomentAnswer, Question, QueueState, StoreError};
use crate::teach::label_file;
use crate::web::App;
use crate::web::refused::{Asked, Body, Named, Refused};
use crate::web::who::Who;

/// Questions that one person may borrow at once.
const MAX_LENT: usize = 50;

/// What somebody wants to be asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Window {
    task: Option<String>,
    n: Option<usize>,
}

/// Of which task.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Which {
    task: Option<String>,
}

/// What somebody says of a still moment.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Said {
    species: Vec<SpeciesSaid>,
    key: Option<String>,
}

/// Questions on loan, and how many there are.
#[derive(Debug, Serialize)]
struct Lent {
    questions: Vec<Question>,
    state: QueueState,
}

/// Lends them; those that are on loan to whoever asks come first.
pub(in crate::web) async fn lend(
    State(app): State<App>,
    who: Who,
    Asked(window): Asked<Window>,
) -> Result<Response, Response> {
    let n = limit(Some(window.n.unwrap_or(10)), MAX_LENT).map_err(|_| n_refused().into_response())?;
    let task = known(&app, window.task).map_err(IntoResponse::into_response)?;
    let (store, lease_secs) = (app.store.clone(), app.lease_secs);
    let lend = move || {
        let questions = store.lease(&task, &who.name, n, lease_secs)?;
        Ok(Lent { questions, state: store.queue_state(&task)? })
    };
    on_disk(&app, lend).await.map(|it| Json(it).into_response())
}

/// Whoever skips it never sees it again; others may.
pub(in crate::web) async fn skip(app: State<App>, who: Who, id: Named<Uuid>) -> Result<StatusCode, Response> {
    settle(app, id, move |app, id| app.store.skip(id, &who.name)).await
}

/// Gives it back unanswered, before its loan ends.
pub(in crate::web) async fn release(app: State<App>, who: Who, id: Named<Uuid>) -> Result<StatusCode, Response> {
    settle(app, id, move |app, id| app.store.release(id, &who.name)).await
}

/// Takes back the last answer or skip of whoever asks, and lends them that question again; `null` where there is none.
pub(in crate::web) async fn undo(
    State(app): State<App>,
    who: Who,
    Asked(which): Asked<Which>,
) -> Result<Response, Response> {
    let task = known(&app, which.task).map_err(IntoResponse::into_response)?;
    let store = app.store.clone();
    on_disk(&app, move || store.undo(&task, &who.name)).await.map(|it| Json(it).into_response())
}

pub(in crate::web) async fn answer_moment(
    State(app): State<App>,
    who: Who,
    Named(question): Named<Uuid>,
    Body(said): Body<Said>,
) -> Result<Response, Refused> {
    let species = labels::species(&app, label_file::SPECIES, said.species).await?;
    let answer = MomentAnswer { question, key: labels::key(said.key)?, labeller: who.name, species };
    let store = app.store.clone();
    let given = blocking(&app, move || store.answer_moment(&answer)).await?.map_err(labels::refused)?;
    Ok(labels::taken(given))
}

async fn settle(
    State(app): State<App>,
    Named(id): Named<Uuid>,
    settle: impl FnOnce(&App, Uuid) -> Result<bool, StoreError> + Send + 'static,
) -> Result<StatusCode, Response> {
    let own = app.clone();
    match on_disk(&app, move || settle(&own, id)).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refused::missing("no question of this identity is open to you").into_response()),
    }
}

fn known(app: &App, asked: Option<String>) -> Result<String, Refused> {
    let asked = asked.unwrap_or_else(|| label_file::SPECIES.into());
    task(app, &asked)?;
    Ok(asked)
}

fn n_refused() -> Refused {
    Refused::invalid(format!("n must be between 1 and {MAX_LENT}"))
}
