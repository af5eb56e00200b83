//! Events on standard output: a line of JSON for programs, or a line for people.
//!
//! A thread of its own writes, behind a bounded queue: whoever reads slowly, or no longer, loses lines (counted) and does
//! not stop the daemon.

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use prometheus::IntCounterVec;

use crate::config::{CameraConfig, OutputFormat};
use crate::domain::{CameraName, Change, Event, Observation, ObservationType};
use crate::metrics::Metrics;
use crate::observe::publish::{Announcement, Sink, in_words};

/// Lines that may wait for a slow reader.
const QUEUE_LINES: usize = 1024;
/// How long the end waits for a slow reader.
const GRACE: Duration = Duration::from_secs(1);

/// Writes announcements to standard output.
#[derive(Debug)]
pub struct Stdout {
    json: bool,
    zones: HashMap<CameraName, TimeZone>,
    /// `None` once the thread is told to end.
    lines: Option<Sender<String>>,
    /// Closes when everything is written.
    written: Receiver<()>,
    errors: IntCounterVec,
}

impl Stdout {
    /// Starts the writer; `None` where the format says that nothing is to be written.
    ///
    /// Times for people are those of the camera's time zone.
    pub fn spawn(format: OutputFormat, cameras: &[CameraConfig], metrics: &Metrics) -> io::Result<Option<Stdout>> {
        let json = match format {
            OutputFormat::None => return Ok(None),
            OutputFormat::Json => true,
            OutputFormat::Text => false,
            OutputFormat::Auto => !io::stdout().is_terminal(),
        };
        let zones = cameras.iter().map(|it| (it.name.clone(), it.time_zone.as_str()));
        Stdout::to(io::stdout(), json, zones, metrics).map(Some)
    }

    fn to<'a>(
        mut out: impl Write + Send + 'static,
        json: bool,
        zones: impl Iterator<Item = (CameraName, &'a str)>,
        metrics: &Metrics,
    ) -> io::Result<Stdout> {
        let zone = |name: &str| TimeZone::get(name).unwrap_or(TimeZone::UTC);
        let (lines, waiting) = bounded::<String>(QUEUE_LINES);
        let (done, written) = bounded::<()>(0);
        let errors = metrics.publish_errors.clone();
        for reason in ["broken", "encode", "slow"] {
            errors.with_label_values(&["stdout", reason]);
        }
        let broken = errors.with_label_values(&["stdout", "broken"]);
        thread::Builder::new().name("stdout".into()).spawn(move || {
            // Held to the end: its drop says that all is written.
            let _done = done;
            let mut open = true;
            for line in waiting {
                if open && let Err(error) = writeln!(out, "{line}").and_then(|()| out.flush()) {
                    tracing::warn!(%error, "standard output is gone: events are still stored, but no longer written there");
                    open = false;
                }
                if !open {
                    broken.inc();
                }
            }
        })?;
        let zones = zones.map(|(camera, name)| (camera, zone(name))).collect();
        Ok(Stdout { json, zones, lines: Some(lines), written, errors })
    }

    fn lost(&self, reason: &str) {
        self.errors.with_label_values(&["stdout", reason]).inc();
    }
}

impl Sink for Stdout {
    fn publish(&mut self, event: &Event, change: Change) {
        let line = if self.json {
            match (Announcement { change, event }).json() {
                Ok(line) => line,
                Err(error) => {
                    tracing::error!(%error, "an event could not be written as JSON");
                    return self.lost("encode");
                }
            }
        } else {
            text(event, change, self.zones.get(&event.camera).unwrap_or(&TimeZone::UTC))
        };
        match self.lines.as_ref().map(|lines| lines.try_send(line)) {
            Some(Ok(())) | None => {}
            Some(Err(TrySendError::Full(_))) => self.lost("slow"),
            Some(Err(TrySendError::Disconnected(_))) => self.lost("broken"),
        }
    }
}

impl Drop for Stdout {
    fn drop(&mut self) {
        self.lines = None;
        // An error is the writer's end, which is what is waited for; a reader that hangs must not hold up the shutdown.
        let _ = self.written.recv_timeout(GRACE);
    }
}

