//! What people and programs are told over HTTP, and what they are not.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use eyeshine::capture::picture::Picture;
use eyeshine::config::environment::Environment;
use eyeshine::config::load::{Overrides, load_in};
use eyeshine::domain::{
    CaptureMethod, Change, Class, Embedding, Event, EventState, EventUpdate, Frame, Generation, Keepsake, Modality,
    Observation, ObservationType, View,
};
use eyeshine::metrics::Metrics;
use eyeshine::observe::store::Store;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tempfile::TempDir;
use uuid::Uuid;

use crate::daemon::Daemon;
use crate::http::{address, get, say};
use crate::who::form;

const N_EVENTS: usize = 45;

/// A camera whose place would be markup, in a time zone that is nobody's default, and that is never there.
const SITE: &str = "[[camera]]\nname = \"feeder\"\nuri = \"rtsp://127.0.0.1:9/none\"\nplace = \"<b>x</b> & 'y'\"\n\
                    time_zone = \"Asia/Tokyo\"\n";

/// A state folder with events in it, the oldest first, and the config that they were made under.
pub(crate) struct Site {
    pub(crate) state: TempDir,
    pub(crate) config: PathBuf,
    pub(crate) events: Vec<Event>,
}

fn site() -> Site {
    site_with("")
}

/// The same, with more in its config.
pub(crate) fn site_with(more: &str) -> Site {
    let state = tempfile::tempdir().unwrap();
    let config = state.path().join("site.toml");
    fs::write(&config, SITE.to_owned() + more).unwrap();
    let nowhere = Environment::default();
    let settings = load_in(Some(&config), Overrides::default(), &nowhere).unwrap();
    let store = Store::open(state.path(), &settings.store, Metrics::new()).unwrap();
    store.register_deployment(&settings.cameras[0]).unwrap();
    let newest: Timestamp = "2026-03-01T20:00:00Z".parse().unwrap();
    let events: Vec<Event> = (0..N_EVENTS)
        .map(|nth| {
            let update = update(newest - SignedDuration::from_mins((N_EVENTS - nth) as i64), nth + 1 == N_EVENTS);
            store.save(&update, "lite0-test").unwrap();
            update.event
        })
        .collect();
    Site { state, config, events }
}

/// An event with a picture; the last one is of an unknown, by night.
pub(crate) fn update(at: Timestamp, unknown: bool) -> EventUpdate {
    let metrics = Metrics::new();
    let fate = metrics.camera("feeder").receive();
    fate.classified();
    let picture = Picture::still(image::RgbImage::from_pixel(160, 120, image::Rgb([90, 120, 60])));
    let area = picture.area();
    let frame = Frame { camera: "feeder".into(), number: 0, at, elapsed: Default::default(), picture, fate };
    let fox = Class { name: "red fox".into(), scientific_name: "Vulpes vulpes".into() };
    let modality = if unknown { Modality::Infrared } else { Modality::Colour };
    let keepsake = Keepsake {
        id: Uuid::now_v7(),
        frame: Arc::new(frame),
        area,
        view: View::Whole,
        method: CaptureMethod::ActivityDetection,
        modality,
        embedding: Embedding { features: vec![0.5; 4].into(), logits: None, second: None },
        score: 0.9,
        picture: true,
    };
    let event = Event {
        id: Uuid::now_v7(),
        camera: "feeder".into(),
        state: EventState::Ended,
        start: at,
        end: at + SignedDuration::from_secs(7),
        duration_secs: 7.0,
        modality,
        observations: vec![Observation {
            kind: if unknown { ObservationType::Unknown } else { ObservationType::Animal },
            class: (!unknown).then(|| fox.clone()),
            rank: None,
            probability: 0.75,
            hint: unknown.then_some(fox),
            generation: Generation { task: "species".into(), number: 0 },
        }],
        looks: 12,
        media: vec![keepsake.id],
        people: false,
    };
    EventUpdate { change: Change::Ended, event, keepsakes: vec![keepsake], said: Vec::new() }
}

pub(crate) fn daemon(site: Site) -> (Daemon, Vec<Event>) {
    let config = site.config.to_str().unwrap().to_owned();
    (Daemon::start_in(site.state, "run", &["--config", &config]), site.events)
}

