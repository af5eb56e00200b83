//! A camera's own clock, told in sender reports: believed where it is trusted and set.

use gstreamer as gst;
use gstreamer::prelude::*;

use super::Site;
use super::rtsp::{H264, MOVING, Options, Server};

/// Seconds from 1900, where NTP begins, to 1970.
const NTP_TO_UNIX_SECS: u64 = 2_208_988_800;
const FAST_SECS: f64 = 3_600.0;

/// A clock that was set to this many seconds since 1900, now.
fn clock(secs: f64) -> gst::Clock {
    gst::init().unwrap();
    let clock: gst::SystemClock = glib::Object::builder().property("name", "camera").build();
    let internal = clock.internal_time();
    let set = gst::ClockTime::from_seconds_f64(secs);
    clock.set_calibration(internal, set, 1, 1);
    clock.upcast()
}

#[test]
fn a_trusted_clock_is_taken_and_one_that_was_never_set_is_not() {
    let now = jiff::Timestamp::now().as_second() as f64 + NTP_TO_UNIX_SECS as f64;
    let fast = Server::start(Options { clock: Some(clock(now + FAST_SECS)), ..Options::default() });
    let unset = Server::start(Options { clock: Some(clock(40.0)), ..Options::default() });
    let moving = format!("{MOVING} ! {H264}");
    let mut site = Site::new();
    site.camera("fast", &fast.mount("live", &moving), "trust_camera_clock = true");
    site.camera("unset", &unset.mount("live", &moving), "trust_camera_clock = true");
    let mut daemon = site.run();
    let offset = |daemon: &crate::daemon::Daemon, camera: &str| daemon.metrics().of("clock_offset_seconds", camera);
    daemon.wait("the fast clock's offset", 60, |it| (offset(it, "fast") - FAST_SECS).abs() < 30.0);
    daemon.wait("more of the other", 60, |it| it.metrics().frames("unset") >= 100.0);
    assert_eq!(offset(&daemon, "unset"), 0.0);
    let log = daemon.stop().log;
    assert_eq!(log.lines().filter(|it| it.contains("clock is not set")).count(), 1, "{log}");
}
