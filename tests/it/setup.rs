//! A camera is set up: masks drawn by mouse and by keys, tried on what came by, saved, and taken up by the gate that runs.

use std::fs;
use std::path::Path;

use eyeshine::demo::script::Traffic;
use eyeshine::demo::serve::{Reserve, ReserveConfig};
use jiff::Timestamp;
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::daemon::{Daemon, alone, eyeshine, output};
use crate::http::{Answer, address, get, send};
use crate::schema::check;
use crate::who::people;

/// What a program says, with a body of JSON.
fn post(daemon: &Daemon, path: &str, more: &[&str], body: &Value) -> Answer {
    let body = body.to_string();
    let (host, length) = (format!("Host: {}", address(&daemon.url)), format!("Content-Length: {}", body.len()));
    let mut headers = vec![&*host, &*length, "Content-Type: application/json"];
    headers.extend(more);
    send(&daemon.url, &format!("POST {path}"), &headers, body.as_bytes())
}

/// Tries settings on all there is, and waits for what comes of it.
fn tried(daemon: &mut Daemon, camera: &str, settings: &Value) -> Value {
    let path = format!("/api/v1/cameras/{camera}/trial");
    let begun = post(daemon, &path, &[], &json!({ "settings": settings }));
    assert_eq!(begun.status, 202, "{}", begun.text());
    daemon.wait("the trial's end", 60, |it| get(&it.url, &path).json()["outcome"] != Value::Null);
    let trial = get(&daemon.url, &path).json();
    let document = get(&daemon.url, "/api/v1/openapi.json").json();
    for it in [&begun.json(), &trial] {
        check(&document, &document["components"]["schemas"]["Trial"], it, &path);
    }
    trial["outcome"].clone()
}

/// The latest event that is not blank and over; none yet.
fn event(daemon: &Daemon) -> Option<Value> {
    let events = get(&daemon.url, "/api/v1/events").json();
    events.as_array().unwrap().iter().find(|it| it["state"] == "ended").cloned()
}

fn time(it: &Value) -> Timestamp {
    it.as_str().unwrap().parse().unwrap()
}

/// What the gate found by its own motion at a camera since then: crops, and frames that the clock did not ask for.
fn n_moved(daemon: &Daemon, since: Timestamp) -> i64 {
    let db = Connection::open(daemon.state.path().join("eyeshine.db")).unwrap();
    let sql = "SELECT count(*) FROM media WHERE captured_us > ?1 AND (view = 'crop' OR method = 'activityDetection')";
    db.query_row(sql, params![since.as_microsecond()], |row| row.get(0)).unwrap()
}

