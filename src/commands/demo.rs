//! `eyeshine demo`: the simulated reserve, watched by the very same `run`, and its truth beside what was seen.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use jiff::{SignedDuration, Timestamp};

use crate::commands::replay::replay;
use crate::commands::run::{Told, run};
use crate::commands::unless_gone;
use crate::config::PeoplePictures;
use crate::config::load::{self, CameraArgument, Overrides};
use crate::demo::film::Films;
use crate::demo::score::{Score, SeenEvent};
use crate::demo::script::{Traffic, TrueVisit};
use crate::demo::serve::{Reserve, ReserveConfig};
use crate::domain::{Change, Event, EventUpdate};
use crate::infer::models::Models;
use crate::observe::publish::Sink;

/// Without an end visits are planned for an hour.
const PLANNED: Duration = Duration::from_secs(3_600);

/// So soon after others questions are chosen again: who tries the demo does not wait for a minute.
const REFILL_SECS: f64 = 4.0;

/// What the command line says.
#[derive(Debug, Clone, Copy)]
pub struct DemoArguments {
    /// Ends by itself after this.
    pub duration: Option<Duration>,
    /// All that happens is made of it.
    pub seed: Option<u64>,
    /// Wind and no animal.
    pub empty: bool,
    /// Any visitor, for longer, after longer pauses, and in company.
    pub calm: bool,
    /// The same scenes through files, as fast as the machine can.
    pub fast: bool,
}

/// Runs the demo until told to end, or for a while.
pub fn demo(path: Option<&Path>, mut overrides: Overrides, arguments: DemoArguments) -> anyhow::Result<()> {
    let seed = arguments.seed.unwrap_or_else(|| u64::from(rand::random::<u16>()));
    say(&format!("simulated reserve, seed {seed} (--seed {seed} shows the same again)"))?;
    let reserve = ReserveConfig {
        seed,
        size: (1280, 720),
        secs: arguments.duration.unwrap_or(PLANNED).as_secs_f64(),
        traffic: (!arguments.empty).then_some(if arguments.calm { Traffic::Calm } else { Traffic::Busy }),
        drop_out: true,
    };
    // A demo's state is a folder of its own, unless told otherwise: it must not mix with real sightings.
    let state = overrides.state_dir.get_or_insert_with(|| "state/demo".into()).clone();
    let file = state.join("truth.csv");
    let (truth, seen, began) = if arguments.fast {
        films(path, overrides, &reserve)?
    } else {
        live(path, overrides, &reserve, arguments, &file)?
    };
    write_truth(&file, &truth, began)?;
    say(&format!("\n{}", Score::new(&truth, &seen)))?;
    say(&format!("the truth stands in {}", file.display()))
}

/// A table of who comes when.
fn write_truth(file: &Path, truth: &[TrueVisit], began: Timestamp) -> anyhow::Result<()> {
    let at = |secs: f64| began + SignedDuration::try_from_secs_f64(secs).unwrap_or_default();
    let mut csv = String::from("camera,species,scientific_name,from,to,distance,modality\n");
    for it in truth {
        let (from, to) = (at(it.from_secs), at(it.to_secs));
        let (distance, modality) =
            (format!("{:?}", it.distance).to_lowercase(), format!("{:?}", it.modality).to_lowercase());
        writeln!(csv, "{},{},{},{from},{to},{distance},{modality}", it.camera, it.species, it.scientific_name)?;
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder).and_then(|()| fs::write(file, csv)).with_context(|| file.display().to_string())
}

