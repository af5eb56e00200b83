//! A store as years of service leave it: as many events as are asked for, through the store's own schema, in a minute or two.

use std::fs;
use std::path::Path;

use eyeshine::config::Config;
use eyeshine::infer::models::Contracts;
use eyeshine::metrics::Metrics;
use eyeshine::observe::media::MediaFolder;
use eyeshine::observe::store::Store;
use half::f16;
use image::{Rgb, RgbImage};
use jiff::Timestamp;
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rusqlite::{CachedStatement, Connection, params};
use uuid::{Builder, Uuid};

/// What came by, the commonest first; each half as often as those before, more or less.
pub(crate) const SPECIES: [&str; 12] = [
    "roe deer",
    "red fox",
    "wild boar",
    "badger",
    "hare",
    "pine marten",
    "red deer",
    "raccoon",
    "wild cat",
    "polecat",
    "otter",
    "human",
];
/// Of this one only a few events, long ago.
pub(crate) const RARE: &str = "lynx";
pub(crate) const N_RARE: usize = 12;
const BLANK: &str = "blank";
pub(crate) const N_CAMERAS: usize = 20;
const PEOPLE: [&str; 4] = ["ann", "ben", "chloe", "local"];
/// Events a day, from which the years follow.
const A_DAY: usize = 913;
const DAYS_AT_LEAST: usize = 30;
const DAY_US: i64 = 86_400_000_000;
/// Moments at which an event was looked at; of each the whole picture and a crop are kept.
const FRAMES: usize = 3;
/// Vectors of a class and kind of picture.
const VARIANTS: usize = 40;
const DIMENSION: usize = 1280;
/// Claimed, so that the caps on bytes see what a real site has.
pub(crate) const PICTURE_BYTES: i64 = 60_000;
/// Pictures that others are links to: a file can have some 60,000 names.
const N_PICTURES: usize = 16;

/// How much there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) events: usize,
    /// One event of so many is labelled, and keeps its vectors and two pictures.
    pub(crate) labelled_of: usize,
    /// The newest, of which vectors are kept …
    pub(crate) with_vectors: usize,
    /// … and of these the newest, of which pictures are.
    pub(crate) with_pictures: usize,
    /// Still moments of the last 30 days.
    pub(crate) moments: usize,
    /// When the last event began; µs since 1970.
    pub(crate) end_us: i64,
}

/// What is needed of what was made.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// The newest events that have pictures, not labelled, the newest last.
    pub(crate) newest: Vec<Uuid>,
    pub(crate) labels: usize,
    pub(crate) questions: usize,
    pub(crate) vectors: usize,
    pub(crate) pictures: usize,
}

pub(crate) fn camera(nth: usize) -> String {
    format!("camera-{nth:02}")
}

/// Makes a store of the first `until` of those events (or of the rest, where the first are there).
pub(crate) fn make(state: &Path, config: &Config, size: &Size, from: usize, until: usize) -> Made {
    let contracts = Contracts::load(&config.models).unwrap();
    let featurizer = contracts.first.identity();
    let store = Store::open(state, &config.store, Metrics::new()).unwrap();
    store.register_deployment(&config.cameras[0]).unwrap();
    drop(store);
    let db = Connection::open(state.join("eyeshine.db")).unwrap();
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(())).unwrap();
    db.pragma_update(None, "synchronous", "OFF").unwrap();
    db.pragma_update(None, "cache_size", -400_000).unwrap();
    if from == 0 {
        sources(state);
        for nth in 0..N_CAMERAS {
            let sql = "INSERT INTO deployments (id, camera, place, time_zone, start_us, start_given, end_us)
                       VALUES (?1 || '_0', ?1, 'glade', 'UTC', 0, 1, 1)";
            db.execute(sql, [camera(nth)]).unwrap();
        }
    }
    for number in [0, 1] {
        let sql =
            "INSERT OR IGNORE INTO generations (task, number, created_us, featurizer) VALUES ('species', ?1, 0, ?2)";
        db.execute(sql, params![number, featurizer]).unwrap();
    }
    let mut maker = Maker {
        state,
        featurizer,
        size: *size,
        dice: ChaCha8Rng::seed_from_u64(from as u64),
        vectors: vectors(),
        made: Made::default(),
    };
    for first in (from..until).step_by(20_000) {
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        (first..until.min(first + 20_000)).for_each(|nth| maker.event(&db, nth));
        db.execute_batch("COMMIT").unwrap();
    }
    if until == size.events {
        db.execute_batch("BEGIN IMMEDIATE").unwrap();
        (0..size.moments).for_each(|nth| maker.moment(&db, nth));
        db.execute_batch("COMMIT").unwrap();
    }
    db.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    maker.made
}

