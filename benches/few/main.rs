//! Heads of few labels: ours, each of its parts alone with its one number tuned by cross-validation, and Frigate's published
//! recipe, on the same features and the same splits. Balanced accuracy of what is not taught.
//!
//! ```text
//! cargo bench --bench few -- LABELS.csv [FIRST_DRAW]       1, 5 and 20 pictures a class are taught, in five draws
//! cargo bench --bench few -- --events TRAIN.csv            events of several frames, cross-validated over events
//! cargo bench --bench few -- --events TRAIN.csv VALID.csv  fitted on the one, scored on the other: to be written down
//! ```

#![allow(clippy::print_stdout, reason = "a bench prints what it measured")]

mod draws;
mod frigate;
#[path = "../network/mod.rs"]
mod network;
mod parts;
mod season;

use std::path::Path;

use anyhow::Context;

const OURS: &str = "eyeshine";
const FRIGATE: &str = "Frigate's recipe";

fn main() -> anyhow::Result<()> {
    // Cargo adds `--bench`.
    let arguments: Vec<String> = std::env::args().skip(1).filter(|it| it != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["--events", table] => season::season(Path::new(table), None),
        ["--events", table, valid] => season::season(Path::new(table), Some(Path::new(valid))),
        [table] => draws::draws(Path::new(table), 0),
        [table, first] => draws::draws(Path::new(table), first.parse().context("FIRST_DRAW must be a number")?),
        _ => {
            println!("few: nothing measured: name a table of labelled pictures: cargo bench --bench few -- LABELS.csv");
            Ok(())
        }
    }
}
