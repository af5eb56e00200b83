//! Before any answer: is it asked for by a name of ours (DNS rebinding), from a page of ours, and by whom?

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

use axum::body::{Body, to_bytes};
use axum::extract::{Form, FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::refused::Refused;
use super::who::{By, Role, Who};
use super::{App, MAX_BODY_BYTES, REQUEST_TIMEOUT, login, persons, refused};

const HEADERS: [(HeaderName, &str); 5] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // Nobody else hears where somebody came from. `no-referrer` would also make the browser say of our own forms that they
    // come from nowhere (`Origin: null`).
    (header::REFERRER_POLICY, "same-origin"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Neither may another site show our pictures, nor count them.
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// What a script says instead of a form's hidden field.
const CSRF_HEADER: &str = "x-csrf-token";

/// Whoever is at the other end of a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// The address that asks: the peer's, or what a trusted proxy says.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller(pub(super) IpAddr);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Caller, Infallible> {
        // The guard has set it; whom it has not seen is slowed together with all others of that kind.
        Ok(parts.extensions.get().copied().unwrap_or(Caller(IpAddr::V4(Ipv4Addr::UNSPECIFIED))))
    }
}

pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let (is_page, from) = (is_page(&request), came_from(request.headers()));
    let mut who = None;
    let answer = async {
        match admit(&app, request).await {
            Ok(request) => {
                who = request.extensions().get::<Who>().cloned();
                next.run(request).await
            }
            Err(refused) => refused.into_response(),
        }
    };
    let mut response = match tokio::time::timeout(REQUEST_TIMEOUT, answer).await {
        Ok(response) => response,
        Err(_) => Refused::later("busy", "too busy, or the request came too slowly").into_response(),
    };
    if is_page {
        response = refused::as_page(response, who.as_ref(), &from);
    }
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // What says nothing else is of this moment, and of whoever asked.
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("private, no-cache"));
    response
}

/// Whether it is a browser that asks for a page, or sends a form of one.
fn is_page(request: &Request) -> bool {
    let accepts = request.headers().get(header::ACCEPT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    accepts.contains("text/html") && !request.uri().path().starts_with("/api/")
}

/// The page of ours that somebody comes from, else the first.
fn came_from(headers: &HeaderMap) -> String {
    let referer = headers.get(header::REFERER).and_then(|it| it.to_str().ok());
    let path = referer.and_then(|it| it.split_once("://")).and_then(|it| it.1.find('/').map(|at| &it.1[at..]));
    login::own_path(path.unwrap_or("/")).to_owned()
}

/// The request with who asks, or why it is not answered.
async fn admit(app: &App, mut request: Request) -> Result<Request, Refused> {
    let headers = request.headers();
    if !is_ours(&app.hosts, headers) {
        let error = "not a name of this daemon: add it to web.allowed_hosts";
        return Err(Refused::forbidden("host", error));
    }
    let peer = request.extensions().get().map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |it: &Peer| it.0.to_canonical());
    let proxied = app.proxies.contains(&peer);
    if app.is_secure() && !app.speaks_tls && !proxied && !peer.is_loopback() {
        let error = "come by the proxy: what you say here can be read on the way";
        return Err(Refused::forbidden("proxy", error));
    }
    let caller = if proxied { forwarded_for(headers).unwrap_or(peer) } else { peer };
    if content_length(headers).is_some_and(|it| it > MAX_BODY_BYTES as u64) {
        return Err(Refused::too_large());
    }
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    if !is_from_here(headers, changes) {
        let error = "another site asks for this: only pages of this daemon may";
        return Err(Refused::forbidden("cross_site", error));
    }
    let who = known(app, headers, caller)?;
    if changes && let Some(who) = who.as_ref().filter(|it| it.by == By::Session) {
        request = with_csrf(who, request).await?;
    }
    request.extensions_mut().insert(Caller(caller));
    if let Some(who) = who {
        request.extensions_mut().insert(who);
    }
    Ok(request)
}

/// Who asks; `None`: somebody. A token that is nobody's is refused, whatever it asks for.
fn known(app: &App, headers: &HeaderMap, caller: IpAddr) -> Result<Option<Who>, Refused> {
    if app.persons.is_open() {
        // Only whoever is on this machine may come unnamed, and who is behind a proxy need not be.
        if ["x-forwarded-for", "forwarded"].iter().any(|it| headers.contains_key(*it)) {
            let error = "this came by a proxy, and nobody is named: add a [[web.person]] to the configuration";
            return Err(Refused::forbidden("proxy", error));
        }
        return Ok(Some(Who::local()));
    }
    let Some(authorization) = headers.get(header::AUTHORIZATION) else {
        return Ok(login::cookie(app, headers).and_then(|it| app.persons.of_session(it)));
    };
    if let Some(secs) = app.slowed.wait_secs(caller) {
        return Err(Refused::slowed(secs));
    }
    let token = authorization.to_str().ok().and_then(|it| it.split_once(' '));
    let token = token.filter(|it| it.0.eq_ignore_ascii_case("bearer")).map(|it| it.1.trim());
    match token.and_then(|it| app.persons.of_token(it)) {
        Some(who) => Ok(Some(who)),
        None => {
            app.slowed.wrong(caller);
            tracing::warn!(address = %caller, "web: a program came with a wrong token");
            Err(Refused::unknown())
        }
    }
}

