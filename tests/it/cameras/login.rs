//! Transports, codecs and logins; what a password leaves behind.

use gstreamer_rtsp_server::gst_rtsp::RTSPAuthMethod;

use super::http::{self, Manner};
use super::rtsp::{H264, MOVING, Options, Server};
use super::{Site, last_error};

const USER: &str = "ann";
/// As people choose them, and paste them.
const PASSWORD: &str = "s3/cret#ü %zz?\"x";
/// libsoup knows Latin-1 alone.
const HTTP_PASSWORD: &str = "s3/cret# %zz?\"y";
const WRONG: &str = "wr0ngly-guessed";

#[test]
fn cameras_play_over_each_transport_codec_and_login_and_no_password_is_told() {
    let open = Server::start(Options::default());
    let basic = Server::start(Options { login: Some((RTSPAuthMethod::Basic, USER, PASSWORD)), ..Options::default() });
    let digest =
        Server::start(Options { login: Some((RTSPAuthMethod::Digest, USER, "d1gest-word")), ..Options::default() });
    let mjpeg = http::Server::start(Manner::Steady, &[(320, 240)], Some((USER, HTTP_PASSWORD)));
    let mut site = Site::new();
    std::fs::write(site.path("password"), format!("{PASSWORD}\r\n")).unwrap();
    std::fs::write(site.path("http"), HTTP_PASSWORD).unwrap();
    std::fs::write(site.path("digest"), "d1gest-word").unwrap();
    std::fs::write(site.path("wrong"), WRONG).unwrap();
    let file = |name: &str| format!("username = {USER:?}\npassword_file = {:?}\n", site.path(name));
    let (right, right_http, right_digest, wrong) = (file("password"), file("http"), file("digest"), file("wrong"));

    let h264 = open.mount("h264", &format!("{MOVING} ! {H264}"));
    let h265 = open.mount(
        "h265",
        &format!(
            "{MOVING} ! x265enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! rtph265pay name=pay0 pt=96"
        ),
    );
    let jpeg = open.mount("jpeg", &format!("{MOVING} ! jpegenc ! rtpjpegpay name=pay0 pt=26"));
    site.camera("h264-tcp", &h264, "");
    site.camera("h264-udp", &h264.replace("rtsp", "RTSP"), "transport = \"udp\"");
    site.camera("h265-tcp", &h265, "");
    site.camera("jpeg-udp", &jpeg, "transport = \"udp\"");
    let closed = basic.mount("live", &format!("{MOVING} ! {H264}"));
    site.camera("basic-file", &closed, &right);
    site.camera("basic-uri", &closed.replace("://", &format!("://{USER}:{PASSWORD}@")), "");
    site.camera("digest-file", &digest.mount("live", &format!("{MOVING} ! {H264}")), &right_digest);
    site.camera("http-file", &mjpeg.uri, &right_http);
    site.camera("http-uri", &mjpeg.uri.replace("://", &format!("://{USER}:{HTTP_PASSWORD}@")), "");
    let playing = [
        "h264-tcp",
        "h264-udp",
        "h265-tcp",
        "jpeg-udp",
        "basic-file",
        "basic-uri",
        "digest-file",
        "http-file",
        "http-uri",
    ];
    site.camera("basic-wrong", &closed, &wrong);
    site.camera("basic-wrong-uri", &closed.replace("://", &format!("://{USER}:{WRONG}/{WRONG}@")), "");
    site.camera("basic-none", &closed, "");
    site.camera("digest-wrong", &digest.mount("other", &format!("{MOVING} ! {H264}")), &wrong);
    site.camera("http-wrong", &mjpeg.uri, &wrong);
    site.camera("no-scheme", &format!("{USER}:{WRONG}@127.0.0.1:9/live"), "");
    let failed = ["basic-wrong", "basic-wrong-uri", "basic-none", "digest-wrong", "http-wrong"];

    let mut daemon = site.run();
    for camera in playing {
        daemon.wait(&format!("frames of {camera}"), 60, |it| {
            let metrics = it.metrics();
            metrics.is_in_state(camera, "playing") && metrics.frames(camera) >= 10.0
        });
        assert!(daemon.metrics().of("bytes_received_total", camera) > 1_000.0, "{camera}");
    }
    for camera in failed {
        daemon.wait(&format!("{camera} to fail"), 30, |it| it.metrics().is_in_state(camera, "failed"));
        let error = last_error(&daemon, camera);
        assert!(error.contains("refused the user name or the password"), "{camera}: {error}");
    }
    let error = last_error(&daemon, "no-scheme");
    assert!(error.contains("rtsp://"), "{error}");

    let told = ["/metrics", "/api/v1/cameras", "/"].map(|path| daemon.get(path).unwrap().1).join("\n");
    let told = told + &daemon.stop().log;
    for secret in
        [PASSWORD, HTTP_PASSWORD, "s3/cret", "cret#", WRONG, "d1gest-word", &*glib::base64_encode(PASSWORD.as_bytes())]
    {
        assert!(!told.contains(secret), "{secret} was told");
    }
}
