//! Before any answer: is it asked for by a name of ours (DNS rebinding), from a page of ours, and only to look?

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{App, REQUEST_TIMEOUT};

const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Neither may another site show our pictures, nor count them.
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let mut response = if !matches!(*request.method(), Method::GET | Method::HEAD) {
        (StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n").into_response()
    } else if !is_ours(&app.hosts, request.headers()) {
        (StatusCode::FORBIDDEN, "not a name of this daemon: add it to web.allowed_hosts\n").into_response()
    } else {
        match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
            Ok(response) => response,
            Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "too busy\n").into_response(),
        }
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What says nothing else is of this moment.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-cache"));
    response
}

fn is_ours(hosts: &[String], headers: &HeaderMap) -> bool {
    let host = headers.get(header::HOST).and_then(|it| it.to_str().ok());
    let origin = match headers.get(header::ORIGIN).map(|it| it.to_str()) {
        None => None,
        Some(Ok(origin)) => Some(origin),
        Some(Err(_)) => return false,
    };
    let known = |name: &str| hosts.iter().any(|it| *it == name_of(name));
    host.is_some_and(known) && origin.is_none_or(|it| it.split_once("://").is_some_and(|(_, name)| known(name)))
}

/// A host without its port, lower case, `[::1]` without its brackets.
fn name_of(host: &str) -> String {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => host.split(':').next().unwrap_or(host),
    };
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(host: &str, origin: Option<&str>) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
        if let Some(origin) = origin {
            headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
        }
        is_ours(&["localhost".into(), "127.0.0.1".into(), "::1".into()], &headers)
    }

    #[test]
    fn only_our_names_are_answered() {
        assert!(allowed("localhost:8080", None));
        assert!(allowed("LOCALHOST", Some("http://localhost:8080")));
        assert!(allowed("[::1]:8080", None));
        assert!(!allowed("evil.example", None));
        assert!(!allowed("127.0.0.1.evil.example:8080", None));
        assert!(!allowed("localhost:8080", Some("http://evil.example")));
        assert!(!allowed("localhost:8080", Some("null")));
        assert!(!is_ours(&["localhost".into()], &HeaderMap::new()));
    }
}
