//! What goes wrong at the review page, and does no harm: fingers that slip, logins that end, questions that went to somebody else.

use std::fs;

use eyeshine::observe::store::Standing;
use rusqlite::Connection;
use uuid::Uuid;

use crate::browser::Browser;
use crate::review::{Site, next, saved, shown};
use crate::who::people;

fn db(site: &Site) -> Connection {
    Connection::open(site.state().join("eyeshine.db")).unwrap()
}

fn ready(browser: &mut Browser, site: &Site) {
    browser.go(&site.url("/review"));
    browser.wait("further questions", "cards.length >= 4");
}

/// Types a species into the search, and presses Enter.
fn named(browser: &mut Browser, species: &str) {
    browser.click("#search");
    browser.enter(species);
    browser.press("Enter");
}

#[test]
fn a_double_click_is_one_answer_and_one_undo() {
    let Some(mut browser) = Browser::start() else { return };
    let site = Site::new(6);
    ready(&mut browser, &site);
    let (question, first) = shown(&mut browser);
    browser.double_click("#classes [value=blank]");
    next(&mut browser, &question);
    saved(&mut browser);
    let events = |site: &Site| site.recorded().iter().map(|it| it.event).collect::<Vec<_>>();
    assert_eq!(events(&site), [first]);
    // With Caps Lock, too.
    let (_, second) = shown(&mut browser);
    browser.press("H");
    saved(&mut browser);
    assert_eq!(site.recorded().len(), 2);
    browser.wait("another press", "performance.now() > clicksFrom");
    browser.double_click("#undo button");
    browser.wait("the question again", &format!("document.querySelector('#answer [name=event]').value === '{second}'"));
    saved(&mut browser);
    let withdrawn = site.recorded().into_iter().filter(|it| it.standing == Standing::Withdrawn);
    assert_eq!(withdrawn.map(|it| it.event).collect::<Vec<_>>(), [second]);
}

#[test]
fn what_is_known_of_it_goes_with_a_key_and_one_box_says_of_this_frame_alone() {
    let Some(mut browser) = Browser::start() else { return };
    let site = Site::new(6);
    ready(&mut browser, &site);
    let (question, _) = shown(&mut browser);
    browser.click("#answer [name=count]");
    browser.enter("3");
    browser.press("Escape");
    browser.press("h");
    next(&mut browser, &question);
    saved(&mut browser);
    let count = "SELECT count FROM labels WHERE class = 'human'";
    assert_eq!(db(&site).query_row(count, [], |row| row.get::<_, Option<u32>>(0)).unwrap(), Some(3));
    assert_eq!(browser.eval("document.querySelectorAll('[name=only_frame]').length"), 1);
    // Several species, of one frame; on a narrow window, where the search is far below the picture.
    browser.resize(360, 740);
    let (question, event) = shown(&mut browser);
    browser.press("a");
    browser.eval("document.querySelector('.named details').open = true");
    browser.click(".named .another");
    let last = "[...document.querySelectorAll('[name=species]')].slice(1).forEach((it, nth) => (it.value = ['roe deer', 'European badger', 'human'][nth]))";
    browser.eval(last);
    named(&mut browser, "Vulpes vulpes");
    next(&mut browser, &question);
    saved(&mut browser);
    let of_it: Vec<_> = site.recorded().into_iter().filter(|it| it.event == event).collect();
    assert!(of_it.len() == 1 && of_it[0].frame.is_some(), "{of_it:?}");
    assert_eq!(of_it[0].classes, "red fox and roe deer and European badger and human");
    let top = browser.eval("document.getElementById('card').getBoundingClientRect().top").as_f64().unwrap();
    assert!(top > -1.0, "the picture is {top} px out of sight");
}

