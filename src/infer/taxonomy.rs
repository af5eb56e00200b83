//! What the names of classes mean: scientific names, and the genus, family and order that each belongs to.
//!
//! A name is looked for among those of the config, then of the featurizer's contract, then in `config/names.csv`; the family
//! of a genus stands in `config/taxa.csv`. Both are compiled in, and hold names alone that mean one thing everywhere.

use std::collections::HashMap;
use std::sync::Arc;

use crate::config::TaxonConfig;
use crate::domain::{Class, Rank};
use crate::infer::contract::NetworkClass;

const TAXA: &str = include_str!("../../config/taxa.csv");
const NAMES: &str = include_str!("../../config/names.csv");

/// What the names of classes mean.
#[derive(Debug, Clone, Default)]
pub struct Taxonomy {
    /// Of genera.
    genera: HashMap<Arc<str>, Family>,
    /// Of families, subfamilies and tribes.
    families: HashMap<Arc<str>, Family>,
    /// By common name, lower case.
    names: HashMap<String, Named>,
}

#[derive(Debug, Clone)]
struct Family {
    name: Arc<str>,
    order: Option<Arc<str>>,
}

#[derive(Debug, Clone)]
struct Named {
    scientific_name: Arc<str>,
    /// Said in the config, for what the table does not know.
    family: Option<Arc<str>>,
}

/// The taxa above a class, as far as they are known.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lineage([Option<Arc<str>>; Rank::ALL.len()]);

impl Lineage {
    /// The taxon of that rank.
    pub fn at(&self, rank: Rank) -> Option<&Arc<str>> {
        self.0[rank as usize].as_ref()
    }
}

impl Taxonomy {
    /// Of the config's names and the network's, with the tables that are compiled in.
    pub fn new(own: &[TaxonConfig], network: &[NetworkClass]) -> Taxonomy {
        let mut it = Taxonomy::default();
        for [order, family, genera, subfamilies] in rows(TAXA) {
            let family = Family { name: family.into(), order: Some(order.into()) };
            it.families.insert(Arc::clone(&family.name), family.clone());
            it.families.extend(subfamilies.split_whitespace().map(|name| (name.into(), family.clone())));
            it.genera.extend(genera.split_whitespace().map(|name| (name.into(), family.clone())));
        }
        for [name, scientific_name] in rows(NAMES) {
            it.call(name, scientific_name, None);
        }
        // What is said later goes before what was said first.
        for class in network.iter().filter(|it| it.animal) {
            it.call(&class.common_name, &class.scientific_name, None);
        }
        for taxon in own {
            it.call(&taxon.name, &taxon.scientific_name, taxon.family.as_deref());
        }
        it
    }

    fn call(&mut self, name: &str, scientific_name: &str, family: Option<&str>) {
        let named = Named { scientific_name: scientific_name.into(), family: family.map(Into::into) };
        self.names.insert(name.to_lowercase(), named);
    }

    /// The scientific name of what people call so; empty where nobody knows one.
    pub fn scientific_name(&self, name: &str) -> Arc<str> {
        self.names.get(&name.to_lowercase()).map(|it| Arc::clone(&it.scientific_name)).unwrap_or_default()
    }

    /// The taxa above a class, by its own scientific name or else by the one that its name has here.
    pub fn lineage(&self, class: &Class) -> Lineage {
        let named = self.names.get(&class.name.to_lowercase());
        let scientific_name = match (&*class.scientific_name, named) {
            ("", Some(it)) => &it.scientific_name,
            _ => &class.scientific_name,
        };
        let mut words = scientific_name.split_whitespace();
        let Some(first) = words.next() else { return Lineage::default() };
        let own = named.and_then(|it| it.family.as_ref());
        let own = own.map(|it| self.families.get(it).cloned().unwrap_or(Family { name: Arc::clone(it), order: None }));
        let of_family = self.families.get(first);
        // A genus that no table knows is one where a species of it is named.
        let is_genus = of_family.is_none() && (self.genera.contains_key(first) || words.next().is_some());
        let family = own.or_else(|| of_family.cloned()).or_else(|| self.genera.get(first).cloned());
        let (family, order) = family.map_or((None, None), |it| (Some(it.name), it.order));
        Lineage([is_genus.then(|| first.into()), family, order])
    }
}

