//! People before a camera: their events are marked, counted and listed, and nobody sees their pictures. A zebra stands for a
//! person here: what matters is what it is called.

use std::collections::BTreeSet;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use image::{RgbImage, imageops};
use serde_json::Value;

use crate::cameras::http::Server;
use crate::daemon::Daemon;
use crate::http::get;
use crate::teach::{ANIMALS, STAMPS, Site, meadow, text};

/// A zebra, then a fox walk before a meadow, each after a while without anything: 10 frames a second.
pub(crate) fn film() -> Vec<Vec<u8>> {
    let empty = meadow("live", "", 0);
    let mut frames = Vec::new();
    for stamp in [ANIMALS[0].1, ANIMALS[1].1] {
        let animal = image::open(format!("{STAMPS}/{stamp}.png")).unwrap().into_rgba8();
        let animal = imageops::resize(&animal, animal.width() * 120 / animal.height(), 120, imageops::Triangle);
        frames.extend((0..90).map(|_| jpeg(&empty)));
        for step in 0..50 {
            let mut picture = image::DynamicImage::from(empty.clone()).into_rgba8();
            imageops::overlay(&mut picture, &animal, 10 + 3 * step, 90);
            frames.push(jpeg(&image::DynamicImage::from(picture).into_rgb8()));
        }
    }
    frames
}

fn jpeg(picture: &RgbImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Jpeg).unwrap();
    bytes.into_inner()
}

/// The events that ended, by whether people may be in them.
fn ended(daemon: &Daemon, people: bool) -> Vec<Value> {
    let events = get(&daemon.url, &format!("/api/v1/events?people={people}")).json();
    events.as_array().unwrap().iter().filter(|it| it["state"] == "ended").cloned().collect()
}

fn media(event: &Value) -> Vec<String> {
    event["media"].as_array().unwrap().iter().map(|it| it.as_str().unwrap().to_owned()).collect()
}

/// Names of the pictures below a folder.
fn pictures(dir: &Path) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(dir) else { return BTreeSet::new() };
    let mut found = BTreeSet::new();
    for path in entries.map(|it| it.unwrap().path()) {
        if path.is_dir() {
            found.extend(pictures(&path));
        } else {
            found.insert(path.file_stem().unwrap().to_str().unwrap().to_owned());
        }
    }
    found
}