struct Maker<'a> {
    state: &'a Path,
    featurizer: String,
    size: Size,
    dice: ChaCha8Rng,
    /// By class, each in [`VARIANTS`].
    vectors: Vec<Vec<Vec<u8>>>,
    made: Made,
}

/// When things happened.
fn span(size: &Size) -> (i64, i64) {
    let days = (size.events / A_DAY).max(DAYS_AT_LEAST) as i64;
    (size.end_us - days * DAY_US, size.end_us)
}

fn at(us: i64) -> Timestamp {
    Timestamp::from_microsecond(us).unwrap()
}

impl Maker<'_> {
    fn id(&mut self, us: i64) -> Uuid {
        let mut random = [0; 10];
        self.dice.fill_bytes(&mut random);
        Builder::from_unix_timestamp_millis((us / 1_000) as u64, &random).into_uuid()
    }

    fn class(&mut self, nth: usize) -> usize {
        // None of these is blank, see below.
        let apart = self.size.events / 80 / N_RARE * 4;
        if nth < N_RARE * apart && nth % apart == 2 {
            return SPECIES.len();
        }
        let mut class = 0;
        while class + 1 < SPECIES.len() && self.dice.random_bool(0.55) {
            class += 1;
        }
        class
    }

    /// An event, what was said of it, what is kept of it.
    fn event(&mut self, db: &Connection, nth: usize) {
        let (begin, end) = span(&self.size);
        let start = begin + (end - begin) / self.size.events as i64 * nth as i64;
        // Nobody has come to those of the last two days yet.
        let is_labelled = nth.is_multiple_of(self.size.labelled_of) && start / DAY_US + 1 < end / DAY_US;
        let is_blank = !is_labelled && nth % 4 == 3;
        let class = self.class(nth);
        let name = if class == SPECIES.len() { RARE } else { SPECIES[class] };
        let camera = camera(self.dice.random_range(0..N_CAMERAS));
        let (id, deployment) = (self.id(start), format!("{camera}_0"));
        let modality = if nth.is_multiple_of(2) { "infrared" } else { "colour" };
        run(db, "INSERT INTO events (id, deployment, camera, start_us, end_us, duration_secs, state, modality, looks, blank, people)
             VALUES (?1, ?2, ?3, ?4, ?4 + 7000000, 7.0, 'ended', ?5, 12, ?6, ?7)",
            params![id.as_bytes(), deployment, camera, start, modality, is_blank, name == "human" && !is_blank]);
        let probability = self.dice.random_range(0.3..1.0);
        // Some were rescored: what was said first stands beside it.
        let is_rescored = nth % 50 == 9;
        for rescored in [false, true].into_iter().take(1 + usize::from(is_rescored)) {
            let said = if is_blank {
                None
            } else if rescored || !nth.is_multiple_of(9) || name == RARE {
                Some(name)
            } else {
                Some(SPECIES[(class + 1) % SPECIES.len()])
            };
            run(db, "INSERT INTO observations (event, task, task_position, rescored, current, position, generation, type, class, probability)
                 VALUES (?1, 'species', 0, ?2, ?3, 0, ?2, ?4, ?5, ?6)",
                params![id.as_bytes(), rescored, rescored == is_rescored, if is_blank { BLANK } else { "animal" }, said, probability]);
        }
        let age = self.size.events - nth;
        if is_labelled || age <= self.size.with_vectors {
            let n_pictures = if age <= self.size.with_pictures { 2 } else { usize::from(is_labelled) };
            self.media(
                db,
                id,
                &deployment,
                modality,
                start,
                if is_blank { SPECIES.len() + 1 } else { class },
                n_pictures,
            );
            if n_pictures > 0 && !is_labelled && !is_blank && name != "human" {
                self.made.newest.push(id);
            }
        }
        if is_labelled {
            self.answers(db, id, start, nth, name);
        }
    }

    #[allow(clippy::too_many_arguments, reason = "one row's values")]
    fn media(
        &mut self,
        db: &Connection,
        event: Uuid,
        deployment: &str,
        modality: &str,
        start: i64,
        class: usize,
        n_pictured: usize,
    ) {
        for frame in 0..FRAMES {
            let us = start + 1_500_000 * frame as i64;
            for view in ["whole", "crop", "empty"] {
                if view == "empty" && frame > 0 {
                    continue;
                }
                let id = self.id(us);
                let has_picture = frame < n_pictured && view != "empty";
                let file = has_picture.then(|| self.picture(id, us));
                let (x, side) = if view == "whole" { (0.0, 1280.0) } else { (300.0, 400.0) };
                let score = if view == "crop" { 0.9 } else { 0.6 } - 0.1 * frame as f64;
                run(db, "INSERT INTO media (id, event, deployment, captured_us, file, mediatype, bytes, method, modality, view, x, y, width, height, score)
                     VALUES (?1, ?2, ?3, ?4, ?5, iif(?5 IS NULL, NULL, 'image/jpeg'), iif(?5 IS NULL, 0, ?6), 'activityDetection', ?7, ?8, ?9, 0.0, ?10, ?10, ?11)",
                    params![id.as_bytes(), event.as_bytes(), deployment, us, file, PICTURE_BYTES, modality, view, x, side, score]);
                let own = if view == "empty" { SPECIES.len() + 1 } else { class };
                let vector = &self.vectors[own][self.dice.random_range(0..VARIANTS)];
                run(
                    db,
                    "INSERT INTO embeddings (media, featurizer, vector) VALUES (?1, ?2, ?3)",
                    params![id.as_bytes(), self.featurizer, vector],
                );
                self.made.vectors += 1;
            }
        }
    }

    /// One of the pictures, by another name.
    fn picture(&mut self, id: Uuid, us: i64) -> String {
        let file = MediaFolder::file(id, at(us));
        let path = self.state.join(&file);
        let source = self.state.join(format!("source-{}.jpg", self.made.pictures % N_PICTURES));
        if fs::hard_link(&source, &path).is_err() {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::hard_link(&source, &path).unwrap();
        }
        self.made.pictures += 1;
        file
    }

    /// What people said of it, once asked; some said it again, some took it back.
    fn answers(&mut self, db: &Connection, event: Uuid, start: i64, nth: usize, name: &str) {
        let day = start / DAY_US * DAY_US + DAY_US;
        let asked = day + 1_000_000;
        run(
            db,
            "INSERT OR IGNORE INTO fillings (task, filled_us, day_us, upto_us, events, moments) VALUES ('species', ?1, ?2, ?1, ?3, 500.0)",
            params![asked, day, A_DAY as i64],
        );
        let is_random = (nth / self.size.labelled_of).is_multiple_of(10);
        let question = self.id(asked);
        run(
            db,
            "INSERT INTO questions (id, task, position, why, reason, blind, event, probability, asked_us, state)
             VALUES (?1, 'species', ?2, ?3, 'unsure', ?4, ?5, ?6, ?7, 'open')",
            params![
                question.as_bytes(),
                nth as i64,
                if is_random { "random" } else { "unsure" },
                is_random,
                event.as_bytes(),
                is_random.then_some(0.01),
                asked
            ],
        );
        self.made.questions += 1;
        let who = PEOPLE[self.dice.random_range(0..PEOPLE.len())];
        let times = 1 + usize::from(nth / self.size.labelled_of % 12 == 5);
        for time in 0..times {
            let given = (asked + 3_600_000_000 * (1 + time as i64)).min(Timestamp::now().as_microsecond() - 1_000_000);
            let id = self.id(given);
            run(
                db,
                "INSERT INTO answers (id, event, task, labeller, given_us, generation, guess, question) VALUES (?1, ?2, 'species', ?3, ?4, 1, ?5, ?6)",
                params![id.as_bytes(), event.as_bytes(), who, given, name, (time == 0).then_some(question.as_bytes())],
            );
            run(
                db,
                "INSERT INTO labels (answer, position, class, count) VALUES (?1, 0, ?2, 1)",
                params![id.as_bytes(), name],
            );
            if nth / self.size.labelled_of % 50 == 31 {
                run(db, "UPDATE answers SET withdrawn_us = ?2 WHERE id = ?1", params![id.as_bytes(), given + 1]);
                // It was asked again that day, and nobody answered.
                run(db, "UPDATE questions SET state = 'expired' WHERE id = ?1", [question.as_bytes()]);
            }
            self.made.labels += 1;
        }
    }

    /// A still moment of the last 30 days; of some it was asked whether anything was missed.
    fn moment(&mut self, db: &Connection, nth: usize) {
        let end = span(&self.size).1;
        let us = end - 30 * DAY_US + 30 * DAY_US / self.size.moments as i64 * nth as i64;
        let (id, camera) = (self.id(us), camera(self.dice.random_range(0..N_CAMERAS)));
        let file = self.picture(id, us);
        run(
            db,
            "INSERT INTO moments (id, deployment, camera, captured_us, modality, file, bytes, probability, stands_secs)
             VALUES (?1, ?2 || '_0', ?2, ?3, 'colour', ?4, 30000, 0.0001, 4000.0)",
            params![id.as_bytes(), camera, us, file],
        );
        let asked = us / DAY_US * DAY_US + DAY_US + 1_000_000;
        let is_filled =
            db.prepare_cached("SELECT 1 FROM fillings WHERE filled_us = ?1").unwrap().exists([asked]).unwrap();
        if !nth.is_multiple_of(100) || !is_filled {
            return;
        }
        let question = self.id(asked);
        run(
            db,
            "INSERT INTO questions (id, task, position, why, reason, blind, moment, probability, asked_us, state)
             VALUES (?1, 'species', ?2, 'still', 'random check', 1, ?3, 0.01, ?4, 'open')",
            params![question.as_bytes(), (self.size.events + nth) as i64, id.as_bytes(), asked],
        );
        let answer = self.id(asked + 1_000_000);
        run(
            db,
            "INSERT INTO moment_answers (id, moment, task, labeller, given_us, question) VALUES (?1, ?2, 'species', 'ann', ?3, ?4)",
            params![answer.as_bytes(), id.as_bytes(), asked + 1_000_000, question.as_bytes()],
        );
        run(
            db,
            "INSERT INTO moment_labels (answer, position, class) VALUES (?1, 0, 'blank')",
            params![answer.as_bytes()],
        );
    }
}

