//! Cameras that go, come back, fall silent; and the others, which do not feel it.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::http::{self, Manner};
use super::rtsp::{H264, MOVING, Options, Server};
use super::{Site, shown};

fn cause(metrics: &crate::daemon::Metrics, camera: &str, cause: &str) -> f64 {
    metrics.sum("eyeshine_camera_reconnects_total", &[("camera", camera), ("cause", cause)])
}

#[test]
fn a_camera_that_goes_or_falls_silent_comes_back_and_touches_no_other() {
    let moving = format!("{MOVING} ! {H264}");
    let going = Server::start(Options::default());
    let silent = Server::start(Options::default());
    let steady = Server::start(Options::default());
    let mut site = Site::new();
    site.camera("going", &going.mount("live", &moving), "stall_secs = 20.0\nconnect_secs = 5.0");
    site.camera("silent", &silent.mount("live", &moving), "stall_secs = 2.0\nconnect_secs = 5.0");
    // Sound beside the picture: it is not asked for.
    let with_sound = format!("{moving} audiotestsrc is-live=true ! audioconvert ! alawenc ! rtppcmapay name=pay1 pt=8");
    site.camera("steady", &steady.mount("live", &with_sound), "stall_secs = 30.0\nconnect_secs = 30.0");
    let mut daemon = site.run();
    for camera in ["going", "silent", "steady"] {
        daemon.wait(&format!("frames of {camera}"), 60, |it| it.metrics().frames(camera) >= 5.0);
    }

    let port = going.port;
    drop(going);
    silent.be_silent(true);
    daemon.wait("one to go", 40, |it| it.metrics().is_in_state("going", "reconnecting"));
    let refused = format!("uri: 127.0.0.1:{port}: the connection is refused: is the port right?");
    daemon.wait("it to say why", 40, |it| shown(it, "going")["last_error"] == refused.as_str());
    daemon.wait("one to stall", 40, |it| cause(&it.metrics(), "silent", "stall") > 0.0);
    silent.be_silent(false);
    let metrics = daemon.metrics();
    assert!(cause(&metrics, "going", "eos") + cause(&metrics, "going", "error") > 0.0, "{}", metrics.0);
    assert_eq!(cause(&metrics, "going", "stall"), 0.0);
    let at_worst = metrics.frames("steady");

    let going = Server::start(Options { port, ..Options::default() });
    going.mount("live", &moving);
    for camera in ["going", "silent"] {
        let before = daemon.metrics().frames(camera);
        daemon.wait(&format!("{camera} to come back"), 90, |it| {
            let metrics = it.metrics();
            metrics.is_in_state(camera, "playing") && metrics.frames(camera) >= before + 5.0
        });
        assert!(shown(&daemon, camera)["last_error"].is_null());
    }
    daemon.wait("more of the steady one", 30, |it| it.metrics().frames("steady") > at_worst + 5.0);
    let n_lost = daemon.metrics().n_lost("steady");
    assert_eq!(n_lost, 0.0, "{}", daemon.stop().log);
    assert_eq!(steady.n_setups(), 1, "sound was asked for");
}

#[test]
fn only_frames_bring_the_wait_down_again() {
    let trickling = http::Server::start(Manner::SilentAfter(1), &[(160, 120)], None);
    let playing = http::Server::start(Manner::ClosedAfter(20), &[(160, 120)], None);
    let mut site = Site::new();
    site.text = site.text.replace("backoff_max_secs = 1.0", "backoff_max_secs = 0.8");
    site.text.insert_str(0, "[log]\nfilter = \"info,eyeshine::capture=debug\"\n");
    // Connected for longer than it takes to be healthy, but with a single frame.
    site.camera("trickling", &trickling.uri, "connect_secs = 0.5\nhealthy_secs = 0.7\nstall_secs = 1.5");
    site.camera("playing", &playing.uri, "connect_secs = 20.0\nhealthy_secs = 0.7\nstall_secs = 20.0");
    let mut daemon = site.run();
    daemon.wait("tries", 60, |it| {
        let metrics = it.metrics();
        metrics.n_lost("trickling") >= 5.0 && metrics.n_lost("playing") >= 4.0
    });
    let log = daemon.stop().log;
    let waits = |camera: &str| {
        let of_camera = log.lines().filter(|it| it.contains(" lost ") && it.contains(camera));
        let waits = of_camera.filter_map(|it| it.split_once("wait_secs=")?.1.split_whitespace().next());
        waits.map(|it| it.parse::<f64>().unwrap()).collect::<Vec<_>>()
    };
    let trickled = waits("trickling");
    assert!(trickled.starts_with(&[0.2, 0.4, 0.8, 0.8]), "{trickled:?} in\n{log}");
    let played = waits("playing");
    assert!(played.len() >= 3 && played.iter().all(|it| *it == 0.2), "{played:?} in\n{log}");
}

/// All are there at the same moment, and answer nobody.
#[test]
fn cameras_that_start_together_are_opened_one_after_the_other() {
    const N_CAMERAS: u32 = 8;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let mut held = Vec::new();
        for stream in listener.incoming().flatten() {
            stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            let (mut camera, mut request) = (BufReader::new(stream), String::new());
            if camera.read_line(&mut request).is_ok() && tell.send((request, Instant::now())).is_err() {
                return;
            }
            // Nothing is answered, so that none is tried again.
            held.push(camera);
        }
    });
    let mut site = Site::new();
    for i in 0..N_CAMERAS {
        let patient = "connect_secs = 60.0\nstall_secs = 60.0";
        site.camera(&format!("camera-{i}"), &format!("http://127.0.0.1:{port}/{i}.mjpg"), patient);
    }
    let daemon = site.run();
    let mut asked: BTreeMap<String, Instant> = BTreeMap::new();
    while asked.len() < N_CAMERAS as usize {
        let (request, at) = told.recv_timeout(Duration::from_secs(60)).unwrap();
        if request.starts_with("GET ") {
            asked.entry(request).or_insert(at);
        }
    }
    drop(daemon);
    let (first, last) = (asked.values().min().unwrap(), asked.values().max().unwrap());
    let took = last.duration_since(*first);
    // 100 ms from each to the next; the first of them may have come late.
    assert!(took > Duration::from_millis(400), "all within {took:?}");
}