#[test]
fn a_mask_over_where_an_animal_walks_loses_it_in_the_trial_and_then_at_the_gate_that_runs() {
    let _alone = alone();
    let reserve =
        ReserveConfig { seed: 11, size: (640, 360), secs: 3_600.0, traffic: Some(Traffic::Calm), drop_out: false };
    let reserve = Reserve::start(&reserve).unwrap();
    let (name, uri) = reserve.cameras()[0].clone();
    let mut daemon = Daemon::run(&["--camera", &format!("{name}={uri}")]);
    daemon.wait("an animal", 180, |it| event(it).is_some_and(|_| n_moved(it, Timestamp::UNIX_EPOCH) > 0));
    let came = event(&daemon).unwrap();

    // The present settings against themselves: what came by moved, and nothing is lost or gained.
    let settings_path = format!("/api/v1/cameras/{name}/settings");
    let now = get(&daemon.url, &settings_path).json();
    assert!(now["recorded"]["bytes"].as_u64().unwrap() > 10_000, "{}", now["recorded"]);
    let same = tried(&mut daemon, &name, &now["settings"]);
    let is_of_it = |it: &Value| time(&it["from"]) <= time(&came["end"]) && time(&it["to"]) >= time(&came["start"]);
    let of_it = |list: &Value| list.as_array().unwrap().iter().filter(|it| is_of_it(it)).count();
    assert!(of_it(&same["difference"]["kept"]) > 0, "{same}");
    assert_eq!((&same["difference"]["lost"], &same["difference"]["gained"]), (&json!([]), &json!([])));

    // A mask over all of its way: it is lost, with a picture.
    let mut masked = now["settings"].clone();
    masked["masks"] = json!([[[0, 0], [1, 0], [1, 1], [0, 1]]]);
    let outcome = tried(&mut daemon, &name, &masked);
    let difference = &outcome["difference"];
    assert!(of_it(&difference["lost"]) > 0 && difference["kept"] == json!([]), "{outcome}");
    let lost = difference["lost"].as_array().unwrap().iter().find(|it| is_of_it(it)).unwrap();
    let shown = format!("/api/v1/cameras/{name}/tape/{}", time(&lost["shown_at"]).as_millisecond());
    let picture = get(&daemon.url, &shown);
    assert_eq!((picture.status, picture.header("content-type")), (200, "image/jpeg"));
    assert_eq!(image::load_from_memory(&picture.body).unwrap().width(), 320);
    photograph(&daemon, &name);

    // Saved: the gate that runs lets nothing through any more that moves.
    let saved = post(&daemon, &settings_path, &[], &json!({ "settings": masked, "seen": 0 }));
    assert_eq!((saved.status, saved.json()), (201, json!({ "number": 1, "tried": true })));
    // Frames that are on their way had been let through before.
    std::thread::sleep(std::time::Duration::from_secs(2));
    let since = Timestamp::now();
    let masked_by_now = |it: &Daemon| {
        it.metrics().sum("eyeshine_camera_frames_gated_total", &[("camera", &name), ("reason", "masked")])
    };
    daemon.wait("the next animal, under the mask", 180, |it| masked_by_now(it) >= 10.0);
    assert_eq!(n_moved(&daemon, since), 0);

    // What is erased is on no tape, beside a daemon that goes on recording.
    let id = came["id"].as_str().unwrap();
    let (code, _, err) = output(eyeshine(daemon.state.path()).args(["erase", "--event", id, "--yes"]));
    assert_eq!(code, 0, "{err}");
    assert_eq!(get(&daemon.url, &shown).status, 404);

    // It holds after a start too, and the check says where it comes from.
    let (code, _, said) = output(eyeshine(daemon.state.path()).args(["check-config"]));
    assert!(code == 0 && said.contains(&format!("{name}.1.toml says masks instead")), "{said}");
    let ended = daemon.stop();
    let camera = format!("{name}={uri}");
    let mut again = Daemon::start_in(ended.state, "run", &["--camera", &camera]);
    let holds = get(&again.url, &settings_path).json();
    assert_eq!(
        (&holds["number"], &holds["settings"]["masks"]),
        (&json!(1), &json!([[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]]))
    );
    again.wait("motion under the mask", 120, |it| masked_by_now(it) >= 1.0);

    // One that is spoiled is told, with its file, and nothing starts.
    let ended = again.stop();
    let file = ended.state.path().join(format!("cameras/{name}.1.toml"));
    let spoiled = fs::read_to_string(&file).unwrap().replace("tried = true", "tried = 3");
    fs::write(&file, spoiled).unwrap();
    let (code, _, err) = output(eyeshine(ended.state.path()).args(["run", "--for", "1s"]));
    assert!(code == 78 && err.contains(&format!("{name}.1.toml:")) && err.contains("true or false"), "{code}: {err}");
}

/// Pictures of the page for people, where they are asked for.
fn photograph(daemon: &Daemon, camera: &str) {
    let Some(folder) = std::env::var_os("EYESHINE_PICTURES") else { return };
    let Some(mut browser) = Browser::start() else { return };
    for (width, height) in [(1440, 900), (360, 740)] {
        browser.resize(width, height);
        browser.scheme("dark");
        browser.go(&format!("{}/cameras/{camera}/setup?trial=last", daemon.url));
        browser.wait("pictures", "[...document.images].every((it) => it.complete || it.loading === 'lazy')");
        browser.picture(&Path::new(&folder).join(format!("setup-{camera}-{width}.png")));
    }
}

