//! The pages, in a real browser: questions answered by keys alone, by forms alone, and nothing in anybody's way.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use eyeshine::capture::picture::Picture;
use eyeshine::config::environment::Environment;
use eyeshine::config::load::{Overrides, load_in};
use eyeshine::domain::{
    Area, CaptureMethod, Change, Class, Embedding, Event, EventState, EventUpdate, Frame, Generation, Keepsake,
    Modality, Observation, ObservationType, View,
};
use eyeshine::metrics::Metrics;
use eyeshine::observe::store::{NewQuestion, Recorded, Standing, Store, Why};
use image::{Rgb, RgbImage};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use uuid::Uuid;

use crate::browser::Browser;
use crate::daemon::{Daemon, eyeshine, output};
use crate::http::get;

/// What came by, in turn; the starter head took each for the next.
const SPECIES: [(&str, &str); 4] = [
    ("red fox", "Vulpes vulpes"),
    ("roe deer", "Capreolus capreolus"),
    ("European badger", "Meles meles"),
    ("blank", ""),
];
/// Keyboards type it so.
const CAMERA: &str = "[[camera]]\nname = \"feeder\"\nuri = \"rtsp://127.0.0.1:9/none\"\nplace = \"<i>glade</i>\"\n\
                      time_zone = \"Asia/Tokyo\"\n";
const N_QUESTIONS: usize = 30;
/// Every page, less pictures.
pub(crate) const MAX_PAGE_BYTES: usize = 300_000;

/// A daemon on a folder in which `n` events are asked about, and the truth about each.
pub(crate) struct Site {
    pub(crate) daemon: Daemon,
    truth: BTreeMap<Uuid, &'static str>,
}

/// A folder in which `n` events are asked about, its config, and the truth about each.
pub(crate) fn asked(n: usize) -> (TempDir, String, BTreeMap<Uuid, &'static str>) {
    let state = tempfile::tempdir().unwrap();
    let config = state.path().join("site.toml");
    fs::write(&config, CAMERA).unwrap();
    let settings = load_in(Some(&config), Overrides::default(), &Environment::default()).unwrap();
    let store = Store::open(state.path(), &settings.store, Metrics::new()).unwrap();
    store.register_deployment(&settings.cameras[0]).unwrap();
    let newest = Timestamp::now() - SignedDuration::from_hours(2);
    let (mut truth, mut questions) = (BTreeMap::new(), Vec::new());
    for nth in 0..n {
        let (name, _) = SPECIES[nth % SPECIES.len()];
        let (guess, scientific) = SPECIES[(nth + 1) % 3];
        let at = newest - SignedDuration::from_mins((n - nth) as i64);
        let update = update(at, nth, (guess, scientific));
        store.save(&update, "lite0-test").unwrap();
        let event = update.event.id;
        truth.insert(event, name);
        questions.push(NewQuestion {
            task: "species".into(),
            why: if nth % 10 == 9 { Why::Random } else { Why::Unsure },
            reason: format!("unsure between <b>{guess}</b> and what it is"),
            blind: nth % 10 == 9,
            event: Some(event),
            moment: None,
            media: Some(update.keepsakes[1].id),
            probability: None,
            alike: Vec::new(),
        });
    }
    // The first is a fox: beside it stand the next two, and a deer that is none.
    let beside = [4, 8, 1].into_iter().filter_map(|it| questions.get(it)?.event).collect();
    questions[0].alike = beside;
    assert_eq!(store.ask(&questions).unwrap(), n);
    drop(store);
    (state, config.to_str().unwrap().to_owned(), truth)
}

impl Site {
    pub(crate) fn new(n: usize) -> Site {
        Site::with(n, "")
    }

