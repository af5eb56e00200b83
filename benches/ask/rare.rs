//! Ten events of a species that nobody taught, among 1,000: how many are found within 20 questions.

use std::collections::BTreeSet;
use std::ops::Range;
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

/// What a season came to.
#[derive(Default)]
struct Found {
    /// Events of the species, of ten.
    events: usize,
    /// The question with which the first was found, where one was.
    first: Option<usize>,
    /// Look-alikes that stood beside the questions.
    shown: usize,
}

/// Prints what is found, each species of the table having its turn as the rare one in each draw.
pub(crate) fn rare(draws: Range<u64>, table: &Path) -> anyhow::Result<()> {
    let site = Site::look(table)?;
    let shipped = Shares { still: 0.0, ..Shares::default() };
    for (name, gallery) in [("look-alikes named together", true), ("one answer at a time", false)] {
        let of = |species| draws.clone().map(|draw| found(&site, species, draw, &shipped, gallery)).collect();
        let by_species: Vec<Vec<Found>> = (0..site.all.classes.len()).map(of).collect();
        let (even, odd): (Vec<_>, Vec<_>) = by_species.iter().enumerate().partition(|it| it.0 % 2 == 0);
        println!("the queue as it is shipped, {name}; draws {draws:?}:");
        say("all species", by_species.iter().flatten());
        say("the 1st, 3rd, ... by name", even.into_iter().flat_map(|it| it.1));
        say("the 2nd, 4th, ... by name", odd.into_iter().flat_map(|it| it.1));
        for (it, class) in by_species.iter().zip(&site.all.classes) {
            let each: Vec<String> = it.iter().map(|it| it.events.to_string()).collect();
            println!("    {}: {}", class.name, each.join(", "));
        }
    }
    Ok(())
}

fn say<'a>(of: &str, seasons: impl Iterator<Item = &'a Found>) {
    let all: Vec<&Found> = seasons.collect();
    let n = all.len() as f64;
    let mean = |number: &dyn Fn(&Found) -> usize| all.iter().map(|it| number(it)).sum::<usize>() as f64 / n;
    let enough = all.iter().filter(|it| it.events >= 8).count();
    let mut firsts: Vec<usize> = all.iter().filter_map(|it| it.first).collect();
    firsts.sort_unstable();
    println!(
        "  {of}: {:.2} of {RARE} on average; at least 8 in {enough} of {}; none in {}; where any, the first with question {} \
         (median); {:.0} look-alikes shown",
        mean(&|it| it.events),
        all.len(),
        all.len() - firsts.len(),
        firsts.get(firsts.len() / 2).copied().unwrap_or_default(),
        mean(&|it| it.shown)
    );
}

/// Events of a species that are found: asked about, or among the look-alikes that the answer to a question is offered for.
fn found(site: &Site, species: usize, draw: u64, shares: &Shares, gallery: bool) -> Found {
    let mut dice = ChaCha8Rng::seed_from_u64(1_000 * draw + species as u64);
    let (mut own, mut others): (Vec<usize>, Vec<usize>) = (0..site.len()).partition(|it| site.class(*it) == species);
    own.shuffle(&mut dice);
    others.shuffle(&mut dice);
    let mut answered = others.split_off(others.len() - TAUGHT.min(others.len()));
    let mut rest: Vec<usize> = own.into_iter().take(RARE).chain(others.into_iter().take(EVENTS - RARE)).collect();
    rest.shuffle(&mut dice);
    let (mut found, mut season, mut asked) = (BTreeSet::new(), Found::default(), 0);
    for sitting in 0..QUESTIONS / SITTING {
        let came: Vec<usize> = answered.iter().chain(&rest).copied().collect();
        let served = site.teach(&answered, &came);
        let pool = site.pool(served.as_ref(), &rest, &answered);
        for it in plan(&pool, SITTING, shares, 1_000 * draw + sitting as u64) {
            let About::Event(id) = it.about else { continue };
            asked += 1;
            let mut named = vec![event(id)];
            if gallery {
                season.shown += it.alike.len();
                let alike = it.alike.iter().map(|it| event(*it));
                named.extend(alike.filter(|it| site.class(*it) == site.class(named[0])).collect::<Vec<_>>());
            }
            found.extend(named.iter().copied().filter(|it| site.class(*it) == species));
            if !found.is_empty() {
                season.first.get_or_insert(asked);
            }
            rest.retain(|it| !named.contains(it));
            answered.extend(named.into_iter().filter(|it| !answered.contains(it)).collect::<Vec<_>>());
        }
    }
    Found { events: found.len(), ..season }
}
