//! What is erased is in no byte of any file, beside a daemon that goes on.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::super::fixture::{self, FEATURIZER};
use super::super::{Answer, EraseError, Eraser, Species, Store, Which, schema, words};
use super::{ended, files, number, raw};
use crate::domain::{Change, EventUpdate, Generation, Observation, ObservationType};

/// An event with two pictures of noise and vectors of its own.
pub(super) fn update(class: &str, at: Timestamp, nth: u8) -> EventUpdate {
    let mut update = fixture::update(Change::Ended, class, 0);
    update.event = crate::domain::Event { state: update.event.state, ..fixture::event(class, at) };
    update.event.state = crate::domain::EventState::Ended;
    for i in 0..2_u8 {
        let frame = fixture::noise(32 + u32::from(nth), at + SignedDuration::from_millis(i64::from(i)));
        let mut keepsake = fixture::keepsake(&frame, 0.5);
        keepsake.embedding.features = (0..64_u8).map(|it| f32::from(nth) * 100.0 + f32::from(it * 3 + i)).collect();
        update.keepsakes.push(keepsake);
    }
    update
}

/// Everything by which an event could be found in a file.
pub(super) fn traces(dir: &Path, update: &EventUpdate, words: &[&str]) -> Vec<(String, Vec<u8>)> {
    let mut traces: Vec<(String, Vec<u8>)> =
        words.iter().map(|it| ((*it).to_owned(), it.as_bytes().to_vec())).collect();
    let ids = update.keepsakes.iter().map(|it| it.id).chain([update.event.id]);
    for id in ids {
        traces.push((format!("{id} as text"), id.to_string().into_bytes()));
        traces.push((format!("{id} as bytes"), id.as_bytes().to_vec()));
    }
    for it in &update.keepsakes {
        let vector = self::words::vector(&it.embedding.features);
        traces.push(("a vector".into(), vector[..32].to_vec()));
        traces.push(("a vector's end".into(), vector[vector.len() - 32..].to_vec()));
    }
    for file in files(dir) {
        let is_its = update.keepsakes.iter().any(|it| file.to_string_lossy().contains(&it.id.to_string()));
        if is_its && file.extension().is_some_and(|it| it == "jpg") {
            let jpeg = fs::read(&file).unwrap();
            // The frames of noise differ in size, so their pixels do from the first row on.
            traces.push(("a picture".into(), jpeg[jpeg.len() / 2..jpeg.len() / 2 + 48].to_vec()));
        }
    }
    traces
}

/// Which traces are found in which files below a folder, their names too.
pub(super) fn found(dir: &Path, traces: &[(String, Vec<u8>)]) -> Vec<String> {
    let (mut folders, mut found) = (vec![dir.to_path_buf()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            let mut bytes = path.to_str().unwrap().as_bytes().to_vec();
            if path.is_dir() {
                folders.push(path.clone());
            } else {
                bytes.extend(fs::read(&path).unwrap());
            }
            for (name, trace) in traces {
                if bytes.windows(trace.len()).any(|it| it == &**trace) {
                    found.push(format!("{name} in {}", path.display()));
                }
            }
        }
    }
    found
}

fn erase(eraser: &Eraser, which: &Which) -> BTreeSet<Uuid> {
    let events: BTreeSet<Uuid> = eraser.choose(which).unwrap().0.iter().map(|it| it.id).collect();
    eraser.begin(&events).unwrap();
    eraser.delete(&events).unwrap();
    eraser.cleanse(&events).unwrap();
    eraser.finish().unwrap();
    events
}

