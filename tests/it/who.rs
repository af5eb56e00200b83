//! Who may come, and what each may: tokens, sessions, roles, and what is kept from whoever may only look.

use std::fs;

use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::browser::Browser;
use crate::daemon::{Daemon, eyeshine, output};
use crate::http::{Answer, address, say, send};
use crate::web::{daemon, site_with};

const PEOPLE: [(&str, &str, &str); 4] = [
    ("lou", "look", "lou-looks-2b9c1f44a0d7"),
    ("lea", "label", "lea-labels-77e01b32c9"),
    ("vic", "verify", "vic-verifies-0a5d3c1e"),
    ("ada", "administer", "ada-administers-f00d"),
];

/// A file with a token for each of [`PEOPLE`], and what the config says of them.
pub(crate) fn people() -> (TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = String::new();
    for (name, role, token) in PEOPLE {
        let file = dir.path().join(name);
        fs::write(&file, format!("{token}\n")).unwrap();
        config +=
            &format!("[[web.person]]\nname = \"{name}\"\nrole = \"{role}\"\ntoken_file = \"{}\"\n", file.display());
    }
    (dir, config)
}

fn token(name: &str) -> &'static str {
    PEOPLE.iter().find(|it| it.0 == name).unwrap().2
}

/// What a program says, with these further headers and a body of JSON.
fn program(daemon: &Daemon, request: &str, bearer: &str, body: Option<&Value>) -> Answer {
    let body = body.map(Value::to_string).unwrap_or_default();
    let host = format!("Host: {}", address(&daemon.url));
    let (length, bearer) = (format!("Content-Length: {}", body.len()), format!("Authorization: Bearer {bearer}"));
    let headers = [&*host, &*bearer, &*length, "Content-Type: application/json"];
    send(&daemon.url, request, &headers, body.as_bytes())
}

/// What a browser says of a form on a page of ours.
pub(crate) fn form(daemon: &Daemon, path: &str, more: &[&str], fields: &str) -> Answer {
    let host = format!("Host: {}", address(&daemon.url));
    let (length, origin) = (format!("Content-Length: {}", fields.len()), format!("Origin: {}", daemon.url));
    let mut headers = vec![
        &*host,
        &*length,
        &*origin,
        "Sec-Fetch-Site: same-origin",
        "Content-Type: application/x-www-form-urlencoded",
    ];
    headers.extend(more);
    send(&daemon.url, &format!("POST {path}"), &headers, fields.as_bytes())
}

