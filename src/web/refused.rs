//! What is refused, and why: a word for programs and a sentence for people. And what a request holds, refused in that form.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why something is not done.
#[derive(Debug, Serialize)]
pub(super) struct Refused {
    #[serde(skip)]
    status: StatusCode,
    /// A word for programs.
    reason: &'static str,
    /// A sentence for people.
    error: String,
}

impl Refused {
    /// What is asked for cannot be understood or done.
    pub(super) fn invalid(error: impl Into<String>) -> Refused {
        Refused { status: StatusCode::BAD_REQUEST, reason: "invalid", error: error.into() }
    }

    /// There is no such thing.
    pub(super) fn missing(error: impl Into<String>) -> Refused {
        Refused { status: StatusCode::NOT_FOUND, reason: "missing", error: error.into() }
    }

    /// Somebody may not do that.
    pub(super) fn forbidden(reason: &'static str, error: impl Into<String>) -> Refused {
        Refused { status: StatusCode::FORBIDDEN, reason, error: error.into() }
    }

    /// It does not fit what is there now.
    pub(super) fn conflict(error: impl Into<String>) -> Refused {
        Refused { status: StatusCode::CONFLICT, reason: "conflict", error: error.into() }
    }

    /// More than is taken.
    pub(super) fn too_large() -> Refused {
        let error = format!("the body is too large: at most {} kB are taken", super::MAX_BODY_BYTES / 1024);
        Refused { status: StatusCode::PAYLOAD_TOO_LARGE, reason: "too_large", error }
    }

    /// Our own fault, or the disk's: logged in full, told in general.
    pub(super) fn broken(error: &'static str) -> Refused {
        Refused { status: StatusCode::INTERNAL_SERVER_ERROR, reason: "broken", error: error.into() }
    }

    /// It may be done later.
    pub(super) fn later(reason: &'static str, error: &'static str) -> Refused {
        Refused { status: StatusCode::SERVICE_UNAVAILABLE, reason, error: error.into() }
    }

    /// Nobody knows who asks.
    pub(super) fn unknown() -> Response {
        let error = "log in at /login, or send a token as `Authorization: Bearer …`".into();
        let mut response = Refused { status: StatusCode::UNAUTHORIZED, reason: "unknown", error }.into_response();
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        response
    }

    /// Too many wrong tokens came from there.
    pub(super) fn slowed(wait_secs: u64) -> Response {
        let error = format!("too many wrong tokens: try again in {wait_secs} s");
        let mut response = Refused { status: StatusCode::TOO_MANY_REQUESTS, reason: "slowed", error }.into_response();
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait_secs));
        response
    }

    fn as_axum_says(status: StatusCode, error: String) -> Refused {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => Refused::too_large(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => Refused { status, reason: "invalid", error },
            // What is no JSON, and what is JSON of another shape, is told apart by the sentence.
            _ => Refused::invalid(error),
        }
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.status, Json(&self)).into_response()
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
