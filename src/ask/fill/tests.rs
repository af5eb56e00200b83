//! Questions chosen from a real store: as many as are wanted, none twice, day by day, and no slower the more there is.

#![allow(clippy::unwrap_used, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use uuid::Uuid;

use super::*;
use crate::ask::asker::Asker;
use crate::ask::season::{Season, season};
use crate::config::environment::Environment;
use crate::config::load::{CameraArgument, Overrides, load_in};
use crate::domain::{Change, EventState, Modality};
use crate::metrics::Metrics;
use crate::observe::store::fixture;
use crate::observe::store::{Answer, NewMoment, Question, Species, Why};
use crate::teach::train::tests::{SPECIES, Site, cloud};

/// A clock that stands.
#[derive(Debug)]
struct At(Timestamp);

impl Clock for At {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

fn filler(site: &Site, now: Timestamp, change: impl FnOnce(&mut Config)) -> Filler {
    let camera = CameraArgument { name: Some("feeder".into()), uri: "/dev/video0".into() };
    let state_dir = Some(site.dir.path().to_owned());
    let overrides = Overrides { cameras: vec![camera], state_dir, ..Overrides::default() };
    let mut config = load_in(None, overrides, &Environment::from_iter::<[(&str, &str); 0]>([])).unwrap();
    config.ask.questions_per_day = 20;
    change(&mut config);
    let store = Store::open_beside(site.dir.path(), &fixture::config()).unwrap();
    Filler::new(&config, &site.contracts, store, Arc::new(At(now)))
}

/// What `benches/ask` measures is what is shipped.
#[test]
fn without_a_word_in_the_config_the_shares_are_those_that_were_measured() {
    let site = Site::new();
    assert_eq!(filler(&site, Timestamp::now(), |_| {}).shares(), Shares::default());
}

/// Live events that are over, one of each species in turn.
fn watch(site: &Site, n: u32) -> Vec<Uuid> {
    let store = Store::open_beside(site.dir.path(), &fixture::config()).unwrap();
    let of = |nth: u32| {
        let mut update = fixture::update(Change::Ended, "deer", 1);
        update.event.state = EventState::Ended;
        update.keepsakes[0].modality = Modality::Infrared;
        update.keepsakes[0].embedding.features = cloud(nth as usize % SPECIES.len(), 1_000 + nth).into();
        store.save(&update, &site.contracts.first.identity()).unwrap();
        update.event.id
    };
    (0..n).map(of).collect()
}

/// Live events that are over, in which no head saw anything, of which there are pictures.
fn blanks(site: &Site, n: i64) -> Vec<Uuid> {
    let store = Store::open_beside(site.dir.path(), &fixture::config()).unwrap();
    let of = |nth: i64| {
        let mut update = fixture::update(Change::Ended, "blank", 1);
        // So many are kept of an hour.
        update.event.start -= SignedDuration::from_hours(nth);
        store.save(&update, &site.contracts.first.identity()).unwrap();
        update.event.id
    };
    (0..n).map(of).collect()
}

/// Further ones, after what is [soon](soon).
fn later(site: &Site, n: u32) -> Vec<Uuid> {
    let all = watch(site, n);
    let db = rusqlite::Connection::open(site.dir.path().join("eyeshine.db")).unwrap();
    db.pragma_update(None, "foreign_keys", false).unwrap();
    let ahead = i64::try_from(uuid::Timestamp::now(uuid::NoContext).to_unix().0).unwrap() + 60;
    all.iter()
        .enumerate()
        .map(|(nth, old)| {
            let at = uuid::Timestamp::from_unix_time(u64::try_from(ahead).unwrap(), nth as u32, 0, 0);
            let new = Uuid::new_v7(at);
            for (table, column) in [("events", "id"), ("media", "event"), ("observations", "event")] {
                let sql = format!("UPDATE {table} SET {column} = ?1 WHERE {column} = ?2");
                db.execute(&sql, [new.as_bytes(), old.as_bytes()]).unwrap();
            }
            new
        })
        .collect()
}

fn answer(store: &Store, it: &Question) {
    answer_with(store, it, "fox");
}

fn answer_with(store: &Store, it: &Question, class: &str) {
    let answer = Answer {
        event: it.event.unwrap(),
        frame: None,
        task: it.task.clone(),
        labeller: "ann".into(),
        species: vec![Species::of(class)],
        verified: false,
        key: None,
        question: Some(it.id),
    };
    store.answer(&answer).unwrap();
}

/// After the events of a test, which are of now.
fn soon() -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(5)
}