/// `2026-11-24 08:17:40 feeder  opened   red fox 87 %, unknown 40 % (badger?); content: animal 99 %  12 s`
fn text(event: &Event, change: Change, zone: &TimeZone) -> String {
    let (word, at): (&str, Timestamp) = match change {
        Change::Opened => ("opened", event.start),
        Change::Changed => ("changed", event.end),
        Change::Progressed => ("goes on", event.end),
        Change::Ended => ("ended", event.end),
    };
    let at = at.to_zoned_datetime(zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string();
    let people = if event.people { "  people?" } else { "" };
    format!("{at}  {:<12}  {word:<7}  {}  {:.0} s{people}", event.camera, in_words(event, said), event.duration_secs)
}

fn said(it: &Observation) -> String {
    let word = format!("{} {:.0} %", it.shown(), it.probability * 100.0);
    match &it.hint {
        Some(hint) if it.kind == ObservationType::Unknown => format!("{word} ({}?)", hint.name),
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::{Arc, Condvar, Mutex};

    use super::*;
    use crate::domain::{Class, EventState};
    use crate::observe::store::fixture;

    /// What was written, and whether whoever reads it hangs.
    #[derive(Debug, Clone, Default)]
    struct Page(Arc<(Mutex<Vec<u8>>, Mutex<bool>, Condvar)>);

    impl Page {
        fn hang(&self, hangs: bool) {
            *self.0.1.lock().unwrap() = hangs;
            self.0.2.notify_all();
        }

        fn text(&self) -> String {
            String::from_utf8(self.0.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl Write for Page {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            drop(self.0.2.wait_while(self.0.1.lock().unwrap(), |hangs| *hangs).unwrap());
            self.0.0.lock().unwrap().write(data)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn event() -> Event {
        let mut event = fixture::event("red fox", "2026-11-24T07:17:40Z".parse().unwrap());
        event.observations.push(Observation {
            kind: ObservationType::Unknown,
            class: None,
            probability: 0.4,
            hint: Some(Class { name: "badger".into(), scientific_name: "Meles meles".into() }),
            ..fixture::observation("red fox")
        });
        event
    }

    fn zurich() -> impl Iterator<Item = (CameraName, &'static str)> {
        [("feeder".into(), "Europe/Zurich")].into_iter()
    }

    #[test]
    fn people_read_a_line_in_the_cameras_time() {
        let (page, metrics) = (Page::default(), Metrics::new());
        let mut sink = Stdout::to(page.clone(), false, zurich(), &metrics).unwrap();
        sink.publish(&event(), Change::Opened);
        sink.publish(&Event { people: true, ..event() }, Change::Ended);
        drop(sink);
        assert_eq!(
            page.text(),
            "2026-11-24 08:17:40  feeder        opened   red fox 75 %, unknown 40 % (badger?)  2 s\n\
             2026-11-24 08:17:42  feeder        ended    red fox 75 %, unknown 40 % (badger?)  2 s  people?\n"
        );
    }

    #[test]
    fn what_another_task_says_stands_behind_its_name() {
        let mut event = event();
        let generation = crate::domain::Generation { task: "content".into(), number: 2 };
        event.observations.push(Observation { generation, ..fixture::observation("animal") });
        let line = text(&event, Change::Ended, &TimeZone::UTC);
        assert!(line.ends_with("red fox 75 %, unknown 40 % (badger?); content: animal 75 %  2 s"), "{line}");
    }

    #[test]
    fn programs_read_one_object_a_line() {
        let (page, metrics) = (Page::default(), Metrics::new());
        let mut sink = Stdout::to(page.clone(), true, zurich(), &metrics).unwrap();
        let mut event = event();
        event.state = EventState::Ended;
        event.media = vec![uuid::Uuid::nil()];
        sink.publish(&event, Change::Ended);
        drop(sink);
        let line: serde_json::Value = serde_json::from_str(page.text().trim_end()).unwrap();
        let wanted = serde_json::json!({
            "change": "ended", "id": event.id, "camera": "feeder", "state": "ended", "modality": "infrared", "looks": 12,
            "start": "2026-11-24T07:17:40Z", "end": "2026-11-24T07:17:42.5Z", "duration_secs": 2.5,
            "observations": [
                {"type": "animal", "class": {"name": "red fox", "scientific_name": "Vulpes vulpes"}, "hint": null,
                 "probability": 0.75, "generation": {"task": "species", "number": 0}},
                {"type": "unknown", "class": null, "hint": {"name": "badger", "scientific_name": "Meles meles"},
                 "probability": 0.4, "generation": {"task": "species", "number": 0}},
            ],
            "media": ["00000000-0000-0000-0000-000000000000"], "people": false,
        });
        // 0.4 is an f32 on one side.
        assert_eq!(line.to_string().replace("0.4000000059604645", "0.4"), wanted.to_string());
    }

    #[test]
    fn a_reader_that_hangs_loses_lines_and_stops_nobody() {
        let (page, metrics) = (Page::default(), Metrics::new());
        page.hang(true);
        let mut sink = Stdout::to(page.clone(), true, zurich(), &metrics).unwrap();
        for _ in 0..QUEUE_LINES + 10 {
            sink.publish(&event(), Change::Changed);
        }
        let lost = metrics.publish_errors.with_label_values(&["stdout", "slow"]).get();
        assert!((9..=10).contains(&lost), "{lost} lines were lost");
        page.hang(false);
        drop(sink);
        assert_eq!(page.text().lines().count() as u64 + lost, QUEUE_LINES as u64 + 10);
    }

    #[test]
    fn a_pipe_that_broke_is_no_reason_to_end() {
        let metrics = Metrics::new();
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let mut sink = Stdout::to(writer, true, zurich(), &metrics).unwrap();
        sink.publish(&event(), Change::Opened);
        sink.publish(&event(), Change::Ended);
        drop(sink);
        assert_eq!(metrics.publish_errors.with_label_values(&["stdout", "broken"]).get(), 2);
    }
}