fn run(db: &Connection, sql: &str, values: impl rusqlite::Params) {
    let mut statement: CachedStatement<'_> = db.prepare_cached(sql).unwrap();
    statement.execute(values).unwrap_or_else(|error| panic!("{error}: {sql}"));
}

/// Pictures of their own, which all others are links to.
fn sources(state: &Path) {
    for nth in 0..N_PICTURES {
        let picture =
            RgbImage::from_fn(1280, 720, |x, y| Rgb([(nth * 15) as u8, (x / 6) as u8, ((y * x) % 251) as u8]));
        picture.save(state.join(format!("source-{nth}.jpg"))).unwrap();
    }
}

/// Vectors as a featurizer makes them, of each class, the rare one, and of nothing: apart, and no two alike.
fn vectors() -> Vec<Vec<Vec<u8>>> {
    let mut dice = ChaCha8Rng::seed_from_u64(1);
    (0..SPECIES.len() + 2)
        .map(|_| {
            let middle: Vec<f32> = (0..DIMENSION).map(|_| dice.random_range(0.0..1.0_f32).powi(3)).collect();
            let mut one = || {
                middle.iter().flat_map(|it| f16::from_f32(it + dice.random_range(0.0..0.8_f32)).to_le_bytes()).collect()
            };
            (0..VARIANTS).map(|_| one()).collect()
        })
        .collect()
}