#[test]
fn a_day_has_its_questions_and_no_more_and_the_next_has_others() {
    let site = Site::new();
    let all = watch(&site, 50);
    let today = filler(&site, soon(), |_| {});
    let state = || today.reader().queue_state("species").unwrap();
    assert!(today.is_due("species", &state()).unwrap());
    assert_eq!(today.fill("species", 1).unwrap(), Filled { added: 20, expired: 0 });
    let open = today.reader().open_questions("species").unwrap();
    let asked: BTreeSet<Uuid> = open.iter().filter_map(|it| it.event).collect();
    assert!(asked.len() == 20 && asked.iter().all(|it| all.contains(it)));
    assert!(open.iter().all(|it| it.media.is_some() && !it.reason.is_empty() && it.blind == (it.why == Why::Random)));
    assert!(!today.is_due("species", &state()).unwrap());
    assert_eq!(today.fill("species", 2).unwrap().added, 0, "the day is full");

    // What is skipped by one is replaced; what is answered is not, once the day is used up.
    let lent = today.store.lease("species", "ann", 20, 600.0).unwrap();
    let skipped = lent.iter().find(|it| it.why != Why::Random).unwrap().id;
    today.store.skip(skipped, "ann").unwrap();
    lent.iter().filter(|it| it.id != skipped).for_each(|it| answer(&today.store, it));
    assert_eq!((state().open, state().answered_today, today.left(&state())), (1, 19, 1));
    assert!(today.is_due("species", &state()).unwrap());
    assert_eq!(today.fill("species", 3).unwrap().added, 1);
    let last = today.store.lease("species", "ann", 9, 600.0).unwrap();
    assert!(last.len() == 1 && !asked.contains(&last[0].event.unwrap()));
    answer(&today.store, &last[0]);
    assert!(!today.is_due("species", &state()).unwrap(), "it is used up");

    let tomorrow = filler(&site, soon() + SignedDuration::from_hours(24), |_| {});
    assert!(tomorrow.is_due("species", &state()).unwrap());
    let filled = tomorrow.fill("species", 4).unwrap();
    assert_eq!(filled, Filled { added: 20, expired: 1 });
    let new: BTreeSet<Uuid> =
        tomorrow.reader().open_questions("species").unwrap().iter().filter_map(|it| it.event).collect();
    assert!(new.is_disjoint(&asked), "what was answered or skipped is not asked again");
    // Of another task the same events are asked about, and with no budget none are.
    assert_eq!(tomorrow.fill("content", 5).unwrap().added, 20);
    let never = filler(&site, soon(), |it| it.ask.questions_per_day = 0);
    assert!(!never.is_due("content", &QueueState::default()).unwrap());
}

#[test]
fn once_another_head_serves_what_is_left_of_a_day_is_chosen_anew() {
    let site = Site::new();
    site.label(0, 3);
    assert_eq!(site.train().serving, 1);
    let bad = site.spoil();
    watch(&site, 60);
    let filler = filler(&site, soon(), |it| it.ask.random_share = 0.2);
    assert_eq!(filler.renew("species", 1).unwrap(), Filled { added: 0, expired: 0 }, "no day has begun");
    assert_eq!(filler.fill("species", 1).unwrap().added, 20);
    let open = || filler.reader().open_questions("species").unwrap();
    let before = open();
    let random: BTreeSet<Uuid> = before.iter().filter(|it| it.why == Why::Random).map(|it| it.id).collect();
    assert_eq!(random.len(), 4);
    let lent: BTreeSet<Uuid> =
        filler.store.lease("species", "ann", 2, 600.0).unwrap().into_iter().map(|it| it.id).collect();
    // What has come since is in the next draw first.
    let since: BTreeSet<Option<Uuid>> = later(&site, 30).into_iter().map(Some).collect();
    site.label(3, 13);
    assert_ne!(site.train().serving, bad);
    let stay = random.union(&lent).count();
    let renewed = filler.renew("species", 2).unwrap();
    assert_eq!(renewed, Filled { added: 20 - stay, expired: 20 - stay });
    let after = open();
    // What the answers cover is not asked about again.
    let chosen = |all: &[Question]| -> BTreeSet<Option<Uuid>> {
        all.iter().filter(|it| it.why != Why::Random).map(|it| it.event).collect()
    };
    assert_ne!(chosen(&before), chosen(&after));
    assert!(chosen(&after).is_disjoint(&since), "nothing is asked of which no check was drawn");
    assert!(random.iter().chain(&lent).all(|id| after.iter().any(|it| it.id == *id)));
    assert_eq!(after.iter().filter(|it| it.why == Why::Random).count(), 4, "no more is drawn");
    let filling = filler.reader().last_filling("species").unwrap().unwrap();
    assert_eq!(filling.events, 0, "the check is of the day's beginning");
}

