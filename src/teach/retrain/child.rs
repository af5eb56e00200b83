//! `eyeshine train` (or `migrate`) as a child of the daemon: at the lowest priority, first to go where memory is short, bounded in time and
//! in what it may say. It shares nothing with the daemon but the state folder, so whatever becomes of it harms nothing.

use std::ffi::OsString;
use std::io::{self, Read};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::process::{Pid, setpriority_process};

/// The very program that runs, even where the file has been replaced since.
const PROGRAM: &str = "/proc/self/exe";
/// The lowest priority: it gets what nobody else wants, of the processor and of the disk.
const NICE: i32 = 19;
/// What an answer may take: that of a hundred thousand events.
const MAX_ANSWER_BYTES: u64 = 16 << 20;
/// What is kept of its complaints.
const MAX_COMPLAINT_BYTES: u64 = 4 << 10;

/// How the daemon was started, as far as a training must know. No argument holds a secret: passwords stand in files, or in
/// the environment, which it inherits.
#[derive(Debug, Clone)]
pub struct Program {
    /// `--config`.
    pub config: Option<PathBuf>,
    /// The state folder, wherever it was said.
    pub state_dir: PathBuf,
}

impl Program {
    fn arguments(&self, command: &[&str]) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        if let Some(config) = &self.config {
            arguments.extend(["--config".into(), config.into()]);
        }
        arguments.extend(["--state-dir".into(), self.state_dir.clone().into()]);
        arguments.extend(command.iter().map(OsString::from));
        arguments
    }
}

/// A training that goes on; dropped, it is ended.
#[derive(Debug)]
pub(super) struct Training {
    child: Child,
    began: Instant,
    answer: Option<JoinHandle<Vec<u8>>>,
    complaint: Option<JoinHandle<Vec<u8>>>,
}

/// One that is over.
#[derive(Debug)]
pub(super) struct Over {
    /// What it said on standard output, or why it said nothing of use.
    pub(super) answer: Result<Vec<u8>, String>,
    /// How long it took.
    pub(super) took: Duration,
}

impl Training {
    pub(super) fn start(program: &Program, command: &[&str]) -> io::Result<Training> {
        let mut child = Command::new(PROGRAM)
            .args(program.arguments(command))
            .env_remove("NOTIFY_SOCKET")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // From here on it is ended and reaped, whatever fails.
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let mut training = Training { child, began: Instant::now(), answer: None, complaint: None };
        training.give_way();
        training.answer = out.map(|it| listen(it, MAX_ANSWER_BYTES + 1)).transpose()?;
        training.complaint = err.map(|it| listen(it, MAX_COMPLAINT_BYTES)).transpose()?;
        Ok(training)
    }

    /// Not being allowed to is no reason not to train.
    fn give_way(&self) {
        let lowered = setpriority_process(Some(Pid::from_child(&self.child)), NICE);
        if let Err(error) = lowered {
            tracing::warn!(%error, "a training runs at the daemon's own priority");
        }
        let oom = format!("/proc/{}/oom_score_adj", self.child.id());
        if let Err(error) = std::fs::write(oom, "1000") {
            tracing::debug!(%error, "a training is not the first to go where memory is short");
        }
    }

    /// Whether it is over; one that takes longer than `max` is ended.
    pub(super) fn look(&mut self, max: Duration) -> Option<Over> {
        let took = self.began.elapsed();
        match self.child.try_wait() {
            Ok(Some(status)) => Some(Over { answer: self.answer(status), took }),
            Ok(None) if took < max => None,
            Ok(None) => {
                self.end();
                Some(Over { answer: Err(format!("it was ended after {:.0} s", max.as_secs_f64())), took })
            }
            Err(error) => Some(Over { answer: Err(error.to_string()), took }),
        }
    }

    fn answer(&mut self, status: ExitStatus) -> Result<Vec<u8>, String> {
        let said = |it: &mut Option<JoinHandle<Vec<u8>>>| it.take().and_then(|it| it.join().ok()).unwrap_or_default();
        let (answer, complaint) = (said(&mut self.answer), said(&mut self.complaint));
        if !status.success() {
            let complaint = String::from_utf8_lossy(&complaint);
            let last = complaint.lines().map(str::trim).rfind(|it| !it.is_empty()).unwrap_or("it said nothing");
            return Err(format!("{status}: {last}"));
        }
        if answer.len() as u64 > MAX_ANSWER_BYTES {
            return Err(format!("its answer is longer than {MAX_ANSWER_BYTES} bytes"));
        }
        Ok(answer)
    }

    fn end(&mut self) {
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait().map(drop)) {
            tracing::error!(%error, "a training could not be ended");
        }
    }
}

impl Drop for Training {
    fn drop(&mut self) {
        // Reaped already, or ended now: its writes are such that it may be ended at any moment.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
    }
}

/// Keeps the beginning of what it says, and takes the rest, so that it never waits to be heard.
fn listen(from: impl Read + Send + 'static, most: u64) -> io::Result<JoinHandle<Vec<u8>>> {
    thread::Builder::new().name("training".into()).spawn(move || {
        let mut kept = Vec::new();
        let mut from = from.take(most);
        let heard = from.read_to_end(&mut kept).and_then(|_| io::copy(&mut from.into_inner(), &mut io::sink()));
        if let Err(error) = heard {
            tracing::debug!(%error, "a training was not heard to its end");
        }
        kept
    })
}
