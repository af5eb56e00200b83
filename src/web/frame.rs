//! What every page has: where one is, who one is, and what that allows; and how a page is made.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Redirect, Response};

use super::login::own_path;
use super::who::{By, Role, Who};

/// The pages, as the head of each names them.
const PAGES: [Link; 6] = [
    Link { name: "Live", href: "/" },
    Link { name: "Review", href: "/review" },
    Link { name: "Gallery", href: "/gallery" },
    Link { name: "Progress", href: "/progress" },
    Link { name: "History", href: "/history" },
    Link { name: "Cameras", href: "/cameras" },
];

pub(super) struct Link {
    pub(super) name: &'static str,
    pub(super) href: &'static str,
}

/// What the templates know of who asks.
pub(super) struct Frame {
    pub(super) here: &'static str,
    /// Who is here.
    pub(super) name: String,
    pub(super) logged_in: bool,
    pub(super) csrf: String,
    may_look: bool,
    pub(super) may_label: bool,
    pub(super) may_administer: bool,
}

impl Frame {
    /// Of whoever has not said who they are: there is no page that they may see.
    fn of_nobody() -> Frame {
        Frame {
            here: "",
            name: String::new(),
            logged_in: false,
            csrf: String::new(),
            may_look: false,
            may_label: false,
            may_administer: false,
        }
    }

    /// `here`: which of the pages it is.
    pub(super) fn new(here: &'static str, who: &Who) -> Frame {
        Frame {
            here,
            name: who.name.clone(),
            logged_in: who.by == By::Session,
            csrf: who.csrf().into(),
            may_look: who.may(Role::Look),
            may_label: who.may(Role::Label),
            may_administer: who.may(Role::Administer),
        }
    }

    /// Those that one may see.
    pub(super) fn pages(&self) -> impl Iterator<Item = &'static Link> + use<> {
        let (may_look, may_label, may_administer) = (self.may_look, self.may_label, self.may_administer);
        PAGES.iter().filter(move |it| match it.name {
            "Review" => may_label,
            "Cameras" => may_administer,
            _ => may_look,
        })
    }
}

pub(super) fn page(template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "web: the page could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message {
    frame: Frame,
    heading: &'static str,
    said: String,
    /// Where it goes on, and what that is called.
    back: String,
    on: &'static str,
}

/// Says on a page of its own why something was not done.
pub(super) fn not_done(who: &Who, status: StatusCode, said: impl Into<String>, back: &str) -> Response {
    let (frame, heading) = (Frame::new("", who), "Not done");
    (status, page(&Message { frame, heading, said: said.into(), back: back.into(), on: "Go on" })).into_response()
}

/// Says on a page of its own what was done.
pub(super) fn told(who: &Who, heading: &'static str, said: &str, back: &str) -> Response {
    page(&Message { frame: Frame::new("", who), heading, said: said.into(), back: back.into(), on: "Go on" })
}

/// Says why a page, or what a form asks for, is refused, to whoever it is.
pub(super) fn refusal(
    who: Option<&Who>,
    status: StatusCode,
    said: String,
    (on, back): (&'static str, String),
) -> Response {
    let heading = if status == StatusCode::NOT_FOUND { "Not found" } else { "Not done" };
    let frame = who.map_or_else(Frame::of_nobody, |it| Frame::new("", it));
    (status, page(&Message { frame, heading, said, back, on })).into_response()
}

/// Back to a page of ours, whatever was asked for.
pub(super) fn go(to: &str) -> Response {
    Redirect::to(own_path(to)).into_response()
}

/// For a query: what is not a letter or digit as its bytes.
pub(super) fn in_query(text: &str) -> String {
    let plain = |it: &u8| it.is_ascii_alphanumeric() || b"-._".contains(it);
    text.bytes().map(|it| if plain(&it) { char::from(it).to_string() } else { format!("%{it:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_holds_any_name() {
        assert_eq!(in_query("red fox & Ö"), "red%20fox%20%26%20%C3%96");
    }
}
