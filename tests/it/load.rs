//! Many cameras on a small box: a sample of the trial that `make prove` runs for a minute with 24.

use std::time::Duration;

use eyeshine::demo::relay::Relay;

use crate::daemon::Daemon;

const CAMERAS: usize = 8;

#[test]
fn eight_busy_cameras_share_the_featurizer_fairly() {
    let dir = tempfile::tempdir().unwrap();
    let relay = Relay::start(dir.path(), CAMERAS).unwrap();
    let args: Vec<String> = relay.cameras().iter().flat_map(|(name, uri)| ["--camera".into(), format!("{name}={uri}")]).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut daemon = Daemon::run(&args);
    let names: Vec<String> = relay.cameras().into_iter().map(|it| it.0).collect();
    daemon.wait("all cameras to play", 30, |it| {
        let metrics = it.metrics();
        names.iter().all(|name| metrics.is_in_state(name, "playing"))
    });
    std::thread::sleep(Duration::from_secs(10));
    let metrics = daemon.metrics();
    let of = |what: &str, name: &str| metrics.sum(&format!("eyeshine_camera_frames_{what}_total"), &[("camera", name)]);
    let ungated: f64 = names.iter().map(|it| of("received", it) - of("gated", it)).sum();
    let classified: Vec<f64> = names.iter().map(|it| of("classified", it)).collect();
    let share = classified.iter().sum::<f64>() / ungated;
    assert!(share >= 0.9, "{share} of {ungated} frames: {classified:?}");
    assert!(classified.iter().all(|it| *it > 10.0), "{classified:?}");
    assert!(daemon.stop().took < Duration::from_secs(5));
}
