//! Several tasks: each has labels, heads and answers of its own, and a mishap of one is none of the other.

use std::fs;
use std::path::{Path, PathBuf};

use eyeshine::demo::film::Films;
use eyeshine::demo::script::Traffic;
use eyeshine::demo::serve::ReserveConfig;
use serde_json::Value;

use crate::daemon::{Daemon, events};
use crate::http::get;
use crate::teach::{ANIMALS, STAMPS, Site, meadow, text};
use crate::who::form;

const TRUCK: &str = "../vehicles/garbagetruck";

/// A table of animals, trucks and nothing, with what is there in a column of its own; nobody says which species a truck is.
fn table(site: &Site, name: &str, events: u32) -> PathBuf {
    let mut rows = String::from("path,species,camera,captured_at,event,content\n");
    fs::create_dir_all(site.path(name)).unwrap();
    let animals = ANIMALS.map(|(species, stamp)| (species, stamp, "animal"));
    for (species, stamp, content) in animals.into_iter().chain([("blank", "", "blank"), ("", TRUCK, "vehicle")]) {
        for nth in 0..events * 2 {
            let (file, event) = (format!("{content}-{species}-{nth}.png"), nth / 2);
            meadow(name, stamp, nth).save(site.path(name).join(&file)).unwrap();
            let at = format!("2026-05-{:02} {:02}:00:{:02}", event + 1, species.len() + 4, nth % 2);
            rows += &format!("{file},{species},gate,{at},{content}-{species}-{event},{content}\n");
        }
    }
    let table = site.path(name).join("labels.csv");
    fs::write(&table, rows).unwrap();
    table
}

/// Whether that generation of a task, or none, serves in a daemon.
fn serves(daemon: &Daemon, task: &str, generation: &str) -> bool {
    let (metrics, family) = (daemon.metrics(), "eyeshine_head_info");
    let all = metrics.sum(family, &[("task", task)]);
    if generation.is_empty() {
        return all == 0.0;
    }
    all == 1.0 && metrics.sum(family, &[("task", task), ("generation", generation)]) == 1.0
}

/// A page is of one task and leads to the other.
fn assert_has_tabs(daemon: &Daemon, path: &str) {
    let page = get(&daemon.url, &format!("{path}?task=content")).text();
    let here = format!("<a href=\"{path}?task=content\" aria-current=\"page\">content</a>");
    let there = format!("<a href=\"{path}?task=species\">species</a>");
    assert!(page.contains(&here) && page.contains(&there), "{path}: {page}");
}

/// `species: zebra`, of an event.
fn said(event: &Value) -> Vec<String> {
    let word = |it: &Value| it["class"]["name"].as_str().or(it["type"].as_str()).unwrap().to_owned();
    let said = |it: &Value| format!("{}: {}", it["generation"]["task"].as_str().unwrap(), word(it));
    event["observations"].as_array().unwrap().iter().map(said).collect()
}

#[test]
fn every_task_that_was_taught_answers_and_what_befalls_one_leaves_the_other() {
    if !Path::new(STAMPS).is_dir() {
        panic!("{STAMPS} is missing: make setup");
    }
    let site = Site::new();
    let (taught, asked) = (table(&site, "taught", 6), table(&site, "asked", 3));
    let pictures = site.path("asked");
    site.done(&["label", "import", text(&taught)]);
    assert_eq!(site.json(&["train", "--json"])["serving"], 1);

    // Nobody was taught the other task: it says nothing, and nobody is asked for what nobody knows.
    let (code, _, err) = site.run(&["eval", text(&asked), "--task", "content"]);
    assert!(code == 1 && err.contains("no head of content was taught yet"), "{code}: {err}");
    let lines =
        |args: &[&str]| -> Vec<Value> { site.done(args).lines().map(|it| serde_json::from_str(it).unwrap()).collect() };
    let classified = || lines(&["classify", text(&pictures), "--format", "json"]);
    let before = classified();
    assert!(before.iter().all(|it| said(it).len() == 1 && said(it)[0].starts_with("species: ")), "{before:?}");

    assert_eq!(site.json(&["train", "--task", "content", "--json"])["serving"], 1);
    let scores = site.json(&["eval", text(&asked), "--task", "content", "--json"]);
    assert!(scores["event"]["balanced_accuracy"].as_f64().unwrap() > 0.8, "{scores}");
    let both = classified();
    let of = |it: &Value| Path::new(it["file"].as_str().unwrap()).file_stem().unwrap().to_str().unwrap().to_owned();
    let mut right = 0;
    for (it, before) in both.iter().zip(&before) {
        let words = said(it);
        assert_eq!(words[0], said(before)[0], "the first task's answer is its own");
        assert!(words.len() == 2 && words[1].starts_with("content: "), "{it}");
        right += usize::from(words[1][9..] == *of(it).split('-').next().unwrap());
    }
    assert!(right * 10 >= both.len() * 8, "{right} of {}", both.len());
    let truck = both.iter().find(|it| it["observations"][1]["type"] == "vehicle").unwrap();
    assert_eq!(truck["observations"][1]["class"]["name"], "vehicle");
    let text_lines = site.done(&["classify", text(&pictures)]);
    assert!(text_lines.lines().all(|it| it.contains("; content: ")), "{text_lines}");
    let document = site.json(&["classify", text(&pictures), "--format", "megadetector"]);
    let (mut vehicles, classes) = (0, document["classification_categories"].as_object().unwrap());
    for image in document["images"].as_array().unwrap() {
        let detections = image["detections"].as_array().unwrap();
        for it in detections {
            let class = classes[it["classifications"][0][0].as_str().unwrap()].as_str().unwrap();
            assert!(it["category"] == "3" || class != "vehicle", "{image}");
            assert_ne!(class, "animal", "what came by is said by the first task: {image}");
            vehicles += usize::from(it["category"] == "3");
        }
    }
    assert!(vehicles >= 4, "{document}");

    let config = site.config("min_new_labels = 0\nretrain_hours = 0");
    let mut daemon = Daemon::start_in_folder(&site.state(), "run", &["--config", text(&config)]);
    assert!(serves(&daemon, "species", "1") && serves(&daemon, "content", "1"));
    for path in ["/review", "/gallery", "/progress", "/history"] {
        assert_has_tabs(&daemon, path);
    }
    // Whoever's page is older than what serves changes nothing.
    let stale = form(&daemon, "/history/rollback", &[], "task=content&from=2");
    let why = "generation 1 of content serves by now, and not 2: nothing was changed";
    assert!(stale.status == 409 && stale.text().contains(why), "{}", stale.text());
    assert!(stale.text().contains("href=\"/history\""), "{}", stale.text());
    assert!(serves(&daemon, "species", "1") && serves(&daemon, "content", "1"));
    site.done(&["heads", "rollback", "--task", "content"]);
    daemon.wait("silence", 10, |it| serves(it, "content", ""));
    assert!(serves(&daemon, "species", "1"));
    let weights = site.state().join("heads/content/1/head.safetensors");
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() - 1]).unwrap();
    fs::write(site.state().join("heads/content/current"), "1\n").unwrap();
    // The other task goes on, and takes another head meanwhile.
    site.done(&["heads", "rollback"]);
    daemon.wait("the starter head", 10, |it| serves(it, "species", "0"));
    assert!(serves(&daemon, "content", ""));
    fs::write(&weights, whole).unwrap();
    daemon.wait("the mended head", 10, |it| serves(it, "content", "1"));
    assert!(serves(&daemon, "species", "0"));
    let log = daemon.stop().log;
    let refused = |it: &&str| it.contains("follow: ") && it.contains("heads/content/1/head.safetensors is damaged");
    assert_eq!(log.lines().filter(refused).count(), 1, "said once: {log}");
}

