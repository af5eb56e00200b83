//! `/api/v1/cameras`: how they are.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::Serialize;

use crate::capture::camera::Status;
use crate::metrics::CameraState;
use crate::web::App;

/// A camera, as programs see it.
#[derive(Debug, Serialize)]
struct CameraView {
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

/// All of them: as many as the config names.
pub(in crate::web) async fn cameras(State(app): State<App>) -> Response {
    Json(app.cameras.iter().map(|it| CameraView::of(it)).collect::<Vec<_>>()).into_response()
}