/// A daemon that has seen a moving picture to its end.
fn seen() -> (Daemon, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let clip = crate::life_cycle::moving(dir.path(), "ball", 12);
    let mut daemon = Daemon::run(&["--camera", &clip]);
    daemon.wait("the clip's end", 60, |it| it.metrics().is_in_state("ball", "ended"));
    daemon.wait("its tape", 20, |it| it.metrics().sum("eyeshine_tape_frames_total", &[("outcome", "kept")]) > 20.0);
    (daemon, dir)
}

/// A pointer stands on whole pixels.
fn is_near(mask: &str, wanted: &[f64]) {
    let corners: Vec<f64> = mask.split([' ', ',']).filter_map(|it| it.parse().ok()).collect();
    let near = corners.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 0.4);
    assert!(corners.len() == wanted.len() && near, "{mask} is not {wanted:?}");
}

fn masks(browser: &mut Browser) -> Vec<String> {
    let script = "[...document.querySelectorAll('[name=mask]')].map((it) => it.value).filter(Boolean)";
    serde_json::from_value(browser.eval(script)).unwrap()
}

#[test]
fn masks_are_drawn_by_mouse_and_by_keys_alone_and_nothing_keeps_anybody_out() {
    let Some(mut browser) = Browser::start() else { return };
    let (mut daemon, _dir) = seen();
    let url = format!("{}/cameras/ball/setup", daemon.url);
    browser.resize(1440, 900);
    browser.go(&format!("{}/cameras", daemon.url));
    browser.click("main a");
    browser.wait("the page", &format!("location.href === {} && document.readyState === 'complete'", json!(url)));

    // By mouse: a rectangle in one go, a polygon corner by corner.
    browser.draw("#masks", &[[10.0, 10.0], [30.0, 20.0], [40.0, 30.0]]);
    is_near(&masks(&mut browser)[0], &[10.0, 10.0, 40.0, 10.0, 40.0, 30.0, 10.0, 30.0]);
    browser.click("#polygon");
    for at in [[60.0, 60.0], [90.0, 60.0], [75.0, 90.0]] {
        browser.draw("#masks", &[at]);
    }
    browser.click("#close");
    is_near(&masks(&mut browser)[1], &[60.0, 60.0, 90.0, 60.0, 75.0, 90.0]);
    assert_eq!(browser.eval("document.querySelectorAll('#masks polygon').length"), 2);

    // By keys alone: from the top of the page to the picture, a rectangle, and on to the button that saves.
    browser.go(&url);
    browser.eval("document.activeElement.blur()");
    to(&mut browser, "masks");
    browser.press("ArrowLeft");
    browser.press("ArrowUp");
    browser.press("Enter");
    (0..4).for_each(|_| browser.press("ArrowRight"));
    browser.press_shifted("ArrowDown");
    (0..3).for_each(|_| browser.press("ArrowDown"));
    browser.press("Enter");
    assert_eq!(masks(&mut browser), ["45 45, 65 45, 65 60.5, 45 60.5"]);
    assert!(browser.text("document.getElementById('said').textContent").contains("Mask taken down"));
    to(&mut browser, "gate-sigma");
    browser.eval("document.activeElement.select()");
    browser.enter("3.5");
    to(&mut browser, "save");
    browser.press("Enter");
    browser.wait("it saved", "document.querySelector('.serves')?.textContent.includes('local') === true");
    assert_eq!(masks(&mut browser), ["45 45, 65 45, 65 60.5, 45 60.5"]);
    let file = fs::read_to_string(daemon.state.path().join("cameras/ball.1.toml")).unwrap();
    assert!(file.contains("sigma = 3.5\n") && file.contains("tried = false"), "{file}");

    // A trial that ends says nothing of settings that were changed while it ran.
    browser.eval(
        "window.fetch = async () => new Response('<button id=save>Save what was tried</button>\
             <section id=trial data-running=false><h2>What would have been</h2></section>'); true",
    );
    let save = "document.getElementById('save').textContent";
    browser.eval("renew()");
    assert_eq!(browser.text(save), "Save what was tried");
    browser.eval("changed(); renew()");
    assert_eq!(browser.text(save), "Save without trying");

    // Without scripts: by numbers; what is wrong is said.
    browser.without_scripts(true);
    browser.go(&url);
    browser.eval("document.querySelector('[name=left]').value = '5'; document.querySelector('[name=top]').value = '5'");
    browser.click("#save");
    browser.wait("a sentence", "document.body.innerText.includes('is no number')");
    browser.go(&url);
    for (name, value) in [("left", 0), ("top", 0), ("right", 100), ("bottom", 100)] {
        browser.eval(&format!("document.querySelector('[name={name}]').value = '{value}'"));
    }
    browser.click("[formaction]");
    browser.wait("the trial's page", "location.search === '?trial=last'");
    browser.without_scripts(false);
    browser.go(&format!("{url}?trial=last"));
    browser.wait("what came of it", "document.getElementById('trial').dataset.running === 'false'");
    let said = browser.text("document.getElementById('trial').innerText");
    assert!(said.contains("bursts of motion"), "{said}");
    assert!(browser.text("document.getElementById('lost').textContent") != "Lost: 0", "{said}");
    assert!(browser.text("document.getElementById('proposed').innerText").contains("do not hold yet"));
    assert_eq!(browser.text("document.getElementById('save').textContent"), "Save what was tried");
    check_pages(&mut browser, &[format!("{}/cameras", daemon.url), url.clone(), format!("{url}?trial=last")]);
    browser.go(&format!("{url}?trial=last"));
    browser.click("#save");
    browser.wait("it saved", "document.querySelector('.serves')?.textContent.includes('tried before') === true");

    // And back.
    browser.click("tr:last-child button");
    browser.wait("it is as configured", "document.querySelectorAll('[name=mask]').length === 1");
    daemon.wait("the third version", 5, |it| get(&it.url, "/api/v1/cameras/ball/settings").json()["number"] == 3);
}