#[test]
fn no_byte_of_an_erased_event_is_left_and_the_daemon_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let (daemon, metrics) = fixture::open(dir.path());
    let at = |hours: i64| Timestamp::from_second(1_790_000_000 + hours * 3_600).unwrap();
    let mut others = Vec::new();
    for nth in 0..20_u8 {
        others.push(update("red fox", at(nth.into()), nth));
        daemon.save(&others[usize::from(nth)], FEATURIZER).unwrap();
    }
    let mut quagga = update("quagga", at(5), 30);
    daemon.save(&quagga, FEATURIZER).unwrap();
    // Better pictures take the place of the first ones, so that it has rows and pictures that are gone already.
    let first = std::mem::replace(&mut quagga.keepsakes, update("quagga", at(5), 31).keepsakes);
    quagga.keepsakes.iter_mut().for_each(|it| it.score = 0.9);
    daemon.save(&quagga, FEATURIZER).unwrap();
    let beside = Store::open_beside(dir.path(), &fixture::config()).unwrap();
    let answer = Answer {
        event: quagga.event.id,
        frame: None,
        task: "species".into(),
        labeller: "Zebedee".into(),
        species: vec![Species::of("burchell's")],
        verified: false,
        key: None,
        question: None,
    };
    beside.answer(&answer).unwrap();
    // A later head has said something else since.
    let later = Generation { task: "species".into(), number: 3 };
    let said = Observation { generation: later, ..fixture::observation("thylacine") };
    beside.rescore("species", FEATURIZER, &[(quagga.event.id, vec![said])]).unwrap();
    let db = raw(dir.path());
    let copy = schema::backup_path(&dir.path().join("eyeshine.db"), 1);
    db.execute("VACUUM INTO ?1", [copy.to_str().unwrap()]).unwrap();
    fs::write(copy.with_extension("bak.tmp"), quagga.event.id.as_bytes()).unwrap();
    // What a crash left of one of its pictures.
    let picture =
        files(dir.path()).into_iter().find(|it| it.to_string_lossy().contains(&quagga.keepsakes[0].id.to_string()));
    fs::write(picture.unwrap().with_extension("tmp"), b"half a picture").unwrap();

    let mut traces = traces(dir.path(), &quagga, &["quagga", "thylacine", "Zebedee", "burchell's", "half a picture"]);
    let n_found = found(dir.path(), &traces).len();
    assert!(n_found > traces.len(), "the search finds what is there: {n_found} of {}", traces.len());
    // Not everything is named by its text.
    for it in traces.iter().filter(|it| !it.0.ends_with("as text")) {
        assert!(!found(dir.path(), std::slice::from_ref(it)).is_empty(), "{} is looked for in vain", it.0);
    }
    let gone = EventUpdate { keepsakes: first, ..quagga.clone() };
    traces.extend(self::traces(dir.path(), &gone, &[]));

    let eraser = Eraser::open(dir.path(), &fixture::config()).unwrap();
    assert!(!eraser.is_alone());
    let which = Which { event: Some(quagga.event.id), ..Which::default() };
    let doomed = eraser.choose(&which).unwrap().0;
    assert_eq!((doomed[0].pictures, doomed[0].vectors, doomed[0].answers), (2, 4, 1));
    assert_eq!(erase(&eraser, &which), BTreeSet::from([quagga.event.id]));
    assert_eq!(found(dir.path(), &traces), Vec::<String>::new());
    assert!(matches!(eraser.choose(&which), Err(EraseError::NoEvent(_))));

    // The others are whole, in the copy too, and the daemon saves and counts on.
    assert_eq!(daemon.counts().unwrap().events, 20);
    assert_eq!(number(&rusqlite::Connection::open(&copy).unwrap(), "SELECT count(*) FROM events"), 20);
    daemon.save(&update("badger", at(40), 40), FEATURIZER).unwrap();
    let counts = daemon.counts().unwrap();
    assert_eq!((counts.events, counts.pictures as usize), (21, files(dir.path()).len()));
    assert_eq!(counts.picture_bytes, super::bytes(dir.path()));
    assert_eq!(metrics.media_bytes.get() as u64, super::bytes(dir.path()));
    assert_eq!(found(dir.path(), &traces), Vec::<String>::new());
    assert_eq!(number(&raw(dir.path()), "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
}

#[test]
fn events_are_chosen_by_span_camera_and_people_and_open_ones_wait() {
    let dir = tempfile::tempdir().unwrap();
    let (daemon, _) = fixture::open(dir.path());
    let at = |hours: i64| Timestamp::from_second(1_790_000_000 + hours * 3_600).unwrap();
    let mut updates: Vec<EventUpdate> = (0..5).map(|nth| update("red fox", at(nth), nth as u8)).collect();
    updates[1].event.observations[0].kind = ObservationType::Human;
    updates[2].event.camera = "gate".into();
    updates[4].event.state = crate::domain::EventState::Open;
    for it in &updates {
        daemon.save(it, FEATURIZER).unwrap();
    }
    let answer = Answer {
        event: updates[3].event.id,
        frame: None,
        task: "content".into(),
        labeller: "ann".into(),
        species: vec![Species::of("human")],
        verified: false,
        key: None,
        question: None,
    };
    let beside = Store::open_beside(dir.path(), &fixture::config()).unwrap();
    beside.answer(&answer).unwrap();
    let ids = |places: &[usize]| places.iter().map(|it| updates[*it].event.id).collect::<Vec<_>>();
    let chosen = |which: &Which| beside.to_erase(which).unwrap().iter().map(|it| it.id).collect::<Vec<_>>();
    let people = Which { people: true, ..Which::default() };
    let span = |from: i64, to: i64| Which { span: Some((at(from), at(to))), ..Which::default() };
    assert_eq!(chosen(&people), ids(&[1, 3]));
    assert_eq!(chosen(&span(1, 2)), ids(&[1, 2]));
    // An event of which a part lies in the span goes whole.
    let inside = (at(1) + SignedDuration::from_secs(2), at(1) + SignedDuration::from_secs(9));
    assert_eq!(chosen(&Which { span: Some(inside), ..Which::default() }), ids(&[1]));
    assert_eq!(chosen(&Which { camera: Some("gate".into()), ..span(0, 9) }), ids(&[2]));
    assert_eq!(chosen(&Which { people: true, ..span(2, 9) }), ids(&[3]));
    let error = beside.to_erase(&Which { camera: Some("gat".into()), ..span(0, 9) }).unwrap_err().to_string();
    assert_eq!(error, "erase: no event is of a camera \"gat\", but of feeder, gate; nothing was erased");

    let eraser = Eraser::open(dir.path(), &fixture::config()).unwrap();
    let open = Which { event: Some(updates[4].event.id), ..Which::default() };
    assert!(matches!(eraser.choose(&open), Err(EraseError::Open(_))));
    let (doomed, left) = eraser.choose(&span(3, 9)).unwrap();
    assert_eq!((doomed.len(), left[0].id), (1, updates[4].event.id));
    daemon.save(&ended(&updates[4]), FEATURIZER).unwrap();
    assert_eq!(eraser.choose(&open).unwrap().0.len(), 1);
    // Without a daemon nobody would bring back what a crash left open.
    drop((daemon, eraser));
    raw(dir.path()).execute("UPDATE events SET state = 'open'", []).unwrap();
    let eraser = Eraser::open(dir.path(), &fixture::config()).unwrap();
    assert!(eraser.is_alone());
    assert_eq!(erase(&eraser, &span(0, 9)).len(), 5);
    assert_eq!(files(dir.path()), Vec::<PathBuf>::new());
    let daemon = Store::open(dir.path(), &fixture::config(), crate::metrics::Metrics::new());
    assert!(daemon.is_err(), "it keeps daemons out");
}

#[test]
fn what_was_cut_short_is_remembered_until_it_is_done() {
    let dir = tempfile::tempdir().unwrap();
    let (daemon, _) = fixture::open(dir.path());
    let fox = update("red fox", Timestamp::from_second(1_790_000_000).unwrap(), 1);
    daemon.save(&fox, FEATURIZER).unwrap();
    let events = BTreeSet::from([fox.event.id]);
    let eraser = Eraser::open(dir.path(), &fixture::config()).unwrap();
    assert_eq!(eraser.unfinished().unwrap(), BTreeSet::new());
    eraser.begin(&events).unwrap();
    eraser.delete(&events).unwrap();
    drop(eraser);
    let eraser = Eraser::open(dir.path(), &fixture::config()).unwrap();
    let unfinished = eraser.unfinished().unwrap();
    assert_eq!(unfinished, events);
    let traces = vec![("its name".to_owned(), fox.event.id.to_string().into_bytes())];
    assert_eq!(found(dir.path(), &traces).len(), 1);
    eraser.delete(&unfinished).unwrap();
    eraser.cleanse(&unfinished).unwrap();
    eraser.finish().unwrap();
    assert_eq!(found(dir.path(), &traces), Vec::<String>::new());
}
