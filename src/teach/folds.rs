//! Folds for cross-validation: no event stands on both sides, nor, where it can be helped, a day of a camera.

use std::collections::BTreeMap;

use super::taught::Taught;

/// Folds, at most.
pub const N_FOLDS: usize = 5;

/// The fold of each event, 0..[`N_FOLDS`]; none for the only event of a class, which is always taught and never asked.
///
/// A function of the events alone. Groups (a camera's days) are dealt out whole, the rarest classes first, each to the
/// fold that has least of its classes. Where that would put all events of a class into one group, events are dealt out.
pub fn folds(taught: &Taught) -> Vec<Option<usize>> {
    let n_events = taught.n_events();
    let mut groups: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (i, it) in taught.events.iter().enumerate().filter(|(_, it)| n_events[it.class] > 1) {
        groups.entry(&it.group).or_default().push(i);
    }
    let mut n_groups = vec![0usize; n_events.len()];
    for events in groups.values() {
        let mut classes: Vec<usize> = events.iter().map(|&i| taught.events[i].class).collect();
        classes.sort_unstable();
        classes.dedup();
        classes.into_iter().for_each(|it| n_groups[it] += 1);
    }
    let apart = n_events.iter().zip(&n_groups).all(|(&events, &groups)| events < 2 || groups > 1);
    let mut units: Vec<Vec<usize>> = if apart {
        groups.into_values().collect()
    } else {
        groups.into_values().flatten().map(|it| vec![it]).collect()
    };
    let rarest = |unit: &Vec<usize>| unit.iter().map(|&i| n_events[taught.events[i].class]).min();
    units.sort_by_key(|it| (rarest(it), taught.events[it[0]].class, it[0]));
    let mut counts = vec![vec![0usize; n_events.len()]; N_FOLDS];
    let mut fold_of = vec![None; taught.events.len()];
    for unit in units {
        let load = |fold: usize| {
            let own: usize = unit.iter().map(|&i| counts[fold][taught.events[i].class]).sum();
            (own, counts[fold].iter().sum::<usize>(), fold)
        };
        let Some(fold) = (0..N_FOLDS).min_by_key(|it| load(*it)) else { continue };
        for i in unit {
            counts[fold][taught.events[i].class] += 1;
            fold_of[i] = Some(fold);
        }
    }
    fold_of
}
