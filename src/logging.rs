//! Logs: lines on standard error. Those that go to the journal bear their level as it reads it, and leave the time to it.

use std::fmt;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{Compact, Format, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Begins to log what `filter` (tracing's syntax; `EYESHINE_LOG` comes before it) lets through.
pub fn begin(filter: &str) {
    let filter = EnvFilter::try_from_env("EYESHINE_LOG").unwrap_or_else(|_| EnvFilter::new(filter));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(io::stderr().is_terminal());
    if is_journal() {
        registry.with(lines.event_format(Journal::new())).init();
    } else {
        registry.with(lines).init();
    }
}

/// Lines about what may go wrong with every frame: one a minute, so that the journal keeps what else was said.
#[derive(Debug, Default)]
pub struct Seldom {
    said: Option<Instant>,
    n_since: u64,
}

/// Between two such lines.
const SELDOM: Duration = Duration::from_secs(60);

impl Seldom {
    /// How many times nothing was said since the last line, where it may be said now.
    pub fn may_say(&mut self) -> Option<u64> {
        if self.said.is_some_and(|it| it.elapsed() < SELDOM) {
            self.n_since += 1;
            return None;
        }
        self.said = Some(Instant::now());
        Some(std::mem::take(&mut self.n_since))
    }
}

/// Whether `$JOURNAL_STREAM` names the device and inode of our standard error.
fn is_journal() -> bool {
    let Ok(named) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(io::stderr()).is_ok_and(|it| named == format!("{}:{}", it.st_dev, it.st_ino))
}

/// `<6>camera camera="feeder" state="playing"`: a whole line for people, its level for `journalctl -p`. Fields of the
/// journal's own would say as much, but `journalctl` shows none of them.
struct Journal(Format<Compact, ()>);

impl Journal {
    fn new() -> Journal {
        Journal(tracing_subscriber::fmt::format().compact().without_time().with_level(false).with_target(false))
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>, N: for<'a> FormatFields<'a> + 'static> FormatEvent<S, N> for Journal {
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut to: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        // Syslog's severities.
        let severity = match *event.metadata().level() {
            Level::ERROR => 3,
            Level::WARN => 4,
            Level::INFO => 6,
            _ => 7,
        };
        write!(to, "<{severity}>")?;
        self.0.format_event(context, to, event)
    }
}
