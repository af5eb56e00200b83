//! Who may come: tokens, compared in constant time; sessions, few, kept in memory alone, and none for ever.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::who::{Role, Who};
use crate::config::WebConfig;

/// Sessions of one person at once; the oldest makes room. A few devices each, and a browser that forgets its cookies.
const MAX_SESSIONS: usize = 16;

/// Hash of a token or of a session's identity: what is kept of either cannot be sent back to us.
type Hash = [u8; 32];

/// Everybody who may come, and who is logged in.
#[derive(Debug)]
pub(super) struct Persons {
    all: Vec<Person>,
    life: Duration,
    sessions: Mutex<HashMap<Hash, Session>>,
}

#[derive(Debug)]
struct Person {
    name: String,
    role: Role,
    token: Hash,
}

#[derive(Debug)]
struct Session {
    /// Which of them.
    person: usize,
    csrf: String,
    begun: Instant,
}

impl Persons {
    pub(super) fn of(config: &WebConfig) -> Persons {
        let person = |it: &crate::config::PersonConfig| Person {
            name: it.name.clone(),
            role: it.role,
            token: hash(it.token.expose()),
        };
        Persons {
            all: config.persons.iter().map(person).collect(),
            life: Duration::from_secs_f64(config.session_hours * 3600.0),
            sessions: Mutex::default(),
        }
    }

    /// Whether nobody has to log in.
    pub(super) fn is_open(&self) -> bool {
        self.all.is_empty()
    }

    /// How long a login lasts.
    pub(super) fn life(&self) -> Duration {
        self.life
    }

    /// Whose token it is.
    pub(super) fn of_token(&self, token: &str) -> Option<Who> {
        self.place(token).map(|it| Who::program(&self.all[it].name, self.all[it].role))
    }

    /// Begins a session of whoever's token it is: what the cookie is to hold.
    pub(super) fn log_in(&self, token: &str) -> Option<String> {
        let person = self.place(token)?;
        let (id, csrf) = (drawn(), drawn());
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|_, it| it.begun.elapsed() < self.life);
        let own = || sessions.iter().filter(|it| it.1.person == person);
        if own().count() >= MAX_SESSIONS
            && let Some(oldest) = own().min_by_key(|it| it.1.begun).map(|it| *it.0)
        {
            sessions.remove(&oldest);
        }
        sessions.insert(hash(&id), Session { person, csrf, begun: Instant::now() });
        Some(id)
    }

    /// Whose session it is, where it goes on.
    pub(super) fn of_session(&self, id: &str) -> Option<Who> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.get(&hash(id)).filter(|it| it.begun.elapsed() < self.life)?;
        let person = self.all.get(session.person)?;
        Some(Who::logged_in(&person.name, person.role, &session.csrf))
    }

    pub(super) fn log_out(&self, id: &str) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(&hash(id));
    }

    /// Looks at everybody's, whoever's it is, so that the time that it takes says nothing.
    fn place(&self, token: &str) -> Option<usize> {
        let token = hash(token);
        let mut found = None;
        for (nth, person) in self.all.iter().enumerate() {
            if bool::from(person.token.ct_eq(&token)) {
                found = Some(nth);
            }
        }
        found
    }
}

/// Whether two texts are the same, without saying by the time it takes how far they are.
pub(super) fn same(one: &str, other: &str) -> bool {
    hash(one).ct_eq(&hash(other)).into()
}

fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}

/// 256 bits that nobody guesses, hexadecimal.
fn drawn() -> String {
    let bits: [u8; 32] = rand::random();
    bits.iter().map(|it| format!("{it:02x}")).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn persons(life: Duration) -> Persons {
        let person = |name: &str, role| Person { name: name.into(), role, token: hash(&format!("{name}'s token")) };
        let all = vec![person("ann", Role::Look), person("bob", Role::Administer)];
        Persons { all, life, sessions: Mutex::default() }
    }

    #[test]
    fn a_token_is_somebodys_and_a_session_ends() {
        let it = persons(Duration::from_secs(60));
        assert_eq!(it.of_token("bob's token").map(|it| it.name), Some("bob".into()));
        for wrong in ["", "bob's toke", "bob's token ", "bob"] {
            assert!(it.of_token(wrong).is_none() && it.log_in(wrong).is_none(), "{wrong}");
        }
        let id = it.log_in("ann's token").unwrap();
        let ann = it.of_session(&id).unwrap();
        assert_eq!((&*ann.name, ann.role, ann.csrf().len(), id.len()), ("ann", Role::Look, 64, 64));
        assert_ne!(ann.csrf(), id);
        it.log_out(&id);
        assert!(it.of_session(&id).is_none());
        let short = persons(Duration::ZERO);
        assert!(short.of_session(&short.log_in("ann's token").unwrap()).is_none());
    }

    #[test]
    fn sessions_are_few_and_nobody_pushes_out_another() {
        let it = persons(Duration::from_secs(60));
        let anns = it.log_in("ann's token").unwrap();
        let bobs: Vec<String> = (0..3 * MAX_SESSIONS).map(|_| it.log_in("bob's token").unwrap()).collect();
        assert_eq!(it.sessions.lock().unwrap().len(), MAX_SESSIONS + 1);
        assert!(it.of_session(&anns).is_some() && it.of_session(bobs.last().unwrap()).is_some());
        assert!(it.of_session(&bobs[0]).is_none());
    }
}
