//! Who asks: found once, before any answer is made, and handed to it as an argument.

use std::convert::Infallible;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use axum::http::request::Parts;

use super::refused::Refused;
pub(super) use crate::config::Role;

/// How somebody is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    /// They are on this machine, and nobody has to log in.
    Loopback,
    /// A program's token.
    Token,
    /// A session's cookie.
    Session,
}

/// Who asks. As an argument of a handler it is there wherever the guard has let somebody in.
#[derive(Debug, Clone)]
pub(super) struct Who {
    /// As labels have it: the labeller.
    pub(super) name: String,
    /// What they may.
    pub(super) role: Role,
    pub(super) by: By,
    csrf: String,
}

impl Who {
    /// Whoever is on this machine, where nobody has to log in: they may do everything.
    pub(super) fn local() -> Who {
        Who { name: "local".into(), role: Role::Administer, by: By::Loopback, csrf: String::new() }
    }

    pub(super) fn program(name: &str, role: Role) -> Who {
        Who { name: name.into(), role, by: By::Token, csrf: String::new() }
    }

    pub(super) fn logged_in(name: &str, role: Role, csrf: &str) -> Who {
        Who { name: name.into(), role, by: By::Session, csrf: csrf.into() }
    }

    /// What a form says in its hidden field `csrf`, and a script in the header `X-Csrf-Token`: the guard asks whoever came by a
    /// cookie for it before anything is changed. Empty where there is no session, and then nobody asks for it.
    pub(super) fn csrf(&self) -> &str {
        &self.csrf
    }

    /// Whether they may do what a role may.
    pub(super) fn may(&self, role: Role) -> bool {
        self.role >= role
    }

    /// Whether pictures that people may be in are shown to them, where the config hides those: only where it is known that it
    /// is somebody who labels, which on an open loopback it is not. What a question is open about all see who may label.
    pub(super) fn sees_people(&self) -> bool {
        self.by != By::Loopback && self.may(Role::Label)
    }

    /// Whether they are told where a protected species was.
    pub(super) fn sees_places(&self) -> bool {
        self.may(Role::Label)
    }
}

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Who, Refused> {
        parts.extensions.get::<Who>().cloned().ok_or_else(Refused::unknown)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Who {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Who>, Infallible> {
        Ok(parts.extensions.get::<Who>().cloned())
    }
}
