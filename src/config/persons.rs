//! `[[web.person]]`: who may come from elsewhere, and what; and what an address needs that others can reach.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use toml_edit::Item;

use super::check::{File, Layers, Problem, tables};
use super::environment::Environment;
use super::keys;
use super::load::Overrides;

/// Characters of a token, at least: nobody guesses 20 letters and digits that a machine drew.
const MIN_TOKEN: usize = 20;

/// What somebody may; each may what those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// See events and cameras; not people, and not where a protected species was.
    Look,
    /// Say what events show.
    Label,
    /// Say that somebody else's label is right.
    Verify,
    /// Choose which head serves, and set cameras up.
    Administer,
}

impl Role {
    /// All of them, as the config has them.
    pub const WORDS: [&'static str; 4] = ["look", "label", "verify", "administer"];

    /// As the config has it.
    pub fn as_str(self) -> &'static str {
        Role::WORDS[self as usize]
    }
}

/// One `[[web.person]]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PersonConfig {
    /// Their name in labels.
    pub name: String,
    /// What they may.
    pub role: Role,
    /// File whose first line is the token.
    #[serde(default)]
    pub token_file: PathBuf,
    /// Environment variable that holds the token.
    #[serde(default)]
    pub token_env: String,
    /// What these held when the config was read.
    #[serde(skip)]
    pub token: Token,
}

impl fmt::Debug for PersonConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PersonConfig").field("name", &self.name).field("role", &self.role).finish_non_exhaustive()
    }
}

/// What somebody proves with who they are. It cannot be printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// For whoever compares it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Reads what a person logs in with, or says of which key what is wrong.
pub(super) fn token(file: &str, variable: &str, environment: &Environment) -> Result<Token, (&'static str, String)> {
    let (key, text) = match (file, variable) {
        ("", "") => {
            return Err(("name", "this person has neither token_file nor token_env: one must hold the token".into()));
        }
        (file, "") => {
            let path = environment.credential(file.as_ref());
            let read = std::fs::read_to_string(&path);
            let text = read.map_err(|it| ("token_file", format!("\"{}\" cannot be read: {it}", path.display())))?;
            ("token_file", text.lines().next().unwrap_or_default().trim().to_owned())
        }
        ("", variable) => {
            let unset = || ("token_env", format!("the environment variable {} is not set", variable.escape_debug()));
            let text = environment.get(variable).ok_or_else(unset)?.to_string_lossy();
            ("token_env", text.trim().to_owned())
        }
        _ => return Err(("token_env", "token_file is given too; only one of them can hold the token".into())),
    };
    if text.len() < MIN_TOKEN || !text.bytes().all(|it| it.is_ascii_graphic()) {
        let message = format!(
            "must lead to a token of at least {MIN_TOKEN} visible ASCII characters, as `openssl rand -hex 32` makes one"
        );
        return Err((key, message));
    }
    Ok(Token(text))
}

/// Checks every person, and whether the address that is listened at may be reached by others.
pub(super) fn check(layers: &Layers, overrides: &Overrides, environment: &Environment, problems: &mut Vec<Problem>) {
    let web = layers.file.document.get("web").and_then(Item::as_table_like);
    let persons = tables(web.and_then(|it| it.get("person"))).unwrap_or_default();
    let (mut names, mut tokens): (Vec<&str>, Vec<Token>) = (Vec::new(), Vec::new());
    for person in &persons {
        let text = |key: &str| person.table.get(key).and_then(|it| it.as_str()).unwrap_or_default();
        let at = |key: &str| person.table.get_key_value(key).and_then(|(key, _)| key.span()).or(person.span.clone());
        for needed in ["name", "role"] {
            if person.table.get(needed).is_none() {
                let message = format!("this person has no {needed}");
                problems.push(layers.file.problem(person.span.clone(), &format!("web.person.{needed}"), message));
            }
        }
        let name = text("name");
        if !name.is_empty() && names.contains(&name) {
            let message = format!("two people are named \"{}\"; each needs a name of their own", name.escape_debug());
            problems.push(layers.file.problem(at("name"), "web.person.name", message));
        }
        names.push(name);
        if overrides.without_secrets {
            continue;
        }
        match token(text("token_file"), text("token_env"), environment) {
            Ok(it) if tokens.contains(&it) => {
                let message = "another person has the same token; each needs one of their own";
                problems.push(layers.file.problem(at("token_file"), "web.person.token_file", message));
            }
            Ok(it) => tokens.push(it),
            Err((key, message)) => {
                problems.push(layers.file.problem(at(key), &format!("web.person.{key}"), message));
            }
        }
    }
    reachable(layers, overrides, !persons.is_empty(), problems);
}