#[test]
fn each_may_what_their_role_may_and_whoever_looks_is_told_neither_people_nor_places() {
    let (_tokens, config) = people();
    let site = site_with(&format!("[teach]\nprotected = [\"red fox\"]\n{config}"));
    let db = Connection::open(site.state.path().join("eyeshine.db")).unwrap();
    let (fox, with_people, unknown) = (&site.events[3], &site.events[40], &site.events[44]);
    db.execute("UPDATE events SET people = 1 WHERE id = ?1", [with_people.id.as_bytes()]).unwrap();
    // That a question is open about it lets those see it who may answer, and nobody else.
    let sql = "INSERT INTO questions (id, task, position, why, reason, blind, event, asked_us, state)
               VALUES (?1, 'species', 1, 'unsure', 'unsure', 0, ?1, 1, 'open')";
    db.execute(sql, [with_people.id.as_bytes()]).unwrap();
    db.execute("UPDATE observations SET hint = NULL WHERE event = ?1", [unknown.id.as_bytes()]).unwrap();
    // All pictures are whole ones, but that of one more fox.
    let cut_out = &site.events[43];
    db.execute("UPDATE media SET view = 'crop' WHERE event = ?1", [cut_out.id.as_bytes()]).unwrap();
    drop(db);
    let (whole, crop) = (format!("GET /media/{}", fox.media[0]), format!("GET /media/{}", cut_out.media[0]));
    let (fox, unknown) = (fox.id.to_string(), unknown.id.to_string());
    let picture = format!("GET /media/{}", with_people.media[0]);
    let (daemon, _) = daemon(site);
    let status = |name: &str, request: &str| program(&daemon, request, token(name), None).status;
    let json = |name: &str, request: &str| program(&daemon, request, token(name), None).json();

    // Nobody: not even a look, and a page leads to the form.
    let host = format!("Host: {}", address(&daemon.url));
    for path in ["/", "/metrics", "/api/v1/events", "/api/v1/openapi.json", "/media/x", "/api/v1/queue"] {
        let answer = say(&daemon.url, &format!("GET {path}"), &[&host]);
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"), "{path}");
        assert_eq!(answer.json()["reason"], "unknown");
    }
    let page = say(&daemon.url, "GET /?a=1&b=2", &[&host, "Accept: text/html,*/*"]);
    assert_eq!((page.status, page.header("location")), (303, "/login?to=/%3Fa%3D1%26b%3D2"));
    for path in ["/healthz", "/readyz", "/login", "/style.css"] {
        assert_eq!(say(&daemon.url, &format!("GET {path}"), &[&host]).status, 200, "{path}");
    }

    // Roles.
    let label = format!("POST /api/v1/events/{fox}/labels");
    let plain = json!({"species": [{"class": "fox"}]});
    let verified = json!({"species": [{"class": "fox"}], "verified": true});
    for (name, looks, labels, verifies, administers) in [
        ("lou", 200, 403, 403, 403),
        ("lea", 200, 201, 403, 403),
        ("vic", 200, 201, 201, 403),
        ("ada", 200, 201, 201, 200),
    ] {
        assert_eq!(status(name, "GET /api/v1/labels"), looks, "{name}");
        assert_eq!(program(&daemon, &label, token(name), Some(&plain)).status, labels, "{name}");
        assert_eq!(program(&daemon, &label, token(name), Some(&verified)).status, verifies, "{name}");
        assert_eq!(status(name, "POST /api/v1/generations/species/0/promote"), administers, "{name}");
        assert_eq!(status(name, "GET /api/v1/queue"), if name == "lou" { 403 } else { 200 }, "{name}");
    }
    let refused = program(&daemon, &label, token("lou"), Some(&plain)).json();
    assert_eq!(refused, json!({"reason": "role", "error": "this needs the role label, and lou has look"}));

    // The name is the labeller, and nobody takes back what another said.
    let leas = json("ada", "GET /api/v1/labels?labeller=lea");
    let back = format!("DELETE /api/v1/labels/{}", leas[0]["id"].as_str().unwrap());
    assert_eq!((leas.as_array().unwrap().len(), status("ada", &back), status("lea", &back)), (1, 404, 204));

    // People and places.
    assert_eq!((status("lou", &picture), status("lea", &picture)), (403, 200));
    let event = format!("GET /api/v1/events/{fox}");
    let (lou, lea) = (json("lou", &event), json("lea", &event));
    assert_eq!((&lou["camera"], &lou["place"], &lou["deployment"]), (&json!("hidden"), &json!(""), &json!("")));
    assert_eq!((&lou["time_zone"], &lou["media"]), (&json!(""), &json!([])));
    assert_eq!(lea["camera"], "feeder");
    assert_eq!((status("lou", &whole), status("lea", &whole), status("lou", &crop)), (403, 200, 200));
    let page = program(&daemon, &format!("GET /events/{fox}"), token("lou"), None).text();
    assert!(!page.contains("/media/") && !page.contains("feeder"), "{page}");
    let by_camera = json("lou", "GET /api/v1/events?camera=feeder&limit=200");
    let told: Vec<&str> = by_camera.as_array().unwrap().iter().filter_map(|it| it["id"].as_str()).collect();
    assert_eq!(told, [&*unknown], "to ask by camera is to ask where");
    assert_eq!(json("lea", "GET /api/v1/events?camera=feeder&limit=200").as_array().unwrap().len(), 45);
    let page = program(&daemon, "GET /", token("lou"), None).text();
    assert!(page.contains("red fox at hidden") && !page.contains("red fox at feeder"), "{page}");
    assert!(program(&daemon, "GET /", token("lea"), None).text().contains("red fox at feeder"));

    // What was said is in no log.
    let ended = daemon.stop();
    assert!(ended.status.success());
    for (_, _, token) in PEOPLE {
        assert!(!ended.log.contains(token), "{}", ended.log);
    }
}

