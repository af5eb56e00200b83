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
use crate::observe::store::StoreError;

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
}

pub(super) async fn cameras(State(app): State<App>) -> Response {
    Json(app.cameras.iter().map(|it| CameraView::of(it)).collect::<Vec<_>>()).into_response()
}

/// What a camera shows now.
pub(super) async fn picture(State(app): State<App>, Path(name): Path<String>) -> Response {
    match app.glances.latest(&name) {
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
    on_disk(&app, move || store.latest_events(limit, window.before))
        .await
        .map_or_else(|it| it, |it| Json(it).into_response())
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
    let read = move || Ok::<_, StoreError>(store.media_path(id)?.and_then(|it| std::fs::read(it).ok()));
    match on_disk(&app, read).await {
        Ok(Some(jpeg)) => {
            let headers =
                [(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "private, max-age=31536000, immutable")];
            (headers, jpeg).into_response()
        }
        Ok(None) => (StatusCode::NOT_FOUND, "no such picture\n").into_response(),
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
