//! What questions buy: the day's questions against as many random ones, kinds of animals that nobody taught, and answers
//! that are wrong; on real pictures, with real heads and simulated answers.
//!
//! ```text
//! cargo bench --bench ask -- curve NAME PER_DAY FIRST_DRAW DRAWS LABELS.csv [CURVE.svg]   labels that are needed
//! cargo bench --bench ask -- rare FIRST_DRAW DRAWS LABELS.csv                             ten events of a species among 1,000
//! cargo bench --bench ask -- suspects LABELS.csv                                          one labeller of three is wrong in 10 %
//! ```

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

mod curve;
#[path = "../network/mod.rs"]
mod network;
mod rare;
mod site;
mod svg;
mod wrong;

use std::ops::Range;
use std::path::Path;

use anyhow::Context;

fn main() -> anyhow::Result<()> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["curve", name, per_day, first, draws, table, ref to @ ..] => {
            let per_day = per_day.parse().context("PER_DAY must be a number")?;
            curve::curve(name, per_day, range(first, draws)?, Path::new(table), to.first().map(Path::new))
        }
        ["rare", first, draws, table] => rare::rare(range(first, draws)?, Path::new(table)),
        ["suspects", table] => wrong::wrong(Path::new(table)),
        _ => {
            println!("ask: nothing measured: name a trial and a table of labelled pictures");
            Ok(())
        }
    }
}

fn range(first: &str, draws: &str) -> anyhow::Result<Range<u64>> {
    let first: u64 = first.parse().context("FIRST_DRAW must be a number")?;
    Ok(first..first + draws.parse::<u64>().context("DRAWS must be a number")?)
}