/// What others can reach needs people with tokens, and something that keeps these from being read on the way.
fn reachable(layers: &Layers, overrides: &Overrides, has_persons: bool, problems: &mut Vec<Problem>) {
    let (listen, origin) = layers.of_section("web", "listen");
    let configured = || listen.and_then(|it| it.as_str()).and_then(|it| it.parse::<SocketAddr>().ok());
    let Some(listen) = overrides.listen.or_else(configured) else { return };
    if listen.ip().is_loopback() {
        if !has_persons {
            by_proxy(layers, listen, problems);
        }
        return;
    }
    let problem = |message: &str| match overrides.listen {
        Some(_) => Problem::elsewhere("command line", "--listen", message),
        None => layers.problem_at(&origin, "web.listen", message),
    };
    if !has_persons {
        let message = format!(
            "others can reach {listen}, so that people must say who they are: add a [[web.person]] with name, role and \
             token_file, or listen at 127.0.0.1"
        );
        problems.push(problem(&message));
    }
    let proxies = layers.of_section("web", "trusted_proxy").0.and_then(|it| it.as_array().map(|it| it.len()));
    let certificate = layers.of_section("web", "tls_certificate").0.and_then(|it| it.as_str()).unwrap_or_default();
    if proxies.unwrap_or(0) == 0 && certificate.is_empty() {
        let message = format!(
            "tokens would go to {listen} for everybody on the way to read: give a web.tls_certificate, or name in \
             web.trusted_proxy the address of the proxy before it that speaks TLS, or listen at 127.0.0.1"
        );
        problems.push(problem(&message));
    }
}

/// Others reach a loopback address by a proxy on this machine: everybody would be taken for whoever sits at it.
fn by_proxy(layers: &Layers, listen: SocketAddr, problems: &mut Vec<Problem>) {
    let (proxies, proxied) = layers.of_section("web", "trusted_proxy");
    let (hosts, named) = layers.of_section("web", "allowed_hosts");
    let elsewhere = |it: &&str| {
        let is_loopback = it.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|it| it.is_loopback());
        let name = it.to_ascii_lowercase();
        !is_loopback && name != "localhost" && !name.ends_with(".localhost")
    };
    let host = hosts.and_then(|it| it.as_array()).and_then(|it| it.iter().filter_map(|it| it.as_str()).find(elsewhere));
    let add = "add a [[web.person]] with name, role and token_file";
    if proxies.and_then(|it| it.as_array()).is_some_and(|it| !it.is_empty()) {
        let message = format!(
            "a proxy lets others reach {listen}, so that people must say who they are: {add}, or name no proxy"
        );
        problems.push(layers.problem_at(&proxied, "web.trusted_proxy", &message));
    } else if let Some(host) = host {
        let message = format!(
            "by the name \"{}\" others reach {listen}, so that people must say who they are: {add}, or leave it out",
            host.escape_debug()
        );
        problems.push(layers.problem_at(&named, "web.allowed_hosts", &message));
    }
}

/// Unknown keys, wrong types, wrong values.
pub(super) fn walk(file: &File, persons: &Item, problems: &mut Vec<Problem>) {
    match tables(Some(persons)) {
        Some(all) => all.iter().for_each(|it| file.walk_table("web.person", &[keys::PERSON], it.table, problems)),
        None => problems.push(file.problem(persons.span(), "web.person", "each person begins with [[web.person]]")),
    }
}

/// An IP address.
pub(super) fn address(text: &str) -> Result<(), String> {
    let ok = text.parse::<IpAddr>().is_ok();
    if ok { Ok(()) } else { Err(format!("must be IP addresses, as 127.0.0.1, is \"{}\"", text.escape_debug())) }
}
