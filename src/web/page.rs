//! The live page: how the cameras are, and what came by. It works without scripts; a script renews it in place.

use std::collections::HashSet;

use askama::Template;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::App;
use super::api::events::Hides;
use super::api::on_disk;
use super::frame::{Frame, page};
use super::who::Who;
use crate::capture::camera::Status;
use crate::domain::{EventState, Modality, Observation, ObservationType};
use crate::metrics::CameraState;
use crate::observe::glance::Glance;
use crate::observe::store::StoredEvent;

/// Events on the page.
const N_EVENTS: usize = 24;

#[derive(Template)]
#[template(path = "live.html")]
struct Live {
    frame: Frame,
    n_playing: usize,
    cameras: Vec<CameraCard>,
    events: Vec<EventCard>,
}

struct CameraCard {
    name: String,
    place: String,
    /// For the style sheet.
    state: &'static str,
    said: &'static str,
    detail: String,
    error: String,
    picture: Option<CameraPicture>,
    /// There is none because of people.
    hidden: bool,
}

struct CameraPicture {
    taken_ms: i64,
    alt: String,
}

pub(super) struct EventCard {
    pub(super) id: String,
    pub(super) what: Vec<What>,
    pub(super) further: Vec<Further>,
    /// What was said as it happened, where a later head says something else; else empty.
    pub(super) first: String,
    pub(super) camera: String,
    pub(super) time: Moment,
    pub(super) lasted: String,
    pub(super) open: bool,
    pub(super) infrared: bool,
    pub(super) people: bool,
    pub(super) picture: Option<String>,
    pub(super) alt: String,
}

pub(super) struct What {
    pub(super) name: String,
    pub(super) scientific_name: String,
    pub(super) detail: String,
    pub(super) known: bool,
}

/// What another task's head says.
pub(super) struct Further {
    pub(super) task: String,
    pub(super) what: Vec<What>,
}

/// A time as the place of the camera has it.
pub(super) struct Moment {
    pub(super) short: String,
    /// The time of day alone.
    pub(super) clock: String,
    pub(super) full: String,
    pub(super) iso: String,
}

pub(super) async fn live(State(app): State<App>, who: Who) -> Response {
    let (store, hides) = (app.store.clone(), Hides::from(&app, &who));
    let read = move || {
        let mut events = store.latest_events(N_EVENTS, None)?;
        hides.places(&store, &mut events)?;
        Ok((events, store.cameras_with_people()?))
    };
    let (events, hidden) = match on_disk(&app, read).await {
        Ok(read) => read,
        Err(response) => return response,
    };
    let now = Timestamp::now();
    page(&Live {
        frame: Frame::new("Live", &who),
        n_playing: app.cameras.iter().filter(|it| it.state() == CameraState::Playing).count(),
        cameras: app.cameras.iter().map(|it| camera(&app, it, &hidden, &who, now)).collect(),
        events: events.iter().map(|it| event_card(it, app.store.hides_people() && !who.sees_people(), now)).collect(),
    })
}

pub(super) async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("assets/style.css")).into_response()
}

pub(super) async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("assets/live.js")).into_response()
}

pub(super) async fn answers_script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("assets/answers.js")).into_response()
}

pub(super) async fn review_script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], include_str!("assets/review.js")).into_response()
}

pub(super) async fn logo() -> Response {
    ([(header::CONTENT_TYPE, "image/svg+xml")], include_str!("assets/eyes.svg")).into_response()
}

/// `hidden`: the cameras at which an event with people goes on.
fn camera(app: &App, status: &Status, hidden: &HashSet<String>, who: &Who, now: Timestamp) -> CameraCard {
    let name = status.name();
    // Asked in any case: that somebody looks sets the pace.
    let glance = app.glances.latest(name);
    let hidden = !who.sees_people() && (hidden.contains(&**name) || app.glances.is_hidden(name));
    camera_card(status, glance.filter(|_| !hidden), hidden, now)
}

fn camera_card(status: &Status, glance: Option<Glance>, hidden: bool, now: Timestamp) -> CameraCard {
    let (state, zone) = (status.state(), status.time_zone());
    let detail = match (state, status.size_px(), status.last_frame_at()) {
        (CameraState::Playing, Some((width, height)), _) => {
            format!("{width} × {height} px, {:.0} frames/s", status.fps())
        }
        (CameraState::Disabled, _, _) => String::new(),
        (_, _, Some(at)) => format!("last frame {}", Moment::of(at, zone, now).short),
        _ => "no frame yet".into(),
    };
    CameraCard {
        name: status.name().to_string(),
        place: status.place().into(),
        state: state.as_str(),
        said: said(state),
        detail,
        error: status.last_error().unwrap_or_default(),
        hidden,
        picture: glance.map(|it| CameraPicture {
            taken_ms: it.at.as_millisecond(),
            alt: format!("What {} showed at {}", status.name(), Moment::of(it.at, zone, now).short),
        }),
    }
}

