//! Files and frames of every shape: what can be read is classified, what cannot says why, once.

use super::http::{self, Manner};
use super::{Site, last_error, make, shown};
use crate::daemon::Metrics;

const FAILED: &str = "eyeshine_camera_frames_failed_total";

/// The ball, `n` frames of it.
fn ball(n: usize, caps: &str) -> String {
    format!("videotestsrc pattern=ball num-buffers={n} ! video/x-raw,framerate=10/1,{caps}")
}

#[test]
fn every_size_depth_and_layout_is_classified_and_none_failed() {
    let mut site = Site::new();
    let odd = "width=641,height=359";
    let x264 = "x264enc speed-preset=ultrafast threads=1";
    let files = [
        ("odd-vp8", "matroskamux", format!("{},{odd} ! vp8enc deadline=1", ball(15, "format=I420"))),
        ("odd-444", "matroskamux", format!("{},{odd} ! {x264}", ball(15, "format=Y444"))),
        ("odd-jpeg", "avimux", format!("{},{odd} ! jpegenc", ball(15, "format=I420"))),
        ("grey", "matroskamux", format!("{},{odd} ! avenc_ffv1", ball(15, "format=GRAY8"))),
        ("422", "matroskamux", format!("{},{odd} ! avenc_ffv1", ball(15, "format=Y42B"))),
        ("10-bit", "matroskamux", format!("{},width=640,height=360 ! {x264}", ball(15, "format=I420_10LE"))),
        ("tiny", "matroskamux", format!("{},width=16,height=16 ! vp8enc deadline=1", ball(15, "format=I420"))),
    ];
    for (name, mux, pipeline) in &files {
        let path = site.path(name);
        make(&path, &format!("{pipeline} ! {mux}"));
        site.camera(name, path.to_str().unwrap(), "");
    }
    // Sound beside the picture, in a path with odd characters.
    let path = site.path("a fox #1 100% ü.mkv");
    make(
        &path,
        &format!(
            "matroskamux name=mux audiotestsrc num-buffers=70 ! opusenc ! mux. {},{odd} ! vp8enc deadline=1 ! mux. mux.",
            ball(15, "format=I420")
        ),
    );
    site.camera("path", path.to_str().unwrap(), "");
    let escaped = path.to_str().unwrap().replace('%', "%25").replace(' ', "%20").replace('#', "%23");
    site.camera("escaped", &format!("file://{escaped}"), "");
    site.camera("looped", path.to_str().unwrap(), "loop = true");
    // Another size in mid-stream.
    let mut bytes = Vec::new();
    for size in ["width=320,height=240", "width=640,height=360"] {
        let part = site.path("part");
        make(&part, &format!("{},{size} ! {x264} ! video/x-h264,stream-format=byte-stream", ball(8, "format=I420")));
        bytes.extend(std::fs::read(&part).unwrap());
    }
    std::fs::write(site.path("resized.h264"), bytes).unwrap();
    site.camera("resized", site.path("resized.h264").to_str().unwrap(), "");
    let resizing = http::Server::start(Manner::Steady, &[(320, 240), (641, 359)], None);
    site.camera("resizing", &resizing.uri, "");

    let mut daemon = site.run();
    let ending: Vec<&str> = files.iter().map(|it| it.0).chain(["path", "escaped", "resized"]).collect();
    for camera in &ending {
        daemon.wait(&format!("{camera} to end"), 60, |it| {
            let metrics = it.metrics();
            metrics.is_in_state(camera, "ended") && metrics.in_flight(camera) == 0.0
        });
    }
    daemon.wait("loops", 60, |it| it.metrics().frames("looped") >= 32.0);
    daemon.wait("sizes", 60, |it| it.metrics().frames("resizing") >= 25.0);
    let metrics = daemon.metrics();
    for camera in ending.iter().copied().chain(["looped", "resizing"]) {
        assert_eq!(metrics.sum(FAILED, &[("camera", camera)]), 0.0, "{camera}");
        assert_eq!(metrics.n_lost(camera), 0.0, "{camera}");
        assert!(metrics.of("frames_classified_total", camera) >= 1.0, "{camera}");
    }
    for camera in &ending {
        let n = if *camera == "resized" { 16.0 } else { 15.0 };
        assert_eq!(metrics.frames(camera), n, "{camera}");
    }
    assert_eq!(shown(&daemon, "odd-444")["width_px"], 641);
    assert_eq!(shown(&daemon, "resized")["width_px"], 640);
}

#[test]
fn what_is_no_video_says_so_once() {
    let mut site = Site::new();
    make(
        &site.path("vp8.mkv"),
        &format!("{},width=320,height=240 ! vp8enc deadline=1 ! matroskamux", ball(10, "format=I420")),
    );
    let mut unknown = std::fs::read(site.path("vp8.mkv")).unwrap();
    let at = unknown.windows(5).position(|it| it == b"V_VP8").unwrap();
    unknown[at..at + 5].copy_from_slice(b"V_NEW");
    std::fs::write(site.path("unknown.mkv"), unknown).unwrap();
    make(&site.path("sound.mkv"), "audiotestsrc num-buffers=20 ! opusenc ! matroskamux");
    std::fs::write(site.path("notes.txt"), "badger at dusk\n".repeat(100)).unwrap();
    std::fs::write(site.path("noise.mp4"), [7u8; 4096]).unwrap();
    let culprits = [
        ("unknown.mkv", "codec V_NEW cannot be decoded"),
        ("sound.mkv", "there is no video in it"),
        ("notes.txt", "not a video"),
        ("noise.mp4", "not a video"),
        ("gone.mp4", "gone.mp4"),
        (".", "a folder"),
    ];
    let name = |n: usize| format!("no{n}");
    for (n, (file, _)) in culprits.iter().enumerate() {
        site.camera(&name(n), site.path(file).to_str().unwrap(), "");
    }
    let mut daemon = site.run();
    let tried = |metrics: &Metrics| (0..culprits.len()).all(|n| metrics.n_lost(&name(n)) >= 3.0);
    daemon.wait("three tries", 60, |it| tried(&it.metrics()));
    for (n, (file, expected)) in culprits.iter().enumerate() {
        assert!(daemon.metrics().is_in_state(&name(n), "failed"));
        let error = last_error(&daemon, &name(n));
        assert!(error.contains(expected), "{file}: {error}");
    }
    let log = daemon.stop().log;
    for n in 0..culprits.len() {
        let said = log.lines().filter(|it| it.contains(&name(n)) && it.contains(" lost ")).count();
        assert_eq!(said, 1, "{} in\n{log}", name(n));
    }
}