#[test]
fn a_slip_is_told_before_it_is_sent_and_a_card_that_comes_back_takes_no_key_that_was_meant_for_another() {
    let Some(mut browser) = Browser::start() else { return };
    let site = Site::new(6);
    ready(&mut browser, &site);
    let (question, event) = shown(&mut browser);
    named(&mut browser, "red fxo");
    let told = "document.getElementById('search').validationMessage";
    browser.wait("the slip to be told", &format!("{told}.includes('red fxo')"));
    assert_eq!(shown(&mut browser).0, question);
    browser.eval("document.getElementById('search').value = ''; document.querySelector('h2').focus()");
    // An answer that is refused, for whatever reason, and whoever is quick.
    browser.eval(
        "const real = window.fetch;
         window.fetch = async (url, options) => {
             if (options?.method !== 'POST') return real(url, options);
             window.fetch = real;
             return new Response(JSON.stringify({ error: 'not today' }), { status: 422 });
         };
         window.n = 0;
         new MutationObserver(() => {
             if (++window.n === 2) document.body.dispatchEvent(new KeyboardEvent('keydown', { key: 'h', bubbles: true }));
         }).observe(document.getElementById('card'), { childList: true });
         true",
    );
    browser.press("b");
    browser.wait("the refusal", "document.getElementById('trouble').textContent.includes('not today')");
    saved(&mut browser);
    assert_eq!((shown(&mut browser).0, site.recorded().len()), (question.clone(), 0));
    browser.wait("somebody to have seen it", "performance.now() > keysFrom");
    browser.press("h");
    next(&mut browser, &question);
    saved(&mut browser);
    assert!(site.recorded().iter().all(|it| it.event == event && it.classes == "human"));
}

#[test]
fn answers_wait_for_whoever_is_logged_out_until_they_log_in_again() {
    let Some(mut browser) = Browser::start() else { return };
    let (tokens, config) = people();
    let site = Site::with(8, &config);
    let token = |name: &str| fs::read_to_string(tokens.path().join(name)).unwrap().trim().to_owned();
    let log_in = |browser: &mut Browser, name: &str| {
        browser.wait("the form", "document.getElementById('token') !== null");
        browser.click("#token");
        browser.enter(&token(name));
        browser.press("Enter");
    };
    let review = site.url("/review");
    browser.go(&site.url("/login?to=/review"));
    log_in(&mut browser, "lea");
    browser.wait("the page", &format!("location.href === '{review}' && document.readyState === 'complete'"));
    browser.wait("further questions", "cards.length >= 4");
    let log_out = "fetch('/logout', { method: 'POST', headers: { 'X-Csrf-Token': csrf } }).then(() => true)";
    browser.eval(log_out);
    let waits =
        |n: u32| format!("document.getElementById('saving').textContent.includes('{n} wait, for you to log in')");
    let (question, _) = shown(&mut browser);
    browser.press("b");
    next(&mut browser, &question);
    browser.wait("the answer to wait", &waits(1));
    let (question, _) = shown(&mut browser);
    browser.press("h");
    next(&mut browser, &question);
    browser.wait("the next to wait, too", &waits(2));
    assert_eq!(site.recorded().len(), 0);
    browser.click("#trouble a");
    log_in(&mut browser, "lea");
    browser.wait("the page", &format!("location.href === '{review}' && document.readyState === 'complete'"));
    saved(&mut browser);
    assert_eq!(site.recorded().len(), 2);
    // Somebody else logs in, in another tab of this browser: nothing is said in their name.
    let other = |name: &str| {
        format!(
            "fetch('/logout', {{ method: 'POST', headers: {{ 'X-Csrf-Token': csrf }} }}).then(() => fetch('/login',
                 {{ method: 'POST', redirect: 'manual', body: new URLSearchParams({{ token: '{}' }}) }})).then(() => true)",
            token(name)
        )
    };
    browser.eval(&other("vic"));
    browser.press("b");
    browser.wait("it to be told", "document.getElementById('trouble').textContent.includes('vic is logged in')");
    browser.wait("the answer to wait", &waits(1));
    // And lea again: her page goes on, though it is of an earlier login.
    browser.eval("window.same = true");
    browser.eval(
        "fetch('/login').then((it) => it.text()).then((it) => {
             const page = new DOMParser().parseFromString(it, 'text/html');
             window.vics = page.querySelector('[name=csrf]').value;
         }).then(() => true)",
    );
    browser.eval(&other("lea").replace("csrf }", "window.vics }"));
    saved(&mut browser);
    assert_eq!(browser.eval("window.same"), true);
    let recorded = site.recorded();
    assert!(recorded.len() == 3 && recorded.iter().all(|it| it.labeller == "lea"), "{recorded:?}");
}

