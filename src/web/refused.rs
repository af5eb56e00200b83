//! What is refused, and why: a word for programs and a sentence for people. And what a request holds, refused in that form.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::who::Who;
use super::{frame, login};

/// Why something is not done.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Refused {
    #[serde(skip)]
    status: StatusCode,
    /// A word for programs.
    reason: &'static str,
    /// A sentence for people.
    error: String,
    #[serde(skip)]
    retry_after_secs: Option<u64>,
}

impl Refused {
    fn new(status: StatusCode, reason: &'static str, error: impl Into<String>) -> Refused {
        Refused { status, reason, error: error.into(), retry_after_secs: None }
    }

    /// What is asked for cannot be understood or done.
    pub(super) fn invalid(error: impl Into<String>) -> Refused {
        Refused::new(StatusCode::BAD_REQUEST, "invalid", error)
    }

    /// There is no such thing.
    pub(super) fn missing(error: impl Into<String>) -> Refused {
        Refused::new(StatusCode::NOT_FOUND, "missing", error)
    }

    /// Somebody may not do that.
    pub(super) fn forbidden(reason: &'static str, error: impl Into<String>) -> Refused {
        Refused::new(StatusCode::FORBIDDEN, reason, error)
    }

    /// It does not fit what is there now.
    pub(super) fn conflict(error: impl Into<String>) -> Refused {
        Refused::new(StatusCode::CONFLICT, "conflict", error)
    }

    /// More than is taken.
    pub(super) fn too_large() -> Refused {
        let error = format!("the body is too large: at most {} kB are taken", super::MAX_BODY_BYTES / 1024);
        Refused::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", error)
    }

    /// Our own fault, or the disk's: logged in full, told in general.
    pub(super) fn broken(error: &'static str) -> Refused {
        Refused::new(StatusCode::INTERNAL_SERVER_ERROR, "broken", error)
    }

    /// It may be done later.
    pub(super) fn later(reason: &'static str, error: &'static str) -> Refused {
        Refused::new(StatusCode::SERVICE_UNAVAILABLE, reason, error)
    }

    /// Nobody knows who asks.
    pub(super) fn unknown() -> Refused {
        let error = "log in at /login, or send a token as `Authorization: Bearer …`";
        Refused::new(StatusCode::UNAUTHORIZED, "unknown", error)
    }

    /// Too many wrong tokens came from there.
    pub(super) fn slowed(wait_secs: u64) -> Refused {
        let error = format!("too many wrong tokens: try again in {wait_secs} s");
        let refused = Refused::new(StatusCode::TOO_MANY_REQUESTS, "slowed", error);
        Refused { retry_after_secs: Some(wait_secs), ..refused }
    }

    fn as_axum_says(status: StatusCode, error: String) -> Refused {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => Refused::too_large(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Refused::new(status, "invalid", error),
            // What is no JSON, and what is JSON of another shape, is told apart by the sentence.
            _ => Refused::invalid(error),
        }
    }
}

/// What was refused to a browser, as a page; anything else as it is. `from`: the page that asked.
pub(super) fn as_page(response: Response, who: Option<&Who>, from: &str) -> Response {
    let Some(refused) = response.extensions().get::<Refused>() else { return response };
    let back = ("Back", from.to_owned());
    let (said, on) = match refused.reason {
        "unknown" => {
            let said = "You are not logged in any more, so this was not done. Log in, then do it once more.";
            (said.to_owned(), ("Log in", login::address(from)))
        }
        "csrf" => {
            let said = "This page is of an earlier login, so this was not done. Go back to it, then do it once more.";
            (said.to_owned(), back)
        }
        _ => (sentence(&refused.error), back),
    };
    let mut page = frame::refusal(who, refused.status, said, on);
    for name in [header::WWW_AUTHENTICATE, header::RETRY_AFTER] {
        if let Some(value) = response.headers().get(&name) {
            page.headers_mut().insert(name, value.clone());
        }
    }
    page
}

/// As it begins and ends on a page.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|it| it.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str().trim_end_matches('.'))
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(&self)).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(secs) = self.retry_after_secs {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
        }
        // A browser is told on a page.
        response.extensions_mut().insert(self);
        response
    }
}

/// A query.
#[derive(Debug)]
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Asked<T>, Refused> {
        let refused = |it: QueryRejection| Refused::as_axum_says(it.status(), it.body_text());
        Query::from_request_parts(parts, state).await.map(|Query(it)| Asked(it)).map_err(refused)
    }
}

/// The named parts of a path.
#[derive(Debug)]
pub(super) struct Named<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Named<T>, Refused> {
        let refused = |it: PathRejection| Refused::as_axum_says(it.status(), it.body_text());
        Path::from_request_parts(parts, state).await.map(|Path(it)| Named(it)).map_err(refused)
    }
}

/// A body of JSON.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refused;

    async fn from_request(request: Request, state: &S) -> Result<Body<T>, Refused> {
        let refused = |it: JsonRejection| Refused::as_axum_says(it.status(), it.body_text());
        Json::from_request(request, state).await.map(|Json(it)| Body(it)).map_err(refused)
    }
}