fn said(state: CameraState) -> &'static str {
    match state {
        CameraState::Playing => "live",
        CameraState::Disabled => "switched off",
        other => other.as_str(),
    }
}

pub(super) fn event_card(stored: &StoredEvent, hides_people: bool, now: Timestamp) -> EventCard {
    let event = &stored.event;
    let mut tasks = event.by_task();
    let what: Vec<What> = tasks.next().unwrap_or_default().iter().map(self::what).collect();
    let further =
        tasks.map(|it| Further { task: it[0].generation.task.to_string(), what: it.iter().map(self::what).collect() });
    let further = further.collect();
    let time = Moment::of(event.start, &stored.time_zone, now);
    let names: Vec<&str> = what.iter().map(|it| it.name.as_str()).collect();
    EventCard {
        id: event.id.to_string(),
        alt: format!("{} at {}, {}", names.join(", "), event.camera, time.short),
        camera: event.camera.to_string(),
        // No line breaks before a unit.
        lasted: if event.duration_secs < 90.0 {
            format!("{:.0}\u{a0}s", event.duration_secs)
        } else {
            format!("{:.0}\u{a0}min", event.duration_secs / 60.0)
        },
        open: event.state == EventState::Open,
        infrared: event.modality == Modality::Infrared,
        people: event.people,
        picture: event.media.first().filter(|_| !(event.people && hides_people)).map(|it| format!("/media/{it}")),
        first: first_said(stored),
        what,
        further,
        time,
    }
}

fn first_said(stored: &StoredEvent) -> String {
    let names = |all: &[Observation]| all.iter().map(Observation::label).collect::<Vec<_>>().join(", ");
    let first = names(&stored.first);
    let of_these = |it: &Observation| stored.first.iter().any(|first| first.generation.task == it.generation.task);
    let now: Vec<Observation> = stored.event.observations.iter().filter(|it| of_these(it)).cloned().collect();
    if first == names(&now) { String::new() } else { first }
}

fn what(it: &Observation) -> What {
    let known = it.kind != ObservationType::Unknown;
    let hint = it.hint.as_ref().map(|hint| format!("perhaps {}", hint.name));
    What {
        name: it.shown(),
        // A taxon has one name alone.
        scientific_name: it
            .class
            .iter()
            .filter(|_| it.rank.is_none())
            .map(|it| it.scientific_name.to_string())
            .collect(),
        detail: if known { format!("{:.0} %", 100.0 * it.probability) } else { hint.unwrap_or_default() },
        known,
    }
}

impl Moment {
    pub(super) fn of(at: Timestamp, zone: &str, now: Timestamp) -> Moment {
        let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
        let (local, today) = (at.to_zoned_datetime(zone.clone()), now.to_zoned_datetime(zone).date());
        let format = match local.date() {
            day if day == today => "%H:%M:%S %Z",
            day if day.year() == today.year() => "%-d %b, %H:%M %Z",
            _ => "%-d %b %Y, %H:%M %Z",
        };
        Moment {
            short: local.strftime(format).to_string(),
            clock: local.strftime("%H:%M:%S").to_string(),
            full: local.strftime("%A, %-d %B %Y, %H:%M:%S %Z (%:z)").to_string(),
            iso: at.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_time_is_that_of_the_place_and_has_its_day_where_that_is_not_today() {
        let now = "2026-11-24T23:30:00Z".parse().unwrap();
        let short = |at: &str, zone| Moment::of(at.parse().unwrap(), zone, now).short;
        assert_eq!(short("2026-11-24T23:10:05Z", "Europe/Zurich"), "00:10:05 CET");
        assert_eq!(short("2026-11-24T22:10:05Z", "Europe/Zurich"), "24 Nov, 23:10 CET");
        assert_eq!(short("2026-07-01T10:00:00Z", "Europe/Zurich"), "1 Jul, 12:00 CEST");
        assert_eq!(short("2025-07-01T10:00:00Z", "UTC"), "1 Jul 2025, 10:00 UTC");
        let full = Moment::of("2026-11-24T22:10:05Z".parse().unwrap(), "Europe/Zurich", now).full;
        assert_eq!(full, "Tuesday, 24 November 2026, 23:10:05 CET (+01:00)");
    }
}