/// The common and scientific names of the table that is compiled in.
pub fn common_names() -> impl Iterator<Item = (&'static str, &'static str)> {
    rows(NAMES).map(|[name, scientific_name]| (name, scientific_name))
}

/// The rows of a table of ours, less its header.
fn rows<const N: usize>(table: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    table.lines().skip(1).filter_map(|line| line.split(',').collect::<Vec<_>>().try_into().ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::HashSet;

    use super::*;

    fn lineage(taxonomy: &Taxonomy, name: &str, scientific_name: &str) -> [Option<String>; 3] {
        let class = Class { name: name.into(), scientific_name: scientific_name.into() };
        let lineage = taxonomy.lineage(&class);
        Rank::ALL.map(|it| lineage.at(it).map(|it| it.to_string()))
    }

    fn taxa(names: [&str; 3]) -> [Option<String>; 3] {
        names.map(|it| (!it.is_empty()).then(|| it.to_owned()))
    }

    #[test]
    fn every_row_of_the_tables_is_whole_and_says_nothing_twice() {
        let (taxa, names) = (rows::<4>(TAXA).count(), rows::<2>(NAMES).count());
        assert_eq!((taxa, names), (TAXA.lines().count() - 1, NAMES.lines().count() - 1));
        let mut seen = HashSet::new();
        for [order, family, genera, subfamilies] in rows::<4>(TAXA) {
            assert!(family.ends_with("idae") && !order.is_empty() && !genera.is_empty(), "{family}");
            let below = genera.split_whitespace().chain(subfamilies.split_whitespace());
            below.chain([family]).for_each(|it| assert!(seen.insert(it), "{it} stands there twice"));
        }
        let mut called = HashSet::new();
        for [name, scientific_name] in rows::<2>(NAMES) {
            assert!(called.insert(name.to_lowercase()), "{name} stands there twice");
            assert!(seen.contains(scientific_name.split(' ').next().unwrap()), "{name}: {scientific_name}");
        }
    }

    #[test]
    fn a_class_belongs_where_its_scientific_name_says_else_its_name() {
        let taxonomy = Taxonomy::new(&[], &[]);
        let cat = ["Puma", "Felidae", "Carnivora"];
        assert_eq!(lineage(&taxonomy, "ghost", "Puma concolor"), taxa(cat));
        assert_eq!(lineage(&taxonomy, "Mountain Lion", ""), taxa(cat));
        assert_eq!(lineage(&taxonomy, "lynx", "Lynx"), taxa(["Lynx", "Felidae", "Carnivora"]));
        assert_eq!(lineage(&taxonomy, "otter", "Lutrinae"), taxa(["", "Mustelidae", "Carnivora"]));
        assert_eq!(lineage(&taxonomy, "deer", ""), taxa(["", "Cervidae", "Artiodactyla"]));
        assert_eq!(lineage(&taxonomy, "snoek", "Thyrsites atun"), taxa(["Thyrsites", "", ""]));
        assert_eq!(lineage(&taxonomy, "human", ""), taxa(["", "", ""]));
        assert_eq!(&*taxonomy.scientific_name("Roe deer"), "Capreolus capreolus");
    }

    #[test]
    fn what_the_config_says_goes_before_the_network_and_that_before_the_table() {
        let network = |common: &str, scientific: &str| NetworkClass {
            label: "".into(),
            animal: true,
            common_name: common.into(),
            scientific_name: scientific.into(),
            rank: "species".into(),
        };
        let own = |name: &str, scientific: &str, family: Option<&str>| TaxonConfig {
            name: name.into(),
            scientific_name: scientific.into(),
            family: family.map(Into::into),
        };
        let network = [network("fox", "Vulpes vulpes"), network("deer", "Cervus elaphus")];
        let own = [own("Deer", "Capreolus capreolus", None), own("nessie", "Nessiteras rhombopteryx", Some("Felidae"))];
        let taxonomy = Taxonomy::new(&own, &network);
        assert_eq!(&*taxonomy.scientific_name("fox"), "Vulpes vulpes");
        assert_eq!(&*taxonomy.scientific_name("deer"), "Capreolus capreolus");
        assert_eq!(lineage(&taxonomy, "nessie", ""), taxa(["Nessiteras", "Felidae", "Carnivora"]));
    }
}