#[test]
fn a_login_is_a_cookie_that_changes_nothing_without_what_only_our_pages_know() {
    let (_tokens, config) = people();
    let (daemon, events) = daemon(site_with(&config));
    let wrong = form(&daemon, "/login", &[], "token=lea-labels-77e01b32c8&to=%2Freview");
    assert_eq!((wrong.status, wrong.header("set-cookie")), (401, ""));
    assert!(
        wrong.text().contains("nobody&#39;s token") && wrong.text().contains("value=\"/review\""),
        "{}",
        wrong.text()
    );
    let elsewhere = form(&daemon, "/login", &[], &format!("token={}&to=%2F%2Fevil.example", token("lea")));
    assert_eq!((elsewhere.status, elsewhere.header("location")), (303, "/"));
    let answer = form(&daemon, "/login", &[], &format!("token={}&to=%2Fapi%2Fv1%2Fcameras", token("lea")));
    assert_eq!((answer.status, answer.header("location")), (303, "/api/v1/cameras"));
    let cookie = answer.header("set-cookie").to_owned();
    assert!(
        cookie.contains("; Path=/; HttpOnly; SameSite=Strict; Max-Age=43200") && !cookie.contains("Secure"),
        "{cookie}"
    );
    let cookie = format!("Cookie: a=b; {}", cookie.split(';').next().unwrap());
    let host = format!("Host: {}", address(&daemon.url));
    let page = say(&daemon.url, "GET /login", &[&host, &cookie]).text();
    assert!(page.contains("logged in as <b>lea</b>"), "{page}");
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert_eq!(csrf.len(), 64);

    let path = format!("/api/v1/events/{}/labels", events[0].id);
    let body = br#"{"species": [{"class": "fox"}]}"#;
    let length = format!("Content-Length: {}", body.len());
    let (right, other) = (format!("X-Csrf-Token: {csrf}"), format!("X-Csrf-Token: {}", "0".repeat(64)));
    let post = |more: &[&str]| {
        let mut headers = vec![&*host, &*cookie, &*length, "Content-Type: application/json"];
        headers.extend(more);
        let answer = send(&daemon.url, &format!("POST {path}"), &headers, body);
        (answer.status, answer.json()["reason"].as_str().unwrap_or_default().to_owned())
    };
    let refused = |reason: &str| (403, reason.to_owned());
    assert_eq!(post(&[]), refused("csrf"));
    assert_eq!(post(&[&other]), refused("csrf"));
    for site in ["cross-site", "same-site"] {
        assert_eq!(post(&[&right, &format!("Sec-Fetch-Site: {site}")]), refused("cross_site"));
    }
    assert_eq!(post(&[&right, "Origin: http://127.0.0.1:1"]), refused("cross_site"), "another program's port");
    assert_eq!(post(&[&right, "Origin: http://evil.example"]), refused("host"));
    assert_eq!(post(&[&right, "Sec-Fetch-Site: same-origin"]).0, 201);
    // A form says it in a field; without, nobody is logged out.
    assert_eq!(form(&daemon, "/logout", &[&cookie], "").status, 403);
    assert_eq!(say(&daemon.url, "GET /api/v1/labels", &[&host, &cookie]).json()[0]["labeller"], "lea");
    let out = form(&daemon, "/logout", &[&cookie], &format!("csrf={csrf}"));
    assert_eq!((out.status, out.header("location")), (303, "/login"));
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{out:?}");
    assert_eq!(say(&daemon.url, "GET /api/v1/labels", &[&host, &cookie]).status, 401);
}