/// Before a route that asks for a role.
pub(super) async fn needs(State(role): State<Role>, who: Option<Who>, request: Request, next: Next) -> Response {
    match who {
        Some(who) if who.may(role) => next.run(request).await,
        Some(who) => {
            let error = format!("this needs the role {}, and {} has {}", role.as_str(), who.name, who.role.as_str());
            Refused::forbidden("role", error).into_response()
        }
        None => {
            let is_page = request.method() == Method::GET && is_page(&request);
            let path = request.uri().path_and_query().map_or("/", |it| it.as_str());
            if is_page { login::to_login(path) } else { Refused::unknown().into_response() }
        }
    }
}

/// Whoever came by a cookie says what only our own pages know: as a header, or in a form, which is read here.
async fn with_csrf(who: &Who, request: Request) -> Result<Request, Refused> {
    #[derive(Deserialize)]
    struct Field {
        csrf: String,
    }
    let refused = || {
        let error = "the page is of an earlier login, or of another site: load it again";
        Refused::forbidden("csrf", error)
    };
    if let Some(said) = request.headers().get(CSRF_HEADER) {
        let is_right = said.to_str().is_ok_and(|it| persons::same(it, who.csrf()));
        return if is_right { Ok(request) } else { Err(refused()) };
    }
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    if !kind.starts_with("application/x-www-form-urlencoded") {
        return Err(refused());
    }
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| Refused::too_large())?;
    let copy = Request::from_parts(parts.clone(), Body::from(body.clone()));
    match Form::<Field>::from_request(copy, &()).await {
        Ok(Form(it)) if persons::same(&it.csrf, who.csrf()) => Ok(Request::from_parts(parts, Body::from(body))),
        _ => Err(refused()),
    }
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The last hop: what stands before it anybody may have written.
fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    let last = headers.get_all("x-forwarded-for").iter().next_back()?;
    last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok().map(|it: IpAddr| it.to_canonical())
}

/// Whether another site makes a browser ask. What changes something must come from the very origin: a port beside ours is
/// another program. To be shown, a page of ours may be linked to; nothing else of ours may be loaded.
fn is_from_here(headers: &HeaderMap, changes: bool) -> bool {
    let text = |name: &str| headers.get(name).map(|it| it.to_str().unwrap_or("?"));
    match (text("sec-fetch-site"), changes) {
        (Some(site), true) => matches!(site, "same-origin" | "none"),
        (Some("cross-site"), false) => text("sec-fetch-mode") == Some("navigate"),
        (Some(_), false) => true,
        // No browser of these days: it says at least its origin. Programs say neither.
        (None, true) => text("origin").is_none_or(|it| it.split_once("://").map(|it| it.1) == text("host")),
        (None, false) => true,
    }
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
    fn what_changes_something_comes_from_a_page_of_ours_or_from_no_page() {
        let from_here = |lines: &[(&'static str, &str)], changes| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_static("localhost:8080"));
            for (name, value) in lines {
                headers.insert(*name, HeaderValue::from_str(value).unwrap());
            }
            is_from_here(&headers, changes)
        };
        for (lines, looks, changes) in [
            (&[][..], true, true),
            (&[("sec-fetch-site", "same-origin")], true, true),
            (&[("sec-fetch-site", "none")], true, true),
            (&[("sec-fetch-site", "same-site")], true, false),
            (&[("sec-fetch-site", "cross-site")], false, false),
            (&[("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")], true, false),
            (&[("origin", "http://localhost:8080")], true, true),
            (&[("origin", "http://localhost:3000")], true, false),
            (&[("origin", "null")], true, false),
        ] {
            assert_eq!((from_here(lines, false), from_here(lines, true)), (looks, changes), "{lines:?}");
        }
    }

    #[test]
    fn of_a_chain_of_proxies_only_the_last_word_counts() {
        let mut headers = HeaderMap::new();
        assert_eq!(forwarded_for(&headers), None);
        headers.append("x-forwarded-for", HeaderValue::from_static("192.0.2.66"));
        headers.append("x-forwarded-for", HeaderValue::from_static("evil, 192.0.2.66, 192.0.2.7"));
        assert_eq!(forwarded_for(&headers), Some("192.0.2.7".parse().unwrap()));
    }

    #[test]
    fn a_refusal_leads_back_to_the_page_of_ours_that_asked() {
        for (referer, path) in [
            ("http://localhost:8080/gallery?species=fox", "/gallery?species=fox"),
            ("http://localhost:8080", "/"),
            ("https://evil.example//evil.example/", "/"),
            ("nonsense", "/"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::REFERER, HeaderValue::from_str(referer).unwrap());
            assert_eq!(came_from(&headers), path, "{referer}");
        }
        assert_eq!(came_from(&HeaderMap::new()), "/");
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
