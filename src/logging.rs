//! Logs: to the journal where standard error is connected to it, else as lines on standard error.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// Begins to log what `filter` (tracing's syntax; `EYESHINE_LOG` comes before it) lets through.
pub fn begin(filter: &str) {
    let filter = EnvFilter::try_from_env("EYESHINE_LOG").unwrap_or_else(|_| EnvFilter::new(filter));
    let registry = tracing_subscriber::registry().with(filter);
    if is_journal()
        && let Ok(journal) = tracing_journald::layer()
    {
        return registry.with(journal).init();
    }
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    registry.with(lines).init();
}

/// Whether `$JOURNAL_STREAM` names the device and inode of our standard error.
fn is_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(io::stderr()).is_ok_and(|it| named == format!("{}:{}", it.st_dev, it.st_ino))
}