#[test]
fn a_day_begins_at_midnight_where_the_first_camera_hangs() {
    let site = Site::new();
    let at = "2026-11-24T11:30:00Z".parse().unwrap();
    let began = |zone: &str| filler(&site, at, |it| it.cameras[0].time_zone = zone.into()).today().to_string();
    assert_eq!(began("UTC"), "2026-11-24T00:00:00Z");
    assert_eq!(began("Pacific/Auckland"), "2026-11-24T11:00:00Z");
    assert_eq!(began("America/Lima"), "2026-11-24T05:00:00Z");
}

#[test]
fn what_a_head_says_of_events_and_of_its_own_lessons_is_gathered() {
    let site = Site::new();
    site.label(0, 10);
    assert_eq!(site.train().serving, 1);
    let all = watch(&site, 12);
    let filler = filler(&site, soon(), |it| it.teach.protected = vec!["hare".into()]);
    let generations = site.generations();
    let identity = site.contracts.first.identity();
    let head = generations.serving(&identity, Arc::clone(&filler.starter)).unwrap();
    let asked = Asked {
        store: filler.reader(),
        generations: &generations,
        head: &head,
        featurizers: (&identity, None),
        classifier: filler.classifier.as_ref(),
        protected: &filler.protected,
        threshold: 0.5,
    };
    let now = soon();
    let from = since(now, 1.0);
    let gathered = asked.gather(from, (from, now), 1).unwrap();
    let pool = &gathered.pool;
    assert_eq!((pool.classes.len(), pool.blank), (4, Some(0)), "{:?}", pool.classes);
    assert_eq!((pool.events.len(), pool.taught.len(), pool.day.events.len()), (12, 30, 12));
    let mut right = 0;
    for it in &pool.events {
        let sum: f32 = it.probabilities.iter().sum();
        assert!((sum - 1.0).abs() < 1e-3 && it.strangeness.is_some() && it.vector.len() == pool.events[0].vector.len());
        let species = SPECIES[all.iter().position(|id| *id == it.id).unwrap() % SPECIES.len()];
        let place = pool.classes.iter().position(|it| it == species).unwrap();
        right += usize::from(it.probabilities.iter().all(|other| *other <= it.probabilities[place]));
        assert!(it.protected || species != "hare");
    }
    assert!(right >= 9, "{right} of 12");
    let agreed = pool.taught.iter().filter(|it| {
        let place = pool.classes.iter().position(|name| *name == it.said).unwrap();
        it.out_of_fold.as_ref().is_some_and(|of| of.iter().all(|other| *other <= of[place]))
    });
    let (agreed, n_asked) = (agreed.count(), pool.taught.iter().filter(|it| it.out_of_fold.is_some()).count());
    assert!(n_asked >= 29 && agreed >= 20, "{agreed} of {n_asked}");
    assert!(pool.taught.iter().all(|it| it.labeller == "ann" && !it.settled));
    assert!(filler.fill("species", 1).unwrap().added >= 12);
}

#[test]
fn still_moments_are_asked_about_but_not_those_of_an_events_time() {
    let site = Site::new();
    let store = Store::open_beside(site.dir.path(), &fixture::config()).unwrap();
    let mut update = fixture::update(Change::Ended, "deer", 1);
    update.event.state = EventState::Ended;
    store.save(&update, "other").unwrap();
    let start = update.event.start;
    let moments: Vec<Uuid> = [-3_600, -60, 1, 3]
        .map(|secs| {
            let id = Uuid::now_v7();
            let captured_at = start + SignedDuration::from_secs(secs);
            let (camera, modality) = ("feeder".into(), Modality::Colour);
            let it = NewMoment {
                id,
                camera,
                captured_at,
                modality,
                probability: 0.01,
                stands_secs: 100.0,
                jpeg: vec![7; 50],
            };
            assert!(store.save_moment(&it, 99).unwrap());
            id
        })
        .into();
    let still = store.still("species", since(start, 1.0), soon()).unwrap();
    assert_eq!(still.moments, [moments[0], moments[1], moments[3]], "the third was taken while the event went on");
    assert_eq!(still.secs, 300.0);
    // 2.5 s an event: so many would have found room.
    let filler = filler(&site, soon(), |_| {});
    filler.fill("species", 1).unwrap();
    let filling = filler.reader().last_filling("species").unwrap().unwrap();
    assert_eq!((filling.events, filling.moments), (1, 120.0));
    // The next check begins where this one ended.
    filler.fill("species", 2).unwrap();
    let filling = filler.reader().last_filling("species").unwrap().unwrap();
    assert_eq!((filling.events, filling.moments), (0, 0.0));
}

