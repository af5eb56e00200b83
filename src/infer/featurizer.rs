//! From candidates to feature vectors: one session a worker thread, batches across cameras, order kept.

use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use crossbeam_channel::Sender;
use ort::session::{Session, SessionOutputs};
use ort::value::TensorRef;

use crate::capture::picture::PictureError;
use crate::config::FeaturizerConfig;
use crate::domain::{Candidate, Embedding, Featurized, Look, View};
use crate::infer::contract::{Contract, ContractError};
use crate::infer::order::Order;
use crate::infer::preprocess::Inputs;
use crate::infer::queue::{Batch, Looks};
use crate::infer::runtime::Runtime;
use crate::infer::session;
use crate::infer::untrained::untrained;
use crate::logging::Seldom;
use crate::metrics::{Failed, Metrics};

/// The featurizer cannot start, or cannot run what it was given.
#[derive(Debug, thiserror::Error)]
pub enum FeaturizerError {
    /// The network is not what its contract says: a person must see to it.
    #[error(transparent)]
    Contract(#[from] ContractError),
    /// A candidate's pixels cannot be read.
    #[error("featurizer: {0}")]
    Picture(#[from] PictureError),
    /// ONNX Runtime failed at this input.
    #[error("featurizer: {0}")]
    Run(String),
    /// A worker could not be started.
    #[error("featurizer: a worker thread cannot be started: {0}")]
    Thread(io::Error),
}

/// One session with its memory: what a worker has, and what commands use alone.
pub struct Featurizer {
    contract: Arc<Contract>,
    session: Session,
    inputs: Inputs,
    max_batch: usize,
}

impl Featurizer {
    /// Opens the network, holds it to its contract, and warms it up with every batch size up to `max_batch` (at least
    /// 1): from then on its memory stays as it is.
    pub fn open(runtime: &Runtime, contract: Arc<Contract>, max_batch: usize) -> Result<Featurizer, FeaturizerError> {
        let session = session::open(runtime, &contract)?;
        Featurizer::warm(session, contract, max_batch)
    }

    /// Opens a network of the contract's build that has learned nothing, see [`untrained`](crate::infer::untrained): what
    /// it says is worth as little as its weights, which a seed draws.
    pub fn open_untrained(
        runtime: &Runtime,
        contract: Arc<Contract>,
        max_batch: usize,
        seed: u64,
    ) -> Result<Featurizer, FeaturizerError> {
        let refuse = |why: String| contract.refuse("featurizer.file", format!("{}: {why}", contract.file().display()));
        let network = std::fs::read(contract.file()).map_err(|error| refuse(error.to_string()))?;
        let network = untrained(&network, seed).map_err(|error| refuse(error.to_string()))?;
        let session = session::open_bytes(runtime, &contract, &network)?;
        Featurizer::warm(session, contract, max_batch)
    }

    fn warm(session: Session, contract: Arc<Contract>, max_batch: usize) -> Result<Featurizer, FeaturizerError> {
        let max_batch = max_batch.max(1);
        let inputs = Inputs::new(&contract.input, max_batch);
        let mut it = Featurizer { contract, session, inputs, max_batch };
        let blank = vec![0.0; it.contract.input.len() * max_batch];
        // The largest first: the arena is then as large as it ever gets, and the smaller ones find room in it.
        for n in (1..=max_batch).rev() {
            run(&mut it.session, &it.contract, &blank[..it.contract.input.len() * n], n)?;
        }
        Ok(it)
    }

    /// What it is.
    pub fn contract(&self) -> &Arc<Contract> {
        &self.contract
    }

    /// One embedding a candidate, in order; any number of them.
    pub fn featurize(&mut self, candidates: &[Candidate]) -> Result<Vec<Embedding>, FeaturizerError> {
        let mut embeddings = Vec::with_capacity(candidates.len());
        for some in candidates.chunks(self.max_batch) {
            self.inputs.truncate(0);
            for candidate in some {
                self.inputs.push(candidate)?;
            }
            embeddings.extend(self.run(0..some.len())?);
        }
        Ok(embeddings)
    }

    /// Runs some of the inputs, at most `max_batch` at once.
    fn run(&mut self, range: Range<usize>) -> Result<Vec<Embedding>, FeaturizerError> {
        let mut embeddings = Vec::with_capacity(range.len());
        for start in range.clone().step_by(self.max_batch) {
            let part = start..range.end.min(start + self.max_batch);
            let n = part.len();
            embeddings.extend(run(&mut self.session, &self.contract, self.inputs.numbers(part), n)?);
        }
        Ok(embeddings)
    }
}

fn run(
    session: &mut Session,
    contract: &Contract,
    numbers: &[f32],
    n: usize,
) -> Result<Vec<Embedding>, FeaturizerError> {
    let failed = |error: ort::Error| FeaturizerError::Run(error.to_string());
    let tensor = TensorRef::from_array_view((contract.input.shape(n), numbers)).map_err(failed)?;
    let answers = session.run(ort::inputs![tensor]).map_err(failed)?;
    let outputs = &contract.outputs;
    let features =
        rows(&answers, contract, "outputs.features", &outputs.features, Some(contract.featurizer.dimension), n)?;
    if outputs.logits.is_empty() {
        return Ok(features.map(|features| Embedding { features, logits: None, second: None }).collect());
    }
    let logits = rows(&answers, contract, "outputs.logits", &outputs.logits, session::logits_width(contract), n)?;
    Ok(features
        .zip(logits)
        .map(|(features, logits)| Embedding { features, logits: Some(logits), second: None })
        .collect())
}

/// An output, cut into one vector a candidate.
fn rows<'a>(
    answers: &'a SessionOutputs<'_>,
    contract: &Contract,
    field: &str,
    name: &str,
    width: Option<usize>,
    n: usize,
) -> Result<impl Iterator<Item = Arc<[f32]>> + 'a, FeaturizerError> {
    let output =
        answers.get(name).ok_or_else(|| contract.refuse(field, format!("the network gave no output {name}")))?;
    let (shape, numbers) = output.try_extract_tensor::<f32>().map_err(|error| contract.refuse(field, error))?;
    let found = match shape[..] {
        [rows, columns] if usize::try_from(rows) == Ok(n) => usize::try_from(columns).unwrap_or(0),
        _ => return Err(contract.refuse(field, format!("{name} is {shape} for a batch of {n}, not [{n}, …]")).into()),
    };
    if found == 0 || width.is_some_and(|width| width != found) {
        return Err(session::wrong_width(contract, field, found, width.unwrap_or(1)).into());
    }
    // One vector of these in the store would poison every head that is fitted on it.
    if !numbers.iter().all(|it| it.is_finite()) {
        return Err(FeaturizerError::Run(format!("{name} holds numbers that are not finite")));
    }
    Ok(numbers.chunks_exact(found).map(Arc::from))
}

