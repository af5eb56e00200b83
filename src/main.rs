//! Arguments, logging, exit code. Nothing else.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use eyeshine::commands::ask::{AskArguments, ask_people};
use eyeshine::commands::classify::{Format, classify};
use eyeshine::commands::demo::{DemoArguments, demo};
use eyeshine::commands::erase::{EraseArguments, erase_events};
use eyeshine::commands::eval::{Asked, eval};
use eyeshine::commands::heads::{Ask, heads};
use eyeshine::commands::label;
use eyeshine::commands::label::say::{Say, say};
use eyeshine::commands::migrate::{MigrateArguments, migrate_pictures};
use eyeshine::commands::rescore::{RescoreArguments, rescore_events};
use eyeshine::commands::run::{Told, run};
use eyeshine::commands::train::train_head;
use eyeshine::commands::{Exit, Said, check_config::check_config};
use eyeshine::config::OutputFormat;
use eyeshine::config::load::{self, CameraArgument, Overrides};
use eyeshine::logging;

/// Live cameras in, species out.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    /// A configuration; config/default.toml explains every key (installed: /usr/share/doc/eyeshine/config/default.toml).
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Folder of everything that must survive.
    #[arg(long, global = true, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Watches cameras until told to end.
    Run {
        /// A camera beside those of the configuration.
        #[arg(long, value_name = "[NAME=]URI")]
        camera: Vec<CameraArgument>,
        /// Address and port of page, API and metrics.
        #[arg(long, value_name = "ADDR", value_parser = load::listen)]
        listen: Option<SocketAddr>,
        /// Ends by itself after this: 90s, 10m, 2h.
        #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
        duration: Option<Duration>,
        /// Events on standard output.
        #[arg(long, value_parser = output_format)]
        output: Option<OutputFormat>,
    },
    /// Watches a simulated reserve, and shows its truth beside what was seen.
    Demo {
        /// Ends by itself after this: 90s, 10m, 2h.
        #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
        duration: Option<Duration>,
        /// Address and port of page, API and metrics.
        #[arg(long, value_name = "ADDR", value_parser = load::listen)]
        listen: Option<SocketAddr>,
        /// Events on standard output.
        #[arg(long, value_parser = output_format)]
        output: Option<OutputFormat>,
        /// What happens is a function of this; chosen anew where it is not given.
        #[arg(long)]
        seed: Option<u64>,
        /// Wind and no animal: the trial of false alarms.
        #[arg(long)]
        empty: bool,
        /// Any visitor, for longer, after longer pauses and in company, as the long trials have it; else a few regulars come and go.
        #[arg(long)]
        calm: bool,
        /// Without servers, drop-outs and waiting: films of the same scenes at full speed.
        #[arg(long, requires = "duration")]
        fast: bool,
    },
    /// Looks through pictures and clips.
    Classify {
        /// Files and folders.
        #[arg(required = true)]
        paths: Vec<PathBuf>,
        /// How the answers are written.
        #[arg(long, value_enum, default_value = "text")]
        format: Format,
    },
    /// What people say: tables of labelled pictures in and out, and labels of single events.
    #[command(subcommand)]
    Label(LabelCommand),
    /// Fits a new head on all labels; it goes live only if it proves better.
    Train {
        /// The task.
        #[arg(long, default_value = "species")]
        task: String,
        /// Says what would become of it, and keeps nothing.
        #[arg(long)]
        dry_run: bool,
        /// Why now: stands in the generation.
        #[arg(long, value_name = "WORDS", default_value = "command line")]
        cause: String,
        /// The answer as JSON.
        #[arg(long)]
        json: bool,
    },
    /// The generations of a head, and which of them serves.
    Heads {
        /// The task.
        #[arg(long, default_value = "species", global = true)]
        task: String,
        #[command(subcommand)]
        ask: Ask,
    },
    /// Lets the head that serves answer all events that are over, by their stored vectors; what was said first stays.
    Rescore(RescoreArguments),
    /// Looks at all kept pictures with another featurizer, and fits heads on it: before the config names it.
    Migrate(MigrateArguments),
    /// What people are asked today, and why.
    Ask(AskArguments),
    /// Scores the head that serves on a table of labelled pictures; writes nothing.
    Eval(Asked),
    /// Erases events for good: pictures, vectors, labels, rows, and every head that was fitted on them.
    Erase(EraseArguments),
    /// Lists everything that is wrong with the configuration.
    CheckConfig,
}

