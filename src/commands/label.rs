//! `eyeshine label`: tables of labelled pictures, in and out, and what people say of single events.

pub mod say;

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use anyhow::Context;

use crate::config::{CameraConfig, Config};
use crate::domain::{Keepsake, View};
use crate::infer::featurizer::{Featurizer, FeaturizerError};
use crate::infer::models::Models;
use crate::infer::second::Second;
use crate::observe::store::{Imported, ImportedEvent, ImportedFrame, Store};
use crate::teach::label_file::{self, LabelledBurst};
use crate::teach::pictures::{Eyes, Looked, Seen, look_through};
use crate::teach::side_by_side::handed_out;

/// What a crop is worth against its whole picture, where more is kept than there is room for.
const CROP_SCORE: f32 = 0.9;

/// Imports a table; `gate` holds the gate's settings. Whether every picture could be read.
pub fn import(
    config: &Config,
    gate: &CameraConfig,
    table: &Path,
    root: Option<&Path>,
    labeller: &str,
) -> anyhow::Result<bool> {
    let bursts = label_file::read(table, &config.teach.tasks)?;
    let root = root.or(table.parent()).unwrap_or(Path::new("")).to_path_buf();
    let models = Models::open(&config.models)?;
    let store = Store::open_beside(&config.state.dir, &config.store)?;
    let identity = models.contract.identity();
    let n_rows: usize = bursts.iter().map(|it| it.rows.len()).sum();
    let (mut imported, mut n_known, mut unread, mut n_done) = (Imported::default(), 0, Vec::new(), 0);
    let mut progress = Progress::new(n_rows);
    // What cannot be asked is looked at again: the store says the same later, and then it counts.
    let known = |it: &[u8; 32]| store.imported(it).is_ok_and(|it| it.is_some());
    look_through_all(config, gate, &models, Some(&known), &root, bursts, |burst, looked| {
        n_known += looked.known.len();
        n_done += burst.rows.len();
        unread.extend(looked.unread.iter().cloned());
        let one = store.import(&event(&burst, looked, labeller), &identity)?;
        (imported.pictures, imported.labels) = (imported.pictures + one.pictures, imported.labels + one.labels);
        progress.show(n_done)
    })?;
    progress.end()?;
    unread.sort_by_key(|it| it.line);
    for it in &unread {
        tracing::error!("{}: {it}", table.display());
    }
    let Imported { pictures, labels } = imported;
    let n_unread = unread.len();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "{n_rows} rows: {pictures} new pictures, {n_known} known already, {n_unread} unreadable; {labels} new labels"
    )
    .context("standard output")?;
    Ok(unread.is_empty())
}

/// Says of the hash of a picture whether that is known.
type Known<'a> = dyn Fn(&[u8; 32]) -> bool + Sync + 'a;

/// Featurizes bursts on every core and hands them on as they come; pictures of which `known` has the hash are left out. It
/// is none where the pictures are not to be taught.
pub(super) fn look_through_all(
    config: &Config,
    gate: &CameraConfig,
    models: &Models,
    known: Option<&Known<'_>>,
    root: &Path,
    bursts: Vec<LabelledBurst>,
    mut then: impl FnMut(LabelledBurst, Looked) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let cores = thread::available_parallelism().map_or(1, |it| it.get());
    let workers = if config.featurizer.workers == 0 { cores } else { config.featurizer.workers };
    let (to_teach, known) = (known.is_some(), known.unwrap_or(&|_| false));
    let look = |eyes: &mut Eyes, burst: LabelledBurst| -> Result<(LabelledBurst, Looked), FeaturizerError> {
        let gate = CameraConfig { name: burst.camera.as_str().into(), ..gate.clone() };
        let looked = look_through(&burst, root, &gate, eyes, known)?;
        Ok((burst, looked))
    };
    handed_out(workers, bursts, || eyes(config, models, to_teach), look, |(burst, looked)| then(burst, looked))
}