/// Over real RTSP, in real time. The truth, what was seen, and when second 0 was. Meanwhile `file` says who is to come.
fn live(
    path: Option<&Path>,
    mut overrides: Overrides,
    reserve: &ReserveConfig,
    arguments: DemoArguments,
    file: &Path,
) -> anyhow::Result<(Vec<TrueVisit>, Vec<SeenEvent>, Timestamp)> {
    let reserve = Reserve::start(reserve)?;
    for (name, uri) in reserve.cameras() {
        overrides.cameras.push(CameraArgument { name: Some(name.clone()), uri: uri.clone() });
    }
    let mut config = load::load(path, overrides)?;
    config.ask.refill_secs = config.ask.refill_secs.min(REFILL_SECS);
    if path.is_none() {
        // Nobody walks in the reserve: what looks a little like people are its animals, and who teaches must see them.
        config.people.pictures = PeoplePictures::Keep;
        config.store.people = PeoplePictures::Keep;
    }
    write_truth(file, reserve.planned(), reserve.began())?;
    say(&format!("cameras: {}; page: http://{}/", names(&reserve), config.web.listen))?;
    say(&format!("teach it: http://{}/review", config.web.listen))?;
    if let Some((camera, from_secs)) = reserve.gone() {
        say(&format!("{camera} drops out at {from_secs:.0} s, and comes back"))?;
    }
    let seen = Seen::default();
    let also = seen.clone();
    run(&config, path, arguments.duration, move |_| Told(vec![Box::new(also)]))?;
    let events = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
    Ok((reserve.truth(), seen_since(reserve.began(), &events), reserve.began()))
}

/// Filmed first, then looked through as `classify` does: nothing of it depends on how fast the machine is.
fn films(
    path: Option<&Path>,
    mut overrides: Overrides,
    reserve: &ReserveConfig,
) -> anyhow::Result<(Vec<TrueVisit>, Vec<SeenEvent>, Timestamp)> {
    let folder = overrides.state_dir.clone().unwrap_or_default().join("films");
    // What a run left behind that was ended by force.
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
    let looked = (|| {
        let Films { cameras, truth } = Films::record(reserve, &folder)?;
        overrides.cameras = cameras
            .into_iter()
            .map(|(name, file)| CameraArgument { name: Some(name), uri: file.to_string_lossy().into_owned() })
            .collect();
        let filmed: Vec<String> = overrides.cameras.iter().filter_map(|it| it.name.clone()).collect();
        let config = load::load(path, overrides)?;
        // Those of a configuration file are live, and would never end.
        let cameras =
            config.cameras.iter().filter(|it| filmed.iter().any(|name| **name == *it.name)).cloned().collect();
        let models = Models::open(&config.models)?;
        let add = |events: &mut Vec<Event>, it: EventUpdate| {
            events.extend((it.change == Change::Ended && !it.event.is_blank()).then_some(it.event));
        };
        let (events, failures) = replay(&config, cameras, &models, add)?;
        anyhow::ensure!(failures.is_empty(), "{}", failures.join("; "));
        Ok((truth, seen_since(Timestamp::UNIX_EPOCH, &events), Timestamp::UNIX_EPOCH))
    })();
    if let Err(error) = fs::remove_dir_all(&folder) {
        tracing::warn!(folder = %folder.display(), %error, "the films could not be removed");
    }
    looked
}

fn names(reserve: &Reserve) -> String {
    let names: Vec<&str> = reserve.cameras().iter().map(|it| it.0.as_str()).collect();
    names.join(", ")
}

fn say(line: &str) -> anyhow::Result<()> {
    unless_gone(writeln!(io::stdout().lock(), "{line}")).context("standard output")
}

/// Remembers the events that ended.
#[derive(Debug, Clone, Default)]
struct Seen(Arc<Mutex<Vec<Event>>>);

impl Sink for Seen {
    fn publish(&mut self, event: &Event, change: Change) {
        if change == Change::Ended && !event.is_blank() {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event.clone());
        }
    }
}

fn seen_since(began: Timestamp, events: &[Event]) -> Vec<SeenEvent> {
    let seen = |it: &Event| {
        let from_secs = it.start.duration_since(began).as_secs_f64();
        SeenEvent {
            camera: it.camera.to_string(),
            from_secs,
            to_secs: from_secs + it.duration_secs,
            labels: it.came_by().iter().map(|it| it.label()).collect(),
        }
    };
    events.iter().map(seen).collect()
}