#[derive(Subcommand)]
enum LabelCommand {
    /// Adds labelled pictures; a second time it adds nothing.
    Import {
        /// A table: `path,species[,camera,captured_at,event,<task>…]`.
        table: PathBuf,
        /// Folder that its paths are relative to; else its own.
        #[arg(long, value_name = "DIR")]
        root: Option<PathBuf>,
        /// Who says so.
        #[arg(long, value_name = "NAME", default_value = "import")]
        labeller: String,
    },
    /// Writes a table of all labelled pictures that are kept.
    Export {
        /// The table; `-`: standard output.
        table: PathBuf,
    },
    #[command(flatten)]
    Say(Say),
}

fn main() -> ExitCode {
    end_on_panic();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { Exit::Usage } else { Exit::Done } as u8);
        }
    };
    let exit = dispatch(arguments).unwrap_or_else(|error| {
        tracing::error!("{}", Said(&error));
        Exit::of(&error)
    });
    ExitCode::from(exit as u8)
}

fn dispatch(arguments: Arguments) -> anyhow::Result<Exit> {
    let Arguments { config: path, state_dir, command } = arguments;
    let mut overrides = Overrides { state_dir, ..Overrides::default() };
    match &command {
        Command::Run { camera, listen, output, .. } => {
            (overrides.cameras, overrides.listen, overrides.output) = (camera.clone(), *listen, *output);
        }
        Command::Demo { listen, output, .. } => (overrides.listen, overrides.output) = (*listen, *output),
        Command::CheckConfig => return Ok(check_config(path.as_deref(), &overrides)?),
        _ => {}
    }
    if let Command::Demo { duration, seed, empty, calm, fast, .. } = command {
        logging::begin("warn,eyeshine=info");
        demo(path.as_deref(), overrides, DemoArguments { duration, seed, empty, calm, fast })?;
        return Ok(Exit::Done);
    }
    if !matches!(command, Command::Run { .. }) {
        // A file stands for a camera: its settings are the defaults.
        overrides.cameras = vec![CameraArgument { name: Some("file".into()), uri: "/dev/null".into() }];
        overrides.without_secrets = true;
    }
    let config = load::load(path.as_deref(), overrides).inspect_err(|_| logging::begin("info"))?;
    if let Command::Run { duration, .. } = command {
        logging::begin(&config.log.filter);
        run(&config, path.as_deref(), duration, |_| Told::default())?;
        return Ok(Exit::Done);
    }
    logging::begin("warn");
    let file = config.cameras.last().cloned().ok_or_else(|| anyhow::anyhow!("no camera"))?;
    let all_read = match command {
        Command::Classify { paths, format } => classify(&paths, format, &config, &file)?,
        Command::Label(LabelCommand::Import { table, root, labeller }) => {
            label::import(&config, &file, &table, root.as_deref(), &labeller)?
        }
        Command::Label(LabelCommand::Export { table }) => label::export(&config, &table).map(|()| true)?,
        Command::Train { task, dry_run, cause, json } => {
            train_head(&config, &task, &cause, dry_run, json).map(|()| true)?
        }
        Command::Label(LabelCommand::Say(said)) => say(&config, said).map(|()| true)?,
        Command::Heads { task, ask } => heads(&config, &task, ask).map(|()| true)?,
        Command::Rescore(asked) => rescore_events(&config, &asked).map(|()| true)?,
        Command::Migrate(asked) => migrate_pictures(&config, &asked).map(|()| true)?,
        Command::Ask(asked) => ask_people(&config, &asked).map(|()| true)?,
        Command::Eval(asked) => eval(&config, &file, &asked)?,
        Command::Erase(asked) => erase_events(&config, asked)?,
        Command::Run { .. } | Command::Demo { .. } | Command::CheckConfig => true,
    };
    Ok(if all_read { Exit::Done } else { Exit::Failed })
}

/// A panic is a bug: the process ends, and the service manager starts it again.
fn end_on_panic() {
    let say = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        say(panic);
        std::process::abort();
    }));
}

/// `90s`, `10m`, `2h`, or seconds.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no duration: must be like 90s, 10m or 2h");
    let (number, unit_secs) = match text.chars().last() {
        Some('s') => (&text[..text.len() - 1], 1.0),
        Some('m') => (&text[..text.len() - 1], 60.0),
        Some('h') => (&text[..text.len() - 1], 3600.0),
        _ => (text, 1.0),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    Duration::try_from_secs_f64(number * unit_secs).map_err(|_| wrong())
}

fn output_format(text: &str) -> Result<OutputFormat, String> {
    match text {
        "text" => Ok(OutputFormat::Text),
        "json" => Ok(OutputFormat::Json),
        "none" => Ok(OutputFormat::None),
        _ => Err("must be text, json or none".into()),
    }
}