#[test]
fn what_is_refused_to_a_browser_is_said_on_a_page_and_each_page_says_who_one_is() {
    let (_tokens, config) = people();
    let (daemon, _) = daemon(site_with(&config));
    let (host, html) = (format!("Host: {}", address(&daemon.url)), "Accept: text/html,*/*;q=0.8");
    let answer = form(&daemon, "/login", &[html], &format!("token={}", token("lou")));
    let cookie = format!("Cookie: {}", answer.header("set-cookie").split(';').next().unwrap());
    let page = say(&daemon.url, "GET /", &[&host, html, &cookie]).text();
    assert!(page.contains(">lou</span><button>Log out</button>"), "{page}");
    let csrf = page.split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();

    // Whoever is logged in and mistypes a token may try again.
    let wrong = form(&daemon, "/login", &[html, &cookie], &format!("csrf={csrf}&token=nobodys"));
    assert_eq!((wrong.status, wrong.text().matches(&format!("value=\"{csrf}\"")).count()), (401, 2));
    let from = format!("Referer: {}/gallery?species=fox", daemon.url);
    let own = format!("csrf={csrf}");
    let label =
        |more: &[&str], fields: &str| form(&daemon, "/gallery/label", &[&[html, &*from][..], more].concat(), fields);
    for (answer, status, said, link) in [
        (label(&[], ""), 401, "not logged in any more", "\"/login?to=/gallery%3Fspecies%3Dfox\">Log in"),
        (label(&[&cookie], "csrf=0"), 403, "of an earlier login", "\"/gallery?species=fox\">Back"),
        (label(&[&cookie], &own), 403, "This needs the role label, and lou has look.", "\"/gallery?species=fox\">Back"),
        (say(&daemon.url, "GET /nowhere", &[&host, html]), 404, "There is nothing at /nowhere.", "\"/\">Back"),
        (say(&daemon.url, "GET /events/x", &[&host, html, &cookie]), 400, "<h1>Not done</h1>", "\"/\">Back"),
    ] {
        let text = answer.text();
        assert_eq!((answer.status, answer.header("content-type")), (status, "text/html; charset=utf-8"), "{text}");
        assert!(text.contains(said) && text.contains(link), "{said}: {text}");
    }
    assert_eq!(say(&daemon.url, "GET /api/v1/none", &[&host, html]).json()["reason"], "missing");
    let slowed =
        (0..20).map(|_| form(&daemon, "/login", &[html], "token=nobodys")).find(|it| it.status == 429).unwrap();
    assert!(slowed.text().contains("Too many wrong tokens: try again in"), "{}", slowed.text());
    assert!(!slowed.header("retry-after").is_empty());
}

#[test]
fn who_is_logged_in_reads_so_on_a_telephone_and_logs_out_from_any_page() {
    let Some(mut browser) = Browser::start() else { return };
    let (_tokens, config) = people();
    let (daemon, _) = daemon(site_with(&config));
    browser.go(&format!("{}/login?to=/review", daemon.url));
    browser.click("#token");
    browser.enter(token("ada"));
    browser.press("Enter");
    browser.wait("the page", "document.querySelector('.me')?.innerText.includes('ada') === true");
    for (width, scheme) in [(360, "dark"), (360, "light"), (1440, "dark")] {
        browser.resize(width, 740);
        browser.scheme(scheme);
        for path in ["/review", "/", "/nowhere"] {
            browser.go(&format!("{}{path}", daemon.url));
            let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(wide <= u64::from(width), "{path} is {wide} px wide on {width}");
            if let Some(folder) = std::env::var_os("EYESHINE_PICTURES").map(std::path::PathBuf::from) {
                browser.picture(&folder.join(format!("me-{}-{width}-{scheme}.png", path.trim_matches('/'))));
            }
            let found = browser.violations();
            assert!(found.is_empty(), "{path} at {width} px, {scheme}:\n{found}");
        }
    }
    browser.go(&format!("{}/review", daemon.url));
    browser.click(".me button");
    browser.wait("the form", "document.getElementById('token') !== null");
}

