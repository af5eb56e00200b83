//! The page on which a camera is set up: its picture with its masks, what its gate goes by, what other settings would have let through
//! lately, and who changed what. All of it is forms; a script draws masks, and renews what a trial says.

mod form;
mod shown;

use std::sync::Arc;

use askama::Template;
use axum::extract::{Form, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use super::App;
use super::api::setup::told;
use super::api::{blocking, on_disk};
use super::frame::{Frame, go, not_done, page};
use super::page::Moment;
use super::said::Fields;
use super::who::Who;
use crate::config::GateSettings;
use crate::domain::CameraName;
use crate::setup::error::SetupError;
use crate::setup::settings::{Current, Version};
use form::{Field, MaskLine, fields, mask_lines, wanted};
use shown::TrialView;

/// Hours that are tried where nobody says how many.
pub(super) const HOURS: f64 = 12.0;
/// Hours that can be asked for.
pub(super) const MAX_HOURS: f64 = 168.0;

#[derive(Template)]
#[template(path = "cameras.html")]
struct Cameras {
    frame: Frame,
    cameras: Vec<CameraLine>,
}

struct CameraLine {
    name: String,
    place: String,
    said: String,
}

#[derive(Template)]
#[template(path = "setup.html")]
struct SetupPage {
    frame: Frame,
    camera: String,
    place: String,
    /// When the picture was taken, ms; none: there is none to show.
    taken_ms: Option<i64>,
    hidden: bool,
    number: u32,
    masks: Vec<MaskLine>,
    fields: Vec<Field>,
    /// The form shows what was tried, and that does not hold.
    proposed: bool,
    tried: bool,
    keeps: bool,
    recorded: String,
    hours: String,
    trial: Option<TrialView>,
    versions: Vec<VersionLine>,
}

struct VersionLine {
    number: u32,
    when: Moment,
    who: String,
    what: String,
    tried: bool,
    holds: bool,
}

/// What is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    /// To show what is tried.
    #[serde(default)]
    trial: Option<String>,
}

/// Every camera, and what its gate goes by.
pub(super) async fn cameras(State(app): State<App>, who: Who) -> Response {
    let settings = Arc::clone(&app.settings);
    let all: Vec<(String, String)> =
        app.cameras.iter().map(|it| (it.name().to_string(), it.place().to_owned())).collect();
    let read = move || all.into_iter().map(|it| (settings.current(&it.0), it)).collect::<Vec<_>>();
    let Ok(read) = blocking(&app, read).await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let line = |(current, (name, place)): (Result<Current, SetupError>, (String, String))| {
        let said = match current {
            Ok(Current { number: 0, .. }) => "as configured".into(),
            Ok(Current { number, settings, .. }) => format!("version {number}, {}", masks_of(&settings)),
            Err(error) => error.to_string(),
        };
        CameraLine { name, place, said }
    };
    page(&Cameras { frame: Frame::new("Cameras", &who), cameras: read.into_iter().map(line).collect() })
}

fn masks_of(settings: &GateSettings) -> String {
    match settings.masks.len() {
        0 => "no mask".into(),
        1 => "1 mask".into(),
        n => format!("{n} masks"),
    }
}

pub(super) async fn setup(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    made(&app, &who, &name, asked.trial.is_some()).await.unwrap_or_else(|it| it)
}

async fn made(app: &App, who: &Who, name: &str, tried: bool) -> Result<Response, Response> {
    let camera = app.settings.camera(name).map_err(|it| failed(who, name, &it))?;
    let status = app.cameras.iter().find(|it| **it.name() == *camera);
    let (place, zone) = status.map_or(("", "UTC"), |it| (it.place(), it.time_zone()));
    let (settings, trials, of) = (Arc::clone(&app.settings), Arc::clone(&app.trials), Arc::clone(&camera));
    let read = move || -> Result<_, SetupError> {
        Ok((settings.current(&of)?, settings.history(&of)?, trials.holdings(&of)?))
    };
    let (current, history, held) = done(app, who, name, read).await?;
    let store = app.store.clone();
    let people = on_disk(app, move || store.cameras_with_people()).await?;
    let glance = app.glances.latest(&camera);
    let hidden = !who.sees_people() && (people.contains(&*camera) || app.glances.is_hidden(&camera));

    let last = app.trials.last(&camera);
    let trial = last.as_ref().filter(|_| tried);
    let wanted = trial.map_or(&current.settings, |it| &it.wanted);
    let trial = match trial {
        Some(it) => Some(shown::result(app, who, it, zone).await?),
        None => None,
    };
    let now = Timestamp::now();
    let recorded = held.map_or_else(String::new, |it| {
        let (from, mb) = (Moment::of(it.from, zone, now).short, it.bytes as f64 / 1e6);
        format!("recorded since {from}, {mb:.0} MB")
    });
    let hours = held.map_or(HOURS, |it| now.duration_since(it.from).as_secs_f64() / 3_600.0).clamp(0.1, HOURS);
    let line = |it: Version| VersionLine {
        number: it.number,
        when: Moment::of(it.overlay.changed_at, zone, now),
        what: match it.overlay.keys().join(", ") {
            keys if keys.is_empty() => "as configured".into(),
            keys => keys,
        },
        who: it.overlay.changed_by,
        tried: it.overlay.tried,
        holds: it.number == current.number,
    };
    Ok(page(&SetupPage {
        frame: Frame::new("Cameras", who),
        camera: camera.to_string(),
        place: place.into(),
        taken_ms: glance.filter(|_| !hidden).map(|it| it.at.as_millisecond()),
        hidden,
        number: current.number,
        masks: mask_lines(&wanted.masks),
        fields: fields(wanted, &current.configured),
        proposed: *wanted != current.settings,
        tried: app.trials.has_tried(&camera, &current.settings, wanted),
        keeps: app.trials.keeps(),
        recorded,
        hours: format!("{:.1}", (hours * 10.0).ceil() / 10.0),
        trial,
        versions: history.into_iter().map(line).collect(),
    }))
}

