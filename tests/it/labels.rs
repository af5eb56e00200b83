//! What people say of single events, take back, call otherwise, and erase.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;
use uuid::Uuid;

use crate::daemon::Daemon;
use crate::teach::{ANIMALS, Site, meadow, text};

/// Event, labels and pictures as the database has them.
fn events(site: &Site, condition: &str) -> Vec<String> {
    let db = Connection::open(site.state().join("eyeshine.db")).unwrap();
    let mut statement = db.prepare(&format!("SELECT id FROM events WHERE {condition} ORDER BY id")).unwrap();
    let ids = statement.query_map([], |row| row.get::<_, [u8; 16]>(0)).unwrap();
    ids.map(|it| Uuid::from_bytes(it.unwrap()).to_string()).collect()
}

fn refused(site: &Site, args: &[&str], code: i32, said: &str) {
    let (ended, out, err) = site.run(args);
    assert!(ended == code && err.contains(said), "{args:?}: {ended}: {out}{err}");
}

#[test]
fn labels_are_set_taken_back_and_called_otherwise_and_heads_never_had_them() {
    let site = Site::new();
    let nobody = Uuid::now_v7().to_string();
    refused(&site, &["label", "set", &nobody, "fox"], 75, "there is no database");
    refused(&site, &["erase", "--people", "--yes"], 75, "there is no database");
    assert!(!site.state().exists(), "nothing was made");
    let table = site.table("taught", &ANIMALS, 2);
    site.done(&["label", "import", text(&table)]);
    let weights = || {
        let trained = site.json(&["train", "--json"]);
        trained["generation"]["weights_sha256"].as_str().unwrap_or_else(|| panic!("{trained}")).to_owned()
    };
    let first = weights();
    let foxes = events(&site, "imported_as LIKE 'gate/fox-%'");
    let out = site.done(&["label", "set", &foxes[0], "dingo", "--by", "bob", "--count", "2", "--sex", "male"]);
    let before = "; before it was fox\ndingo is said for the first time\n";
    assert_eq!(out, format!("event {}: dingo of species{before}", foxes[0]));
    // What is said of a frame goes before what is said of its event.
    let frame = site.done(&["label", "set", &foxes[1], "dingo", "--frame", "2026-05-02 07:00:01", "--by", "bob"]);
    assert!(frame.contains("the frame of 2026-05-02T07:00:01") && frame.contains("; before it was fox"), "{frame}");
    let other = weights();
    assert_ne!(other, first);
    assert_eq!(site.done(&["label", "withdraw", "--by", "bob"]).split(';').next(), Some("2 answers taken back"));
    assert_eq!(weights(), first, "bit for bit");
    let listed = site.done(&["label", "list", "--by", "bob"]);
    assert!(listed.starts_with(&format!("{}  species: dingo  by bob 20", foxes[0])), "{listed}");
    assert_eq!((listed.lines().count(), listed.matches(", withdrawn\n").count()), (2, 2), "{listed}");
    assert_eq!(site.done(&["label", "list", "--event", &foxes[1]]).lines().count(), 4);

    // Two names for one thing: as if it had never had the other.
    let rows = fs::read_to_string(&table).unwrap();
    let two = rows.replace("fox-1-2.png,fox", "fox-1-2.png,vixen").replace("fox-1-1.png,fox", "fox-1-1.png,vixen");
    fs::write(&table, two).unwrap();
    assert!(site.done(&["label", "import", text(&table)]).ends_with("2 new labels\n"));
    assert_ne!(weights(), first);
    let renamed = site.done(&["label", "rename", "vixen", "fox"]);
    let merged = "; others said fox before, and nothing tells them apart any more\n";
    assert_eq!(renamed, format!("2 answers of species that said vixen say fox now{merged}"));
    assert_eq!(weights(), first, "bit for bit");

    let fox = &*foxes[0];
    for (args, code, said) in [
        (&["label", "set", &nobody, "fox"][..], 1, "there is no event"),
        (&["label", "set", "feeder", "fox"], 64, "invalid value 'feeder'"),
        (&["label", "set", fox], 64, "<CLASS>..."),
        (&["label", "set", fox, "fox", "--task", "weather"], 1, "\"weather\" is none of teach.tasks: species, content"),
        (&["label", "set", fox, "fox", "--sex", "both"], 64, "female, male"),
        (&["label", "set", fox, "fox", "--life-stage", "old"], 64, "adult, subadult, juvenile"),
        (&["label", "set", fox, "fox", "--count", "0"], 64, "0 is not in 1.."),
        (&["label", "set", fox, "fox", "hen", "--count", "2"], 1, "--count, --sex and --life-stage are of one class"),
        (&["label", "set", fox, "fox", "fox"], 1, "\"fox\" stands there twice"),
        (&["label", "set", fox, "fox", "blank"], 1, "what shows fox and blank is not blank"),
        (&["label", "set", fox, " "], 1, "a class is called by 1 to 100 characters"),
        (&["label", "set", fox, "fox", "--by", ""], 1, "--by: a person is called by"),
        (&["label", "set", fox, "fox", "--frame", "noon"], 64, "\"noon\" is no time"),
        (&["label", "set", fox, "fox", "--frame", "2020-01-01T00:00:00Z"], 1, "its frames are of 2026-05-01T07:00:00Z"),
        (&["label", "withdraw"], 64, "--by"),
        (
            &["label", "withdraw", "--by", "ann"],
            1,
            "nobody called \"ann\" has given a label; labels are of import, bob",
        ),
        (&["label", "rename", "wolf", "fox"], 1, "no label of species says \"wolf\"; they say"),
        (&["label", "rename", "fox", "fox"], 1, "is called that already"),
        (&["erase", "--yes"], 64, "--event"),
        (&["erase", "--from", "2026-05-01T00:00:00Z", "--yes"], 64, "--to"),
        (&["erase", "--from", "2026-05-02 00:00:00", "--to", "2026-05-01 00:00:00", "--yes"], 1, "--to must be later"),
        (&["erase", "--event", &nobody, "--yes"], 1, "there is no event"),
        (&["erase", "--event", fox], 1, "look at what would go with --dry-run, then say --yes"),
        (&["erase", "--people", "--camera", "gat", "--yes"], 1, "no event is of a camera \"gat\", but of gate"),
    ] {
        refused(&site, args, code, said);
    }
    assert_eq!(site.done(&["train"]).split(':').nth(1), Some(" unchanged"), "none of these was half done");
}

