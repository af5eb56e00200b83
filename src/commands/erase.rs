//! `eyeshine erase`: events, for good.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{self, BufRead, IsTerminal, Write};

use anyhow::{Context, bail, ensure};
use jiff::Timestamp;
use uuid::Uuid;

use crate::capture::tape::shelf::Shelf;
use crate::commands::unless_gone;
use crate::config::Config;
use crate::infer::models::Contracts;
use crate::observe::store::{Doomed, EraseError, Eraser, Which};
use crate::teach::erase::{ErasedHeads, Replaced, erase};
use crate::teach::label_file;

/// Events that are listed where people are asked, at most.
const MOST_LISTED: usize = 20;

/// What is to go; where several things are asked for, what they have in common.
#[derive(Debug, Clone, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).multiple(true).args(["event", "from", "people"]))]
pub struct EraseArguments {
    /// This event.
    #[arg(long, value_name = "ID", conflicts_with_all = ["from", "people", "camera"])]
    event: Option<Uuid>,
    /// Events of this time span: its begin.
    #[arg(long, value_name = "TIME", requires = "to", value_parser = label_file::moment)]
    from: Option<Timestamp>,
    /// Its end.
    #[arg(long, value_name = "TIME", requires = "from", value_parser = label_file::moment)]
    to: Option<Timestamp>,
    /// Of this camera alone.
    #[arg(long, value_name = "NAME")]
    camera: Option<String>,
    /// Events in which a head or anybody ever saw people.
    #[arg(long)]
    people: bool,
    /// Says what would go, and erases nothing.
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,
    /// Does not ask.
    #[arg(long)]
    yes: bool,
}

/// Erases; whether nothing that was asked for is left.
pub fn erase_events(config: &Config, asked: EraseArguments) -> anyhow::Result<bool> {
    let span = asked.from.zip(asked.to);
    ensure!(span.is_none_or(|(from, to)| from < to), "erase: --to must be later than --from; nothing was erased");
    let which = Which { event: asked.event, span, camera: asked.camera, people: asked.people };
    let contracts = Contracts::load(&config.models)?;
    let eraser = Eraser::open(&config.state.dir, &config.store)?;
    let n_unfinished = eraser.unfinished()?.len();
    // What was named may have gone in an erasing that was cut short.
    let (doomed, left) = match eraser.choose(&which) {
        Err(EraseError::NoEvent(_)) if n_unfinished > 0 => Default::default(),
        chosen => chosen?,
    };
    let tapes = Shelf::of(&config.state.dir, &config.tape);
    let taped = taped(&tapes, &which).with_context(|| tapes.dir().display().to_string())?;
    // Whoever only looks sees all of it.
    let most = if asked.dry_run { usize::MAX } else { MOST_LISTED };
    let mut text = listed(&doomed, most, n_unfinished, &taped);
    if !asked.dry_run && (!doomed.is_empty() || n_unfinished > 0 || !taped.is_empty()) {
        if !asked.yes && !agreed(&text)? {
            bail!("erase: nothing was erased");
        }
        let ids = doomed.iter().map(|it| it.id);
        for (camera, (from, to)) in taped.iter().zip(which.span.into_iter().cycle()) {
            tapes.erase(camera, from, to).with_context(|| tapes.dir().display().to_string())?;
        }
        let heads = erase(&eraser, ids, &tapes, (&config.state.dir, &config.teach), &contracts)?;
        text = format!("erased for good: {}\n", counted(&doomed, n_unfinished, &taped));
        heads.iter().for_each(|it| text += &told(it));
    }
    for it in &left {
        let _ =
            writeln!(text, "event {} at {} still goes on, and is left: erase it once it has ended", it.id, it.camera);
    }
    unless_gone(io::stdout().lock().write_all(text.as_bytes())).context("standard output")?;
    Ok(left.is_empty())
}

/// The cameras of which the tape of a time span goes whole, whatever was an event in it.
fn taped(tapes: &Shelf, which: &Which) -> io::Result<BTreeSet<String>> {
    let Some((from, to)) = which.span.filter(|_| !which.people) else { return Ok(BTreeSet::new()) };
    let mut cameras = tapes.cameras(from, to)?;
    cameras.retain(|it| which.camera.as_ref().is_none_or(|camera| camera == it));
    Ok(cameras)
}

/// Asks a person.
fn agreed(text: &str) -> anyhow::Result<bool> {
    let (stdin, mut stderr) = (io::stdin(), io::stderr());
    ensure!(
        stdin.is_terminal() && stderr.is_terminal(),
        "erase: nobody is there to be asked: look at what would go with --dry-run, then say --yes; nothing was erased"
    );
    write!(stderr, "{text}Erase all of this for good? [y/N] ").context("standard error")?;
    stderr.flush().context("standard error")?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer).context("standard input")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

fn listed(doomed: &[Doomed], most: usize, n_unfinished: usize, taped: &BTreeSet<String>) -> String {
    if doomed.is_empty() && n_unfinished == 0 && taped.is_empty() {
        return "no event is such: nothing to erase\n".into();
    }
    let mut text = String::new();
    for it in doomed.iter().take(most) {
        let shows = if it.is_moment { "still moment" } else { &*it.shows };
        let line = format!("{}  {}  {}  {shows}", it.id, it.start.strftime("%Y-%m-%d %H:%M:%SZ"), it.camera);
        let _ = writeln!(text, "{}", line.trim_end());
    }
    if doomed.len() > most {
        let _ = writeln!(text, "and {} more: --dry-run lists all", doomed.len() - most);
    }
    let counted = counted(doomed, n_unfinished, taped);
    text + &format!("to erase: {counted}, and every head that was fitted on them\n")
}

fn counted(doomed: &[Doomed], n_unfinished: usize, taped: &BTreeSet<String>) -> String {
    let sum = |of: fn(&Doomed) -> usize| doomed.iter().map(of).sum::<usize>();
    let (pictures, vectors, answers) = (sum(|it| it.pictures), sum(|it| it.vectors), sum(|it| it.answers));
    let n_still = doomed.iter().filter(|it| it.is_moment).count();
    let still = if n_still > 0 { format!(", {n_still} still moments") } else { String::new() };
    let n_events = doomed.len() - n_still;
    let mut text = format!("{n_events} events{still}, {pictures} pictures, {vectors} vectors, {answers} labels");
    if !taped.is_empty() {
        let cameras: Vec<&str> = taped.iter().map(String::as_str).collect();
        let _ = write!(text, ", the tape of that time at {}", cameras.join(", "));
    }
    if n_unfinished > 0 {
        let _ = write!(text, ", and what was left of {n_unfinished} events by an erasing that was cut short");
    }
    text
}

fn told(heads: &ErasedHeads) -> String {
    let numbers: Vec<String> = heads.removed.iter().map(u32::to_string).collect();
    let ErasedHeads { task, replaced, .. } = heads;
    let mut text = format!("{task}: generations {} are gone, which were fitted on them\n", numbers.join(", "));
    let _ = match replaced {
        None => Ok(()),
        Some(Replaced::Refitted { generation, verdict }) => {
            writeln!(text, "{task}: generation {generation}, fitted without them, serves: {}", verdict.reason)
        }
        Some(Replaced::Starter(why)) => writeln!(text, "{task}: the starter head serves: {why}"),
    };
    text
}