    /// With something more in its config.
    pub(crate) fn with(n: usize, more: &str) -> Site {
        let (state, config, truth) = asked(n);
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text + more).unwrap();
        Site { daemon: Daemon::start_in(state, "run", &["--config", &config]), truth }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.daemon.url)
    }

    pub(crate) fn state(&self) -> &Path {
        self.daemon.state.path()
    }

    pub(crate) fn recorded(&self) -> Vec<Recorded> {
        Store::reader(self.state()).recorded(None, None).unwrap()
    }

    /// What holds of each event.
    fn said(&self) -> BTreeMap<Uuid, String> {
        let recorded = self.recorded();
        recorded.into_iter().filter(|it| it.standing == Standing::Holds).map(|it| (it.event, it.classes)).collect()
    }
}

/// An event of two frames, each whole and cropped.
fn update(at: Timestamp, nth: usize, (guess, scientific): (&str, &str)) -> EventUpdate {
    let fate = || {
        let fate = Metrics::new().camera("feeder").receive();
        fate.classified();
        fate
    };
    let tone = (nth * 23 % 200) as u8;
    let keepsakes = (0..2_i64).flat_map(|number| {
        let picture = RgbImage::from_fn(1280, 720, |x, y| Rgb([tone, (x / 6) as u8, (y / 4) as u8]));
        let picture = Picture::still(picture);
        let whole = picture.area();
        let at = at + SignedDuration::from_secs(3 * number);
        let frame =
            Frame { camera: "feeder".into(), number: 0, at, elapsed: Default::default(), picture, fate: fate() };
        let frame = Arc::new(frame);
        let crop = Area { x: 300.0, y: 100.0, width: 400.0, height: 400.0 };
        [(View::Whole, whole, 0.6), (View::Crop, crop, 0.9 - 0.1 * number as f32)].map(|(view, area, score)| Keepsake {
            id: Uuid::now_v7(),
            frame: Arc::clone(&frame),
            area,
            view,
            method: CaptureMethod::ActivityDetection,
            modality: Modality::Colour,
            embedding: Embedding { features: vec![nth as f32, 1.0, 0.5, 0.1].into(), logits: None, second: None },
            score,
            picture: true,
        })
    });
    let keepsakes: Vec<Keepsake> = keepsakes.collect();
    let event = Event {
        id: Uuid::now_v7(),
        camera: "feeder".into(),
        state: EventState::Ended,
        start: at,
        end: at + SignedDuration::from_secs(7),
        duration_secs: 7.0,
        modality: Modality::Colour,
        observations: vec![Observation {
            kind: ObservationType::Animal,
            class: Some(Class { name: guess.into(), scientific_name: scientific.into() }),
            rank: None,
            probability: 0.62,
            hint: None,
            generation: Generation { task: "species".into(), number: 0 },
        }],
        looks: 12,
        media: keepsakes.iter().map(|it| it.id).collect(),
        people: false,
    };
    EventUpdate { change: Change::Ended, event, keepsakes, said: Vec::new() }
}

/// The question that is shown, and the event that it is about.
pub(crate) fn shown(browser: &mut Browser) -> (String, Uuid) {
    let question = browser.text("document.querySelector('.card').dataset.question");
    let event = browser.text("document.querySelector('#answer [name=event]').value");
    (question, event.parse().unwrap())
}

/// Answers the question that is shown by keys alone; the next, or the last word, is there then.
pub(crate) fn answer(browser: &mut Browser, class: &str) {
    // What is pressed just after a card came unasked is not meant for it.
    browser.wait("somebody to have seen it", "performance.now() > keysFrom");
    let question = browser.text("document.querySelector('.card').dataset.question");
    let script = format!(
        "[...document.querySelectorAll('#classes [data-key]')].find((it) => it.value === {})?.dataset.key || ''",
        json!(class)
    );
    match browser.text(&script).as_str() {
        "" => {
            browser.press("/");
            browser.wait("the search", "document.activeElement.id === 'search'");
            browser.enter(class);
            browser.press("Enter");
        }
        key => browser.press(key),
    }
    next(browser, &question);
}

