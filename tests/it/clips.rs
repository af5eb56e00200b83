//! Real clips: what `run` and `classify` say of them, against what happens in them. Skipped where the clips are missing.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::daemon::{Daemon, Metrics, events, eyeshine, output, shared_data};

fn clip(name: &str) -> Option<PathBuf> {
    let dir = shared_data();
    if dir.is_none() {
        eprintln!("skipped: no ../shared/data");
    }
    dir.map(|it| it.join("clips").join(format!("{name}.mp4")))
}

/// Seconds from the clip's start to an event's start and end: the clip's first frame is at `zero`.
fn span(event: &Value, zero: Timestamp) -> (f64, f64) {
    let at = |key: &str| event[key].as_str().unwrap().parse::<Timestamp>().unwrap().duration_since(zero).as_secs_f64();
    (at("start"), at("end"))
}

fn is_blank(event: &Value) -> bool {
    event["observations"].as_array().unwrap().iter().all(|it| it["type"] == "blank")
}

/// Runs a clip at real time to its end; its events, and the last scrape.
fn run(name: &str) -> Option<(Vec<Value>, Timestamp, Metrics)> {
    let clip = clip(name)?;
    let before = Timestamp::now();
    let mut daemon = Daemon::run(&["--camera", &format!("{name}={}", clip.display())]);
    daemon.wait("the end of the clip", 60, |it| it.metrics().is_in_state(name, "ended"));
    daemon.wait("every frame's fate", 10, |it| it.metrics().in_flight(name) == 0.0);
    let metrics = daemon.metrics();
    assert_eq!(metrics.sum("eyeshine_camera_frames_dropped_total", &[("camera", name)]), 0.0);
    let events = daemon.stop().events();
    Some((events, before, metrics))
}

/// What `classify` makes of a clip, which begins at the epoch of its own first frame.
fn classify(name: &str) -> Option<Vec<Value>> {
    let clip = clip(name)?;
    let state = tempfile::tempdir().unwrap();
    let (code, out, err) = output(eyeshine(state.path()).args(["classify", "--format", "json"]).arg(clip));
    assert_eq!(code, 0, "{err}");
    Some(events(&out.lines().map(str::to_owned).collect::<Vec<_>>()))
}

#[test]
fn the_grouse_s_visit_is_an_event_and_the_chicks_after_it_another() {
    let Some((seen, before, _)) = run("grouse_visit_day") else { return };
    let Some(again) = classify("grouse_visit_day") else { return };
    // The daemon takes a moment to start: what counts is from the first frame on, which no event tells. The bounds are
    // the widest that this leaves: the clip runs in real time.
    let spans: Vec<(f64, f64)> = seen.iter().map(|it| span(it, before)).collect();
    let grouse = spans.iter().zip(&seen).find(|((from, to), _)| to - from > 6.0).expect("an event of the grouse").0;
    let length = grouse.1 - grouse.0;
    assert!((8.0..=15.0).contains(&length), "{spans:?}");
    let chicks = spans.iter().find(|it| it.0 > grouse.1 + 2.0).expect("an event of the chicks");
    assert!(chicks.0 - grouse.0 >= 13.0, "{spans:?}");
    // `classify` of a file tells times from the file's own start, so the bounds are exact there.
    let zero = Timestamp::UNIX_EPOCH;
    let exact: Vec<(f64, f64)> =
        again.iter().map(|it| span(it, zero)).map(|(a, b)| (a % 86_400.0, b % 86_400.0)).collect();
    assert_eq!(exact.len(), spans.len(), "run: {spans:?}, classify: {exact:?}");
    for (event, span) in again.iter().zip(&exact) {
        let (from_secs, to_secs) = (event["from_secs"].as_f64().unwrap(), event["to_secs"].as_f64().unwrap());
        assert!((from_secs - span.0).abs() < 0.01 && (to_secs - span.1).abs() < 0.1, "{event}");
    }
    for (a, b) in exact.iter().zip(&spans) {
        assert!(((a.1 - a.0) - (b.1 - b.0)).abs() < 0.3, "run: {spans:?}, classify: {exact:?}");
    }
}

#[test]
fn a_smear_in_the_stream_is_no_animal() {
    let Some((seen, _, _)) = run("broken_stream_day") else { return };
    assert!(seen.iter().all(is_blank), "{seen:?}");
}

#[test]
fn a_stream_that_is_corrupted_raises_decode_errors_and_is_survived() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("torn.ts");
    let made = Command::new("gst-launch-1.0")
        .args([
            "-q",
            "videotestsrc",
            "num-buffers=150",
            "pattern=ball",
            "!",
            "video/x-raw,width=640,height=360,framerate=25/1",
            "!",
        ])
        .args(["x264enc", "key-int-max=25", "!", "h264parse", "!", "mpegtsmux", "!", "filesink"])
        .arg(format!("location={}", file.display()))
        .status()
        .unwrap();
    assert!(made.success());
    let mut bytes = std::fs::read(&file).unwrap();
    let n = bytes.len();
    // Inside of the packets, so that the container stays whole and the pictures do not.
    for i in (n / 5..n).step_by(188 * 7) {
        for byte in &mut bytes[i / 188 * 188 + 40..(i / 188 * 188 + 120).min(n)] {
            *byte ^= 0x5a;
        }
    }
    std::fs::write(&file, bytes).unwrap();
    let mut daemon = Daemon::run(&["--camera", &format!("torn={}", file.display())]);
    daemon
        .wait("decode errors", 20, |it| it.metrics().sum("eyeshine_decode_errors_total", &[("camera", "torn")]) >= 1.0);
    daemon.wait("the end", 20, |it| {
        let metrics = it.metrics();
        ["ended", "reconnecting", "failed"].iter().any(|state| metrics.is_in_state("torn", state))
    });
    assert!(daemon.metrics().sum("eyeshine_camera_frames_received_total", &[]) > 20.0);
    assert!(daemon.stop().took < Duration::from_secs(5));
}