/// The running workers; they end once the queue is closed and drained.
#[derive(Debug)]
pub struct Pool {
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    /// Waits until every worker has ended: then all that was in the queue has been handed on, and `out` is closed.
    pub fn join(self) {
        for worker in self.workers {
            if let Err(bug) = worker.join() {
                std::panic::resume_unwind(bug);
            }
        }
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.workers.len()
    }
}

/// Starts the workers, each with a session of its own, and returns once all are warm.
///
/// Looks leave by `out` in the order in which they left the queue, so that each camera's stay in order. Each worker
/// makes its own input: with a worker a core there is no idle core that could do it ahead.
pub fn spawn_pool(
    runtime: &Runtime,
    config: &FeaturizerConfig,
    contract: Arc<Contract>,
    queue: Looks,
    out: Sender<Featurized>,
    metrics: Arc<Metrics>,
) -> Result<Pool, FeaturizerError> {
    let cores = || thread::available_parallelism().map_or(1, |it| it.get());
    let workers = if config.workers == 0 { cores() } else { config.workers };
    let featurizers = thread::scope(|scope| {
        let open = || Featurizer::open(runtime, Arc::clone(&contract), config.max_batch);
        let opening: Vec<_> = (0..workers).map(|_| scope.spawn(open)).collect();
        let join = |it: thread::ScopedJoinHandle<'_, _>| it.join().unwrap_or_else(|bug| std::panic::resume_unwind(bug));
        opening.into_iter().map(join).collect::<Result<Vec<_>, FeaturizerError>>()
    })?;
    let order = Order::new(out, 2 * workers as u64);
    let workers = featurizers.into_iter().enumerate().map(|(i, featurizer)| {
        let worker = Worker {
            featurizer,
            order: Arc::clone(&order),
            metrics: Arc::clone(&metrics),
            complaints: Seldom::default(),
        };
        let queue = queue.clone();
        thread::Builder::new().name(format!("feat-{i}")).spawn(move || worker.run(&queue))
    });
    let workers = workers.collect::<Result<Vec<_>, io::Error>>().map_err(FeaturizerError::Thread)?;
    Ok(Pool { workers })
}