#[test]
fn a_question_that_went_to_somebody_else_is_not_answered_unseen_and_what_an_answer_replaced_is_told() {
    let Some(mut browser) = Browser::start() else { return };
    let site = Site::new(6);
    ready(&mut browser, &site);
    let (question, _) = shown(&mut browser);
    let id: Uuid = question.parse().unwrap();
    let lend = "UPDATE questions SET leased_to = 'ann', leased_until_us = 9000000000000000 WHERE id = ?1";
    db(&site).execute(lend, [id.as_bytes()]).unwrap();
    // Its time is over.
    browser.eval("lentAt = 0");
    browser.press("b");
    next(&mut browser, &question);
    browser.wait("it to be told", "document.getElementById('trouble').textContent.includes('Somebody else')");
    saved(&mut browser);
    assert_eq!(site.recorded().len(), 0);
    // Those that are still lent are answered, however late.
    browser.wait("somebody to have seen it", "performance.now() > keysFrom");
    browser.eval("lentAt = 0");
    let (question, event) = shown(&mut browser);
    browser.press("b");
    next(&mut browser, &question);
    saved(&mut browser);
    assert_eq!(site.recorded().iter().map(|it| it.event).collect::<Vec<_>>(), [event]);
    // Ann was quicker.
    let (question, event) = shown(&mut browser);
    let set = |class: &str| {
        let say = crate::daemon::output(crate::daemon::eyeshine(site.state()).args([
            "label",
            "set",
            &event.to_string(),
            class,
        ]));
        assert_eq!(say.0, 0, "{}", say.2);
    };
    set("human");
    db(&site).execute("UPDATE answers SET labeller = 'ann' WHERE event = ?1", [event.as_bytes()]).unwrap();
    browser.press("b");
    next(&mut browser, &question);
    browser.wait("it to be told", "document.getElementById('trouble').textContent.includes('replaced ann’s human')");
    // Whoever leaves gives back what they were lent.
    saved(&mut browser);
    browser.wait("nothing to be on its way", "fetching === null");
    browser.go(&site.url("/gallery"));
    let lent = "SELECT count(*) FROM questions WHERE state = 'open' AND leased_to = 'local'";
    let n = || db(&site).query_row(lent, [], |row| row.get::<_, i64>(0)).unwrap();
    let began = std::time::Instant::now();
    while n() > 0 && began.elapsed().as_secs() < 10 {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert_eq!(n(), 0);
}

#[test]
fn what_has_the_focus_is_never_behind_the_buttons_of_many_species() {
    let Some(mut browser) = Browser::start() else { return };
    let site = Site::new(3);
    for (width, height) in [(1366, 768), (360, 740)] {
        browser.resize(width, height);
        browser.go(&site.url("/review"));
        browser.eval(
            "for (let n = 0; n < 40; n++) document.querySelector('#classes li').before(document.querySelector('#classes li').cloneNode(true));
             document.querySelector('h2').focus()",
        );
        let hidden = "(() => { const [it, panel] = [document.activeElement, document.getElementById('choose')];
             if (panel.contains(it) || it === document.body) return '';
             const [a, b] = [it.getBoundingClientRect(), panel.getBoundingClientRect()];
             return a.bottom > b.top + 1 && a.top < b.bottom - 1 ? it.outerHTML : ''; })()";
        for _ in 0..24 {
            browser.press("Tab");
            assert_eq!(browser.text(hidden), "", "{width}x{height}");
        }
    }
}
