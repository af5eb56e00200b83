//! The document and the routes are of one mind: neither has a path, a method or a role that the other has not.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use axum::http::Method;
use serde_json::Value;

use crate::web::routes::routes;
use crate::web::who::Role;

/// For programs; all else is pages, what they are made of, and forms.
fn is_for_programs(path: &str) -> bool {
    path.starts_with("/api/") || ["/media/{id}", "/metrics", "/healthz", "/readyz"].contains(&path)
}

type Known = BTreeSet<(String, String, String)>;

fn documented() -> Known {
    let document: Value = serde_json::from_str(include_str!("openapi.json")).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, it)| it.as_object().unwrap().iter().map(move |it| (path, it)));
    let role = |it: &Value| it["x-role"].as_str().unwrap().to_owned();
    operations.map(|(path, (method, it))| (path.clone(), method.to_uppercase(), role(it))).collect()
}

#[test]
fn every_route_for_programs_is_documented_with_its_role_and_nothing_else_is() {
    let of_programs = routes().into_iter().filter(|it| is_for_programs(it.path));
    let role = |it: Option<Role>| it.map_or("nobody", Role::as_str).to_owned();
    let routed: Known = of_programs.map(|it| (it.path.to_owned(), it.method.to_string(), role(it.needs))).collect();
    assert_eq!(routed, documented());
}

#[test]
fn what_changes_something_needs_more_than_a_look() {
    for it in routes().iter().filter(|it| it.method != Method::GET && !["/login", "/logout"].contains(&it.path)) {
        assert!(it.needs >= Some(Role::Label), "{} {}", it.method, it.path);
    }
}
