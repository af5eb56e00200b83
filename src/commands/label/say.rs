//! `eyeshine label set|withdraw|rename|list`: what a person says of what the cameras saw.

use std::io::{self, Write};

use anyhow::{Context, bail, ensure};
use uuid::Uuid;

use crate::commands::train::known;
use crate::commands::unless_gone;
use crate::config::Config;
use crate::infer::head::BLANK;
use crate::observe::store::{Answer, FrameName, Given, LifeStage, Recorded, Sex, Species, Standing, Store};
use crate::teach::label_file;

/// What is said.
#[derive(Debug, Clone, PartialEq, Eq, clap::Subcommand)]
pub enum Say {
    /// Says what an event shows, or one frame of it; a later word supersedes an earlier one.
    Set {
        /// The event's identity, as the page, the API and standard output have it.
        event: Uuid,
        /// What it shows; several for a fox and a deer.
        #[arg(required = true)]
        class: Vec<String>,
        /// Of this frame alone: its time, or the identity of its picture.
        #[arg(long, value_name = "TIME", value_parser = frame)]
        frame: Option<FrameName>,
        /// The task.
        #[arg(long, default_value = label_file::SPECIES)]
        task: String,
        /// Who says so.
        #[arg(long, value_name = "NAME", default_value = "person")]
        by: String,
        /// How many, where it is one class.
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
        count: Option<u32>,
        /// Of which sex, where it is one class.
        #[arg(long, value_enum)]
        sex: Option<Sex>,
        /// How old, where it is one class.
        #[arg(long, value_enum)]
        life_stage: Option<LifeStage>,
        /// A second person agrees.
        #[arg(long)]
        verified: bool,
    },
    /// Takes labels back: all of a person, or of an event; what they superseded holds again.
    Withdraw {
        /// Of this person.
        #[arg(long, value_name = "NAME", required_unless_present = "event")]
        by: Option<String>,
        /// Of this event.
        #[arg(long, value_name = "ID")]
        event: Option<Uuid>,
    },
    /// Calls a class otherwise in every label; where the new name is that of another class the two become one.
    Rename {
        /// As it is called.
        old: String,
        /// As it is to be called.
        new: String,
        /// The task.
        #[arg(long, default_value = label_file::SPECIES)]
        task: String,
    },
    /// Lists what was ever said, and whether it holds.
    List {
        /// By this person.
        #[arg(long, value_name = "NAME")]
        by: Option<String>,
        /// Of this event.
        #[arg(long, value_name = "ID")]
        event: Option<Uuid>,
    },
}

/// Says it.
pub fn say(config: &Config, said: Say) -> anyhow::Result<()> {
    let answer = match said {
        Say::Set { event, class, frame, task, by, count, sex, life_stage, verified } => {
            known(config, &task)?;
            let species = species(&task, &class, (count, sex, life_stage))?;
            let answer =
                Answer { event, frame, task, labeller: labeller(&by)?, species, verified, key: None, question: None };
            let store = store(config)?;
            let mut new = Vec::new();
            for it in &answer.species {
                if !label_file::is_reserved(&it.class) && !is_named(&store, &answer.task, &it.class)? {
                    new.push(&*it.class);
                }
            }
            let given = store.answer(&answer)?;
            let mut text = taken(&answer, &given);
            if !new.is_empty() {
                text += &format!("{} is said for the first time\n", new.join(" and "));
            }
            text
        }
        Say::Withdraw { by, event } => match store(config)?.withdraw(by.as_deref(), event)? {
            0 => "nothing to take back\n".into(),
            n => format!("{n} answers taken back; the next `eyeshine train` makes a head that never had them\n"),
        },
        Say::Rename { old, new, task } => {
            known(config, &task)?;
            let (old, new) = (old.trim(), &*label_file::class_name(&task, &new).map_err(anyhow::Error::msg)?);
            ensure!(old != new, "{old:?} is called that already");
            let store = store(config)?;
            let there = is_named(&store, &task, new)?;
            let n = store.rename(&task, old, new)?;
            if config.teach.protected.iter().any(|it| it == old) {
                tracing::warn!("teach.protected in the config names {old:?}: write {new:?} there");
            }
            let merged = format!("; others said {new} before, and nothing tells them apart any more");
            format!("{n} answers of {task} that said {old} say {new} now{}\n", if there { &*merged } else { "" })
        }
        Say::List { by, event } => {
            let recorded = Store::open_read(&config.state.dir)?.recorded(by.as_deref(), event)?;
            recorded.iter().map(line).collect()
        }
    };
    unless_gone(io::stdout().lock().write_all(answer.as_bytes())).context("standard output")
}