#[test]
fn where_nobody_is_named_nobody_comes_by_a_proxy() {
    let (daemon, _) = daemon(site_with(""));
    let host = format!("Host: {}", address(&daemon.url));
    assert_eq!(say(&daemon.url, "GET /api/v1/cameras", &[&host]).status, 200);
    for by in ["X-Forwarded-For: 192.0.2.7", "Forwarded: for=192.0.2.7"] {
        let answer = say(&daemon.url, "GET /api/v1/cameras", &[&host, by]);
        assert_eq!((answer.status, &answer.json()["reason"]), (403, &json!("proxy")), "{by}");
    }
}

#[test]
fn who_guesses_is_slowed_and_what_they_guessed_is_in_no_log() {
    let (_tokens, config) = people();
    let (daemon, _) = daemon(site_with(&config));
    let guess = |nth: u32| format!("guessed-token-number-{nth}");
    let mut slowed = None;
    for nth in 0..20 {
        let answer = program(&daemon, "GET /api/v1/cameras", &guess(nth), None);
        if answer.status == 429 {
            slowed = Some((nth, answer.header("retry-after").parse::<u64>().unwrap()));
            break;
        }
        assert_eq!(answer.status, 401);
    }
    let (after, wait) = slowed.expect("nobody is slowed");
    assert!((3..=6).contains(&after) && wait >= 1, "{after} {wait}");
    // The right one, too, for as long; and by the form, too.
    assert_eq!(program(&daemon, "GET /api/v1/cameras", token("ada"), None).status, 429);
    assert_eq!(form(&daemon, "/login", &[], &format!("token={}", token("ada"))).status, 429);
    std::thread::sleep(std::time::Duration::from_secs(wait));
    assert_eq!(program(&daemon, "GET /api/v1/cameras", token("ada"), None).status, 200);
    let ended = daemon.stop();
    assert!(ended.log.contains("wrong token") && ended.log.contains("127.0.0.1"), "{}", ended.log);
    assert!(!ended.log.contains("guessed-token"), "{}", ended.log);
}

#[test]
fn behind_a_proxy_the_cookie_is_secure_and_each_caller_waits_alone() {
    let (_tokens, config) = people();
    let (daemon, _) = daemon(site_with(&format!("[web]\ntrusted_proxy = [\"127.0.0.1\"]\n{config}")));
    let answer = form(&daemon, "/login", &["X-Forwarded-For: 192.0.2.1"], &format!("token={}", token("ada")));
    let cookie = answer.header("set-cookie");
    assert!(answer.status == 303 && cookie.starts_with("__Host-eyeshine=") && cookie.ends_with("; Secure"), "{cookie}");
    let login = |from: &str, token: &str| form(&daemon, "/login", &[from], &format!("token={token}")).status;
    let mallory = "X-Forwarded-For: 192.0.2.7, 192.0.2.66";
    while login(mallory, "guessed-token-number-1") != 429 {}
    assert_eq!(login("X-Forwarded-For: 192.0.2.7", token("lea")), 303);
    assert_eq!(login(mallory, token("lea")), 429);
}

