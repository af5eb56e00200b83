//! Many cameras on a small box: with `EYESHINE_PROVE` set 24 for a minute, else a sample.

use std::time::Duration;

use eyeshine::demo::relay::Relay;

use crate::daemon::{Daemon, alone, is_proof};

/// Resident memory of a process, MiB.
fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}

#[test]
fn prove_busy_cameras_share_the_featurizer_fairly_and_memory_is_flat() {
    let _alone = alone();
    let (n_cameras, secs) = if is_proof() { (24, 60) } else { (8, 8) };
    let relay = Relay::start(n_cameras).unwrap();
    let cameras = relay.cameras();
    let args: Vec<String> =
        cameras.iter().flat_map(|(name, uri)| ["--camera".into(), format!("{name}={uri}")]).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let mut daemon = Daemon::run(&args);
    daemon.wait("all cameras to play", 60, |it| {
        let metrics = it.metrics();
        cameras.iter().all(|(name, _)| metrics.is_in_state(name, "playing"))
    });
    std::thread::sleep(Duration::from_secs(secs / 3));
    let (before, early_mib) = (daemon.metrics(), resident_mib(daemon.pid()));
    std::thread::sleep(Duration::from_secs(secs));
    let (after, late_mib) = (daemon.metrics(), resident_mib(daemon.pid()));
    let grown = |what: &str, name: &str| {
        let of =
            |it: &crate::daemon::Metrics| it.sum(&format!("eyeshine_camera_frames_{what}_total"), &[("camera", name)]);
        of(&after) - of(&before)
    };
    let ungated: f64 = cameras.iter().map(|(it, _)| grown("received", it) - grown("gated", it)).sum();
    let classified: Vec<f64> = cameras.iter().map(|(it, _)| grown("classified", it)).collect();
    let share = classified.iter().sum::<f64>() / ungated;
    let smallest = classified.iter().copied().fold(f64::MAX, f64::min);
    let largest = classified.iter().copied().fold(0.0, f64::max);
    println!(
        "prove: {n_cameras} cameras, {secs} s: {:.1} ungated frames a second, {:.1} % classified, smallest ÷ largest \
         share {:.2}, crops shed {}, memory {early_mib:.0} MiB, then {late_mib:.0} MiB",
        ungated / secs as f64,
        100.0 * share,
        smallest / largest,
        after.sum("eyeshine_camera_crops_shed_total", &[]),
    );
    assert!(share >= 0.9, "{share} of {ungated} frames: {classified:?}");
    assert!(smallest / largest >= 0.8, "{classified:?}");
    assert!(ungated / secs as f64 >= 2.0 * n_cameras as f64, "the clips hardly move: {ungated}");
    assert!(late_mib <= early_mib * 1.15 + 30.0, "{early_mib} MiB, then {late_mib} MiB");
    assert!(daemon.stop().took < Duration::from_secs(5));
}