/// The store, where there is one: what nobody has seen cannot be labelled.
fn store(config: &Config) -> anyhow::Result<Store> {
    Store::open_read(&config.state.dir)?;
    Ok(Store::open_beside(&config.state.dir, &config.store)?)
}

/// Whether anybody has called something so.
fn is_named(store: &Store, task: &str, class: &str) -> anyhow::Result<bool> {
    Ok(store.label_counts()?.get(task).and_then(|it| it.get(class)).is_some_and(|[given, withdrawn]| given > withdrawn))
}

fn labeller(name: &str) -> anyhow::Result<String> {
    let name = name.trim();
    let fits = !name.is_empty() && name.chars().count() <= label_file::MAX_NAME && !name.chars().any(char::is_control);
    ensure!(fits, "--by: a person is called by 1 to {} characters of one line", label_file::MAX_NAME);
    Ok(name.to_owned())
}

fn species(
    task: &str,
    classes: &[String],
    (count, sex, life_stage): (Option<u32>, Option<Sex>, Option<LifeStage>),
) -> anyhow::Result<Vec<Species>> {
    let classes = classes.iter().map(|it| label_file::class_name(task, it)).collect::<Result<Vec<String>, String>>();
    let classes = classes.map_err(anyhow::Error::msg)?;
    let classes: Vec<&str> = classes.iter().map(String::as_str).collect();
    for (i, class) in classes.iter().enumerate() {
        ensure!(!classes[..i].contains(class), "{class:?} stands there twice: say how many with --count");
    }
    if let [class] = *classes {
        return Ok(vec![Species { class: class.to_owned(), count, sex, life_stage }]);
    }
    ensure!(!classes.contains(&BLANK), "what shows {} is not {BLANK}", classes.join(" and "));
    if count.is_some() || sex.is_some() || life_stage.is_some() {
        bail!("--count, --sex and --life-stage are of one class, and {} are {}", classes.join(", "), classes.len());
    }
    Ok(classes.into_iter().map(Species::of).collect())
}

fn taken(answer: &Answer, given: &Given) -> String {
    let names: Vec<&str> = answer.species.iter().map(|it| &*it.class).collect();
    let of = given.frame.map_or(String::new(), |at| format!(", the frame of {at}"));
    let mut text = format!("event {}{of}: {} of {}", answer.event, names.join(" and "), answer.task);
    if !given.superseded.is_empty() {
        text += &format!("; before it was {}", given.superseded.join(" and "));
    }
    if let Some((generation, class)) = &given.suggested {
        text += &format!("; generation {generation} had said {class}");
    }
    text + "\n"
}

fn line(it: &Recorded) -> String {
    let of = it.frame.map_or(String::new(), |at| format!("  frame of {at}"));
    let given = it.given.strftime("%Y-%m-%d %H:%M:%SZ");
    let verified = if it.verified { ", verified" } else { "" };
    let standing = match it.standing {
        Standing::Holds => "",
        Standing::Superseded => ", superseded",
        Standing::Withdrawn => ", withdrawn",
    };
    format!("{}{of}  {}: {}  by {} {given}{verified}{standing}\n", it.event, it.task, it.classes, it.labeller)
}

/// A frame by its time or by its picture.
fn frame(text: &str) -> Result<FrameName, String> {
    match Uuid::try_parse(text) {
        Ok(picture) => Ok(FrameName::Picture(picture)),
        Err(_) => label_file::moment(text).map(FrameName::At),
    }
}
