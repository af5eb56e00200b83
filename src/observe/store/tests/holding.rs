//! Of an event several things are said, of its frames and of the whole, one after the other: what of it holds.

use std::path::Path;

use jiff::Timestamp;
use tempfile::TempDir;
use uuid::Uuid;

use super::super::fixture::{self, FEATURIZER};
use super::super::{Answer, FrameName, Given, Imported, ImportedEvent, Species, Standing, Store};
use super::labels::{beside, event, picture};
use super::raw;

/// An event of three frames, of which a table said `fox`, `blank` and `hare`.
struct Site {
    dir: TempDir,
    store: Store,
    event: Uuid,
}

impl Site {
    fn new() -> Site {
        Site::of(&Site::table())
    }

    fn of(table: &ImportedEvent) -> Site {
        let dir = tempfile::tempdir().unwrap();
        drop(fixture::open(dir.path()));
        let store = beside(dir.path());
        store.import(table, FEATURIZER).unwrap();
        let event = store.imported(&[1; 32]).unwrap().unwrap();
        Site { dir, store, event }
    }

    fn table() -> ImportedEvent {
        event("e1", vec![picture(1, "fox"), picture(2, "blank"), picture(3, "hare")])
    }

    /// What bob says, of a frame or of the whole.
    fn say(&self, frame: Option<u8>, classes: &[&str]) -> Given {
        self.say_with(frame, classes, None)
    }

    fn say_with(&self, frame: Option<u8>, classes: &[&str], key: Option<&str>) -> Given {
        let answer = Answer {
            event: self.event,
            frame: frame.map(|nth| FrameName::At(taken_at(self.dir.path(), nth))),
            task: "species".into(),
            labeller: "bob".into(),
            species: classes.iter().map(|it| Species::of(it)).collect(),
            verified: false,
            key: key.map(Into::into),
            question: None,
        };
        self.store.answer(&answer).unwrap()
    }

    /// The classes of the frames that heads are taught.
    fn taught(&self) -> Vec<String> {
        let taught = self.store.taught("species", FEATURIZER, None).unwrap();
        let frames = taught.events.iter().flat_map(|it| &it.frames);
        frames.map(|it| taught.classes[it.class].name.to_string()).collect()
    }

    /// Answers that hold, by whoever counts them.
    fn holds(&self) -> usize {
        let answers = self.store.answered(None, Some(self.event), 100, None).unwrap();
        let hold = answers.iter().filter(|it| it.standing == Standing::Holds).count();
        let recorded = self.store.recorded(None, Some(self.event)).unwrap();
        assert_eq!(recorded.iter().filter(|it| it.standing == Standing::Holds).count(), hold);
        let people = self.store.labelled_so_far("species").unwrap().people;
        assert_eq!(people.iter().map(|it| it.holding).sum::<u64>(), hold as u64, "{people:?}");
        hold
    }

    fn called(&self, class: &str) -> usize {
        self.store.events_called("species", class, None, 10).unwrap().events.len()
    }

    /// What progress shows.
    fn labelled(&self) -> Vec<String> {
        self.store.labelled_so_far("species").unwrap().classes.into_iter().map(|it| it.class).collect()
    }
}

fn taken_at(dir: &Path, nth: u8) -> Timestamp {
    let sql = "SELECT captured_us FROM media WHERE sha256 = ?1";
    let us: i64 = raw(dir).query_row(sql, [[nth; 32]], |row| row.get(0)).unwrap();
    Timestamp::from_microsecond(us).unwrap()
}

#[test]
fn what_is_said_of_an_event_takes_the_place_of_what_was_said_before_of_its_frames() {
    let site = Site::new();
    let called = || ["fox", "hare", "blank", "lynx"].map(|it| site.called(it));
    assert_eq!((site.taught(), site.holds()), (vec!["fox".into(), "blank".into(), "hare".into()], 3));
    assert_eq!((called(), site.labelled()), ([1, 1, 0, 0], vec!["blank".into(), "fox".into(), "hare".into()]));
    // Nobody said that the frame in which nothing was shows it.
    let lynx = site.say(None, &["lynx"]);
    assert_eq!(lynx.superseded, ["fox", "hare"]);
    assert_eq!((site.taught(), site.holds()), (vec!["lynx".into(), "blank".into(), "lynx".into()], 2));
    assert_eq!((called(), site.labelled()), ([0, 0, 0, 1], vec!["blank".into(), "lynx".into()]));
    let again = site.store.import(&Site::table(), FEATURIZER).unwrap();
    assert_eq!(again, Imported::default(), "the table says nothing new");
    assert_eq!(site.taught(), ["lynx", "blank", "lynx"]);
    assert!(site.store.take_back(lynx.id, "bob").unwrap());
    assert_eq!(site.taught(), ["fox", "blank", "hare"], "what it had superseded holds again");
    // Which is which is known already.
    assert!(site.say(None, &["hare", "fox"]).superseded.is_empty());
    assert_eq!((site.taught(), site.holds()), (vec!["fox".into(), "blank".into(), "hare".into()], 4));
    // What is said later of a frame goes before it.
    site.say(Some(3), &["lynx"]);
    assert_eq!(site.taught(), ["fox", "blank", "lynx"]);
}

