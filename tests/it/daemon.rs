//! A daemon under test: started as a person starts it, asked over HTTP, ended by a signal.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Where the pictures and clips for development are; the tests that need them are skipped where they are missing.
pub(crate) fn shared_data() -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    dir.is_dir().then_some(dir)
}

/// The command, with the models and a state folder of its own.
pub(crate) fn eyeshine(state: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eyeshine"));
    command.current_dir(env!("CARGO_MANIFEST_DIR")).arg("--state-dir").arg(state);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("EYESHINE__")) {
        command.env_remove(name);
    }
    command.env_remove("STATE_DIRECTORY").env_remove("NOTIFY_SOCKET").env_remove("JOURNAL_STREAM");
    command
}

/// Runs a command to its end: exit code, standard output, standard error.
pub(crate) fn output(command: &mut Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// A running daemon.
pub(crate) struct Daemon {
    child: Child,
    lines: Receiver<String>,
    log: Receiver<String>,
    pub(crate) state: TempDir,
    pub(crate) url: String,
}

impl Daemon {
    /// `eyeshine run` with these arguments, on a free port; returns once it is ready.
    pub(crate) fn run(args: &[&str]) -> Daemon {
        Daemon::start("run", args)
    }

    pub(crate) fn start(command: &str, args: &[&str]) -> Daemon {
        Daemon::start_in(tempfile::tempdir().unwrap(), command, args)
    }

    /// The same, on a state folder that may hold something already.
    pub(crate) fn start_in(state: TempDir, command: &str, args: &[&str]) -> Daemon {
        let folder = state.path().to_path_buf();
        let mut daemon = Daemon::start_in_folder(&folder, command, args);
        daemon.state = state;
        daemon
    }

    /// The same, on a folder that somebody else keeps.
    pub(crate) fn start_in_folder(state: &Path, command: &str, args: &[&str]) -> Daemon {
        let port = free_port();
        let listen = format!("127.0.0.1:{port}");
        let mut child = eyeshine(state)
            .args([command, "--listen", &listen, "--output", "json"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = read(child.stdout.take().unwrap());
        let log = read(child.stderr.take().unwrap());
        let mut daemon =
            Daemon { child, lines, log, state: tempfile::tempdir().unwrap(), url: format!("http://{listen}") };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !daemon.get("/readyz").is_ok_and(|(code, _)| code == 200) {
            if let Some(status) = daemon.child.try_wait().unwrap() {
                panic!("the daemon ended with {status}: {}", daemon.log.iter().collect::<Vec<_>>().join("\n"));
            }
            assert!(Instant::now() < deadline, "the daemon is not ready after a minute");
            thread::sleep(Duration::from_millis(50));
        }
        daemon
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn get(&self, path: &str) -> Result<(u16, String), ureq::Error> {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(5)))
            .build()
            .into();
        let mut response = agent.get(format!("{}{path}", self.url)).call()?;
        Ok((response.status().as_u16(), response.body_mut().read_to_string()?))
    }

    pub(crate) fn metrics(&self) -> Metrics {
        Metrics(self.get("/metrics").unwrap().1)
    }

    /// Waits until the condition holds; panics with what was waited for after `secs`.
    pub(crate) fn wait(&mut self, what: &str, secs: u64, mut condition: impl FnMut(&Daemon) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(secs);
        while !condition(self) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("waiting for {what}, the daemon ended with {status}: {}", self.logged());
            }
            assert!(Instant::now() < deadline, "waited {secs} s for {what}:\n{}", self.logged());
            thread::sleep(Duration::from_millis(50));
        }
    }

    pub(crate) fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// SIGKILL, and the end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and the end; how long it took, and what was still said on standard output.
    pub(crate) fn stop(mut self) -> Ended {
        let before = Instant::now();
        self.signal("-TERM");
        let status = self.child.wait().unwrap();
        let took = before.elapsed();
        let log = self.log.iter().collect::<Vec<_>>().join("\n");
        Ended {
            status,
            took,
            lines: self.lines.iter().collect(),
            log,
            state: std::mem::replace(&mut self.state, tempfile::tempdir().unwrap()),
        }
    }

    /// Waits for the end that it was told with `--for`.
    pub(crate) fn finish(mut self) -> Ended {
        let before = Instant::now();
        let status = self.child.wait().unwrap();
        let log = self.log.iter().collect::<Vec<_>>().join("\n");
        Ended {
            status,
            took: before.elapsed(),
            lines: self.lines.iter().collect(),
            log,
            state: std::mem::replace(&mut self.state, tempfile::tempdir().unwrap()),
        }
    }

    fn logged(&self) -> String {
        self.log.try_iter().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) struct Ended {
    pub(crate) status: ExitStatus,
    pub(crate) took: Duration,
    pub(crate) lines: Vec<String>,
    pub(crate) log: String,
    pub(crate) state: TempDir,
}

impl Ended {
    /// The events that ended, as JSON.
    pub(crate) fn events(&self) -> Vec<serde_json::Value> {
        events(&self.lines)
    }
}

/// The ended events among lines of JSON.
pub(crate) fn events(lines: &[String]) -> Vec<serde_json::Value> {
    let parsed = lines.iter().map(|it| serde_json::from_str::<serde_json::Value>(it).unwrap());
    parsed.filter(|it| it["change"] == "ended").collect()
}

/// One scrape.
pub(crate) struct Metrics(pub(crate) String);

impl Metrics {
    /// The sum of a family's series that have all of these labels.
    pub(crate) fn sum(&self, family: &str, labels: &[(&str, &str)]) -> f64 {
        let has = |line: &str| labels.iter().all(|(name, value)| line.contains(&format!("{name}=\"{value}\"")));
        self.0
            .lines()
            .filter(|line| line.strip_prefix(family).is_some_and(|rest| rest.starts_with(['{', ' '])) && has(line))
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// received − (gated + dropped + failed + classified) of a camera.
    pub(crate) fn in_flight(&self, camera: &str) -> f64 {
        let of = |what: &str| self.sum(&format!("eyeshine_camera_frames_{what}_total"), &[("camera", camera)]);
        of("received") - of("gated") - of("dropped") - of("failed") - of("classified")
    }

    pub(crate) fn is_in_state(&self, camera: &str, state: &str) -> bool {
        self.sum("eyeshine_camera_state", &[("camera", camera), ("state", state)]) == 1.0
    }
}

pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn read(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    lines
}

/// One at a time of the tests that need most of the machine, or the time of real cameras: hold it to the end.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Whether the long trials are asked for (`make prove`), not their samples.
pub(crate) fn is_proof() -> bool {
    std::env::var_os("EYESHINE_PROVE").is_some()
}
