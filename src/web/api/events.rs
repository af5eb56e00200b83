//! `/api/v1/events`: what came by. Where a protected species was is told to those alone who label.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::{limit, on_disk};
use crate::observe::store::{Reader, StoreError, StoredEvent, Wanted};
use crate::web::App;
use crate::web::refused::{Asked, Named, Refused};
use crate::web::who::Who;

/// Events a page, at most.
const MAX_EVENTS: usize = 200;
/// What stands for the camera of an event of which the place is not told.
const HIDDEN: &str = "hidden";

/// A part of the list of events.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Window {
    limit: Option<usize>,
    before: Option<Uuid>,
    /// Those alone that people may be in, or those alone that they are not.
    people: Option<bool>,
    /// Those alone that are called so now.
    class: Option<String>,
    /// Those alone of this camera.
    camera: Option<String>,
}

pub(in crate::web) async fn events(State(app): State<App>, who: Who, Asked(window): Asked<Window>) -> Response {
    let limit = match limit(window.limit, MAX_EVENTS) {
        Ok(limit) => limit,
        Err(refused) => return refused.into_response(),
    };
    let mut wanted = Wanted { people: window.people, class: window.class, camera: window.camera, not_of: Vec::new() };
    if wanted.camera.is_some() && !who.sees_places() {
        // To ask by camera is to ask where.
        wanted.not_of.clone_from(&app.teach.protected);
    }
    let (store, hides) = (app.store.clone(), Hides::from(&app, &who));
    let read = move || {
        let mut events = store.found(&wanted, limit, window.before)?;
        hides.places(&store, &mut events)?;
        Ok(events)
    };
    on_disk(&app, read).await.map_or_else(|it| it, |it| Json(it).into_response())
}

pub(in crate::web) async fn event(State(app): State<App>, who: Who, Named(id): Named<Uuid>) -> Response {
    let (store, hides) = (app.store.clone(), Hides::from(&app, &who));
    let read = move || {
        let mut event: Vec<StoredEvent> = store.event(id)?.into_iter().collect();
        hides.places(&store, &mut event)?;
        Ok(event.pop())
    };
    match on_disk(&app, read).await {
        Ok(Some(event)) => Json(event).into_response(),
        Ok(None) => Refused::missing("no such event").into_response(),
        Err(response) => response,
    }
}

/// What of events is kept from somebody.
#[derive(Debug)]
pub(in crate::web) struct Hides {
    /// The classes of which the place is not told.
    protected: Vec<String>,
}

impl Hides {
    pub(in crate::web) fn from(app: &App, who: &Who) -> Hides {
        Hides { protected: if who.sees_places() { Vec::new() } else { app.teach.protected.clone() } }
    }

    /// Takes out where events of protected species were.
    pub(in crate::web) fn places(&self, store: &Reader, events: &mut [StoredEvent]) -> Result<(), StoreError> {
        if self.protected.is_empty() {
            return Ok(());
        }
        let ids: Vec<Uuid> = events.iter().map(|it| it.event.id).collect();
        let protected: HashSet<Uuid> = store.of_classes(&ids, &self.protected)?;
        for it in events.iter_mut().filter(|it| protected.contains(&it.event.id)) {
            it.event.camera = HIDDEN.into();
            it.deployment.clear();
            it.place.clear();
        }
        Ok(())
    }
}