/// Waits for the question after that one, or for the last word.
pub(crate) fn next(browser: &mut Browser, question: &str) {
    let there = format!(
        "(document.querySelector('.card')?.dataset.question || (document.getElementById('none') ? '' : '{question}'))
             !== '{question}'"
    );
    browser.wait("the next question", &there);
}

pub(crate) fn saved(browser: &mut Browser) {
    browser.wait("everything to be saved", "document.getElementById('saving').textContent === 'saved'");
}

/// From a key to the picture that it led to, decoded; ms.
pub(crate) const TIMED: &str = "window.took = [];
    addEventListener('keydown', (event) => { if (event.key.length === 1 || event.key === 'Enter') window.pressed = event.timeStamp; }, true);
    new MutationObserver(async () => {
        const [big, from] = [document.querySelector('#big'), window.pressed];
        if (!big) return;
        await big.decode();
        requestAnimationFrame(() => window.took.push(performance.now() - from));
    }).observe(document.getElementById('card'), { childList: true });";

#[test]
fn thirty_questions_are_answered_by_keys_alone_and_one_is_undone() {
    let Some(mut browser) = Browser::start() else { return };
    let site = Site::new(N_QUESTIONS + 3);
    let url = site.url("/review");
    browser.go(&url);
    browser.eval(TIMED);
    let mut answered: Vec<(Uuid, &str)> = Vec::new();
    while answered.len() < N_QUESTIONS {
        let (_, event) = shown(&mut browser);
        let class = site.truth[&event];
        if answered.len() == 10 && site.recorded().iter().all(|it| it.standing != Standing::Withdrawn) {
            // A slip, taken back.
            answer(&mut browser, "human");
            browser.press("z");
            let again = format!("document.querySelector('#answer [name=event]').value === '{event}'");
            browser.wait("the question again", &again);
            saved(&mut browser);
            assert!(site.recorded().iter().any(|it| it.event == event && it.standing == Standing::Withdrawn));
            continue;
        }
        answer(&mut browser, class);
        answered.push((event, class));
    }
    saved(&mut browser);
    let mut events: Vec<Uuid> = answered.iter().map(|it| it.0).collect();
    events.sort_unstable();
    events.dedup();
    assert_eq!(events.len(), N_QUESTIONS, "no question came twice");
    let said = site.said();
    assert_eq!(said.len(), N_QUESTIONS);
    for (event, class) in answered {
        assert_eq!(said[&event], class, "{event}");
    }
    assert_eq!(site.recorded().len(), N_QUESTIONS + 1);
    let mut took: Vec<f64> = browser.eval("window.took").as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    took.sort_by(f64::total_cmp);
    let median = took[took.len() / 2];
    println!(
        "from key to next picture: median {median:.0} ms, worst {:.0} ms, of {}",
        took[took.len() - 1],
        took.len()
    );
    assert!(median <= 300.0, "{took:?}");
    // What is left is left for the next time.
    assert!(browser.text("document.getElementById('progress').textContent").starts_with("30 of "));
}

