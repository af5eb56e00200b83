//! The higher ranks that a head can answer with: taxa above several of its classes.

use std::sync::Arc;

use crate::domain::{Class, Rank};
use crate::infer::taxonomy::Taxonomy;
use crate::infer::together::Together;
use crate::infer::unknown::Unknown;

/// Probability from which a class is a part of what an event may be: without a second one a group says no more than its
/// class, which was not sure.
const CONTRIBUTES: f32 = 0.05;

/// The taxa above at least two classes of a head, the lowest rank first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Ranks(Vec<Group>);

#[derive(Debug, Clone, PartialEq)]
struct Group {
    rank: Rank,
    taxon: Arc<str>,
    /// Places of its classes.
    members: Vec<usize>,
}

/// A taxon as an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Higher {
    /// It, under its only name.
    pub class: Class,
    /// Its rank.
    pub rank: Rank,
    /// That the event is of any of its taught classes.
    pub probability: f32,
}

impl Ranks {
    /// Of classes in the order of a head's probabilities.
    pub fn of(classes: &[Class], taxonomy: &Taxonomy) -> Ranks {
        let mut groups: Vec<Group> = Vec::new();
        let lineages: Vec<_> = classes.iter().map(|it| taxonomy.lineage(it)).collect();
        for rank in Rank::ALL {
            for (place, lineage) in lineages.iter().enumerate() {
                let Some(taxon) = lineage.at(rank) else { continue };
                match groups.iter_mut().find(|it| it.rank == rank && it.taxon == *taxon) {
                    Some(group) => group.members.push(place),
                    None => groups.push(Group { rank, taxon: Arc::clone(taxon), members: vec![place] }),
                }
            }
        }
        groups.retain(|it| it.members.len() > 1);
        Ranks(groups)
    }

    /// The lowest taxon that an event is sure to be of: see [`Unknown::is_sure_of_group`].
    pub fn of_event(&self, together: &Together, unknown: &Unknown) -> Option<Higher> {
        let sure = |group: &&Group| {
            let contributing = group.members.iter().filter(|it| together.given_present[**it] >= CONTRIBUTES);
            contributing.count() > 1 && unknown.is_sure_of_group(together, group.probability(together))
        };
        let lowest = self.0.iter().find(sure)?.rank;
        let of_rank = self.0.iter().filter(|it| it.rank == lowest).filter(sure);
        let group = of_rank.max_by(|a, b| a.probability(together).total_cmp(&b.probability(together)))?;
        let class = Class { name: Arc::clone(&group.taxon), scientific_name: Arc::clone(&group.taxon) };
        Some(Higher { class, rank: lowest, probability: group.probability(together) })
    }
}

impl Group {
    fn probability(&self, together: &Together) -> f32 {
        self.members.iter().map(|it| together.given_present[*it]).sum::<f32>().min(1.0)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::infer::closeness::Closeness;

    /// Doubt alone tells strangers apart: 0.8 is sure, and half as far as they come.
    const UNKNOWN: Unknown =
        Unknown { of_distance: 0.0, of_doubt: 1.0, of_lead: 0.0, of_second: 0.0, threshold: 0.2231, reach: Some(0.5) };

    fn classes() -> Vec<Class> {
        let names = [
            ("blank", ""),
            ("bobcat", "Lynx rufus"),
            ("lynx", "Lynx lynx"),
            ("cougar", "Puma concolor"),
            ("fox", "Vulpes vulpes"),
            ("hen", "Gallus gallus domesticus"),
        ];
        names.map(|(name, scientific)| Class { name: name.into(), scientific_name: scientific.into() }).into()
    }

    /// Of an event with these probabilities, at that distance from what was taught.
    fn higher(given_present: [f32; 6], distance: f32, unknown: Unknown) -> Option<(String, Rank)> {
        let ranks = Ranks::of(&classes(), &Taxonomy::new(&[], &[]));
        let given_present = given_present.to_vec();
        let closeness = Closeness { cosine: 1.0 - distance, lead: 0.0 };
        let together = Together { presence: 1.0, given_present, closeness, second_closeness: None };
        ranks.of_event(&together, &unknown).map(|it| (it.class.name.to_string(), it.rank))
    }

    fn is(name: &str, rank: Rank) -> Option<(String, Rank)> {
        Some((name.into(), rank))
    }

    #[test]
    fn the_lowest_rank_that_is_sure_is_the_answer() {
        assert_eq!(higher([0.0, 0.5, 0.4, 0.04, 0.03, 0.03], 0.3, UNKNOWN), is("Lynx", Rank::Genus));
        assert_eq!(higher([0.0, 0.4, 0.2, 0.3, 0.05, 0.05], 0.3, UNKNOWN), is("Felidae", Rank::Family));
        assert_eq!(higher([0.0, 0.3, 0.1, 0.2, 0.35, 0.05], 0.3, UNKNOWN), is("Carnivora", Rank::Order));
        assert_eq!(higher([0.0, 0.2, 0.1, 0.1, 0.1, 0.5], 0.3, UNKNOWN), None, "a bird and beasts share no rank here");
    }

    #[test]
    fn a_taxon_of_which_one_class_alone_contributes_says_no_more_than_that_class() {
        assert_eq!(higher([0.0, 0.78, 0.03, 0.02, 0.02, 0.15], 0.3, UNKNOWN), None);
        // The fox is the only dog that was taught, so that no family of it is.
        let group = Ranks::of(&classes(), &Taxonomy::new(&[], &[])).0;
        let taxa: Vec<&str> = group.iter().map(|it| &*it.taxon).collect();
        assert_eq!(taxa, ["Lynx", "Felidae", "Carnivora"]);
    }

    #[test]
    fn what_is_far_from_everything_taught_stays_unknown_however_sure_its_group() {
        let cats = [0.0, 0.5, 0.49, 0.01, 0.0, 0.0];
        assert_eq!(higher(cats, 0.49, UNKNOWN), is("Lynx", Rank::Genus));
        assert_eq!(higher(cats, 0.51, UNKNOWN), None);
        assert_eq!(
            higher(cats, 0.3, Unknown { reach: None, ..UNKNOWN }),
            None,
            "nobody knows how far known events lie"
        );
        // Where distance counts, what is strange by it alone is so for a group too.
        let by_distance = Unknown { of_distance: 1.0, threshold: 0.4, ..UNKNOWN };
        assert_eq!(higher(cats, 0.35, by_distance), is("Lynx", Rank::Genus));
        assert_eq!(higher(cats, 0.45, by_distance), None);
    }
}
