//! The live page: how the cameras are, and what came by. It works without scripts; a script renews it.

use askama::Template;
use axum::extract::State;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::App;
use super::api::on_disk;
use crate::capture::camera::Status;
use crate::domain::{EventState, ObservationType};
use crate::observe::store::StoredEvent;

/// Events on the page.
const N_EVENTS: usize = 24;

#[derive(Template)]
#[template(path = "live.html")]
struct Live {
    cameras: Vec<CameraCard>,
    events: Vec<EventCard>,
}

struct CameraCard {
    name: String,
    place: String,
    state: &'static str,
    detail: String,
    error: String,
    picture: Option<String>,
}

struct EventCard {
    what: Vec<What>,
    camera: String,
    time: String,
    iso: String,
    lasted: String,
    open: bool,
    infrared: bool,
    picture: Option<String>,
    alt: String,
}

struct What {
    name: String,
    scientific_name: String,
    detail: String,
    known: bool,
}

pub(super) async fn live(State(app): State<App>) -> Response {
    let store = app.store.clone();
    let events = match on_disk(move || store.latest_events(N_EVENTS, None)).await {
        Ok(events) => events,
        Err(response) => return response,
    };
    let cameras = app.cameras.iter().map(|it| camera_card(it, &events)).collect();
    let page = Live { cameras, events: events.iter().map(event_card).collect() };
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "the page could not be made");
            axum::http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("assets/style.css")).into_response()
}

pub(super) async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("assets/live.js")).into_response()
}

pub(super) async fn logo() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("assets/eyes.svg")).into_response()
}

fn camera_card(status: &Status, events: &[StoredEvent]) -> CameraCard {
    let size = status.size_px().map(|(w, h)| format!("{w} × {h} px, {:.0} frames a second", status.fps()));
    let latest = events.iter().find(|it| it.event.camera == *status.name());
    CameraCard {
        name: status.name().to_string(),
        place: status.place().into(),
        state: status.state().as_str(),
        detail: size.unwrap_or_else(|| "no frame yet".into()),
        error: status.last_error().unwrap_or_default(),
        picture: latest.and_then(|it| it.event.media.first()).map(|it| format!("/media/{it}")),
    }
}

fn event_card(stored: &StoredEvent) -> EventCard {
    let event = &stored.event;
    let what: Vec<What> = event
        .observations
        .iter()
        .map(|it| {
            let percent = format!("{:.0} %", 100.0 * it.probability);
            let known = it.kind != ObservationType::Unknown;
            let hint = it.hint.as_ref().map(|hint| format!("perhaps {}", hint.name));
            What {
                name: it.label(),
                scientific_name: it.class.as_ref().map(|it| it.scientific_name.to_string()).unwrap_or_default(),
                detail: if known { percent } else { hint.unwrap_or_default() },
                known,
            }
        })
        .collect();
    let time = local(event.start, &stored.time_zone);
    let names: Vec<&str> = what.iter().map(|it| it.name.as_str()).collect();
    EventCard {
        alt: format!("{}, {time}: {}", event.camera, names.join(", ")),
        camera: event.camera.to_string(),
        iso: event.start.to_string(),
        lasted: if event.duration_secs < 90.0 {
            format!("{:.0} s", event.duration_secs)
        } else {
            format!("{:.0} min", event.duration_secs / 60.0)
        },
        open: event.state == EventState::Open,
        infrared: event.modality == crate::domain::Modality::Infrared,
        picture: event.media.first().map(|it| format!("/media/{it}")),
        what,
        time,
    }
}

fn local(at: Timestamp, zone: &str) -> String {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    at.to_zoned_datetime(zone).strftime("%H:%M:%S").to_string()
}
