//! `eyeshine eval --report`: is transfer right here?

use std::fmt::Write as _;
use std::io::{self, Write};
use std::path::Path;

use anyhow::Context;
use serde::Serialize;

use crate::commands::unless_gone;
use crate::config::{CameraConfig, Config};
use crate::infer::models::Models;
use crate::observe::store::Store;
use crate::teach::label_file;
use crate::teach::report::curve::Curve;
use crate::teach::report::elsewhere::Elsewhere;
use crate::teach::report::figures::Figure;
use crate::teach::report::gather::{bursts_of_store, gather};
use crate::teach::report::sights::Plan;
use crate::teach::report::verdict::Word;
use crate::teach::report::{OfLight, Report, Said, Scores, report as report_on};

/// What `--json` prints.
#[derive(Serialize)]
struct Answer<'a> {
    task: &'a str,
    featurizer: &'a str,
    #[serde(flatten)]
    report: &'a Report,
}

/// Reports on a table's pictures, else on the kept ones. Whether every picture could be read.
pub fn report(
    config: &Config,
    gate: &CameraConfig,
    table: Option<&Path>,
    root: Option<&Path>,
    task: &str,
    json: bool,
) -> anyhow::Result<bool> {
    let (bursts, root) = match table {
        Some(table) => {
            let root = root.or(table.parent()).unwrap_or(Path::new(""));
            (label_file::read(table, &config.teach.tasks)?, root)
        }
        None => (bursts_of_store(Store::open_read(&config.state.dir)?.labelled()?), &*config.state.dir),
    };
    let models = Models::open(&config.models)?;
    let plan = Plan::new(config, &models)?;
    let gathered = gather(config, gate, &models, &plan, root, bursts, task)?;
    for it in &gathered.unread {
        tracing::error!("{it}");
    }
    let report = report_on(&gathered, plan.sights())?;
    let featurizer = &models.contract.featurizer.name;
    let said = if json {
        serde_json::to_string(&Answer { task, featurizer, report: &report }).context("JSON")? + "\n"
    } else {
        text(task, featurizer, &report)
    };
    unless_gone(io::stdout().lock().write_all(said.as_bytes())).context("standard output")?;
    Ok(gathered.unread.is_empty())
}

fn text(task: &str, featurizer: &str, it: &Report) -> String {
    let mut text =
        format!("Is transfer right here? {featurizer}, {task}: {} pictures, {} events", it.pictures, it.events);
    if it.left_out_events > 0 {
        let _ = write!(text, " (of {}: more would take too long)", it.events + it.left_out_events);
    }
    text += "\nBalanced accuracy by event, cross-validated; in brackets where 90 of 100 draws of the events put it.\n";
    for (name, light) in [("In colour", &it.colour), ("By infrared", &it.infrared)] {
        of_light(&mut text, name, light);
    }
    text += "\n";
    for (name, it) in [
        ("Taught in colour, asked by infrared", &it.colour_to_infrared),
        ("Taught by infrared, asked in colour", &it.infrared_to_colour),
    ] {
        elsewhere(&mut text, name, it.as_ref());
    }
    text
}

fn of_light(text: &mut String, name: &str, it: &OfLight) {
    let classes: Vec<String> = it.classes.iter().map(|(class, n)| format!("{class} {n}")).collect();
    let events: usize = it.classes.values().sum();
    let classes = if events == 0 { String::new() } else { format!(" ({})", classes.join(", ")) };
    let _ = writeln!(text, "\n{name}: {events} events{classes}");
    match &it.said {
        Some(said) => of_said(text, said),
        None => {
            let _ = writeln!(text, "  cannot be said: {}", it.why_not.as_deref().unwrap_or("nothing was labelled"));
        }
    }
}

fn of_said(text: &mut String, it: &Said) {
    let verdict = &it.verdict;
    let word = match verdict.word {
        Word::Appropriate => "appropriate",
        Word::Weak => "weak",
        Word::Not => "not appropriate",
    };
    let Figure { value, low, high } = verdict.errors_gone;
    let percent = |it: f64| format!("{:.0}", 100.0 * it);
    let _ = writeln!(
        text,
        "  {word}: {} % of the errors are gone that the best makes who has learned nothing of pictures ({} to {} %)",
        percent(value),
        percent(low),
        percent(high)
    );
    for it in &verdict.advice {
        let _ = writeln!(text, "  → {it}");
    }
    for it in &it.sights {
        let cut = if it.sight.cut.is_empty() { String::new() } else { format!(", {}", it.sight.cut) };
        let serves = if it.sight.serves { "* " } else { "" };
        row(text, &format!("{serves}{}{cut}", it.sight.name), &it.scores, it.difference.as_ref());
    }
    row(text, "always the commonest class", &it.majority, None);
    row(text, "control: * with shuffled labels", &it.shuffled, None);
    elsewhere(text, "  At cameras that were not taught", it.other_cameras.as_ref());
    match &it.curve {
        Some(it) => of_curve(text, it),
        None => text.push_str("  Learning curve: cannot be said, too few classes have several events\n"),
    }
}

/// A line of the table; `less` is how far it is from the one that serves.
fn row(text: &mut String, name: &str, it: &Scores, less: Option<&Figure>) {
    let less = less.map_or(String::new(), |it| format!("   {}", difference(it)));
    let _ = writeln!(text, "    {}   accuracy {:.3}{less}   {name}", figure(&it.balanced_accuracy), it.accuracy);
}

fn elsewhere(text: &mut String, name: &str, it: Option<&Elsewhere>) {
    let _ = match it {
        Some(it) => writeln!(
            text,
            "{name}: {}, taught there too {}, difference {}; {} events of {} classes",
            figure(&it.balanced_accuracy),
            figure(&it.at_home),
            difference(&it.difference),
            it.events,
            it.classes
        ),
        None => writeln!(text, "{name}: cannot be said, too few events of species that both sides have"),
    };
}

fn of_curve(text: &mut String, it: &Curve) {
    let points: Vec<String> =
        it.points.iter().map(|it| format!("{}: {}", it.events_a_class, figure(&it.balanced_accuracy))).collect();
    let _ = writeln!(text, "  Learning curve, events a class ({}):\n    {}", it.classes.join(", "), points.join("   "));
    if let Some(Figure { value, low, high }) = it.exponent {
        let _ = writeln!(text, "    errors fall with events to the power of −{value:.2} ({low:.2} to {high:.2})");
    }
    let _ = match (&it.next_point_events, &it.why_not) {
        (Some(it), _) => {
            writeln!(text, "    the next point costs {:.0} more events ({:.0} to {:.0})", it.value, it.low, it.high)
        }
        (None, why) => {
            writeln!(
                text,
                "    what the next point costs cannot be said: {}",
                why.as_deref().unwrap_or("too few events")
            )
        }
    };
}

fn figure(it: &Figure) -> String {
    format!("{:.3} ({:.3} to {:.3})", it.value, it.low, it.high)
}

fn difference(it: &Figure) -> String {
    format!("{:+.3} ({:+.3} to {:+.3})", it.value, it.low, it.high)
}