#[test]
fn an_animal_that_was_in_an_event_was_in_one_of_its_frames() {
    let site = Site::new();
    site.say(None, &["hare", "fox"]);
    site.say(Some(1), &["blank"]);
    site.say(Some(3), &["blank"]);
    // Then in the one of which nothing was said since; but which of the two it shows nobody has said.
    assert_eq!((site.taught(), site.holds()), (Vec::new(), 3));
    let fox = site.say(None, &["fox"]);
    assert_eq!(fox.superseded, ["hare", "fox", "blank"]);
    assert_eq!((site.taught(), site.holds()), (vec!["fox".into(); 3], 1));
    site.say(None, &["blank"]);
    assert_eq!((site.taught(), site.holds()), (vec!["blank".into(); 3], 4), "and of the frames it holds, too");
}

#[test]
fn a_frame_of_which_nobody_can_say_what_it_shows_stays_so() {
    let site = Site::new();
    site.say(Some(3), &["unidentifiable"]);
    let fox = site.say_with(None, &["fox"], Some("k1"));
    assert!(fox.superseded.is_empty());
    assert_eq!((site.taught(), site.holds()), (vec!["fox".into(), "blank".into()], 4));
    // What nobody can name after all is nothing that could be taught, and least of all as `blank`.
    let nobody_knows = site.say_with(None, &["unidentifiable"], Some("k2"));
    assert_eq!(nobody_knows.superseded, ["fox"]);
    assert_eq!((site.taught(), site.holds()), (Vec::<String>::new(), 3));
    site.say(None, &["stoat", "hare"]);
    assert_eq!((site.taught(), site.holds()), (Vec::<String>::new(), 3));
    // Said again, an answer gives what it gave.
    let again = site.say_with(None, &["unidentifiable"], Some("k2"));
    assert_eq!((again.id, again.again, again.superseded), (nobody_knows.id, true, vec!["fox".into()]));
}

#[test]
fn what_nobody_could_name_may_be_named_later_or_turn_out_to_be_nothing() {
    let two = || Site::of(&event("e1", vec![picture(1, "unidentifiable"), picture(2, "blank")]));
    let site = two();
    assert_eq!((site.taught(), site.holds()), (Vec::<String>::new(), 2), "something was there");
    assert_eq!(site.say(None, &["fox"]).superseded, ["unidentifiable"]);
    assert_eq!((site.taught(), site.holds()), (vec!["fox".into(), "blank".into()], 2));
    assert_eq!((site.called("fox"), site.called("unidentifiable")), (1, 0));
    let site = two();
    assert_eq!(site.say(None, &["blank"]).superseded, ["unidentifiable"]);
    assert_eq!((site.taught(), site.holds()), (vec!["blank".into(); 2], 2));
    let site = Site::of(&event("e1", vec![picture(1, "blank")]));
    assert_eq!(site.say(None, &["unidentifiable"]).superseded, ["blank"]);
    assert_eq!((site.taught(), site.holds()), (Vec::<String>::new(), 1));
}

#[test]
fn a_random_check_and_agreement_go_by_what_an_event_shows() {
    let shown = |site: &Site| {
        let db = raw(site.dir.path());
        super::super::holding::shown(&db, site.event, "species").unwrap()
    };
    let site = Site::new();
    assert_eq!(shown(&site), ["fox", "hare"]);
    site.say(None, &["blank"]);
    assert_eq!(shown(&site), ["blank"]);
    site.say(Some(3), &["lynx"]);
    assert_eq!(shown(&site), ["lynx"], "a later word of a frame counts");
    let site = Site::of(&event("e1", vec![picture(1, "blank"), picture(2, "blank")]));
    assert_eq!(shown(&site), ["blank"]);
    raw(site.dir.path()).execute("UPDATE answers SET withdrawn_us = 1", []).unwrap();
    assert!(shown(&site).is_empty());
    site.say(Some(1), &["blank"]);
    assert!(shown(&site).is_empty(), "of the other frame nobody has said anything");
}