fn ids(events: &Value) -> Vec<String> {
    events.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn events_are_paged_without_loss_and_each_is_told_with_its_picture() {
    let (daemon, events) = daemon(site());
    let url = &daemon.url;
    let newest_first: Vec<String> = events.iter().rev().map(|it| it.id.to_string()).collect();

    let mut paged = Vec::new();
    loop {
        let before = paged.last().map(|it| format!("&before={it}")).unwrap_or_default();
        let page = ids(&get(url, &format!("/api/v1/events?limit=7{before}")).json());
        assert!(page.len() <= 7);
        if page.is_empty() {
            break;
        }
        paged.extend(page);
    }
    assert_eq!(paged, newest_first);
    assert_eq!(ids(&get(url, "/api/v1/events").json()), newest_first);
    assert_eq!(ids(&get(url, "/api/v1/events?limit=200").json()).len(), N_EVENTS);
    for (bad, word) in [
        ("limit=0", "between 1 and 200"),
        ("limit=201", "between 1 and 200"),
        ("limit=many", "limit"),
        ("limit=-1", "limit"),
        ("before=yesterday", "before"),
        ("befor=1", "befor"),
    ] {
        let answer = get(url, &format!("/api/v1/events?{bad}"));
        assert_eq!(answer.status, 400, "{bad}");
        assert!(answer.text().contains(word), "{bad}: {}", answer.text());
    }

    let event = get(url, &format!("/api/v1/events/{}", newest_first[1])).json();
    assert_eq!(event["camera"], "feeder");
    assert_eq!(event["place"], "<b>x</b> & 'y'");
    assert_eq!(event["time_zone"], "Asia/Tokyo");
    assert_eq!(event["observations"][0]["class"]["name"], "red fox");
    assert_eq!(get(url, &format!("/api/v1/events/{}", Uuid::nil())).status, 404);
    let wrong = get(url, "/api/v1/events/fox");
    assert!(wrong.status == 400 && wrong.text().contains("fox"), "{}: {}", wrong.status, wrong.text());

    let picture = get(url, &format!("/media/{}", event["media"][0].as_str().unwrap()));
    assert_eq!((picture.status, picture.header("content-type")), (200, "image/jpeg"));
    assert_eq!(image::load_from_memory(&picture.body).unwrap().width(), 160);
    assert_eq!(get(url, &format!("/media/{}", Uuid::nil())).status, 404);
    for path in ["/media/..%2Feyeshine.db", "/media/%2Fetc%2Fpasswd", "/media/../eyeshine.db", "/media/"] {
        let answer = get(url, path);
        assert!([400, 404].contains(&answer.status), "{path}: {}", answer.status);
    }
}

#[test]
fn the_page_shows_what_came_by_in_the_places_time_and_takes_no_markup_from_a_config() {
    let (daemon, events) = daemon(site());
    let cameras = get(&daemon.url, "/api/v1/cameras").json();
    assert_eq!(cameras[0]["name"], "feeder");
    assert!(["starting", "reconnecting", "failed"].contains(&cameras[0]["state"].as_str().unwrap()), "{cameras}");
    assert_eq!(get(&daemon.url, "/api/v1/cameras/feeder/picture").status, 404, "no frame ever came");

    let page = get(&daemon.url, "/");
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let page = page.text();
    assert!(!page.contains("<b>"), "{page}");
    assert!(page.contains("x&#60;/b&#62;") || page.contains("x&lt;/b&gt;"), "{page}");
    // 19:59 in UTC.
    assert!(page.contains("04:59 JST") && page.contains("datetime=\"2026-03-01T19:59:00Z\""), "{page}");
    assert!(page.contains("red fox <small>75 %</small>") && page.contains("<i>Vulpes vulpes</i>"), "{page}");
    assert!(page.contains("unknown <small>perhaps red fox</small>") && page.contains("infrared"), "{page}");
    let latest = events.last().unwrap();
    assert!(page.contains(&format!("<img src=\"/media/{}\" alt=\"unknown at feeder", latest.media[0])), "{page}");
    // Without scripts it renews itself; with them, from files of its own alone.
    assert!(page.contains("<noscript><meta http-equiv=\"refresh\""), "{page}");
    assert!(!page.contains("<script>") && !page.contains("style=") && !page.contains("onload="), "{page}");
    assert!(!page.contains("http://") && !page.contains("https://"), "{page}");
}

#[test]
fn what_is_labelled_on_an_older_page_of_the_gallery_leads_back_to_that_page() {
    let (daemon, _) = daemon(site());
    let between = |text: &str, from: &str| -> String {
        let rest = text.split_once(from).unwrap_or_else(|| panic!("no {from} in {text}")).1;
        rest.split_once('"').unwrap().0.replace("&#38;", "&")
    };
    let page = |path: &str| get(&daemon.url, path).text();
    let older = between(&page("/gallery?species=red%20fox"), "<p class=\"older\"><a href=\"");
    let shown = page(&older);
    let [back, key, event] =
        ["name=\"back\" value=\"", "name=\"key\" value=\"", "name=\"event\" value=\""].map(|it| between(&shown, it));
    assert!(older.contains("&before=") && back == older, "{back}");
    let fields = format!(
        "task=species&species=red+fox&event={event}&key={key}&back={}",
        back.replace('%', "%25").replace('&', "%26")
    );
    let labelled = form(&daemon, "/gallery/label", &[], &fields);
    assert_eq!((labelled.status, labelled.header("location")), (303, &*format!("{older}&done={key}")));
    let again = page(labelled.header("location"));
    assert!(again.contains("1 labelled as red fox.") && again.contains("said: red fox"), "{again}");
    assert!(again.contains(&event) && between(&again, "name=\"back\" value=\"") == older, "{again}");
}

#[test]
fn only_who_asks_by_our_name_is_answered_and_every_answer_is_guarded() {
    let daemon = Daemon::run(&[]);
    let url = &daemon.url;
    let host = format!("Host: {}", address(url));
    let mut answers = Vec::new();
    for path in ["/", "/style.css", "/live.js", "/eyes.svg", "/metrics", "/healthz", "/readyz", "/api/v1/cameras"] {
        let answer = get(url, path);
        assert_eq!(answer.status, 200, "{path}");
        let head = say(url, &format!("HEAD {path}"), &[&host]);
        assert_eq!((head.status, head.body.len()), (200, 0), "{path}");
        assert_eq!(head.header("content-type"), answer.header("content-type"), "{path}");
        let posted = say(url, &format!("POST {path}"), &[&host, "Content-Length: 0"]);
        assert_eq!(posted.status, 405, "{path}");
        answers.extend([answer, head, posted]);
    }
    for (status, headers) in [
        (403, vec!["Host: evil.example"]),
        (403, vec![]),
        (403, vec![&*host, "Origin: http://evil.example"]),
        (403, vec![&*host, "Origin: null"]),
        (200, vec!["Host: localhost:1"]),
        (200, vec![&*host, "Origin: http://localhost:8080"]),
    ] {
        let answer = say(url, "GET /healthz", &headers);
        assert_eq!(answer.status, status, "{headers:?}");
        answers.push(answer);
    }
    answers.extend([get(url, "/nowhere"), get(url, "/api/v1/events?limit=x")]);
    for it in &answers {
        let policy = it.header("content-security-policy");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{it:?}");
        assert_eq!(it.header("x-content-type-options"), "nosniff");
        assert_eq!(it.header("referrer-policy"), "same-origin");
        assert_eq!(it.header("x-frame-options"), "DENY");
        assert_eq!(it.header("cross-origin-resource-policy"), "same-origin");
    }

    assert_eq!(get(url, "/api/v1/events").json(), Value::Array(Vec::new()));
    assert_eq!(get(url, "/api/v1/cameras").json(), Value::Array(Vec::new()));
    let page = get(url, "/").text();
    assert!(page.contains("No camera yet") && page.contains("Nothing has come by yet"), "{page}");
    well_formed(&get(url, "/metrics").text());
}

/// Every sample belongs to a family that has its help and type, and stands there once; `promtool` agrees, where it is.
fn well_formed(metrics: &str) {
    let (mut helped, mut typed, mut series) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for line in metrics.lines() {
        let mut words = line.split(' ');
        match (words.next(), words.next(), words.next()) {
            (Some("#"), Some("HELP"), Some(name)) => assert!(helped.insert(name), "{line}"),
            (Some("#"), Some("TYPE"), Some(name)) => assert!(typed.insert(name), "{line}"),
            _ => {
                let (what, value) = line.rsplit_once(' ').unwrap();
                let name = what.split('{').next().unwrap();
                let family = ["_bucket", "_sum", "_count"].iter().find_map(|it| name.strip_suffix(it)).unwrap_or(name);
                assert!(typed.contains(name) || typed.contains(family), "{line}");
                assert!(name.starts_with("eyeshine_") || name.starts_with("process_"), "{line}");
                assert!(value.parse::<f64>().is_ok() && series.insert(what), "{line}");
            }
        }
    }
    assert_eq!(helped, typed);
    assert!(series.len() > 20, "{metrics}");
    let mut command = Command::new("promtool");
    command.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = command.spawn() else { return };
    promtool.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}

#[test]
fn it_is_not_ready_while_the_store_cannot_be_written_and_is_again_after() {
    let mut daemon = Daemon::run(&[]);
    let media = daemon.state.path().join("media");
    let aside = media.with_extension("aside");
    fs::rename(&media, &aside).unwrap();
    fs::write(&media, "not a folder").unwrap();
    let status = |it: &Daemon| get(&it.url, "/readyz").status;
    daemon.wait("not to be ready", 40, |it| status(it) == 503);
    assert_eq!(get(&daemon.url, "/healthz").status, 200);
    assert!(get(&daemon.url, "/readyz").text().contains("store"));
    restore(&media, &aside);
    daemon.wait("to be ready", 20, |it| status(it) == 200);
    assert!(daemon.stop().status.success());
}

fn restore(media: &Path, aside: &Path) {
    fs::remove_file(media).unwrap();
    fs::rename(aside, media).unwrap();
}

#[test]
fn a_camera_that_plays_shows_what_it_sees_now() {
    let dir = tempfile::tempdir().unwrap();
    let clip = crate::life_cycle::moving(dir.path(), "ball", 20);
    let mut daemon = Daemon::run(&["--camera", &clip]);
    daemon.wait("its picture", 30, |it| get(&it.url, "/api/v1/cameras/ball/picture").status == 200);
    let answer = get(&daemon.url, "/api/v1/cameras/ball/picture");
    let picture = image::load_from_memory(&answer.body).unwrap();
    assert_eq!((picture.width(), picture.height(), answer.header("content-type")), (640, 360, "image/jpeg"));
    daemon.wait("the next", 20, |it| get(&it.url, "/api/v1/cameras/ball/picture").body != answer.body);
    let page = get(&daemon.url, "/").text();
    assert!(page.contains("src=\"/api/v1/cameras/ball/picture?at="), "{page}");
}