/// Begins a trial of what the form says.
pub(super) async fn try_it(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let fields = Fields(fields);
    let begun = async {
        let (camera, wanted) = understood(&app, &who, &name, &fields)?;
        let hours = fields.get("hours").parse::<f64>().ok().filter(|it| (0.0..=MAX_HOURS).contains(it));
        let hours = hours.ok_or_else(|| wrong(&who, &name, format!("hours: must be between 0 and {MAX_HOURS}")))?;
        begin(&app, camera, wanted, hours).await?.map_err(|it| failed(&who, &name, &it))
    };
    begun.await.map_or_else(|it: Response| it, |()| go(&format!("/cameras/{name}/setup?trial=last#trial")))
}

/// Begins a trial on the last hours.
pub(super) async fn begin(
    app: &App,
    camera: CameraName,
    wanted: GateSettings,
    hours: f64,
) -> Result<Result<(), SetupError>, Response> {
    let (settings, trials) = (Arc::clone(&app.settings), Arc::clone(&app.trials));
    let begin = move || {
        let span = SignedDuration::try_from_secs_f64(hours * 3_600.0).unwrap_or(SignedDuration::MAX);
        let from = Timestamp::now().checked_sub(span).unwrap_or(Timestamp::MIN);
        trials.begin(&camera, settings.current(&camera)?.settings, wanted, from).map(drop)
    };
    blocking(app, begin).await.map_err(IntoResponse::into_response)
}

/// Saves what the form says.
pub(super) async fn save(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let fields = Fields(fields);
    let saved = async {
        let (camera, wanted) = understood(&app, &who, &name, &fields)?;
        let number = version(&who, &name, fields.get("seen"))?;
        let (settings, trials, by) = (Arc::clone(&app.settings), Arc::clone(&app.trials), who.name.clone());
        let save = move || {
            let tried = trials.has_tried(&camera, &settings.current(&camera)?.settings, &wanted);
            settings.save(&camera, number, &wanted, (&by, tried))
        };
        done(&app, &who, &name, save).await
    };
    saved.await.map_or_else(|it: Response| it, |_| go(&format!("/cameras/{name}/setup")))
}

/// Goes back to an earlier version.
pub(super) async fn restore(
    State(app): State<App>,
    who: Who,
    Path(name): Path<String>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let fields = Fields(fields);
    let restored = async {
        let camera = app.settings.camera(&name).map_err(|it| failed(&who, &name, &it))?;
        let seen = version(&who, &name, fields.get("seen"))?;
        let number = version(&who, &name, fields.get("number"))?;
        let (settings, by) = (Arc::clone(&app.settings), who.name.clone());
        let restore = move || settings.restore(&camera, seen, number, &by);
        done(&app, &who, &name, restore).await
    };
    restored.await.map_or_else(|it: Response| it, |_| go(&format!("/cameras/{name}/setup")))
}

pub(super) async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("../assets/setup.js")).into_response()
}

/// Does what may block; what fails is answered for people.
async fn done<T: Send + 'static>(
    app: &App,
    who: &Who,
    name: &str,
    work: impl FnOnce() -> Result<T, SetupError> + Send + 'static,
) -> Result<T, Response> {
    let done = blocking(app, work).await.map_err(IntoResponse::into_response)?;
    done.map_err(|it| failed(who, name, &it))
}

#[expect(clippy::result_large_err, reason = "an answer, as handlers give it")]
fn understood(app: &App, who: &Who, name: &str, fields: &Fields) -> Result<(CameraName, GateSettings), Response> {
    let camera = app.settings.camera(name).map_err(|it| failed(who, name, &it))?;
    let wanted = wanted(fields).map_err(|it| wrong(who, name, it.join("; ")))?;
    Ok((camera, wanted))
}

#[expect(clippy::result_large_err, reason = "an answer, as handlers give it")]
fn version(who: &Who, name: &str, said: &str) -> Result<u32, Response> {
    said.parse().map_err(|_| wrong(who, name, format!("{said:?} is no version")))
}

fn wrong(who: &Who, name: &str, why: String) -> Response {
    not_done(who, StatusCode::UNPROCESSABLE_ENTITY, why, &format!("/cameras/{name}/setup"))
}

fn failed(who: &Who, name: &str, error: &SetupError) -> Response {
    let status = told(error);
    let back = match error {
        SetupError::NoCamera(_) => "/cameras".to_owned(),
        _ => format!("/cameras/{name}/setup"),
    };
    not_done(who, status, error.to_string(), &back)
}
