//! `/api/v1/cameras/{name}/…`: what a camera's gate goes by, trials of other settings, and the tape that they are tried on.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{blocking, on_disk};
use crate::capture::tape::shelf::AROUND;
use crate::config::GateSettings;
use crate::config::overlay::understand;
use crate::domain::CameraName;
use crate::observe::store::StoredEvent;
use crate::setup::error::SetupError;
use crate::setup::trial::{Outcome, Trial};
use crate::web::App;
use crate::web::refused::{Body, Named, Refused};
use crate::web::setup::{HOURS, MAX_HOURS, begin};
use crate::web::who::Who;

/// What holds of a camera.
#[derive(Debug, Serialize)]
struct SettingsView {
    number: u32,
    settings: GateSettings,
    configured: GateSettings,
    recorded: Option<Recorded>,
    history: Vec<VersionView>,
}

/// What there is to try settings on.
#[derive(Debug, Serialize)]
struct Recorded {
    from: Timestamp,
    to: Timestamp,
    bytes: u64,
}

/// A version that was saved.
#[derive(Debug, Serialize)]
struct VersionView {
    number: u32,
    changed_at: Timestamp,
    changed_by: String,
    tried: bool,
    changes: Vec<String>,
}

/// Settings that are to hold.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Wanted {
    settings: Value,
    /// The version that whoever wants it has seen.
    seen: u32,
}

/// An earlier version that is to hold again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Back {
    seen: u32,
}

/// Settings that are to be tried.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Tried {
    settings: Value,
    hours: Option<f64>,
}

/// What was saved.
#[derive(Debug, Serialize)]
struct Saved {
    number: u32,
    tried: bool,
}

/// How a trial goes.
#[derive(Debug, Serialize)]
struct TrialView<'a> {
    id: Uuid,
    from: Timestamp,
    done: f64,
    settings: &'a GateSettings,
    outcome: Option<&'a Outcome>,
}

pub(in crate::web) async fn settings(State(app): State<App>, Named(name): Named<String>) -> Result<Response, Refused> {
    let (settings, trials) = (Arc::clone(&app.settings), Arc::clone(&app.trials));
    let read = move || -> Result<SettingsView, SetupError> {
        let camera = settings.camera(&name)?;
        let current = settings.current(&camera)?;
        let held = trials.holdings(&camera)?;
        let history = settings.history(&camera)?.into_iter().map(|it| VersionView {
            number: it.number,
            changes: it.overlay.keys(),
            changed_at: it.overlay.changed_at,
            changed_by: it.overlay.changed_by,
            tried: it.overlay.tried,
        });
        Ok(SettingsView {
            number: current.number,
            settings: current.settings,
            configured: current.configured,
            recorded: held.map(|it| Recorded { from: it.from, to: it.to, bytes: it.bytes }),
            history: history.collect(),
        })
    };
    Ok(Json(blocking(&app, read).await?.map_err(refused)?).into_response())
}

pub(in crate::web) async fn save(
    State(app): State<App>,
    who: Who,
    Named(name): Named<String>,
    Body(wanted): Body<Wanted>,
) -> Result<Response, Refused> {
    let settings = understand(wanted.settings).map_err(|it| Refused::invalid(it.join("; ")))?;
    saved(&app, move |app| {
        let camera = app.settings.camera(&name)?;
        let tried = app.trials.has_tried(&camera, &app.settings.current(&camera)?.settings, &settings);
        let number = app.settings.save(&camera, wanted.seen, &settings, (&who.name, tried))?;
        Ok(Saved { number, tried })
    })
    .await
}

pub(in crate::web) async fn restore(
    State(app): State<App>,
    who: Who,
    Named((name, number)): Named<(String, u32)>,
    Body(back): Body<Back>,
) -> Result<Response, Refused> {
    saved(&app, move |app| {
        let camera = app.settings.camera(&name)?;
        let number = app.settings.restore(&camera, back.seen, number, &who.name)?;
        Ok(Saved { number, tried: false })
    })
    .await
}

async fn saved(
    app: &App,
    save: impl FnOnce(App) -> Result<Saved, SetupError> + Send + 'static,
) -> Result<Response, Refused> {
    let with = app.clone();
    let saved = blocking(app, move || save(with)).await?.map_err(refused)?;
    Ok((StatusCode::CREATED, Json(saved)).into_response())
}