#[test]
fn what_others_can_reach_needs_people_and_a_proxy_or_it_does_not_start() {
    let (tokens, config) = people();
    let state = tempfile::tempdir().unwrap();
    let file = state.path().join("site.toml");
    let refused = |text: &str, args: &[&str], said: &[&str]| {
        fs::write(&file, text).unwrap();
        let mut command = eyeshine(state.path());
        command.args(["run", "--for", "1s", "--config", file.to_str().unwrap()]).args(args);
        let (code, out, err) = output(&mut command);
        assert_eq!(code, 78, "{text}: {out}{err}");
        for said in said {
            assert!(err.contains(said), "{text}: {said}: {err}");
        }
    };
    let open = "[web]\nlisten = \"0.0.0.0:0\"\n";
    let (no_people, no_proxy) = ("add a [[web.person]]", "give a web.tls_certificate, or name in web.trusted_proxy");
    refused(open, &[], &["site.toml:2: web.listen: others can reach 0.0.0.0:0", no_people, no_proxy]);
    refused("", &["--listen", "0.0.0.0:0"], &["command line: --listen: others", no_people]);
    refused(&format!("{open}{config}"), &[], &["site.toml:2: web.listen: tokens would go", no_proxy]);
    refused(&format!("{open}trusted_proxy = [\"127.0.0.1\"]\n"), &[], &[no_people]);
    // A proxy leads others to a loopback address.
    let behind = "[web]\ntrusted_proxy = [\"127.0.0.1\"]\n";
    refused(behind, &[], &["site.toml:2: web.trusted_proxy: a proxy lets others reach 127.0.0.1", no_people]);
    let named = "[web]\nallowed_hosts = [\"localhost\", \"[::1]\", \"cameras.example.org\"]\n";
    refused(named, &[], &["site.toml:2: web.allowed_hosts: by the name \"cameras.example.org\"", no_people]);
    let short = tokens.path().join("short");
    fs::write(&short, "password\n").unwrap();
    let person = |lines: &str| format!("[[web.person]]\n{lines}\n");
    let lou = tokens.path().join("lou").display().to_string();
    for (text, said) in [
        (
            person(&format!("name = \"x\"\nrole = \"look\"\ntoken_file = \"{}\"", short.display())),
            "4: web.person.token_file: must lead to a token of at least 20",
        ),
        (
            person("name = \"x\"\nrole = \"look\"\ntoken_file = \"/none\""),
            "4: web.person.token_file: \"/none\" cannot be read",
        ),
        (
            person("name = \"x\"\nrole = \"look\"\ntoken_env = \"EYESHINE_NONE\""),
            "4: web.person.token_env: the environment variable EYESHINE_NONE is not set",
        ),
        (person("name = \"x\"\nrole = \"look\""), "web.person.name: this person has neither"),
        (
            person("name = \"x\"\nrole = \"look\"\ntoken = \"hidden-in-the-config-itself\""),
            "4: web.person.token: tokens never stand here",
        ),
        (
            person(&format!("name = \"x\"\nrole = \"boss\"\ntoken_file = \"{lou}\"")),
            "3: web.person.role: must be \"look\", \"label\", \"verify\" or \"administer\", is \"boss\"",
        ),
        (person(&format!("role = \"look\"\ntoken_file = \"{lou}\"")), "web.person.name: this person has no name"),
        (
            person(&format!("name = \"x\"\nrole = \"look\"\ntoken_file = \"{lou}\"\nkey = 1")),
            "5: web.person.key: no such key",
        ),
        (
            format!("{config}{}", person(&format!("name = \"x\"\nrole = \"look\"\ntoken_file = \"{lou}\""))),
            "web.person.token_file: another person has the same token",
        ),
        (
            format!(
                "{config}{}",
                person(&format!("name = \"lou\"\nrole = \"look\"\ntoken_file = \"{}\"", short.display()))
            ),
            "18: web.person.name: two people are named \"lou\"",
        ),
        ("[web]\ntrusted_proxy = [\"proxy\"]\n".into(), "2: web.trusted_proxy: must be IP addresses"),
    ] {
        refused(&text, &[], &[said]);
        let (_, _, err) = output(eyeshine(state.path()).args(["check-config", "--config", file.to_str().unwrap()]));
        assert!(!err.contains("password\n") && !err.contains("hidden-in") && !err.contains("lou-looks"), "{err}");
    }
}