#[test]
fn an_event_has_an_answer_of_every_task_live_and_of_a_file_alike() {
    let site = Site::new();
    site.done(&["label", "import", text(&table(&site, "taught", 4))]);
    site.done(&["train"]);
    site.done(&["train", "--task", "content"]);
    fs::create_dir_all(site.path("films")).unwrap();
    let reserve =
        ReserveConfig { seed: 3, size: (640, 360), secs: 40.0, traffic: Some(Traffic::Calm), drop_out: false };
    let films = Films::record(&reserve, &site.path("films")).unwrap();
    let first = films.truth.iter().min_by(|a, b| a.from_secs.total_cmp(&b.from_secs)).unwrap();
    let (_, film) = films.cameras.iter().find(|it| it.0 == first.camera).unwrap();
    let filed: Vec<String> =
        site.done(&["classify", text(film), "--format", "json"]).lines().map(str::to_owned).collect();
    let filed: Vec<Vec<String>> = events(&filed).iter().map(said).collect();
    assert!(!filed.is_empty() && filed.iter().all(|it| it.iter().any(|it| it.starts_with("content: "))), "{filed:?}");

    let config = site.config("min_new_labels = 0\nretrain_hours = 0");
    let camera = format!("film={}", film.display());
    let mut daemon = Daemon::start_in_folder(&site.state(), "run", &["--config", text(&config), "--camera", &camera]);
    daemon.wait("the end of the film", 90, |it| it.metrics().is_in_state("film", "ended"));
    daemon.wait("every frame's fate", 20, |it| it.metrics().in_flight("film") == 0.0);
    daemon.wait("the end of the last event", 30, |it| it.metrics().sum("eyeshine_events_open", &[]) == 0.0);
    let counted = |task| daemon.metrics().sum("eyeshine_events_total", &[("task", task)]);
    assert!(counted("species") >= 1.0 && counted("content") >= 1.0);
    let (code, listed) = daemon.get("/api/v1/events").unwrap();
    assert_eq!(code, 200);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let (_, page) = daemon.get("/").unwrap();
    assert!(page.contains(r#"class="further">content: "#), "{page}");
    // What is said of it belongs to the task that the page is of.
    let event = listed[0]["id"].as_str().unwrap();
    assert_has_tabs(&daemon, &format!("/events/{event}"));
    let label = form(&daemon, &format!("/events/{event}/label"), &[], "task=content&class=vehicle");
    assert_eq!(label.status, 303, "{}", label.text());
    let shown = get(&daemon.url, label.header("location")).text();
    assert!(shown.contains("<b>vehicle</b> content: "), "{shown}");
    assert!(shown.contains("aria-current=\"page\">content</a>"), "{shown}");
    let told = daemon.stop().events();
    let ended: Vec<Vec<String>> = told.iter().filter(|it| it["change"] == "ended").map(said).collect();
    assert_eq!(ended, filed, "what is said of a film is what is said live");
    let stored: Vec<Vec<String>> = listed.as_array().unwrap().iter().rev().map(said).collect();
    assert!(ended.iter().all(|it| stored.contains(it)), "{stored:?}");
}
