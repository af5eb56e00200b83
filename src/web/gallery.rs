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
use super::said::{self, Fields, NotTaken};
use super::who::Who;
use crate::observe::store::{Answer, Page, Standing, StoredEvent, together};

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
    tasks: Vec<String>,
    species: Vec<SpeciesLink>,
    chosen: String,
    events: Vec<Item>,
    nothing: &'static str,
    key: String,
    names: Vec<Offered>,
    here: String,
    /// The question that is answered together with the others; may be empty.
    question: String,
    /// What was just labelled together; may be empty.
    done: String,
    /// Its name, by which it is taken back; empty where nothing of it is left.
    done_key: String,
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
    task: String,
    #[serde(default)]
    species: String,
    like: Option<Uuid>,
    /// What one is asked about, and what stands beside it.
    question: Option<Uuid>,
    before: Option<Uuid>,
    /// The name of what was just labelled together.
    #[serde(default)]
    done: String,
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
    let task = question.as_ref().map_or(&asked.task, |it| &it.task);
    let task = said::task(app, task).map_err(|(status, why)| not_done(who, status, why, "/gallery"))?;
    let (named, names) = said::offered(app, &task).await?;
    let (store, of, here) = (app.store.clone(), task.clone(), who.clone());
    let hides = Hides::from(app, who);
    let featurizer = app.contracts.first.identity();
    let Asked { species, like, question: asked_about, before, done, .. } = asked;
    let (wanted, done_key, name) = (species.clone(), done.clone(), who.name.clone());
    let (seen, chosen, items, older, said) = on_disk(app, move || {
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
        key: together(),
        here: match (asked_about, like, before) {
            (Some(it), _, _) => format!("/gallery?question={it}"),
            (None, Some(it), _) => format!("/gallery?task={}&like={it}", in_query(&task)),
            (None, None, Some(it)) => format!("{of_species}&before={it}"),
            (None, None, None) => of_species.clone(),
        },
        question: asked_about.map(|it| it.to_string()).unwrap_or_default(),
        done: match &said {
            Some((class, n)) => format!("{n} labelled as {class}."),
            None if done.is_empty() => String::new(),
            None => "That is taken back.".into(),
        },
        done_key: said.map(|_| done).unwrap_or_default(),
        review: asked_about.map(|_| format!("/review?task={}", in_query(&task))).unwrap_or_default(),
        older: older.map(|it| format!("{of_species}&before={it}")).unwrap_or_default(),
        species: seen.into_iter().map(link).collect(),
        tasks: app.teach.tasks.clone(),
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
    match taken_down(&app, &who, &fields, &events).await {
        Ok(Ok(())) if back.starts_with("/gallery?") => go(&format!("{back}&done={}", in_query(fields.get("key")))),
        Ok(Ok(())) => go(&back),
        Ok(Err((status, why))) => not_done(&who, status, format!("{why} Nothing was labelled."), &back),
        Err(response) => response,
    }
}

/// All of them or none, so that what is said to whoever chose them is true of each.
async fn taken_down(
    app: &App,
    who: &Who,
    fields: &Fields,
    events: &[String],
) -> Result<Result<(), NotTaken>, Response> {
    let task = match said::task(app, fields.get("task")) {
        Ok(it) => it,
        Err(why) => return Ok(Err(why)),
    };
    let (_, offered) = said::offered(app, &task).await?;
    let parsed = (|| {
        let events: Result<Vec<Uuid>, String> =
            events.iter().map(|it| Uuid::try_parse(it).map_err(|_| "event: that is no identity".to_owned())).collect();
        Ok((fields.species(&task, &offered)?, fields.key()?, fields.id("question")?, events?))
    })();
    let (species, key, question, events) = match parsed.map_err(said::invalid) {
        Ok(it) => it,
        Err(why) => return Ok(Err(why)),
    };
    let (store, labeller) = (app.store.clone(), who.name.clone());
    on_disk(app, move || {
        let question = question.map(|it| store.question(it)).transpose()?.flatten().filter(|it| it.task == task);
        let answer = |event: Uuid| {
            let end = event.simple().to_string().split_off(20);
            Answer {
                event,
                frame: None,
                task: task.clone(),
                labeller: labeller.clone(),
                species: species.clone(),
                verified: false,
                // Each its own key: sent twice, each counts once.
                key: key.as_ref().map(|it| format!("{it}-{end}")),
                // What was asked is answered; of the others nobody has asked.
                question: question.as_ref().filter(|it| it.event == Some(event)).map(|it| it.id),
            }
        };
        let answers: Vec<Answer> = events.into_iter().map(answer).collect();
        said::not_taken(store.answer_all(&answers).map(drop))
    })
    .await
}

/// Takes back what was labelled together.
pub(super) async fn take_back(State(app): State<App>, who: Who, Form(fields): Form<Vec<(String, String)>>) -> Response {
    let fields = Fields(fields);
    let (back, key) = (fields.get("back").to_owned(), fields.get("key").to_owned());
    let (store, name, of) = (app.store.clone(), who.name.clone(), key.clone());
    match on_disk(&app, move || store.take_back_together(&of, &name)).await {
        Ok(_) if back.starts_with("/gallery?") => go(&format!("{back}&done={}", in_query(&key))),
        Ok(_) => go(&back),
        Err(response) => response,
    }
}
