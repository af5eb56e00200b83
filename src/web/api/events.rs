//! `/api/v1/events`: what came by. Where a protected species was, or may have been, is told to those alone who label.

use std::collections::HashSet;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use uuid::Uuid;

use super::{limit, on_disk};
use crate::domain::{Class, Rank};
use crate::infer::taxonomy::Taxonomy;
use crate::observe::store::{KeptFrame, Reader, StoreError, StoredEvent, Wanted};
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
    let (store, hides) = (app.store.clone(), Hides::from(&app, &who));
    let mut wanted = Wanted { people: window.people, class: window.class, camera: window.camera, not_of: Vec::new() };
    if wanted.camera.is_some() {
        // To ask by camera is to ask where.
        wanted.not_of.clone_from(&hides.classes);
    }
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
    /// What events are called of which the place is not told: the protected classes, and the taxa above them, which a head says
    /// where it does not know which of several it is.
    classes: Vec<String>,
}

impl Hides {
    pub(in crate::web) fn from(app: &App, who: &Who) -> Hides {
        let protected = &app.teach.protected;
        Hides { classes: if who.sees_places() { Vec::new() } else { with_taxa(protected, &app.contracts.taxonomy) } }
    }

    /// Takes out where events were that may be of protected species, and the pictures that show it.
    pub(in crate::web) fn places(&self, store: &Reader, events: &mut [StoredEvent]) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = events.iter().map(|it| it.event.id).collect();
        let hidden = self.hidden(store, &ids)?;
        for it in events.iter_mut().filter(|it| hidden.contains(&it.event.id)) {
            let crops: Vec<Uuid> = crops(store, it.event.id)?.iter().filter_map(|it| it.crop).collect();
            it.event.camera = HIDDEN.into();
            it.event.media.retain(|it| crops.contains(it));
            it.deployment.clear();
            it.place.clear();
            it.time_zone.clear();
        }
        Ok(())
    }

    /// The frames of an event; of one of which the place is not told what was cut out of them.
    pub(in crate::web) fn frames(&self, store: &Reader, event: Uuid) -> Result<Vec<KeptFrame>, StoreError> {
        let is_hidden = self.hidden(store, &[event])?.contains(&event);
        if is_hidden { crops(store, event) } else { store.frames(event) }
    }

    /// Whether a picture shows where an event was of which that is not told: what lies behind the animal, or the name that a camera
    /// writes into it.
    pub(in crate::web) fn picture(&self, store: &Reader, media: Uuid) -> Result<bool, StoreError> {
        if self.classes.is_empty() {
            return Ok(false);
        }
        let event = store.event_of_whole(media)?;
        event.map_or(Ok(false), |it| Ok(self.hidden(store, &[it])?.contains(&it)))
    }

    fn hidden(&self, store: &Reader, events: &[Uuid]) -> Result<HashSet<Uuid>, StoreError> {
        if self.classes.is_empty() { Ok(HashSet::new()) } else { store.of_classes(events, &self.classes) }
    }
}

/// The frames of which a crop is kept, without the rest of them.
fn crops(store: &Reader, event: Uuid) -> Result<Vec<KeptFrame>, StoreError> {
    let mut frames = store.frames(event)?;
    frames.retain(|it| it.crop.is_some());
    frames.iter_mut().for_each(|it| it.whole = None);
    Ok(frames)
}

/// Classes, and the taxa above each.
fn with_taxa(classes: &[String], taxonomy: &Taxonomy) -> Vec<String> {
    let taxa = |it: &String| {
        let lineage = taxonomy.lineage(&Class { name: it.as_str().into(), scientific_name: "".into() });
        Rank::ALL.map(|rank| lineage.at(rank).map(ToString::to_string)).into_iter().flatten()
    };
    classes.iter().cloned().chain(classes.iter().flat_map(taxa)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_puma_is_a_cat_too() {
        let taxonomy = Taxonomy::new(&[], &[]);
        let all = with_taxa(&["mountain lion".into(), "nessie".into()], &taxonomy);
        assert_eq!(all, ["mountain lion", "nessie", "Puma", "Felidae", "Carnivora"]);
        assert!(with_taxa(&[], &taxonomy).is_empty());
    }
}