#[test]
fn frames_scope_and_the_switch_of_the_keys_work_by_the_keyboard() {
    let Some(mut browser) = Browser::start() else { return };
    let site = Site::new(3);
    let url = site.url("/review");
    browser.go(&url);
    let big = "document.getElementById('big').getAttribute('src')";
    let first = browser.text(big);
    browser.press("c");
    let whole = browser.text(big);
    assert_ne!(first, whole);
    browser.press("ArrowRight");
    let other = browser.text(big);
    assert!(other != first && other != whole);
    browser.press("ArrowLeft");
    assert_eq!(browser.text(big), whole);
    // The same by buttons, which say what is shown.
    let pressed =
        "[...document.querySelectorAll('.views button')].map((it) => it.textContent + ' ' + it.ariaPressed).join()";
    assert_eq!(browser.text(pressed), "crop false,whole picture true");
    browser.click(".views [data-view=crop]");
    assert_eq!((browser.text(big), browser.text(pressed)), (first.clone(), "crop true,whole picture false".to_owned()));
    browser.press("c");
    assert_eq!((browser.text(big), browser.text(pressed)), (whole, "crop false,whole picture true".to_owned()));
    let (question, event) = shown(&mut browser);
    browser.wait("the next question to be there", "cards.length > 1");
    browser.press_shifted("ArrowRight");
    assert_ne!(shown(&mut browser).0, question);
    browser.press_shifted("ArrowLeft");
    assert_eq!(shown(&mut browser).0, question);

    browser.press("?");
    assert_eq!(browser.eval("document.getElementById('help').open"), true);
    browser.click("#keys-on");
    browser.press("b");
    browser.press("?");
    assert_eq!(shown(&mut browser).0, question, "keys are off");
    browser.go(&url);
    assert_eq!(browser.eval("document.getElementById('keys-on').checked"), false, "and stay off");
    browser.eval("document.getElementById('help').open = true");
    browser.click("#keys-on");

    browser.press("a");
    browser.press("b");
    saved(&mut browser);
    let recorded = site.recorded();
    assert!(recorded.len() == 1 && recorded[0].event == event && recorded[0].frame.is_some(), "{recorded:?}");
    let before = shown(&mut browser).0;
    browser.press("s");
    next(&mut browser, &before);
    // Enter says that the first guess is right.
    let (_, event) = shown(&mut browser);
    let guess = browser.text("document.querySelector('.guesses [data-key=Enter]').value");
    browser.press("Enter");
    saved(&mut browser);
    assert_eq!(site.said()[&event], guess);
    browser.wait("the last word", "document.getElementById('none') !== null");
}

#[test]
fn an_answer_is_sent_until_it_is_acknowledged_and_counts_once() {
    let Some(mut browser) = Browser::start() else { return };
    let site = Site::new(6);
    let url = site.url("/review");
    browser.go(&url);
    browser.wait("further questions", "cards.length >= 4");
    // The first time the answer arrives, and its acknowledgement does not; the second time nothing does.
    browser.eval(
        "window.n = 0; const real = window.fetch;
         window.fetch = async (url, options) => {
             if (options?.method !== 'POST' || ++window.n > 2) return real(url, options);
             if (window.n === 1) await real(url, options);
             throw new TypeError('gone');
         }",
    );
    let (_, first) = shown(&mut browser);
    browser.press("b");
    browser.wait("the trouble to be said", "document.getElementById('saving').className === 'lost'");
    let (_, second) = shown(&mut browser);
    browser.press("h");
    saved(&mut browser);
    let said: BTreeMap<Uuid, String> = [(first, "blank".to_owned()), (second, "human".to_owned())].into();
    assert_eq!((site.said(), site.recorded().len()), (said, 2));
}