#[test]
fn what_goes_on_while_a_day_begins_is_in_the_next_draw() {
    let site = Site::new();
    watch(&site, 3);
    let store = Store::open_beside(site.dir.path(), &fixture::config()).unwrap();
    let mut update = fixture::update(Change::Opened, "deer", 1);
    store.save(&update, "other").unwrap();
    std::thread::sleep(Duration::from_millis(5));
    watch(&site, 2);
    let filling = |filler: &Filler, seed| {
        filler.fill("species", seed).unwrap();
        filler.reader().last_filling("species").unwrap().unwrap()
    };
    let today = filler(&site, soon(), |_| {});
    assert_eq!(filling(&today, 1).events, 3);
    (update.change, update.event.state) = (Change::Ended, EventState::Ended);
    store.save(&update, "other").unwrap();
    assert_eq!(filling(&today, 2).events, 3, "the long one, and those after it");
}

#[test]
fn an_event_that_nobody_ends_does_not_stop_the_draws_for_ever() {
    let site = Site::new();
    let store = Store::open_beside(site.dir.path(), &fixture::config()).unwrap();
    store.save(&fixture::update(Change::Opened, "deer", 1), "other").unwrap();
    std::thread::sleep(Duration::from_millis(5));
    watch(&site, 4);
    for (hours, events) in [(0, 0), (23, 0), (25, 4)] {
        let filler = filler(&site, soon() + SignedDuration::from_hours(hours), |_| {});
        filler.fill("species", 1).unwrap();
        assert_eq!(filler.reader().last_filling("species").unwrap().unwrap().events, events, "after {hours} hours");
    }
}

#[test]
fn the_daemon_fills_and_says_so() {
    let site = Site::new();
    watch(&site, 8);
    let (metrics, clock) = (Metrics::new(), Arc::new(At(soon())));
    let filler = filler(&site, soon(), |it| it.ask.random_share = 0.0);
    let store = filler.store.clone();
    let mut asker = Asker::new(filler, &["species".into()], clock, Arc::clone(&metrics));
    let free = || metrics.asking.questions.with_label_values(&["species", "free"]).get();
    assert_eq!(free(), 0);
    asker.look();
    assert_eq!(free(), 8);
    assert!(metrics.asking.last_fill.with_label_values(&["species"]).get() > 1.7e9);
    store.lease("species", "ann", 3, 600.0).unwrap();
    asker.look();
    assert_eq!((free(), metrics.asking.questions.with_label_values(&["species", "leased"]).get()), (5, 3));
}

/// `EYESHINE_EVENTS` asks for more.
#[test]
fn a_large_store_takes_no_longer_to_choose_from() {
    let site = Site::new();
    let n: u32 = std::env::var("EYESHINE_EVENTS").map_or(30_000, |it| it.parse().unwrap());
    watch(&site, 1);
    let db = rusqlite::Connection::open(site.dir.path().join("eyeshine.db")).unwrap();
    let identity = site.contracts.first.identity();
    // One a minute, up to now; vectors of a real length.
    let now = Timestamp::now().as_millisecond();
    db.execute_batch(&format!(
        "PRAGMA synchronous = OFF; BEGIN;
         CREATE TEMP TABLE n AS WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {n})
             SELECT n, {now} - n * 60000 AS ms, unhex(printf('%012x70008000%012x', {now} - n * 60000, n)) AS id FROM n;
         DELETE FROM events;
         INSERT INTO events (id, deployment, camera, start_us, end_us, duration_secs, state, modality, looks, blank)
             SELECT id, (SELECT id FROM deployments), 'feeder', ms * 1000, ms * 1000 + 1, 3.0, 'ended', 'colour', 5,
                 n % 10 = 0 FROM n;
         INSERT INTO media (id, event, deployment, captured_us, file, mediatype, bytes, method, modality, view, x, y, width,
                 height, score) SELECT id, id, (SELECT id FROM deployments), ms * 1000, 'media/' || n || '.jpg',
                 'image/jpeg', 100000, 'timeLapse', 'colour', 'whole', 0, 0, 9, 9, .5 FROM n;
         INSERT INTO embeddings SELECT id, '{identity}', randomblob(2560) FROM n ORDER BY n LIMIT 20000;
         UPDATE events SET state = 'ended'; COMMIT;"
    ))
    .unwrap();
    let filler = filler(&site, soon(), |_| {});
    let start = Instant::now();
    assert_eq!(filler.fill("species", 1).unwrap().added, 20);
    println!("{n} events: filled in {:?}", start.elapsed());
    let start = Instant::now();
    let lent = filler.store.lease("species", "ann", 10, 600.0).unwrap();
    println!("10 lent in {:?}", start.elapsed());
    let start = Instant::now();
    answer(&filler.store, lent.iter().find(|it| it.event.is_some()).unwrap());
    println!("answered in {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_millis(300));
}

