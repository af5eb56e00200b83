//! `/api/v1`: cameras and events as JSON, and pictures by their identity alone.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::App;
use crate::capture::camera::Status;
use crate::metrics::CameraState;
use crate::observe::store::{Shown, StoreError};

/// Events a page, at most.
const MAX_EVENTS: usize = 200;

/// A camera, as programs see it.
#[derive(Debug, Serialize)]
pub(super) struct CameraView {
    name: String,
    place: String,
    state: CameraState,
    since: Timestamp,
    last_frame_at: Option<Timestamp>,
    width_px: Option<u32>,
    height_px: Option<u32>,
    fps: f64,
    last_error: Option<String>,
}

impl CameraView {
    fn of(status: &Status) -> CameraView {
        CameraView {
            name: status.name().to_string(),
            place: status.place().into(),
            state: status.state(),
            since: status.since(),
            last_frame_at: status.last_frame_at(),
            width_px: status.size_px().map(|it| it.0),
            height_px: status.size_px().map(|it| it.1),
            fps: status.fps(),
            last_error: status.last_error(),
        }
    }
}

/// A part of the list of events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Window {
    limit: Option<usize>,
    before: Option<Uuid>,
    /// Those alone that people may be in, or those alone that they are not.
    people: Option<bool>,
}

pub(super) async fn cameras(State(app): State<App>) -> Response {
    Json(app.cameras.iter().map(|it| CameraView::of(it)).collect::<Vec<_>>()).into_response()
}

/// What a camera shows now.
pub(super) async fn picture(State(app): State<App>, Path(name): Path<String>) -> Response {
    let store = app.store.clone();
    let hidden = match on_disk(&app, move || store.cameras_with_people()).await {
        Ok(cameras) => cameras.contains(&name) || app.glances.is_hidden(&name),
        Err(response) => return response,
    };
    match app.glances.latest(&name) {
        _ if hidden => people_hidden(),
        Some(it) => ([(header::CONTENT_TYPE, "image/jpeg")], it.jpeg.to_vec()).into_response(),
        None => (StatusCode::NOT_FOUND, "no picture of such a camera\n").into_response(),
    }
}

pub(super) async fn events(State(app): State<App>, Query(window): Query<Window>) -> Response {
    let limit = window.limit.unwrap_or(50);
    if !(1..=MAX_EVENTS).contains(&limit) {
        return (StatusCode::BAD_REQUEST, format!("limit must be between 1 and {MAX_EVENTS}\n")).into_response();
    }
    let store = app.store.clone();
    let read = move || match window.people {
        None => store.latest_events(limit, window.before),
        Some(true) => store.latest_people(limit, window.before),
        Some(false) => store.latest_without_people(limit, window.before),
    };
    on_disk(&app, read).await.map_or_else(|it| it, |it| Json(it).into_response())
}

/// Nobody sees pictures with people over HTTP: there is no login that would tell one from another.
fn people_hidden() -> Response {
    let error = "people may be in this picture, and the config hides those: `people.pictures` says so, and a label of the \
                 event that says what else it is shows it again";
    (StatusCode::FORBIDDEN, Json(Refused { reason: "people", error })).into_response()
}

/// Why something is not shown.
#[derive(Debug, Serialize)]
struct Refused {
    /// A word for programs.
    reason: &'static str,
    /// A sentence for people.
    error: &'static str,
}

pub(super) async fn event(State(app): State<App>, Path(id): Path<Uuid>) -> Response {
    let store = app.store.clone();
    match on_disk(&app, move || store.event(id)).await {
        Ok(Some(event)) => Json(event).into_response(),
        Ok(None) => (StatusCode::NOT_FOUND, "no such event\n").into_response(),
        Err(response) => response,
    }
}

/// A picture; what is asked for is an identity, never a path.
pub(super) async fn media(State(app): State<App>, Path(id): Path<Uuid>) -> Response {
    let store = app.store.clone();
    // A file that is gone was deleted since, to make room.
    let read = move || match store.shown(id)? {
        Shown::At(path) => Ok(Some(std::fs::read(path).ok())),
        Shown::Hidden => Ok(None),
        Shown::Missing => Ok(Some(None)),
    };
    match on_disk(&app, read).await {
        Ok(Some(Some(jpeg))) => {
            // What may be hidden later must not stay with whoever has seen it.
            let caching = if app.store.hides_people() { "no-store" } else { "private, max-age=31536000, immutable" };
            ([(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, caching)], jpeg).into_response()
        }
        Ok(None) => people_hidden(),
        Ok(Some(None)) => (StatusCode::NOT_FOUND, "no such picture\n").into_response(),
        Err(response) => response,
    }
}

/// Reads where it may block, when it is its turn; an error is logged in full and told in general.
pub(super) async fn on_disk<T: Send + 'static>(
    app: &App,
    read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Response> {
    let refused = |error: String| {
        tracing::error!(error, "web: the store could not be read");
        (StatusCode::INTERNAL_SERVER_ERROR, "the store could not be read\n").into_response()
    };
    let turn = Arc::clone(&app.reads).acquire_owned().await;
    let read = move || {
        // Held until the disk answers, however long ago whoever asked gave up.
        let _turn = turn;
        read()
    };
    match tokio::task::spawn_blocking(read).await {
        Ok(Ok(it)) => Ok(it),
        Ok(Err(error)) => Err(refused(error.to_string())),
        Err(error) => Err(refused(error.to_string())),
    }
}
