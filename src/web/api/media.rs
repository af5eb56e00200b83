//! Pictures, by their identity alone: never by a path.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use super::events::Hides;
use super::on_disk;
use crate::observe::store::Shown;
use crate::web::App;
use crate::web::refused::{Named, Refused};
use crate::web::who::{Role, Who};

/// What a camera shows now.
pub(in crate::web) async fn picture(State(app): State<App>, who: Who, Named(name): Named<String>) -> Response {
    let store = app.store.clone();
    let hidden = match on_disk(&app, move || store.cameras_with_people()).await {
        Ok(cameras) => cameras.contains(&name) || app.glances.is_hidden(&name),
        Err(response) => return response,
    };
    match app.glances.latest(&name) {
        _ if hidden && !who.sees_people() => people_hidden().into_response(),
        Some(it) => ([(header::CONTENT_TYPE, "image/jpeg")], it.jpeg.to_vec()).into_response(),
        None => Refused::missing("no picture of such a camera").into_response(),
    }
}

/// A picture of an event, or of a still moment.
pub(in crate::web) async fn media(State(app): State<App>, who: Who, Named(id): Named<Uuid>) -> Response {
    let (store, hides) = (app.store.clone(), Hides::from(&app, &who));
    let read = move || {
        if hides.picture(&store, id)? {
            return Ok(Err(place_hidden()));
        }
        let shown = match store.shown_to(id, who.sees_people())? {
            // Nobody has looked yet whether people are in a still moment: whoever labels is asked just that.
            Shown::Hidden if who.may(Role::Label) && store.moment(id)?.is_some_and(|it| it.people_said.is_none()) => {
                store.shown_to(id, true)?
            }
            // As is whoever labels of an event about which a question is open.
            Shown::Hidden if who.may(Role::Label) && store.is_asked_about(id)? => store.shown_to(id, true)?,
            shown => shown,
        };
        // A file that is gone was deleted since, to make room.
        Ok(match shown {
            Shown::At(path) => Ok(std::fs::read(path).ok()),
            Shown::Hidden => Err(people_hidden()),
            Shown::Missing => Ok(None),
        })
    };
    match on_disk(&app, read).await {
        Ok(Ok(Some(jpeg))) => {
            // What may be hidden later, or from others, must not stay with whoever has seen it.
            let caching = if app.store.hides_people() || !app.teach.protected.is_empty() {
                "no-store"
            } else {
                "private, max-age=31536000, immutable"
            };
            ([(header::CONTENT_TYPE, "image/jpeg"), (header::CACHE_CONTROL, caching)], jpeg).into_response()
        }
        Ok(Err(refused)) => refused.into_response(),
        Ok(Ok(None)) => Refused::missing("no such picture").into_response(),
        Err(response) => response,
    }
}

/// Who is not known to label sees no pictures with people: on an open loopback nobody does, but of what is asked about.
fn people_hidden() -> Refused {
    let error = "people may be in this picture, and the config hides those from all who have not logged in to label: \
                 `people.pictures` says so, and a label of the event that says what else it is shows it again";
    Refused::forbidden("people", error)
}

/// Whoever may only look is not told where a protected species may have been, and a whole picture tells it.
fn place_hidden() -> Refused {
    let error = "this picture shows where a species was that may be protected: whoever may label sees it, and others what was cut \
                 out of it";
    Refused::forbidden("place", error)
}
