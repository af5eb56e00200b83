//! Ten events of a species that nobody taught, among 1,000: how many are found within 20 questions.

use std::collections::BTreeSet;
use std::path::Path;

use eyeshine::ask::plan;
use eyeshine::ask::pool::{About, Shares};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::site::{Site, event};

const TAUGHT: usize = 290;
const EVENTS: usize = 1_000;
const RARE: usize = 10;
const QUESTIONS: usize = 20;
/// Questions after which the head is fitted anew: it is live in seconds.
const SITTING: usize = 5;

/// Prints what is found, each species of the table having its turn as the rare one.
pub(crate) fn rare(table: &Path) -> anyhow::Result<()> {
    let site = Site::look(table)?;
    let only = Shares { random: 0.0, still: 0.0, strange: 1.0, suspect: 0.0 };
    let shipped = Shares { still: 0.0, ..Shares::default() };
    for (name, shares, gallery) in [
        ("the queue as it is shipped, look-alikes named together", shipped, true),
        ("the queue as it is shipped, one answer at a time", shipped, false),
        ("strange ones only, look-alikes named together", only, true),
        ("strange ones only, one answer at a time", only, false),
    ] {
        let found: Vec<usize> = (0..site.all.classes.len()).map(|it| found(&site, it, &shares, gallery)).collect();
        let mean = found.iter().sum::<usize>() as f64 / found.len() as f64;
        let enough = found.iter().filter(|it| **it >= 8).count();
        println!("{name}: {mean:.2} of {RARE} on average; at least 8 for {enough} of {} species", found.len());
        let each: Vec<String> =
            found.iter().zip(&site.all.classes).map(|it| format!("{} {}", it.1.name, it.0)).collect();
        println!("  {}", each.join(", "));
    }
    Ok(())
}

/// Events of a species that are found: asked about, or among the look-alikes that the answer to a question is offered for.
fn found(site: &Site, species: usize, shares: &Shares, gallery: bool) -> usize {
    let mut dice = ChaCha8Rng::seed_from_u64(species as u64);
    let (mut own, mut others): (Vec<usize>, Vec<usize>) = (0..site.len()).partition(|it| site.class(*it) == species);
    own.shuffle(&mut dice);
    others.shuffle(&mut dice);
    let mut answered = others.split_off(others.len() - TAUGHT.min(others.len()));
    let mut rest: Vec<usize> = own.into_iter().take(RARE).chain(others.into_iter().take(EVENTS - RARE)).collect();
    rest.shuffle(&mut dice);
    let mut found = BTreeSet::new();
    for _ in 0..QUESTIONS / SITTING {
        let served = site.teach(&answered);
        let asks = plan(&site.pool(served.as_ref(), &rest, &answered), SITTING, shares, species as u64);
        for it in asks {
            let About::Event(id) = it.about else { continue };
            let mut named = vec![event(id)];
            if gallery {
                let alike = it.alike.iter().map(|it| event(*it));
                named.extend(alike.filter(|it| site.class(*it) == site.class(named[0])).collect::<Vec<_>>());
            }
            found.extend(named.iter().copied().filter(|it| site.class(*it) == species));
            rest.retain(|it| !named.contains(it));
            answered.extend(named.into_iter().filter(|it| !answered.contains(it)).collect::<Vec<_>>());
        }
    }
    found.len()
}
