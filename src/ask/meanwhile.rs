//! What is asked where no vectors are kept: of what was not chosen for a better reason, the least sure first. Whether it is the
//! same animal seen twice nobody can tell there; where vectors are, herding has chosen all that is worth asking.

use std::collections::HashSet;

use uuid::Uuid;

use super::gather::Seen;
use super::pool::{About, Ask};
use crate::domain::ObservationType;
use crate::observe::store::Why;

/// Up to `n` further questions; none about what is `chosen`.
pub(super) fn least_sure(seen: &[(Uuid, Seen)], chosen: &HashSet<Uuid>, n: usize) -> Vec<Ask> {
    let mut left: Vec<&(Uuid, Seen)> = seen.iter().filter(|it| !chosen.contains(&it.0)).collect();
    // The order of equals is that in which they were found: the latest first.
    left.sort_by(|a, b| doubt(&b.1).total_cmp(&doubt(&a.1)));
    left.into_iter().take(n).map(|(id, it)| ask(*id, it)).collect()
}

/// 0..=1, and less for what is taken for blank: most of it is.
fn doubt(seen: &Seen) -> f32 {
    let first = seen.observed.first().filter(|it| it.kind != ObservationType::Unclassified);
    let doubt = first.map_or(1.0, |it| 1.0 - it.probability.clamp(0.0, 1.0));
    if seen.blank { doubt - 1.0 } else { doubt }
}

fn ask(id: Uuid, seen: &Seen) -> Ask {
    let first = seen.observed.first().filter(|it| it.kind != ObservationType::Unclassified);
    let (why, reason) = match first {
        Some(it) if it.kind == ObservationType::Unknown => (Why::Unsure, "no head knows it".to_owned()),
        Some(it) => (Why::Unsure, format!("{} by {:.0} %", it.label(), 100.0 * it.probability)),
        None => (Why::Cover, "no head has answered it".to_owned()),
    };
    Ask { about: About::Event(id), why, reason, blind: false, probability: None, alike: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Observation;
    use crate::observe::store::fixture;

    #[test]
    fn the_least_sure_come_first_and_blank_ones_last() {
        let seen = |probability: Option<f32>, blank: bool| {
            let observed =
                probability.map(|probability| Observation { probability, ..fixture::observation("red fox") });
            (Uuid::now_v7(), Seen { observed: observed.into_iter().collect(), blank })
        };
        let all = [
            seen(Some(0.9), false),
            seen(None, true),
            seen(Some(0.4), false),
            seen(None, false),
            seen(Some(0.5), false),
        ];
        let chosen = HashSet::from([all[4].0]);
        let asked = least_sure(&all, &chosen, 9);
        let order: Vec<About> = [3, 2, 0, 1].map(|it: usize| About::Event(all[it].0)).into();
        assert_eq!(asked.iter().map(|it| it.about).collect::<Vec<_>>(), order);
        assert_eq!(asked[1].reason, "red fox by 40 %");
        assert_eq!(least_sure(&all, &chosen, 1).len(), 1);
    }
}