/// Goes on by the tabulator until that has the focus.
fn to(browser: &mut Browser, id: &str) {
    for _ in 0..80 {
        browser.press("Tab");
        if browser.text("document.activeElement.id") == id {
            return;
        }
    }
    panic!("no way to #{id}");
}

fn check_pages(browser: &mut Browser, pages: &[String]) {
    for (nth, url) in pages.iter().enumerate() {
        for (width, scheme) in [(1440, "dark"), (1440, "light"), (360, "dark"), (360, "light")] {
            browser.resize(width, 800);
            browser.scheme(scheme);
            browser.go(url);
            let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(wide <= u64::from(width), "{url} is {wide} px wide on {width}");
            if let Some(folder) = std::env::var_os("EYESHINE_PICTURES") {
                browser.picture(&Path::new(&folder).join(format!("setup-{nth}-{width}-{scheme}.png")));
            }
            let found = browser.violations();
            assert!(found.is_empty(), "{url} at {width} px, {scheme}:\n{found}");
        }
    }
    browser.resize(1440, 900);
}

#[test]
fn only_who_administers_sees_or_changes_what_a_gate_goes_by() {
    let (_tokens, config) = people();
    let (daemon, _) = crate::web::daemon(crate::web::site_with(&config));
    let settings = "/api/v1/cameras/feeder/settings";
    for (name, status) in
        [("lou-looks-2b9c1f44a0d7", 403), ("vic-verifies-0a5d3c1e", 403), ("ada-administers-f00d", 200)]
    {
        let bearer = format!("Authorization: Bearer {name}");
        let host = format!("Host: {}", address(&daemon.url));
        let page = "/cameras/feeder/setup";
        for path in [settings, page, "/cameras"] {
            let answer = send(&daemon.url, &format!("GET {path}"), &[&host, &bearer], b"");
            assert_eq!(answer.status, status, "{name} {path}");
        }
        let live = send(&daemon.url, "GET /", &[&host, &bearer], b"").text();
        assert_eq!(live.contains(page), status == 200, "{name}");
        let body = json!({ "settings": {}, "seen": 0 });
        let changed = post(&daemon, settings, &[&bearer], &body).status;
        assert_eq!(changed, if status == 200 { 400 } else { 403 }, "{name}");
        for form in ["save", "try", "restore"] {
            let answer = post(&daemon, &format!("{page}/{form}"), &[&bearer, "Sec-Fetch-Site: cross-site"], &body);
            assert_eq!(answer.status, 403, "{name} {form}");
        }
    }
}
