//! One event: its frames, what the heads say, what people said, and a form to say otherwise.

use std::sync::Arc;

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
use super::names::{Choice, choices};
use super::page::{EventCard, Moment, event_card};
use super::refused::Named;
use super::review::{AnswerFields, FrameLink, Shown, frame_links, is_hidden, shown};
use super::said::{self, Fields};
use super::who::{Role, Who};
use crate::domain::Observation;
use crate::observe::store::{Recorded, Standing};

#[derive(Template)]
#[template(path = "event.html")]
struct EventPage {
    frame: Frame,
    names: String,
    task: String,
    tasks: Vec<String>,
    event: EventCard,
    looks: u32,
    picture: Option<Shown>,
    nothing: &'static str,
    frames: Vec<FrameLink>,
    observations: Vec<Line>,
    said: Vec<SaidLine>,
    classes: Vec<Choice>,
    action: String,
    answer: AnswerFields,
}

struct Line {
    task: String,
    name: String,
    scientific_name: String,
    hint: String,
    percent: String,
    generation: u32,
    /// It was said as it happened, and something else holds.
    first: bool,
}

struct SaidLine {
    classes: String,
    about: String,
    holds: bool,
    /// Identity of the latest that one said oneself and that stands: it can be taken back. Else empty.
    own: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    media: Option<Uuid>,
    /// Of which task something is to be said.
    #[serde(default)]
    task: String,
}

pub(super) async fn event(
    State(app): State<App>,
    who: Who,
    Named(id): Named<Uuid>,
    Query(asked): Query<Asked>,
) -> Response {
    made(&app, &who, id, asked).await.unwrap_or_else(|it| it)
}

async fn made(app: &App, who: &Who, id: Uuid, asked: Asked) -> Result<Response, Response> {
    let task = said::task(app, &asked.task).map_err(|(status, why)| not_done(who, status, why, "/"))?;
    let (store, hides) = (app.store.clone(), Hides::from(app, who));
    let read = move || {
        let mut stored: Vec<_> = store.event(id)?.into_iter().collect();
        hides.places(&store, &mut stored)?;
        match stored.pop() {
            None => Ok(None),
            Some(stored) => Ok(Some((stored, hides.frames(&store, id)?, store.recorded(None, Some(id))?))),
        }
    };
    let Some((stored, frames, recorded)) = on_disk(app, read).await? else {
        return Err(not_done(who, StatusCode::NOT_FOUND, "There is no such event.", "/"));
    };
    let (named, offered) = said::offered(app, &task).await?;
    let (now, hidden) = (Timestamp::now(), is_hidden(&app.store, who, &stored));
    let card = event_card(&stored, hidden, now);
    let frames = if hidden { Vec::new() } else { frames };
    let shown = shown(&frames, asked.media.or(stored.event.media.first().copied()));
    let holding = stored.event.observations.iter().map(|it| line(it, false));
    let own = recorded.iter().rev().find(|it| it.labeller == who.name && it.standing != Standing::Withdrawn);
    let own = own.map(|it| it.id).filter(|_| who.may(Role::Label));
    let names: Vec<&str> = card.what.iter().map(|it| it.name.as_str()).collect();
    let names = names.join(", ");
    Ok(page(&EventPage {
        frame: Frame::new("", who),
        looks: stored.event.looks,
        picture: shown.map(|it| Shown { src: format!("/media/{it}"), alt: card.alt.clone() }),
        nothing: if hidden { "People may be in it: not shown" } else { "There is no picture of it any more" },
        frames: frame_links(&frames, shown, &stored, now),
        observations: holding.chain(stored.first.iter().map(|it| line(it, true))).collect(),
        said: recorded.iter().rev().map(|it| said_line(it, &stored.time_zone, now, own == Some(it.id))).collect(),
        classes: choices(&named),
        action: format!("/events/{id}/label"),
        answer: AnswerFields {
            key: Uuid::now_v7().to_string(),
            task: task.clone(),
            question: String::new(),
            event: id.to_string(),
            frame: shown.map(|it| it.to_string()).unwrap_or_default(),
            names: Arc::from(offered),
        },
        task,
        tasks: app.teach.tasks.clone(),
        event: card,
        names,
    }))
}

/// Takes down what somebody says of it; then the event as it is now.
pub(super) async fn label(
    State(app): State<App>,
    who: Who,
    Named(id): Named<Uuid>,
    Form(mut fields): Form<Vec<(String, String)>>,
) -> Response {
    // The address says which event it is.
    fields.retain(|it| it.0 != "event" && it.0 != "question");
    fields.push(("event".into(), id.to_string()));
    let fields = Fields(fields);
    let back = format!("/events/{id}?task={}", in_query(fields.get("task")));
    match said::take_down(&app, &who, &fields).await {
        Ok(Ok(_)) => go(&back),
        Ok(Err((status, why))) => not_done(&who, status, why, &back),
        Err(response) => response,
    }
}

/// Takes back what one said oneself; then the event as it is now.
pub(super) async fn take_back(
    State(app): State<App>,
    who: Who,
    Named(id): Named<Uuid>,
    Form(fields): Form<Vec<(String, String)>>,
) -> Response {
    let fields = Fields(fields);
    let back = format!("/events/{id}?task={}", in_query(fields.get("task")));
    let Ok(Some(answer)) = fields.id("answer") else {
        return not_done(&who, StatusCode::UNPROCESSABLE_ENTITY, "Which answer?", &back);
    };
    let (store, name) = (app.store.clone(), who.name.clone());
    match on_disk(&app, move || said::not_taken(store.take_back(answer, &name))).await {
        // Sent twice it is taken back all the same.
        Ok(Ok(_)) => go(&back),
        Ok(Err((status, why))) => not_done(&who, status, why, &back),
        Err(response) => response,
    }
}

fn line(it: &Observation, first: bool) -> Line {
    Line {
        task: it.generation.task.to_string(),
        name: it.shown(),
        scientific_name: it.class.as_ref().map(|it| it.scientific_name.to_string()).unwrap_or_default(),
        hint: it.hint.as_ref().map(|it| it.name.to_string()).unwrap_or_default(),
        percent: format!("{:.0} %", 100.0 * it.probability),
        generation: it.generation.number,
        first,
    }
}

fn said_line(it: &Recorded, zone: &str, now: Timestamp, own: bool) -> SaidLine {
    let of = it.frame.map_or(String::new(), |at| format!(", of the frame of {}", Moment::of(at, zone, now).clock));
    let standing = match it.standing {
        Standing::Holds if it.verified => ", verified",
        Standing::Holds => "",
        Standing::Superseded => ", superseded",
        Standing::Withdrawn => ", taken back",
    };
    let given = Moment::of(it.given, zone, now).short;
    let about = format!("{}: {}, {given}{of}{standing}", it.task, it.labeller);
    let own = if own { it.id.to_string() } else { String::new() };
    SaidLine { classes: it.classes.clone(), about, holds: it.standing == Standing::Holds, own }
}