#[test]
fn without_scripts_forms_do_the_same() {
    let Some(mut browser) = Browser::start() else { return };
    let site = Site::new(4);
    browser.without_scripts(true);
    browser.resize(360, 740);
    let url = site.url("/review");
    browser.go(&url);
    let (question, first) = shown(&mut browser);
    let big = "document.getElementById('big').getAttribute('src')";
    let crop = browser.text(big);
    browser.click(".views [data-view=whole]");
    browser.wait("the whole picture", &format!("{big} !== '{crop}'"));
    let pressed = "document.querySelector('.views [aria-pressed=true]').textContent";
    assert_eq!((browser.text(pressed), shown(&mut browser).0), ("whole picture".to_owned(), question.clone()));
    browser.click("#classes [value=blank]");
    next(&mut browser, &question);
    assert_eq!(site.said()[&first], "blank");
    // By its scientific name, with what else is known.
    let (question, second) = shown(&mut browser);
    browser.click("#search");
    browser.enter("vulpes VULPES");
    browser.click("#answer [name=count]");
    browser.enter("2");
    browser.press("Enter");
    next(&mut browser, &question);
    assert_eq!(site.said()[&second], "red fox");
    // A slip of the fingers makes no species.
    browser.click("#search");
    browser.enter("red fxo");
    browser.press("Enter");
    browser.wait("the refusal", "document.body.innerText.includes('red fxo')");
    assert_eq!(site.said().len(), 2);
    browser.go(&url);
    browser.click("#undo button");
    browser.wait("it back", &format!("document.querySelector('#answer [name=event]')?.value === '{second}'"));
    assert_eq!(site.said().len(), 1);
    browser.go(&site.url(&format!("/events/{second}")));
    browser.click(".classes [value=human]");
    browser.wait("what was said", "document.querySelector('.said')?.innerText.includes('human') === true");
    assert_eq!(site.said()[&second], "human");
    browser.click(".said .inline button");
    browser.wait("it taken back", "document.querySelector('.said .inline') === null");
    assert!(!site.said().contains_key(&second));
    let like = site.url(&format!("/gallery?like={second}"));
    browser.go(&like);
    assert_eq!(browser.eval("document.querySelectorAll('.event').length"), 1, "of a featurizer that no longer serves");
    browser.go(&site.url("/gallery?species=red%20fox"));
    assert_eq!(browser.eval("document.querySelectorAll('.event').length >= 1"), true);
    browser.eval("document.querySelectorAll('.pick input').forEach((it) => it.checked = true)");
    let n = browser.eval("document.querySelectorAll('.pick input').length").as_u64().unwrap();
    browser.click(".sticky [name=species]");
    browser.enter("roe deer");
    browser.press("Enter");
    browser.wait(
        "them gone",
        "document.querySelector('.none') !== null || document.querySelectorAll('.event').length === 0",
    );
    assert_eq!(site.said().values().filter(|it| *it == "roe deer").count() as u64, n);
}

#[test]
fn what_looks_like_what_is_asked_about_is_named_together() {
    let site = Site::new(10);
    let Some(mut browser) = Browser::start() else { return };
    browser.go(&site.url("/review"));
    let (question, fox) = shown(&mut browser);
    browser.click(&format!("a[href='/gallery?question={question}']"));
    browser.wait("what looks like it", "document.querySelectorAll('.pick input').length === 4");
    assert!(browser.text("document.querySelector('.pick input').value") == fox.to_string());
    let last = "document.querySelectorAll('.pick input')[3]";
    let deer: Uuid = browser.text(&format!("{last}.value")).parse().unwrap();
    assert_eq!(site.truth[&deer], "roe deer");
    assert!(browser.violations().is_empty());
    browser.eval("document.querySelectorAll('.pick input').forEach((it) => it.checked = true)");
    browser.eval(&format!("{last}.checked = false"));
    browser.click(".sticky [name=species]");
    browser.enter("red fox");
    browser.press("Enter");
    browser.wait("what is left", "document.querySelectorAll('.pick input').length === 2");
    let said = site.said();
    assert!(said.len() == 3 && said.values().all(|it| *it == "red fox"), "{said:?}");
    assert!(said.keys().all(|it| site.truth[it] == "red fox"), "{said:?}");
    assert!(browser.text("document.querySelector('.note').innerText").contains("3 labelled as red fox."));
    assert!(browser.violations().is_empty());
    // The question is answered, which counts, and the next is asked.
    browser.click("a[href='/review?task=species']");
    browser.wait("the next question", "document.querySelector('#answer [name=event]') !== null");
    assert_ne!(shown(&mut browser).0, question);
    assert_eq!(browser.text("document.getElementById('progress').textContent"), "1 of 8 today");
    // Undone it is all that was said together.
    browser.press("z");
    let again = format!("document.querySelector('#answer [name=question]')?.value === '{question}'");
    browser.wait("the question again", &again);
    assert_eq!(site.said(), BTreeMap::new());
    // Taken back where it was said it says so.
    browser.go(&site.url(&format!("/gallery?question={question}")));
    browser.click(&format!(".pick input[value='{deer}']"));
    browser.click(".sticky [name=species]");
    browser.enter("roe deer");
    browser.press("Enter");
    browser.wait("what was done", "document.querySelector('.note')?.innerText.includes('1 labelled as roe deer')");
    browser.click(".note button");
    browser.wait("it taken back", "document.querySelector('.note')?.innerText.includes('taken back')");
    assert_eq!(site.said(), BTreeMap::new());
}

