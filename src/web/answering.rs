//! What a form of the review page does: an answer, a skip, what is taken back. A script sends the same forms, and is told in JSON.

use axum::Json;
use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use uuid::Uuid;

use super::App;
use super::api::on_disk;
use super::frame::{go, in_query, not_done, told};
use super::review::progress;
use super::said::{self, Fields, NotTaken, Taken};
use super::who::Who;
use crate::observe::store::Undone;

type Sent = Form<Vec<(String, String)>>;
/// How it goes on, or why it was not done.
type Done = Result<Result<Next, NotTaken>, Response>;

/// How it goes on: with the next question, unless one is named.
#[derive(Debug, Default)]
struct Next {
    question: Option<Uuid>,
    /// What was taken back, in a sentence.
    taken_back: Option<String>,
    /// What others had said that holds no longer.
    replaced: Vec<String>,
}

/// What a script is told once an answer is on disk.
#[derive(Debug, Serialize)]
struct Told {
    progress: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    question: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    taken_back: Option<String>,
    /// What others had said that holds no longer.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    replaced: Vec<String>,
}

/// Takes an answer down; then the next question.
pub(super) async fn answer(State(app): State<App>, who: Who, headers: HeaderMap, Form(fields): Sent) -> Response {
    let fields = Fields(fields);
    let done = said::take_down(&app, &who, &fields).await;
    let next = |it: Taken| Next { replaced: it.replaced, ..Next::default() };
    on(&app, &who, &headers, &fields, done.map(|it| it.map(next))).await
}

/// Leaves a question to others.
pub(super) async fn skip(State(app): State<App>, who: Who, headers: HeaderMap, Form(fields): Sent) -> Response {
    let fields = Fields(fields);
    let invalid = |why: String| (StatusCode::UNPROCESSABLE_ENTITY, why);
    let done = match fields.id("question") {
        Ok(Some(question)) => {
            let (store, name) = (app.store.clone(), who.name.clone());
            on_disk(&app, move || store.skip(question, &name)).await.map(|_| Ok(Next::default()))
        }
        Ok(None) => Ok(Err(invalid("which question?".to_owned()))),
        Err(why) => Ok(Err(invalid(why))),
    };
    on(&app, &who, &headers, &fields, done).await
}

/// Takes back what was done last, and asks that again.
pub(super) async fn undo(State(app): State<App>, who: Who, headers: HeaderMap, Form(fields): Sent) -> Response {
    let fields = Fields(fields);
    let done = match said::task(&app, fields.get("task")) {
        Ok(task) => {
            let (store, name) = (app.store.clone(), who.name.clone());
            on_disk(&app, move || store.undo(&task, &name)).await.map(|it| Ok(it.map(Next::after).unwrap_or_default()))
        }
        Err(why) => Ok(Err(why)),
    };
    if !is_script(&headers)
        && let Ok(Ok(next @ Next { question: None, .. })) = &done
    {
        // No card would show that it was done, or that it was not.
        let said = next.taken_back.as_deref().unwrap_or("There is nothing to undo.");
        return told(&who, "Undo", said, &format!("/review?task={}", in_query(fields.get("task"))));
    }
    on(&app, &who, &headers, &fields, done).await
}

impl Next {
    fn after(undone: Undone) -> Next {
        let mut said = match (&*undone.said, undone.answers) {
            ("", _) => "Taken back: skip".to_owned(),
            (said, 0 | 1) => format!("Taken back: {said}"),
            (said, n) => format!("Taken back: {said}, {n} answers"),
        };
        let question = undone.question.map(|it| it.id);
        if question.is_none() {
            said += ". It is not asked again just now.";
        }
        Next { question, taken_back: Some(said), replaced: Vec::new() }
    }
}

fn is_script(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).is_some_and(|it| it == "application/json")
}

/// A script is told that it is on disk; a browser without one goes on to the next question. What was not done is said to both.
async fn on(app: &App, who: &Who, headers: &HeaderMap, fields: &Fields, done: Done) -> Response {
    let Next { question, taken_back, replaced } = match done {
        Ok(Ok(next)) => next,
        Ok(Err((status, why))) => return refused(who, headers, fields, status, why),
        Err(response) => return response,
    };
    let task = said::task(app, fields.get("task")).unwrap_or_default();
    if !is_script(headers) {
        let question = question.map(|it| format!("&question={it}")).unwrap_or_default();
        return go(&format!("/review?task={}{question}", in_query(&task)));
    }
    let store = app.store.clone();
    match on_disk(app, move || store.queue_state(&task)).await {
        Ok(state) => Json(Told { progress: progress(&state).said, question, taken_back, replaced }).into_response(),
        Err(response) => response,
    }
}

fn refused(who: &Who, headers: &HeaderMap, fields: &Fields, status: StatusCode, why: String) -> Response {
    if is_script(headers) {
        return (status, Json(serde_json::json!({ "error": why }))).into_response();
    }
    let back = match fields.id("question") {
        Ok(Some(question)) => format!("/review?task={}&question={question}", in_query(fields.get("task"))),
        _ => "/review".into(),
    };
    not_done(who, status, why, &back)
}