/// Which of the traces are in which files below a folder.
fn found(folder: &Path, traces: &[(String, Vec<u8>)]) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.display().to_string();
        let mut bytes = name.clone().into_bytes();
        if path.is_dir() {
            found.extend(self::found(&path, traces));
        } else {
            bytes.extend(fs::read(&path).unwrap());
        }
        for (what, trace) in traces {
            let mut places = bytes.iter().enumerate().filter(|it| *it.1 == trace[0]).map(|it| it.0);
            if places.any(|at| bytes[at..].starts_with(trace)) {
                found.insert(format!("{what} in {name}"));
            }
        }
    }
    found
}

/// Everything by which an event could be found, where it is now.
fn traces(site: &Site, event: &str, words: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut traces: Vec<(String, Vec<u8>)> = words.iter().map(|it| ((*it).into(), it.as_bytes().to_vec())).collect();
    let id = Uuid::try_parse(event).unwrap();
    traces.push(("identity as text".into(), event.as_bytes().to_vec()));
    traces.push(("identity as bytes".into(), id.as_bytes().to_vec()));
    let db = Connection::open(site.state().join("eyeshine.db")).unwrap();
    let sql =
        "SELECT m.id, m.file, m.sha256, v.vector FROM media m JOIN embeddings v ON v.media = m.id WHERE m.event = ?1";
    let mut statement = db.prepare(sql).unwrap();
    let mut rows = statement.query([id.as_bytes()]).unwrap();
    while let Some(row) = rows.next().unwrap() {
        let media = Uuid::from_bytes(row.get(0).unwrap());
        traces.push(("media as text".into(), media.to_string().into_bytes()));
        traces.push(("media as bytes".into(), media.as_bytes().to_vec()));
        let vector: Vec<u8> = row.get(3).unwrap();
        traces.extend(vector.chunks(512).map(|it| ("vector".to_owned(), it[..64].to_vec())));
        if let Some(file) = row.get::<_, Option<String>>(1).unwrap() {
            let jpeg = fs::read(site.state().join(file)).unwrap();
            traces.extend(
                (1..4).map(|it| jpeg.len() * it / 4).map(|it| ("picture".to_owned(), jpeg[it..it + 64].to_vec())),
            );
        }
        if let Some(sha256) = row.get::<_, Option<Vec<u8>>>(2).unwrap() {
            traces.push(("hash of the file".into(), sha256));
        }
    }
    traces
}

