//! How many labels it takes to be nearly as good as with all: the day's questions against random ones.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use eyeshine::ask::plan;
use eyeshine::ask::pool::{About, Shares};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::site::{Served, Site, event};
use crate::svg;

/// Nearly as good: this share of the balanced accuracy of a head that was taught all that could be asked.
const NEARLY: f64 = 0.95;
/// Labels in the curve, at most.
const MOST: usize = 320;

pub(crate) const RANDOM: &str = "random";
const QUEUE: &str = "the queue as it is shipped";
const HERDING: &str = "uncertainty herding alone";
const ORACLE: &str = "an oracle, evenly over classes";

/// What is asked.
#[derive(Clone, Copy)]
enum Way {
    /// Whatever comes.
    Random,
    /// What is planned.
    Planned(Shares),
    /// As many of each class, at random within it: as if the answers were known before they are asked for.
    Even,
}

/// Balanced accuracy as a share of the full head's, by labels.
pub(crate) type Points = Vec<(usize, f64)>;

/// Prints, and draws, the curves of a table of labelled pictures, of which `per_day` are asked a day. A draw is of which events can
/// be asked about and which are scored.
pub(crate) fn curve(
    name: &str,
    per_day: usize,
    draws: Range<u64>,
    table: &Path,
    to: Option<&Path>,
) -> anyhow::Result<()> {
    let site = Site::look(table)?;
    let none = Shares { random: 0.0, blank: 0.0, still: 0.0, strange: 0.0, suspect: 0.0 };
    let ways = [
        (RANDOM, Way::Random),
        (QUEUE, Way::Planned(Shares { still: 0.0, ..Shares::default() })),
        (HERDING, Way::Planned(none)),
        (ORACLE, Way::Even),
    ];
    let mut curves: BTreeMap<&str, Vec<Points>> = BTreeMap::new();
    let mut full = Vec::new();
    for draw in draws {
        let mut events: Vec<usize> = (0..site.len()).collect();
        events.shuffle(&mut ChaCha8Rng::seed_from_u64(draw));
        let (askable, scored) = events.split_at(site.len() * 2 / 3);
        let of_all = site.teach(askable, askable).map_or(0.0, |it| balanced(&site, &it, askable, scored));
        full.push(of_all);
        for &(way, asked) in &ways {
            let points = season(&site, askable, scored, per_day, asked, draw);
            let points: Points = points.into_iter().map(|it| (it.0, it.1 / of_all)).collect();
            println!("  draw {draw}, {way}: {:.0} labels", needed(&points));
            curves.entry(way).or_default().push(points);
        }
    }
    let full = full.iter().sum::<f64>() / full.len() as f64;
    println!("{name}: {} events, two thirds can be asked about; full balanced accuracy {full:.3}", site.len());
    let mut means = Vec::new();
    for (way, _) in &ways {
        let each = &curves[way];
        let mut of_draws: Vec<f64> = each.iter().map(needed).collect();
        of_draws.sort_by(f64::total_cmp);
        let points = mean(&each.iter().collect::<Vec<_>>());
        let at: Vec<String> = points.iter().map(|it| format!("{}: {:.3}", it.0, it.1)).collect();
        println!(
            "{way}: {:.0} labels for {NEARLY} by the mean curve; median draw {:.0} ({:.0} to {:.0})\n  {}",
            needed(&points),
            of_draws[of_draws.len() / 2],
            of_draws[0],
            of_draws[of_draws.len() - 1],
            at.join(", ")
        );
        means.push((*way, points));
        if *way != RANDOM {
            let (low, high) = share(each, &curves[RANDOM]);
            println!("  of random's labels: {low:.2} to {high:.2} (95 % of resampled draws)");
        }
    }
    if let Some(to) = to {
        std::fs::write(to, svg::chart(name, &means, NEARLY))?;
    }
    Ok(())
}

/// The mean of curves, as far as all go.
fn mean(curves: &[&Points]) -> Points {
    let n = curves.iter().map(|it| it.len()).min().unwrap_or(0);
    (0..n).map(|i| (curves[0][i].0, curves.iter().map(|it| it[i].1).sum::<f64>() / curves.len() as f64)).collect()
}