/// The last trial of a camera.
pub(in crate::web) async fn trial(State(app): State<App>, Named(name): Named<String>) -> Result<Response, Refused> {
    let camera = app.settings.camera(&name).map_err(refused)?;
    let trial = app.trials.last(&camera).ok_or_else(|| Refused::missing("nothing was tried of this camera yet"))?;
    Ok(view(&trial))
}

pub(in crate::web) async fn try_it(
    State(app): State<App>,
    Named(name): Named<String>,
    Body(tried): Body<Tried>,
) -> Result<Response, Response> {
    let invalid = |it: String| Refused::invalid(it).into_response();
    let settings = understand(tried.settings).map_err(|it| invalid(it.join("; ")))?;
    let hours = tried.hours.unwrap_or(HOURS);
    if !(0.0..=MAX_HOURS).contains(&hours) {
        return Err(invalid(format!("hours must be between 0 and {MAX_HOURS}")));
    }
    let camera = app.settings.camera(&name).map_err(|it| refused(it).into_response())?;
    begin(&app, Arc::clone(&camera), settings, hours).await?.map_err(|it| refused(it).into_response())?;
    let trial = app.trials.last(&camera).ok_or_else(|| Refused::broken("the trial is gone").into_response())?;
    Ok((StatusCode::ACCEPTED, view(&trial)).into_response())
}

fn view(trial: &Trial) -> Response {
    let outcome = trial.outcome();
    Json(TrialView { id: trial.id, from: trial.from, done: trial.done(), settings: &trial.wanted, outcome })
        .into_response()
}

/// A picture of the tape, where no event that people may be in was about.
pub(in crate::web) async fn picture(
    State(app): State<App>,
    who: Who,
    Named((name, at_ms)): Named<(String, i64)>,
) -> Result<Response, Response> {
    let camera: CameraName = app.settings.camera(&name).map_err(|it| refused(it).into_response())?;
    let at = Timestamp::from_millisecond(at_ms);
    let at = at.map_err(|_| Refused::invalid("that is no time").into_response())?;
    if app.store.hides_people() && !who.sees_people() {
        let (store, of) = (app.store.clone(), Arc::clone(&camera));
        let (from, to) = (at.checked_sub(AROUND).unwrap_or(at), at.checked_add(AROUND).unwrap_or(at));
        let events = on_disk(&app, move || store.events_between(&of, from, to, usize::MAX)).await?;
        if events.iter().any(|it| it.event.people) {
            let error =
                "people may be in this picture, and the config hides those from all who have not logged in to label";
            return Err(Refused::forbidden("people", error).into_response());
        }
    }
    let trials = Arc::clone(&app.trials);
    let read = blocking(&app, move || trials.picture(&camera, at_ms)).await.map_err(IntoResponse::into_response)?;
    match read.map_err(|it| refused(it).into_response())? {
        // What is erased, or hidden later, must not stay with whoever has seen it.
        Some(jpeg) => {
            Ok(([(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, "no-store")], jpeg).into_response())
        }
        None => Err(Refused::missing("nothing was recorded then, or no longer is kept").into_response()),
    }
}

/// Whether an event was going on about that time.
pub(in crate::web) fn around(event: &StoredEvent, at: Timestamp) -> bool {
    event.event.start.duration_since(at) <= AROUND && at.duration_since(event.event.end) <= AROUND
}

/// How it is answered; our own faults are logged.
pub(in crate::web) fn told(error: &SetupError) -> StatusCode {
    match error {
        SetupError::NoCamera(_) | SetupError::NoVersion { .. } => StatusCode::NOT_FOUND,
        SetupError::Wrong(_) => StatusCode::UNPROCESSABLE_ENTITY,
        SetupError::Overtaken { .. } | SetupError::Busy(_) | SetupError::NoTape(_) => StatusCode::CONFLICT,
        SetupError::Damaged { .. } | SetupError::Io { .. } => {
            tracing::error!(%error, "web: a camera's settings could not be read or written");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

fn refused(error: SetupError) -> Refused {
    match told(&error) {
        StatusCode::NOT_FOUND => Refused::missing(error.to_string()),
        StatusCode::CONFLICT => Refused::conflict(error.to_string()),
        StatusCode::UNPROCESSABLE_ENTITY => Refused::invalid(error.to_string()),
        _ => Refused::broken("the settings could not be read or written; the daemon's log says why"),
    }
}