#[test]
fn nothing_of_an_erased_event_is_left_in_any_file_and_the_head_never_had_it() {
    let site = Site::new();
    let table = site.table("taught", &ANIMALS, 3);
    site.done(&["label", "import", text(&table)]);
    let plain = site.json(&["train", "--dry-run", "--json"]);
    let labels = plain["generation"]["labels_sha256"].clone();
    assert!(labels.is_string(), "{plain}");

    fs::create_dir_all(site.path("lone")).unwrap();
    let mut rows = String::from("path,species,camera,captured_at,event\n");
    for frame in 0..3 {
        meadow("lone", ANIMALS[2].1, 70 + frame).save(site.path("lone").join(format!("{frame}.png"))).unwrap();
        rows += &format!("{frame}.png,thylacine,gate,2026-06-01 08:00:0{frame},the-last-one\n");
    }
    let lone = site.path("lone/labels.csv");
    fs::write(&lone, rows).unwrap();
    // Here a person trains, and not the daemon.
    let config = site.config("min_new_labels = 0\nretrain_hours = 0");
    let mut daemon = Daemon::start_in_folder(&site.state(), "run", &["--config", text(&config)]);
    let serves = |it: &Daemon, generation: &str| {
        it.metrics().sum("eyeshine_head_info", &[("task", "species"), ("generation", generation)]) == 1.0
    };
    site.done(&["label", "import", text(&lone), "--labeller", "Zebedee Withers"]);
    let trained = site.json(&["train", "--json"]);
    assert_eq!((&trained["verdict"]["decision"], &trained["serving"]), (&"promoted".into(), &1.into()), "{trained}");
    let classes = trained["generation"]["classes"].as_array().unwrap();
    assert!(classes.iter().any(|it| it["name"] == "thylacine" && it["events"] == 1), "{trained}");
    daemon.wait("the head that knows it", 10, |it| serves(it, "1"));

    let [event] = &*events(&site, "imported_as LIKE '%the-last-one'") else { panic!("it is not there") };
    let traces = traces(&site, event, &["thylacine", "Zebedee Withers", "the-last-one"]);
    let db = Connection::open(site.state().join("eyeshine.db")).unwrap();
    let copy = site.state().join("eyeshine.db.v1.bak");
    db.execute("VACUUM INTO ?1", [text(&copy)]).unwrap();
    // Of a crop no file is named.
    for it in traces.iter().filter(|it| it.0 != "media as text") {
        let n = found(&site.state(), std::slice::from_ref(it)).len();
        assert!(n > 0, "{} is looked for in vain", it.0);
    }
    let out = site.done(&["erase", "--event", event, "--dry-run"]);
    assert!(out.contains("to erase: 1 events, 3 pictures") && out.starts_with(&**event), "{out}");
    assert!(out.contains("said to be "), "{out}");
    assert_eq!(events(&site, "1").len(), 13);

    let out = site.done(&["erase", "--event", event, "--yes"]);
    assert!(out.starts_with("erased for good: 1 events, 3 pictures") && out.contains("3 labels"), "{out}");
    assert!(out.contains("species: generations 1 are gone") && out.contains("generation 2, fitted without"), "{out}");
    assert_eq!(found(&site.state(), &traces), BTreeSet::new());
    daemon.wait("the head that never had it", 10, |it| serves(it, "2"));
    let shown: Value = serde_json::from_str(&site.done(&["heads", "show", "2"])).unwrap();
    assert_eq!((&shown["labels_sha256"], &shown["cause"]), (&labels, &"erase".into()), "{shown}");
    assert_eq!(shown["verdict"]["decision"], "promoted");
    let reason = shown["verdict"]["reason"].as_str().unwrap();
    assert!(reason.starts_with("what the head before it was fitted on was erased; the judge "), "{reason}");
    refused(&site, &["heads", "show", "1"], 1, "there is no generation 1");
    refused(&site, &["erase", "--event", event, "--yes"], 1, "there is no event");
    assert_eq!(events(&site, "1").len(), 12, "the others are there");

    // People; and, where nothing is left to fit, the starter head.
    assert_eq!(site.done(&["erase", "--people", "--yes"]), "no event is such: nothing to erase\n");
    // Of a time in which nothing was an event the tape goes all the same.
    let tapes = site.state().join("tapes");
    fs::create_dir_all(&tapes).unwrap();
    let (yard, later) = (tapes.join("yard.1000000000.tape"), tapes.join("yard.2000000000.tape"));
    [&yard, &later].into_iter().for_each(|it| fs::write(it, "eyetape1").unwrap());
    let span = ["erase", "--from", "1970-01-12T13:46:00Z", "--to", "1970-01-12T13:47:00Z"];
    let out = site.done(&[&span[..], &["--dry-run"]].concat());
    assert!(
        out.contains("to erase: 0 events") && out.contains("the tape of that time at yard") && yard.exists(),
        "{out}"
    );
    let out = site.done(&[&span[..], &["--yes"]].concat());
    assert!(out.starts_with("erased for good: 0 events") && !yard.exists() && later.exists(), "{out}");
    fs::remove_dir_all(&tapes).unwrap();
    let somebody = &events(&site, "1")[0];
    site.done(&["label", "set", somebody, "human", "--task", "content"]);
    let out = site.done(&["erase", "--people", "--yes"]);
    assert!(out.contains("erased for good: 1 events") && out.contains("generation 3, fitted without"), "{out}");
    let out = site.done(&[
        "erase",
        "--from",
        "2026-01-01T00:00:00Z",
        "--to",
        "2026-12-31T00:00:00Z",
        "--camera",
        "gate",
        "--yes",
    ]);
    assert!(
        out.contains("erased for good: 11 events") && out.contains("the starter head serves: fit: no event"),
        "{out}"
    );
    daemon.wait("the starter head", 10, |it| serves(it, "0"));
    assert!(events(&site, "1").is_empty());
    // A number is never given twice.
    site.done(&["label", "import", text(&table)]);
    assert_eq!(site.json(&["train", "--json"])["generation"]["generation"]["number"], 4);
    assert!(daemon.stop().status.success());
}
