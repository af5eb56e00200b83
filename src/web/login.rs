//! Logging in with a token, and out: a form without scripts, and a cookie that neither scripts nor other sites ever see.

use askama::Template;
use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::guard::Caller;
use super::refused::Refused;
use super::who::Who;
use super::{App, refused};

#[derive(Template)]
#[template(path = "login.html")]
struct Login<'a> {
    /// Where it goes on.
    to: &'a str,
    /// Who is logged in already; may be empty.
    name: &'a str,
    csrf: &'a str,
    /// What was wrong; may be empty.
    error: &'a str,
}

/// Where it goes on.
#[derive(Debug, Deserialize)]
pub(super) struct Onward {
    #[serde(default)]
    to: String,
}

/// What the form says.
#[derive(Deserialize)]
pub(super) struct Sent {
    token: String,
    #[serde(default)]
    to: String,
}

pub(super) async fn form(State(app): State<App>, Query(onward): Query<Onward>, who: Option<Who>) -> Response {
    if app.persons.is_open() {
        return Redirect::to("/").into_response();
    }
    page(StatusCode::OK, &onward.to, who.as_ref(), "")
}

pub(super) async fn log_in(
    State(app): State<App>,
    caller: Caller,
    who: Option<Who>,
    Form(sent): Form<Sent>,
) -> Response {
    if let Some(secs) = app.slowed.wait_secs(caller.0) {
        return Refused::slowed(secs).into_response();
    }
    match app.persons.log_in(sent.token.trim()) {
        Some(id) => {
            app.slowed.right(caller.0);
            let life_secs = app.persons.life().as_secs();
            with_cookie(&app, Redirect::to(own_path(&sent.to)).into_response(), &id, life_secs)
        }
        None => {
            app.slowed.wrong(caller.0);
            tracing::warn!(address = %caller.0, "web: somebody tried to log in with a wrong token");
            // Whoever is logged in stays so, and what only their pages know is on this one, too.
            page(StatusCode::UNAUTHORIZED, &sent.to, who.as_ref(), "That is nobody's token.")
        }
    }
}

pub(super) async fn log_out(State(app): State<App>, headers: HeaderMap) -> Response {
    if let Some(id) = cookie(&app, &headers) {
        app.persons.log_out(id);
    }
    with_cookie(&app, Redirect::to("/login").into_response(), "", 0)
}

/// Where somebody logs in who asked for a page.
pub(super) fn to_login(path: &str) -> Response {
    Redirect::to(&address(path)).into_response()
}

/// The form, which leads on to that page.
pub(super) fn address(path: &str) -> String {
    let mut query = String::new();
    for byte in path.bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' => query.push(char::from(byte)),
            it if it.is_ascii_alphanumeric() => query.push(char::from(it)),
            it => query.push_str(&format!("%{it:02X}")),
        }
    }
    format!("/login?to={query}")
}

/// What a session's cookie holds.
pub(super) fn cookie<'a>(app: &App, headers: &'a HeaderMap) -> Option<&'a str> {
    let all = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
    let mut pairs = all.flat_map(|it| it.split(';')).filter_map(|it| it.trim().split_once('='));
    pairs.find(|it| it.0 == cookie_name(app)).map(|it| it.1)
}

fn with_cookie(app: &App, mut response: Response, id: &str, life_secs: u64) -> Response {
    let secure = if app.is_secure() { "; Secure" } else { "" };
    let name = cookie_name(app);
    let cookie = format!("{name}={id}; Path=/; HttpOnly; SameSite=Strict; Max-Age={life_secs}{secure}");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// `__Host-`: no other host, and nobody on the way, can set it.
fn cookie_name(app: &App) -> &'static str {
    if app.is_secure() { "__Host-eyeshine" } else { "eyeshine" }
}

/// A path of ours: neither another site nor what a browser may take for one.
pub(super) fn own_path(to: &str) -> &str {
    let second = to.as_bytes().get(1);
    let fits = to.starts_with('/')
        && !matches!(second, Some(b'/' | b'\\'))
        && to.bytes().all(|it| it.is_ascii_graphic() && it != b'\\');
    if fits { to } else { "/" }
}

fn page(status: StatusCode, to: &str, who: Option<&Who>, error: &str) -> Response {
    let (name, csrf) = who.map_or(("", ""), |it| (&it.name, it.csrf()));
    match (Login { to: own_path(to), name, csrf, error }).render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "web: the page could not be made");
            refused::Refused::broken("the page could not be made").into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::own_path;

    #[test]
    fn a_login_leads_to_pages_of_ours_alone() {
        for own in ["/", "/review?task=species", "/a//b"] {
            assert_eq!(own_path(own), own);
        }
        for other in
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "/a\r\nSet-Cookie: x", "review", "/ü"]
        {
            assert_eq!(own_path(other), "/", "{other}");
        }
    }
}