#[test]
fn where_nobody_logs_in_people_are_shown_to_whoever_is_asked_about_them_and_no_longer() {
    let site = Site::new(2);
    let db = rusqlite::Connection::open(site.state().join("eyeshine.db")).unwrap();
    db.execute("UPDATE events SET people = 1", []).unwrap();
    let (event, other) = (*site.truth.keys().next().unwrap(), *site.truth.keys().last().unwrap());
    db.execute("UPDATE questions SET state = 'expired' WHERE event = ?1", [other.as_bytes()]).unwrap();
    let picture = |event: Uuid| Store::reader(site.state()).best_picture(event).unwrap().unwrap();
    let status = |event: Uuid| get(&site.daemon.url, &format!("/media/{}", picture(event))).status;
    assert_eq!((status(event), status(other)), (200, 403));
    let page = |path: &str| get(&site.daemon.url, path).text();
    assert!(page("/review").contains(&format!("/media/{}", picture(event))));
    for path in ["/".to_owned(), "/gallery".into(), format!("/events/{event}")] {
        assert!(!page(&path).contains("/media/"), "{path}");
    }
    // Once it is answered nothing is asked any more.
    let said = output(eyeshine(site.state()).args(["label", "set", &event.to_string(), "human"]));
    assert_eq!((said.0, status(event)), (0, 403), "{}", said.2);
}

#[test]
fn no_page_keeps_anybody_out_or_is_large() {
    let Some(mut browser) = Browser::start() else { return };
    let site = Site::new(6);
    let event = *site.truth.keys().next().unwrap();
    let pages =
        ["/", "/review", "/gallery", "/progress", "/history", &format!("/events/{event}"), "/gallery?species=none"];
    let pages = pages.map(|it| site.url(it));
    let pictures = std::env::var_os("EYESHINE_PICTURES").map(std::path::PathBuf::from);
    let folder = TempDir::new().unwrap();
    for url in &pages {
        let path = url.strip_prefix(&site.daemon.url).unwrap();
        let bytes = get(&site.daemon.url, path).body.len();
        let assets: usize =
            ["/style.css", "/answers.js", "/review.js"].iter().map(|it| get(&site.daemon.url, it).body.len()).sum();
        assert!(bytes + assets <= MAX_PAGE_BYTES, "{path}: {bytes} + {assets} bytes");
        for (width, height, scheme) in
            [(1440, 900, "dark"), (1440, 900, "light"), (1366, 768, "dark"), (360, 740, "dark"), (360, 740, "light")]
        {
            browser.resize(width, height);
            browser.scheme(scheme);
            browser.go(url);
            let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(wide <= u64::from(width), "{path} is {wide} px wide on {width}");
            if height < 800 && path == "/review" && width > 600 {
                let tall = browser.eval("document.getElementById('big').getBoundingClientRect().height");
                assert!(tall.as_f64().unwrap() >= 340.0, "{tall} px of the picture on {width}x{height}");
            }
            let name = format!("{}-{width}-{scheme}.png", path.trim_matches('/').replace(['/', '?', '='], "-"));
            browser.picture(&pictures.as_deref().unwrap_or(folder.path()).join(name));
            let found = browser.violations();
            assert!(found.is_empty(), "{path} at {width} px, {scheme}:\n{found}");
        }
    }
}
