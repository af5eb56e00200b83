//! From start to end: readiness, the balance of frames, the drain, the crash.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::daemon::{Daemon, eyeshine};

/// A moving picture in a file, `secs` long.
pub(crate) fn moving(dir: &std::path::Path, name: &str, secs: u32) -> String {
    let file = dir.join(format!("{name}.mkv"));
    let made = Command::new("gst-launch-1.0")
        .args(["-q", "videotestsrc", &format!("num-buffers={}", secs * 15), "pattern=ball", "!"])
        .args([
            "video/x-raw,width=640,height=360,framerate=15/1",
            "!",
            "x264enc",
            "speed-preset=ultrafast",
            "key-int-max=15",
            "!",
        ])
        .args(["matroskamux", "!", "filesink"])
        .arg(format!("location={}", file.display()))
        .status()
        .unwrap();
    assert!(made.success());
    format!("{name}={}", file.display())
}

#[test]
fn every_frame_is_accounted_for_at_any_scrape_and_exactly_once_drained() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (moving(dir.path(), "a", 4), moving(dir.path(), "b", 5));
    let mut daemon = Daemon::run(&["--camera", &a, "--camera", &b]);
    daemon.wait("both ends", 30, |it| {
        let metrics = it.metrics();
        for camera in ["a", "b"] {
            let in_flight = metrics.in_flight(camera);
            assert!((0.0..=50.0).contains(&in_flight), "{camera}: {in_flight} in flight");
        }
        metrics.is_in_state("a", "ended") && metrics.is_in_state("b", "ended")
    });
    daemon.wait("every frame's fate", 10, |it| {
        let metrics = it.metrics();
        metrics.in_flight("a") == 0.0 && metrics.in_flight("b") == 0.0
    });
    let received = daemon.metrics().sum("eyeshine_camera_frames_received_total", &[("camera", "a")]);
    assert_eq!(received, 60.0);
    assert!(daemon.stop().status.success());
}

#[test]
fn sigterm_drains_within_five_seconds_and_says_the_balance() {
    let dir = tempfile::tempdir().unwrap();
    let a = moving(dir.path(), "a", 30);
    let mut daemon = Daemon::run(&["--camera", &a]);
    daemon.wait("frames", 20, |it| it.metrics().sum("eyeshine_camera_frames_classified_total", &[]) > 5.0);
    let ended = daemon.stop();
    assert!(ended.status.success(), "{}", ended.log);
    assert!(ended.took < Duration::from_secs(5), "{:?}", ended.took);
    assert!(ended.log.contains("unaccounted=0"), "{}", ended.log);
}

#[test]
fn the_service_manager_hears_of_it_until_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let socket = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut command = eyeshine(&dir.path().join("state"));
    command.args(["run", "--listen", "127.0.0.1:0", "--output", "none", "--camera", "gone=rtsp://127.0.0.1:9/none"]);
    command.env("NOTIFY_SOCKET", dir.path().join("notify")).env("WATCHDOG_USEC", "300000");
    let mut child = command.stderr(Stdio::null()).spawn().unwrap();
    let hear = || {
        let mut said = [0; 4096];
        let n = socket.recv(&mut said).expect("nothing is said for a minute");
        String::from_utf8(said[..n].to_vec()).unwrap()
    };
    let heard: Vec<String> = (0..4).map(|_| hear()).collect();
    assert!(heard[0].contains("READY=1") && heard[1..].iter().all(|it| it.contains("WATCHDOG=1")), "{heard:?}");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    while !hear().contains("STOPPING=1") {}
    assert!(child.wait().unwrap().success());
}

#[test]
fn it_is_ready_without_its_cameras_and_ends_by_itself() {
    let daemon = Daemon::run(&["--camera", "gone=rtsp://127.0.0.1:9/none", "--for", "2s"]);
    let ended = daemon.finish();
    assert!(ended.status.success(), "{}", ended.log);
    assert!(ended.took < Duration::from_secs(8), "{:?}", ended.took);
}

#[test]
fn after_a_kill_open_events_are_ended_and_the_database_is_whole() {
    let dir = tempfile::tempdir().unwrap();
    let a = moving(dir.path(), "a", 30);
    let mut daemon = Daemon::run(&["--camera", &a]);
    daemon.wait("frames", 20, |it| it.metrics().sum("eyeshine_camera_frames_classified_total", &[]) > 10.0);
    daemon.signal("-KILL");
    let state = daemon.finish().state;
    let database = rusqlite::Connection::open(state.path().join("eyeshine.db")).unwrap();
    let whole: String = database.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(whole, "ok");
}
