//! What may be said: the names that are offered, the keys of those that are said most, and what is understood by a name that
//! somebody types.

use std::collections::HashMap;

use crate::domain::Class;
use crate::infer::head::BLANK;
use crate::infer::models::Contracts;
use crate::infer::taxonomy::{Taxonomy, common_names};
use crate::observe::store::ClassNamed;
use crate::teach::label_file;

/// Answers that are always there, and their keys.
const ALWAYS: [(&str, &str); 4] = [("unknown", "u"), ("blank", "b"), ("human", "h"), ("unidentifiable", "i")];
/// Keys of the classes that somebody has named, in this order; the letters that mean something else are left out.
const KEYS: [&str; 27] = [
    "1", "2", "3", "4", "5", "6", "7", "8", "9", "0", "q", "w", "e", "r", "t", "y", "o", "p", "d", "f", "g", "j", "k",
    "l", "x", "v", "n",
];
/// Classes that have a button; however many more there are, each is understood and offered by name.
const MAX_BUTTONS: usize = KEYS.len() + 13;

/// A button.
pub(super) struct Choice {
    pub(super) name: String,
    pub(super) key: &'static str,
}

/// A name that is offered in a search.
pub(super) struct Offered {
    pub(super) name: String,
    pub(super) scientific_name: String,
}

/// All names that we know a scientific name of, in the order of the alphabet: the starter head's, and those of our table.
pub(super) fn known(contracts: &Contracts) -> Vec<Class> {
    let starter = contracts.starter();
    let own = starter.classes().iter().filter(|it| &*it.name != BLANK).cloned();
    let table =
        common_names().map(|(name, scientific)| Class { name: name.into(), scientific_name: scientific.into() });
    let mut known: Vec<Class> =
        own.chain(table).chain([Class { name: "vehicle".into(), scientific_name: "".into() }]).collect();
    known.sort_by_cached_key(|it| it.name.to_lowercase());
    known.dedup_by(|a, b| a.name.to_lowercase() == b.name.to_lowercase());
    known
}

/// The buttons, of the classes in the order in which they were first named: so a key goes on meaning what it meant. Where one
/// was taken back its key means nothing.
pub(super) fn choices(named: &[ClassNamed]) -> Vec<Choice> {
    let own = named.iter().filter(|it| ALWAYS.iter().all(|(always, _)| it.class != *always)).take(MAX_BUTTONS);
    let keys = KEYS.into_iter().chain(std::iter::repeat(""));
    let said = own.zip(keys).filter(|(it, _)| it.is_said);
    let own = said.map(|(it, key)| Choice { name: it.class.clone(), key });
    own.chain(ALWAYS.map(|(name, key)| Choice { name: name.into(), key })).collect()
}

/// What is offered: the classes that somebody has named, then all that we know a scientific name of.
pub(super) fn offered(named: &[ClassNamed], known: &[Class], taxonomy: &Taxonomy) -> Vec<Offered> {
    let named: Vec<&str> = named.iter().filter(|it| it.is_said).map(|it| &*it.class).collect();
    let of = |name: &str, scientific: &str| Offered { name: name.into(), scientific_name: scientific.into() };
    let own = named.iter().map(|it| of(it, &taxonomy.scientific_name(it)));
    let further = known.iter().filter(|it| named.iter().all(|own| *own != &*it.name));
    own.chain(further.map(|it| of(&it.name, &it.scientific_name))).collect()
}

/// The class that is meant by what somebody typed, in whatever case, by common or scientific name; `new`: a name that
/// nobody has used is one, too.
pub(super) fn meant(typed: &str, task: &str, offered: &[Offered], new: bool) -> Result<String, String> {
    let typed = label_file::class_name(task, typed)?;
    let lower = typed.to_lowercase();
    let by_name: HashMap<String, &str> = offered.iter().rev().map(|it| (it.name.to_lowercase(), &*it.name)).collect();
    let scientific = || {
        let mut same = offered.iter().filter(|it| it.scientific_name.to_lowercase() == lower);
        same.next().map(|it| it.name.clone())
    };
    if let Some(name) = by_name.get(&lower) {
        return Ok((*name).to_owned());
    }
    if let Some(name) = scientific() {
        return Ok(name);
    }
    match ALWAYS.iter().find(|it| it.0 == lower) {
        Some((name, _)) => Ok((*name).to_owned()),
        None if new => Ok(typed),
        None => Err(format!(
            "nothing is called “{typed}” here so far: choose a name of the list, or say that it is a new one"
        )),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn named(class: &str) -> ClassNamed {
        ClassNamed { class: class.into(), is_said: true }
    }

    #[test]
    fn keys_stay_with_their_classes_and_none_means_two_things() {
        let named = |n: usize| (0..n).map(|it| named(&format!("species {it}"))).collect::<Vec<_>>();
        let (few, many) = (choices(&named(3)), choices(&named(100)));
        assert_eq!((few.len(), many.len()), (7, MAX_BUTTONS + 4));
        assert!(few.iter().take(3).zip(&many).all(|(a, b)| (a.key, &a.name) == (b.key, &b.name)));
        let mut keys: Vec<&str> = many.iter().map(|it| it.key).filter(|it| !it.is_empty()).collect();
        keys.extend(["s", "z", "a", "c", "/", "?"]);
        let n = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), n);
        let blank: Vec<&str> = choices(&[self::named("blank")]).iter().map(|it| it.key).collect();
        assert_eq!(blank, ["u", "b", "h", "i"]);
    }

    #[test]
    fn a_class_that_was_taken_back_leaves_its_key_to_nobody() {
        let fox = || named("fox");
        let vole = |is_said| ClassNamed { class: "vole".into(), is_said };
        let keys =
            |all: &[ClassNamed]| choices(all).into_iter().map(|it| (it.name, it.key)).take(3).collect::<Vec<_>>();
        let with = keys(&[fox(), vole(true), named("badger")]);
        let without = keys(&[fox(), vole(false), named("badger")]);
        assert_eq!(with[1..], [("vole".into(), "2"), ("badger".into(), "3")]);
        assert_eq!(without[1..], [("badger".into(), "3"), ("unknown".into(), "u")]);
        let offered = offered(&[vole(false)], &[], &Taxonomy::default());
        assert!(meant("vole", "species", &offered, false).is_err());
    }

    #[test]
    fn whatever_has_no_button_is_understood_all_the_same() {
        let named: Vec<ClassNamed> = (0..100).map(|it| named(&format!("species {it}"))).collect();
        let offered = offered(&named, &[], &Taxonomy::default());
        assert_eq!(meant("Species 99", "species", &offered, false).unwrap(), "species 99");
    }

    #[test]
    fn a_name_is_understood_in_either_language_and_a_slip_makes_no_species() {
        let fox = Class { name: "red fox".into(), scientific_name: "Vulpes vulpes".into() };
        let offered = offered(&[named("Rudi")], &[fox], &Taxonomy::default());
        let meant = |it: &str, new| meant(it, "species", &offered, new);
        assert_eq!(meant(" Red Fox ", false).unwrap(), "red fox");
        assert_eq!(meant("vulpes vulpes", false).unwrap(), "red fox");
        assert_eq!(meant("rudi", false).unwrap(), "Rudi");
        assert_eq!(meant("blank", false).unwrap(), "blank");
        assert!(meant("red fxo", false).unwrap_err().contains("red fxo"));
        assert_eq!(meant("Pallas's cat", true).unwrap(), "Pallas's cat");
        assert!(meant("", true).is_err() && meant("a\nb", true).is_err());
    }
}
