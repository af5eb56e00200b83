//! `[[taxon]]`: what must fit together about the names that a site gives a meaning.

use super::check::{File, Problem, tables};
use super::keys;

/// Checks every taxon of a file.
pub(super) fn check(file: &File, problems: &mut Vec<Problem>) {
    let mut names: Vec<String> = Vec::new();
    for taxon in tables(file.document.get("taxon")).unwrap_or_default() {
        file.walk_table("taxon", &[keys::TAXON], taxon.table, problems);
        for needed in ["name", "scientific_name"] {
            if taxon.table.get(needed).is_none() {
                let message = format!("this taxon has no {needed}");
                problems.push(file.problem(taxon.span.clone(), &format!("taxon.{needed}"), message));
            }
        }
        let Some((key, Some(name))) = taxon.table.get_key_value("name").map(|(key, it)| (key, it.as_str())) else {
            continue;
        };
        let name = name.to_lowercase();
        if names.contains(&name) {
            let message = format!("\"{}\" has a meaning already; each name has one", name.escape_debug());
            problems.push(file.problem(key.span(), "taxon.name", message));
        }
        names.push(name);
    }
}