fn config(site: &Site, name: &str, pictures: &str) -> PathBuf {
    let file = site.path(name);
    let text = format!(
        "[teach]\nmin_new_labels = 0\nretrain_hours = 0\n[ask]\nquestions_per_day = 0\n[people]\npictures = \"{pictures}\"\nprobability = 0.5\n"
    );
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn events_with_people_are_counted_and_nobody_sees_their_pictures() {
    let site = Site::new();
    let taught = site.table("taught", &[("human", ANIMALS[0].1), ("fox", ANIMALS[1].1)], 8);
    site.done(&["label", "import", text(&taught)]);
    site.done(&["train"]);
    let imported = pictures(&site.state().join("media"));
    let server = Server::film(film());
    let camera = format!("gate={}", server.uri);

    let hide = config(&site, "hide.toml", "hide");
    let mut daemon = Daemon::start_in_folder(&site.state(), "run", &["--config", text(&hide), "--camera", &camera]);
    let seen = std::cell::RefCell::new(BTreeSet::new());
    daemon.wait("a person and a fox", 120, |it| {
        seen.borrow_mut().insert(get(&it.url, "/api/v1/cameras/gate/picture").status);
        !ended(it, true).is_empty() && !ended(it, false).is_empty()
    });
    // What the camera shows is hidden while somebody is there, and shown else.
    assert!(seen.borrow().contains(&200) && seen.borrow().contains(&403), "{seen:?}");
    let (person, fox) = (ended(&daemon, true).remove(0), ended(&daemon, false).remove(0));
    assert_eq!((&person["people"], &fox["people"]), (&Value::Bool(true), &Value::Bool(false)));
    assert_eq!(fox["observations"][0]["class"]["name"], "fox", "{fox}");
    assert!(daemon.metrics().sum("eyeshine_events_people_total", &[]) >= 1.0);
    let on_disk = pictures(&site.state().join("media"));
    assert!(!media(&person).is_empty() && media(&person).iter().all(|it| on_disk.contains(it)), "kept on disk");
    for it in media(&person) {
        let answer = get(&daemon.url, &format!("/media/{it}"));
        assert_eq!((answer.status, &answer.json()["reason"]), (403, &Value::from("people")), "{}", answer.text());
        assert!(answer.text().contains("people.pictures"), "{}", answer.text());
    }
    for it in media(&fox) {
        let answer = get(&daemon.url, &format!("/media/{it}"));
        assert_eq!((answer.status, answer.header("content-type")), (200, "image/jpeg"));
        assert_eq!(answer.header("cache-control"), "no-store", "it may be hidden later");
    }
    let page = get(&daemon.url, "/").text();
    assert!(media(&person).iter().all(|it| !page.contains(it)), "{page}");
    // A person says what else it is, and its pictures are shown.
    site.done(&["label", "set", person["id"].as_str().unwrap(), "zebra"]);
    assert_eq!(get(&daemon.url, &format!("/media/{}", media(&person)[0])).status, 200);
    site.done(&["label", "withdraw", "--event", person["id"].as_str().unwrap()]);
    assert_eq!(get(&daemon.url, &format!("/media/{}", media(&person)[0])).status, 403);
    let lines = daemon.stop().lines;
    assert!(lines.iter().any(|it| it.contains("\"people\":true")), "{lines:?}");

    // From now on none is kept, not even of what was there; the table's are for teaching.
    let discard = config(&site, "discard.toml", "discard");
    let mut daemon = Daemon::start_in_folder(&site.state(), "run", &["--config", text(&discard), "--camera", &camera]);
    let before = ended(&daemon, true).len();
    daemon.wait("another person", 120, |it| ended(it, true).len() > before);
    let people = ended(&daemon, true);
    assert!(people.len() > before && people.iter().all(|it| media(it).is_empty()), "{people:?}");
    assert!(people.iter().any(|it| it["id"] == person["id"]), "the event is still there");
    let animals: BTreeSet<String> = ended(&daemon, false).iter().flat_map(media).collect();
    assert!(media(&fox).iter().all(|it| animals.contains(it)), "the fox's stay");
    daemon.stop();
    let left = pictures(&site.state().join("media"));
    assert!(imported.is_subset(&left));
    let db = rusqlite::Connection::open(site.state().join("eyeshine.db")).unwrap();
    let sql = "SELECT count(*) FROM media m JOIN events e ON e.id = m.event
               WHERE coalesce(e.people_said, e.people) = 1 AND e.imported_as IS NULL";
    assert_eq!(db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap(), 0);
    let known = "SELECT count(*) FROM media WHERE file IS NOT NULL";
    assert_eq!(db.query_row(known, [], |row| row.get::<_, i64>(0)).unwrap(), left.len() as i64, "no file besides");
}

#[test]
fn before_anybody_taught_a_head_people_are_known_by_what_they_wear_and_drive() {
    let site = Site::new();
    let folder = site.path("stills");
    fs::create_dir_all(&folder).unwrap();
    // Photographs, those of animals too: which of them are of people or their cars.
    let stills = [
        ("fireman", "../people/fireman240a", true),
        ("truck", "../vehicles/auto/truck", true),
        ("sedan", "../vehicles/auto/sedan", true),
        ("tractor", "../vehicles/wheel_tractor", true),
        ("zebra", ANIMALS[0].1, false),
        ("fox", ANIMALS[1].1, false),
        ("hen", ANIMALS[2].1, false),
        ("nothing", "", false),
    ];
    for (nth, (name, stamp, _)) in (0..).zip(&stills) {
        let file = folder.join(format!("{name}.png"));
        meadow("stills", stamp, 3).save(&file).unwrap();
        // Each is an event of its own.
        let taken = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + 600 * nth);
        fs::File::options().write(true).open(file).unwrap().set_modified(taken).unwrap();
    }
    let answers = site.done(&["classify", text(&folder), "--format", "json"]);
    for (name, _, people) in stills {
        let line =
            answers.lines().find(|it| it.contains(&format!("{name}.png"))).unwrap_or_else(|| panic!("{answers}"));
        assert!(line.contains(&format!("\"people\":{people}")), "{line}");
    }
}