/// The share of random's labels that are needed, by the mean curves: where 95 % of the draws' resamplings lie. A curve is flat
/// where it is nearly as good as can be, so that little in accuracy is much in labels.
fn share(way: &[Points], random: &[Points]) -> (f64, f64) {
    const TIMES: usize = 4_000;
    let mut dice = ChaCha8Rng::seed_from_u64(0);
    // Where random does not come so far within its season it needs more than that: the share is rather less than what is said.
    let most = random.iter().filter_map(|it| it.last()).map(|it| it.0 as f64).fold(0.0, f64::max);
    let mut once = || {
        let draws: Vec<usize> = way.iter().map(|_| dice.random_range(0..way.len())).collect();
        let needed = |of: &[Points]| needed(&mean(&draws.iter().map(|it| &of[*it]).collect::<Vec<_>>()));
        needed(way) / needed(random).min(most)
    };
    let mut shares: Vec<f64> = (0..TIMES).map(|_| once()).collect();
    shares.sort_by(f64::total_cmp);
    (shares[TIMES / 40], shares[TIMES - 1 - TIMES / 40])
}

/// Days of questions: after each, how good a head of all answers is.
fn season(site: &Site, askable: &[usize], scored: &[usize], per_day: usize, way: Way, draw: u64) -> Points {
    let (mut answered, mut points) = (Vec::new(), Vec::new());
    let mut again: Vec<usize> = Vec::new();
    // They are shuffled.
    let mut rest: Vec<usize> = if matches!(way, Way::Even) { evenly(site, askable) } else { askable.to_vec() };
    let mut served: Option<Served> = None;
    while !rest.is_empty() && answered.len() < MOST {
        let n = per_day.min(rest.len());
        let chosen: Vec<usize> = match &way {
            Way::Random | Way::Even => rest[..n].to_vec(),
            Way::Planned(shares) => {
                let mut pool = site.pool(served.as_ref(), &rest, &answered);
                for it in &mut pool.taught {
                    it.asked_again = again.contains(&event(it.id));
                    it.settled = it.asked_again;
                }
                let asks = plan(&pool, n, shares, draw);
                let about =
                    asks.iter().filter_map(|it| if let About::Event(id) = it.about { Some(event(id)) } else { None });
                about.collect()
            }
        };
        if chosen.iter().all(|it| answered.contains(it)) {
            break;
        }
        // Where a suspect is asked about again the answer is the same: it costs a question and teaches nothing.
        rest.retain(|it| !chosen.contains(it));
        let asked = points.last().map_or(0, |it: &(usize, f64)| it.0) + chosen.len();
        again.extend(chosen.iter().filter(|it| answered.contains(*it)));
        answered.extend(chosen.into_iter().filter(|it| !answered.contains(it)).collect::<Vec<_>>());
        served = site.teach(&answered, askable);
        points.push((asked, served.as_ref().map_or(0.0, |it| balanced(site, it, askable, scored))));
    }
    points
}

/// The first of each class, then the second of each, and so on.
fn evenly(site: &Site, events: &[usize]) -> Vec<usize> {
    let mut n = vec![0usize; site.all.classes.len()];
    let mut turns: Vec<(usize, usize)> = Vec::new();
    for &it in events {
        turns.push((n[site.class(it)], it));
        n[site.class(it)] += 1;
    }
    turns.sort_by_key(|it| it.0);
    turns.into_iter().map(|it| it.1).collect()
}

/// Balanced accuracy over classes that could be asked about.
fn balanced(site: &Site, served: &Served, askable: &[usize], scored: &[usize]) -> f64 {
    let mut by: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
    for &it in scored.iter().filter(|it| askable.iter().any(|other| site.class(*other) == site.class(**it))) {
        let entry = by.entry(site.class(it)).or_default();
        entry.0 += f64::from(u8::from(site.ask(served, it).class == site.class(it)));
        entry.1 += 1.0;
    }
    by.values().map(|it| it.0 / it.1).sum::<f64>() / by.len().max(1) as f64
}

/// Labels at which a curve first is nearly as good, in a straight line between two days.
fn needed(points: &Points) -> f64 {
    let mut before = (0.0, 0.0);
    for &(n, it) in points {
        if it >= NEARLY {
            return before.0 + (n as f64 - before.0) * (NEARLY - before.1) / (it - before.1);
        }
        before = (n as f64, it);
    }
    f64::INFINITY
}
