//! `/api/v1/labels`: what people say of events. The labeller is whoever is logged in, and an answer is acknowledged once it is on
//! disk.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{blocking, limit, not_stored, on_disk, task};
use crate::observe::store::{Answer, AnswerError, Answered, FrameName, Given, LifeStage, Sex, Species, Standing};
use crate::teach::label_file;
use crate::web::refused::{Asked, Body, Named, Refused};
use crate::web::who::{Role, Who};
use crate::web::{App, names, said};

/// Labels a page, at most.
const MAX_LABELS: usize = 500;
/// Characters of a client's own key, at most.
const MAX_KEY: usize = 64;

/// One species, as somebody says it.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct SpeciesSaid {
    class: String,
    count: Option<u32>,
    sex: Option<Sex>,
    life_stage: Option<LifeStage>,
}

/// What somebody says of an event.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Said {
    task: Option<String>,
    species: Vec<SpeciesSaid>,
    /// A frame by its time or by its picture; none: the whole event.
    frame: Option<String>,
    #[serde(default)]
    verified: bool,
    /// The client's own: the same again changes nothing.
    key: Option<String>,
    question: Option<Uuid>,
}

/// What became of it.
#[derive(Debug, Serialize)]
struct Taken {
    id: Uuid,
    again: bool,
    frame: Option<Timestamp>,
    superseded: Vec<String>,
    suggested: Option<Suggested>,
}

/// What the head had said.
#[derive(Debug, Serialize)]
struct Suggested {
    generation: u32,
    class: String,
}

/// A label that is on record.
#[derive(Debug, Serialize)]
struct LabelView {
    id: Uuid,
    event: Uuid,
    frame: Option<Timestamp>,
    task: String,
    species: Vec<SpeciesSaid>,
    labeller: String,
    given_at: Timestamp,
    verified: bool,
    /// `holds`, `superseded`, `withdrawn`.
    standing: &'static str,
}

/// A part of the list of labels.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::web) struct Window {
    limit: Option<usize>,
    before: Option<Uuid>,
    event: Option<Uuid>,
    labeller: Option<String>,
}

pub(in crate::web) async fn give(
    State(app): State<App>,
    who: Who,
    Named(event): Named<Uuid>,
    Body(said): Body<Said>,
) -> Result<Response, Refused> {
    let answer = answer(&app, &who, event, said).await?;
    let store = app.store.clone();
    let given = blocking(&app, move || store.answer(&answer)).await?.map_err(refused)?;
    Ok(taken(given))
}

pub(in crate::web) async fn labels(State(app): State<App>, Asked(window): Asked<Window>) -> Response {
    let limit = match limit(window.limit, MAX_LABELS) {
        Ok(limit) => limit,
        Err(refused) => return refused.into_response(),
    };
    let store = app.store.clone();
    let read = move || store.answered(window.labeller.as_deref(), window.event, limit, window.before);
    let shown = |it: Vec<Answered>| Json(it.into_iter().map(LabelView::of).collect::<Vec<_>>()).into_response();
    on_disk(&app, read).await.map_or_else(|it| it, shown)
}

/// One's own, for what others say is theirs.
pub(in crate::web) async fn take_back(
    State(app): State<App>,
    who: Who,
    Named(id): Named<Uuid>,
) -> Result<StatusCode, Refused> {
    let (store, name) = (app.store.clone(), who.name);
    match blocking(&app, move || store.take_back(id, &name)).await?.map_err(refused)? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refused::missing("no label of yours that holds has this identity")),
    }
}

async fn answer(app: &App, who: &Who, event: Uuid, said: Said) -> Result<Answer, Refused> {
    let task = said.task.unwrap_or_else(|| label_file::SPECIES.into());
    self::task(app, &task)?;
    if said.verified && !who.may(Role::Verify) {
        return Err(Refused::forbidden("role", "verified: to say that a label is right needs the role verify"));
    }
    let frame = said.frame.as_deref().map(|it| match Uuid::try_parse(it) {
        Ok(picture) => Ok(FrameName::Picture(picture)),
        Err(_) => label_file::moment(it).map(FrameName::At).map_err(|it| Refused::invalid(format!("frame: {it}"))),
    });
    let (species, key) = (species(app, &task, said.species).await?, key(said.key)?);
    Ok(Answer {
        event,
        frame: frame.transpose()?,
        species,
        task,
        labeller: who.name.clone(),
        verified: said.verified,
        key,
        question: said.question,
    })
}

/// What is said, each class as it is known here, or which field of it cannot be.
pub(super) async fn species(app: &App, task: &str, said: Vec<SpeciesSaid>) -> Result<Vec<Species>, Refused> {
    said::check_number(said.len()).map_err(Refused::invalid)?;
    let (store, of) = (app.store.clone(), task.to_owned());
    let named = blocking(app, move || store.classes_named(&of)).await?.map_err(|it| not_stored(&it))?;
    let offered = names::offered(&named, &app.names, &app.contracts.taxonomy);
    let wrong = |(nth, field, error): (usize, &str, String)| match field {
        "" => Refused::invalid(format!("species: {error}")),
        _ => Refused::invalid(format!("species[{nth}].{field}: {error}")),
    };
    let mut all: Vec<Species> = Vec::new();
    for (nth, it) in said.into_iter().enumerate() {
        let class = names::meant(&it.class, task, &offered, true).map_err(|error| wrong((nth, "class", error)))?;
        all.push(Species { class, count: it.count, sex: it.sex, life_stage: it.life_stage });
    }
    said::check(&all).map_err(wrong)?;
    Ok(all)
}

pub(super) fn key(key: Option<String>) -> Result<Option<String>, Refused> {
    let fits = |it: &String| (1..=MAX_KEY).contains(&it.len()) && it.bytes().all(|it| it.is_ascii_graphic());
    if key.as_ref().is_none_or(fits) {
        Ok(key)
    } else {
        Err(Refused::invalid(format!("key: must be 1 to {MAX_KEY} visible ASCII characters, or null")))
    }
}

pub(super) fn taken(given: Given) -> Response {
    let status = if given.again { StatusCode::OK } else { StatusCode::CREATED };
    let suggested = given.suggested.map(|(generation, class)| Suggested { generation, class });
    let Given { id, again, frame, superseded, .. } = given;
    (status, Json(Taken { id, again, frame, superseded, suggested })).into_response()
}

pub(super) fn refused(error: AnswerError) -> Refused {
    match error {
        AnswerError::Store(error) => not_stored(&error),
        AnswerError::NoEvent(_) | AnswerError::NoQuestion(_) => Refused::missing(error.to_string()),
        AnswerError::KeyUsed(_) => Refused::conflict(error.to_string()),
        AnswerError::NoFrame { .. } => Refused::invalid(format!("frame: {error}")),
        AnswerError::Key | AnswerError::NoLabeller { .. } | AnswerError::NoClass { .. } => {
            Refused::invalid(error.to_string())
        }
    }
}

impl LabelView {
    fn of(it: Answered) -> LabelView {
        let said =
            |it: Species| SpeciesSaid { class: it.class, count: it.count, sex: it.sex, life_stage: it.life_stage };
        LabelView {
            id: it.id,
            event: it.event,
            frame: it.frame,
            task: it.task,
            species: it.species.into_iter().map(said).collect(),
            labeller: it.labeller,
            given_at: it.given,
            verified: it.verified,
            standing: match it.standing {
                Standing::Holds => "holds",
                Standing::Superseded => "superseded",
                Standing::Withdrawn => "withdrawn",
            },
        }
    }
}
