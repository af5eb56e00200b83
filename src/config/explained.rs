//! What the defaults say of the gate's keys: for whoever changes them on a page.

use toml_edit::{DocumentMut, RawString};

use super::DEFAULT;
use super::keys::GATE;
use super::kinds::Kind;

/// What a key of the gate may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// Yes or no.
    Switch,
    /// A whole number, both bounds included.
    Whole(i64, i64),
    /// A number, both bounds included.
    Number(f64, f64),
}

/// A key of the gate.
#[derive(Debug, Clone, PartialEq)]
pub struct Explained {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub range: Range,
    /// What it means and why the default is what it is, as `config/default.toml` has it.
    pub reason: String,
}

/// Every key of the gate, in the order of the defaults.
pub fn gate() -> Vec<Explained> {
    let document: DocumentMut = DEFAULT.parse().expect("the compiled-in defaults parse: this is a bug");
    let table = document.get("gate").and_then(|it| it.as_table());
    let explained = |it: &super::keys::Key| {
        let range = match it.kind {
            Kind::Bool => Range::Switch,
            Kind::Int(min, max) => Range::Whole(min, max),
            Kind::Float(min, max) => Range::Number(min, max),
            _ => return None,
        };
        let comment = table?.key(it.name)?.leaf_decor().prefix().and_then(RawString::as_str).unwrap_or_default();
        let lines = comment.lines().map(|it| it.trim_start_matches('#').trim());
        let reason = lines.filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ");
        Some(Explained { name: it.name, range, reason })
    };
    GATE.iter().filter_map(explained).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_range_and_its_reason() {
        let all = gate();
        assert_eq!(all.len(), GATE.len());
        assert!(all.iter().all(|it| it.reason.len() > 30), "{all:?}");
        assert_eq!(all[0].range, Range::Whole(64, 1920));
        assert!(all[0].reason.starts_with("Width in px of the luma picture"), "{}", all[0].reason);
    }
}