fn eyes(config: &Config, models: &Models, to_teach: bool) -> Result<Eyes, FeaturizerError> {
    let contract = Arc::clone(&models.contract);
    Ok(Eyes {
        featurizer: Featurizer::open(&models.runtime, contract, config.featurizer.max_batch)?,
        second: Second::open(models)?,
        second_frames: config.featurizer.second_frames,
        to_teach,
        starter: models.starter(),
    })
}

fn event(burst: &LabelledBurst, looked: Looked, labeller: &str) -> ImportedEvent {
    ImportedEvent {
        camera: burst.camera.as_str().into(),
        name: burst.name.clone(),
        time_known: burst.rows.iter().all(|it| it.captured_at.is_some()),
        labeller: labeller.into(),
        frames: looked.seen.into_iter().map(frame).collect(),
        known: looked.known.into_iter().map(|(row, sha256)| (sha256, row.classes)).collect(),
    }
}

fn frame(seen: Seen) -> ImportedFrame {
    let Seen { row, sha256, look, embeddings, .. } = seen;
    let keepsake = |(candidate, embedding): (&crate::domain::Candidate, _)| Keepsake {
        id: uuid::Uuid::nil(),
        frame: Arc::clone(&look.frame),
        area: candidate.area,
        view: candidate.view,
        method: look.method,
        modality: look.modality,
        embedding,
        score: if candidate.view == View::Whole { 1.0 } else { CROP_SCORE },
        picture: candidate.view == View::Whole,
    };
    ImportedFrame {
        sha256,
        keepsakes: look.candidates.iter().zip(embeddings).map(keepsake).collect(),
        classes: row.classes,
    }
}

/// Exports what holds of every kept picture, to standard output where the table is `-`; paths are relative to the state folder.
pub fn export(config: &Config, table: &Path) -> anyhow::Result<()> {
    let labelled = Store::open_read(&config.state.dir)?.labelled()?;
    let tasks: Vec<&String> =
        config.teach.tasks.iter().filter(|it| labelled.iter().any(|row| row.classes.contains_key(*it))).collect();
    let others: Vec<&String> = tasks.iter().copied().filter(|it| *it != label_file::SPECIES).collect();
    let write = |to: &mut dyn Write| -> csv::Result<()> {
        let mut writer = csv::Writer::from_writer(to);
        let header = ["path", label_file::SPECIES, "camera", "captured_at", "event"].map(str::to_owned);
        writer.write_record(header.iter().chain(others.iter().copied()))?;
        for row in &labelled {
            let class = |task: &str| row.classes.get(task).cloned().unwrap_or_default();
            let (at, event) = (row.captured_at.to_string(), row.event.to_string());
            let record = [row.file.clone(), class(label_file::SPECIES), row.camera.clone(), at, event];
            writer.write_record(record.into_iter().chain(others.iter().map(|it| class(it))))?;
        }
        Ok(writer.flush()?)
    };
    if table == Path::new("-") {
        return write(&mut io::stdout().lock()).context("standard output");
    }
    let unfinished = unfinished(table);
    let replace = || -> anyhow::Result<()> {
        write(&mut std::fs::File::create(&unfinished)?)?;
        Ok(std::fs::rename(&unfinished, table)?)
    };
    replace().inspect_err(|_| drop(std::fs::remove_file(&unfinished))).with_context(|| table.display().to_string())?;
    writeln!(io::stdout().lock(), "{} rows; their pictures lie below {}", labelled.len(), config.state.dir.display())
        .context("standard output")
}

/// What a table is called while it is written.
fn unfinished(table: &Path) -> PathBuf {
    let mut name = table.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    table.with_file_name(name)
}

/// How far it is, on a terminal.
struct Progress {
    n_all: usize,
    shown: bool,
}

impl Progress {
    fn new(n_all: usize) -> Progress {
        Progress { n_all, shown: io::stderr().is_terminal() }
    }

    fn show(&mut self, n_done: usize) -> anyhow::Result<()> {
        if self.shown {
            write!(io::stderr().lock(), "\r{n_done} of {} pictures", self.n_all).context("standard error")?;
        }
        Ok(())
    }

    fn end(&self) -> anyhow::Result<()> {
        if self.shown {
            writeln!(io::stderr().lock()).context("standard error")?;
        }
        Ok(())
    }
}
