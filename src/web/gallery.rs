//! The gallery: events of a species, or that look like one, side by side; many can be labelled at once, each with an answer
//! of its own.

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::http::StatusCode;
use axum::response::Response;
use jiff::Timestamp;
use serde::Deserialize;
use uuid::Uuid;

use super::App;
use super::api::events::Hides;
use super::api::on_disk;
use super::frame::{Frame, go, in_query, not_done, page};
use super::names::Offered;
use super::page::{EventCard, event_card};
use super::review::is_hidden;
use super::said::{self, Fields};
use super::who::Who;
use crate::observe::store::{Page, Standing, StoredEvent};

/// Events of a page.
const N_EVENTS: usize = 24;
/// Events that are labelled at once, at most.
const MAX_CHOSEN: usize = 100;

#[derive(Template)]
#[template(path = "gallery.html")]
struct Gallery {
    frame: Frame,
    heading: String,
    task: String,
    species: Vec<SpeciesLink>,
    chosen: String,
    events: Vec<Item>,
    nothing: &'static str,
    key: String,
    names: Vec<Offered>,
    here: String,
    /// Where the questions go on, for whoever came from one; may be empty.
    review: String,
    older: String,
}

struct SpeciesLink {
    name: String,
    query: String,
    events: u64,
}

struct Item {
    event: EventCard,
    said: String,
}

/// What is asked for.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    #[serde(default)]
    species: String,
    like: Option<Uuid>,
    /// What one is asked about, and what stands beside it.
    question: Option<Uuid>,
    before: Option<Uuid>,
}

pub(super) async fn gallery(State(app): State<App>, who: Who, Query(asked): Query<Asked>) -> Response {
    made(&app, &who, asked).await.unwrap_or_else(|it| it)
}

async fn made(app: &App, who: &Who, asked: Asked) -> Result<Response, Response> {
    let question = match asked.question {
        Some(id) => {
            let store = app.store.clone();
            on_disk(app, move || store.question(id)).await?
        }
        None => None,
    };
    let first = || app.teach.tasks.first().cloned().unwrap_or_default();
    let task = question.as_ref().map_or_else(first, |it| it.task.clone());
    let (named, names) = said::offered(app, &task).await?;
    let (store, of, here) = (app.store.clone(), task.clone(), who.clone());
    let hides = Hides::from(app, who);
    let featurizer = app.contracts.first.identity();
    let Asked { species, like, question: asked_about, before } = asked;
    let wanted = species.clone();
    let (seen, chosen, items, older) = on_disk(app, move || {
        let seen = store.classes_seen(&of)?;
        let (mut older, mut chosen) = (None, wanted);
        let mut events: Vec<StoredEvent> = if let Some(id) = asked_about {
            chosen.clear();
            let about = question.and_then(|it| it.event).into_iter().chain(store.beside(id)?);
            about.filter_map(|it| store.event(it).transpose()).collect::<Result<_, _>>()?
        } else if let Some(like) = like {
            let near = store.alike(like, &featurizer, N_EVENTS - 1)?;
            chosen.clear();
            store.event(like)?.into_iter().chain(near.into_iter().map(|it| it.event)).collect()
        } else {
            if chosen.is_empty() {
                chosen = seen.first().map(|it| it.0.clone()).unwrap_or_default();
            }
            let Page { events, before } = store.events_called(&of, &chosen, before, N_EVENTS)?;
            older = before;
            events
        };
        hides.places(&store, &mut events)?;
        let now = Timestamp::now();
        let mut items = Vec::new();
        for stored in &events {
            let recorded = store.recorded(None, Some(stored.event.id))?;
            let holds = recorded.iter().filter(|it| it.task == of && it.standing == Standing::Holds);
            items.push(Item {
                event: event_card(stored, is_hidden(&store, &here, stored), now),
                said: holds.map(|it| it.classes.as_str()).collect::<Vec<_>>().join(", "),
            });
        }
        let said = if done_key.is_empty() { None } else { store.said_together(&done_key, &name)? };
        Ok((seen, chosen, items, older, said))
    })
    .await?;
    let of_species = format!("/gallery?task={}&species={}", in_query(&task), in_query(&chosen));
    // What people alone call so is to be found, too.
    let mut seen = seen;
    let only_said = named.into_iter().filter(|it| it.is_said && seen.iter().all(|seen| seen.0 != it.class));
    let only_said: Vec<(String, u64)> = only_said.map(|it| (it.class, 0)).collect();
    seen.extend(only_said);
    let link = |(name, events): (String, u64)| SpeciesLink { query: in_query(&name), name, events };
    Ok(page(&Gallery {
        frame: Frame::new("Gallery", who),
        heading: if like.or(asked_about).is_some() { "What looks like it".into() } else { "Gallery".into() },
        nothing: if asked_about.is_some() {
            "There is no such question any more."
        } else if like.is_some() {
            "Nothing to compare it with: there is no such event, or no vector of it."
        } else if chosen.is_empty() {
            "Nothing has come by yet."
        } else {
            "None of these among the latest events."
        },
        key: Uuid::now_v7().simple().to_string(),
        here: match (asked_about, like) {
            (Some(it), _) => format!("/gallery?question={it}"),
            (None, Some(it)) => format!("/gallery?like={it}"),
            (None, None) => of_species.clone(),
        },
        review: asked_about.map(|_| format!("/review?task={}", in_query(&task))).unwrap_or_default(),
        older: older.map(|it| format!("{of_species}&before={it}")).unwrap_or_default(),
        species: seen.into_iter().map(link).collect(),
        task,
        chosen,
        events: items,
        names,
    }))
}

/// Takes down the same of every chosen event.
pub(super) async fn label(State(app): State<App>, who: Who, Form(fields): Form<Vec<(String, String)>>) -> Response {
    let fields = Fields(fields);
    let back = fields.get("back").to_owned();
    let events: Vec<String> = fields.all("event").map(str::to_owned).collect();
    let refused = |said: &str| not_done(&who, StatusCode::UNPROCESSABLE_ENTITY, said, &back);
    if events.is_empty() {
        return refused("No event was chosen.");
    }
    if events.len() > MAX_CHOSEN {
        return refused(&format!("{} events were chosen: at most {MAX_CHOSEN} are labelled at once.", events.len()));
    }
    let key = fields.get("key").to_owned();
    for event in events {
        // Each its own key: sent twice, each counts once.
        let end = event.get(event.len().saturating_sub(12)..).unwrap_or_default();
        let key = if key.is_empty() { String::new() } else { format!("{key}-{end}") };
        let own = ["task", "species", "new_name"].into_iter().map(|it| (it, fields.get(it)));
        let own = own.filter(|it| !it.1.is_empty()).map(|it| (it.0.to_owned(), it.1.to_owned()));
        let own = own.chain([("event".to_owned(), event), ("key".to_owned(), key)]);
        match said::take_down(&app, &who, &Fields(own.collect())).await {
            Ok(Ok(_)) => {}
            Ok(Err((status, why))) => return not_done(&who, status, why, &back),
            Err(response) => return response,
        }
    }
    go(&back)
}