struct Worker {
    featurizer: Featurizer,
    order: Arc<Order>,
    metrics: Arc<Metrics>,
    /// Of looks that the network could not be run on.
    complaints: Seldom,
}

impl Worker {
    fn run(mut self, queue: &Looks) {
        while let Some(Batch { number, looks }) = queue.pop_batch(self.featurizer.max_batch) {
            let ticket = self.order.ticket(number);
            let looks = self.prepare(looks);
            let featurized = self.infer(looks);
            if !ticket.deliver(featurized) {
                return;
            }
        }
    }

    /// Makes the input of a batch; a look whose frame cannot be read fails, and goes.
    fn prepare(&mut self, looks: Vec<Look>) -> Vec<Look> {
        let start = Instant::now();
        let inputs = &mut self.featurizer.inputs;
        inputs.truncate(0);
        let mut kept = Vec::with_capacity(looks.len());
        for mut look in looks {
            match prepare_look(inputs, &mut look) {
                Ok(()) => kept.push(look),
                Err(error) => {
                    tracing::debug!(camera = %look.frame.camera, frame = look.frame.number, %error, "frame left out");
                    look.frame.fate.failed(Failed::Picture);
                }
            }
        }
        self.metrics.preprocess_duration.observe(start.elapsed().as_secs_f64());
        kept
    }

    /// Runs the prepared batch; where it fails, look by look, so that one bad picture does not take others with it.
    fn infer(&mut self, looks: Vec<Look>) -> Vec<Featurized> {
        if looks.is_empty() {
            return Vec::new();
        }
        let count = self.featurizer.inputs.count();
        if let Ok(embeddings) = self.timed(0..count) {
            let mut embeddings = embeddings.into_iter();
            let with_its_own = |look: Look| {
                let embeddings = embeddings.by_ref().take(look.candidates.len()).collect();
                Featurized { look, embeddings }
            };
            return looks.into_iter().map(with_its_own).collect();
        }
        let mut at = 0;
        let mut featurized = Vec::with_capacity(looks.len());
        for look in looks {
            let range = at..at + look.candidates.len();
            at = range.end;
            match self.timed(range) {
                Ok(embeddings) => featurized.push(Featurized { look, embeddings }),
                Err(error) => {
                    if let Some(unsaid) = self.complaints.may_say() {
                        let frame = look.frame.number;
                        tracing::warn!(camera = %look.frame.camera, frame, %error, unsaid, "frame left out");
                    }
                    look.frame.fate.failed(Failed::Inference);
                }
            }
        }
        featurized
    }

    fn timed(&mut self, range: Range<usize>) -> Result<Vec<Embedding>, FeaturizerError> {
        let start = Instant::now();
        self.metrics.batch_size.observe(range.len() as f64);
        let embeddings = self.featurizer.run(range);
        self.metrics.inference_duration.observe(start.elapsed().as_secs_f64());
        if embeddings.is_err() {
            self.metrics.inference_errors.inc();
        }
        embeddings
    }
}

/// Adds a look's candidates. Only its whole frame must be readable: a crop that is not (or its empty scene, which may
/// be from before a change of size) is left out.
fn prepare_look(inputs: &mut Inputs, look: &mut Look) -> Result<(), PictureError> {
    let start = inputs.count();
    let mut kept = Vec::with_capacity(look.candidates.len());
    let mut crop_failed = false;
    for candidate in look.candidates.drain(..) {
        if candidate.view == View::Empty && crop_failed {
            continue;
        }
        match inputs.push(&candidate) {
            Ok(()) => {
                crop_failed = false;
                kept.push(candidate);
            }
            Err(error) if kept.is_empty() => {
                inputs.truncate(start);
                return Err(error);
            }
            Err(error) => {
                crop_failed = candidate.view == View::Crop;
                let frame = &candidate.frame;
                tracing::debug!(camera = %frame.camera, frame = frame.number, view = ?candidate.view, %error, "left out");
            }
        }
    }
    look.candidates = kept;
    Ok(())
}

#[cfg(test)]
mod tests;
