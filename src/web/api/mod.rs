//! `/api/v1`: cameras, events, pictures, labels, questions and generations as JSON. `openapi.json` describes it all, and tests
//! hold it against the routes and against a running daemon.

pub(super) mod cameras;
pub(super) mod events;
pub(super) mod generations;
pub(super) mod labels;
pub(super) mod media;
pub(super) mod queue;
pub(super) mod setup;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::App;
use super::refused::Refused;
use crate::observe::store::StoreError;

/// Where a list names no length.
const USUAL: usize = 50;

/// What there is, for programs.
pub(super) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], include_str!("openapi.json")).into_response()
}

/// How many of a list.
fn limit(asked: Option<usize>, most: usize) -> Result<usize, Refused> {
    let limit = asked.unwrap_or(USUAL.min(most));
    let fits = (1..=most).contains(&limit);
    if fits { Ok(limit) } else { Err(Refused::invalid(format!("limit must be between 1 and {most}"))) }
}

/// A task that the config names.
fn task(app: &App, task: &str) -> Result<(), Refused> {
    let tasks = &app.teach.tasks;
    let known = tasks.iter().any(|it| it == task);
    let error = || format!("task: {task:?} is none of teach.tasks: {}", tasks.join(", "));
    if known { Ok(()) } else { Err(Refused::invalid(error())) }
}

/// Reads where it may block, when it is its turn; an error is logged in full and told in general.
pub(super) async fn on_disk<T: Send + 'static>(
    app: &App,
    read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Response> {
    let failed = |error: StoreError| not_stored(&error);
    match blocking(app, read).await {
        Ok(it) => it.map_err(|it| failed(it).into_response()),
        Err(refused) => Err(refused.into_response()),
    }
}

/// Does what may block, when it is its turn.
pub(super) async fn blocking<T: Send + 'static>(
    app: &App,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refused> {
    let turn = Arc::clone(&app.reads).acquire_owned().await;
    let work = move || {
        // Held until the disk answers, however long ago whoever asked gave up.
        let _turn = turn;
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(|error| {
        tracing::error!(%error, "web: an answer could not be made");
        Refused::broken("the store could not be read")
    })
}

/// The store cannot do it: logged in full, and told in general.
fn not_stored(error: &StoreError) -> Refused {
    tracing::error!(%error, "web: the store could not be read or written");
    match error {
        StoreError::Busy { .. } => Refused::later("busy", "the store is busy: nothing was changed; try again"),
        StoreError::DiskFull { .. } | StoreError::NoRoom { .. } => {
            Refused::later("disk_full", "the disk is full: nothing was changed")
        }
        _ => Refused::broken("the store could not be read or written; the daemon's log says why"),
    }
}