#[test]
fn a_clock_that_was_ahead_stops_no_draws_once_it_is_right() {
    let site = Site::new();
    watch(&site, 4);
    let ahead = filler(&site, soon() + SignedDuration::from_hours(24 * 365), |_| {});
    ahead.fill("species", 1).unwrap();
    watch(&site, 8);
    let right = filler(&site, soon(), |_| {});
    let state = || right.reader().queue_state("species").unwrap();
    assert!(right.is_due("species", &state()).unwrap());
    let filled = right.fill("species", 1).unwrap();
    let filling = right.reader().last_filling("species").unwrap().unwrap();
    assert!(filling.day < soon() && filling.events >= 8 && filled.added > 0, "{filling:?}, {filled:?}");
    assert!(!right.is_due("species", &state()).unwrap());
}

#[test]
fn what_heads_take_for_nothing_is_asked_among_all_else_and_says_how_much_was_overlooked() {
    let site = Site::new();
    site.label(0, 3);
    assert_eq!(site.train().serving, 1);
    watch(&site, 30);
    let nothing: BTreeSet<Uuid> = blanks(&site, 8).into_iter().collect();
    let before = Timestamp::now() - SignedDuration::from_secs(1);
    let filler = filler(&site, soon(), |it| it.ask.blank_share = 0.5);
    assert_eq!(filler.fill("species", 1).unwrap().added, 20);
    assert_eq!(filler.reader().last_filling("species").unwrap().unwrap().blanks, 8);
    let open = filler.reader().open_questions("species").unwrap();
    let drawn = open.iter().filter(|it| it.blind);
    let (blanks, events): (Vec<&Question>, Vec<&Question>) = drawn.partition(|it| nothing.contains(&it.event.unwrap()));
    assert_eq!((blanks.len(), events.len()), (4, 2), "{open:?}");
    let is_random = |it: &&Question| it.why == Why::Random && it.reason == "random check of all events";
    assert!(blanks.iter().chain(&events).all(is_random), "nobody can tell which are which: {open:?}");
    let checks = filler.reader().checks("species", before).unwrap();
    assert!(checks.len() == 6 && checks.iter().all(|it| it.of == if it.blank { 8.0 } else { 30.0 }), "{checks:?}");
    let season = || season(filler.reader(), "species", before).unwrap();
    assert_eq!(season(), Season::default());
    // Asked for another reason, an event says nothing of the others.
    open.iter().filter(|it| !it.blind).for_each(|it| answer(&filler.store, it));
    assert_eq!(season(), Season::default());
    for (it, class) in blanks.iter().zip(["fox", "blank", "blank", "unidentifiable"]) {
        answer_with(&filler.store, it, class);
    }
    let overlooked = season().overlooked.unwrap();
    assert!((overlooked.value - 1.0 / 3.0).abs() < 1e-9 && overlooked.answered == 3, "{overlooked:?}");
    assert_eq!(season(), Season { overlooked: Some(overlooked), ..Season::default() });
    events.iter().for_each(|it| answer(&filler.store, it));
    assert_eq!((season().overlooked, season().accuracy.unwrap().answered), (Some(overlooked), 2));
    // A head that is asked later sees something: it was drawn of the others all the same.
    let db = rusqlite::Connection::open(site.dir.path().join("eyeshine.db")).unwrap();
    db.execute("UPDATE events SET blank = 0", []).unwrap();
    assert_eq!(season().overlooked, Some(overlooked));
}
