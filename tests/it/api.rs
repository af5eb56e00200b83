//! `/api/v1` does what its document says: every operation is asked, and every answer is held against its schema.

use std::collections::BTreeSet;

use eyeshine::config::environment::Environment;
use eyeshine::config::load::{Overrides, load_in};
use eyeshine::domain::Modality;
use eyeshine::metrics::Metrics;
use eyeshine::observe::store::{NewMoment, NewQuestion, Store, Why};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::daemon::Daemon;
use crate::http::{Answer, address, get, send};
use crate::schema::{check, resolve};
use crate::web::{Site, daemon, site_with};

/// Questions about the newest events, and one about a still moment.
fn asked(site: &Site) -> Vec<NewQuestion> {
    let settings = load_in(Some(&site.config), Overrides::default(), &Environment::default()).unwrap();
    let store = Store::open(site.state.path(), &settings.store, Metrics::new()).unwrap();
    let moment = Uuid::now_v7();
    let new = NewMoment {
        id: moment,
        camera: "feeder".into(),
        captured_at: "2026-03-01T12:00:00Z".parse().unwrap(),
        modality: Modality::Colour,
        probability: 0.1,
        stands_secs: 60.0,
        jpeg: vec![0xff, 0xd8, 0xff, 0xd9],
    };
    assert!(store.save_moment(&new, 10).unwrap());
    let question = |why: Why, event: Option<Uuid>, moment: Option<Uuid>| NewQuestion {
        task: "species".into(),
        why,
        reason: "unsure between fox and dog".into(),
        blind: moment.is_some(),
        event,
        moment,
        media: None,
        probability: moment.map(|_| 0.5),
        alike: Vec::new(),
    };
    let mut all: Vec<NewQuestion> =
        site.events.iter().rev().take(6).map(|it| question(Why::Unsure, Some(it.id), None)).collect();
    all.insert(2, question(Why::Still, None, Some(moment)));
    assert_eq!(store.ask(&all).unwrap(), 7);
    all
}

/// Asks, and holds the answer against the document; what was asked is taken down.
struct Asker {
    daemon: Daemon,
    document: Value,
    seen: BTreeSet<(String, String)>,
}

impl Asker {
    fn new(daemon: Daemon) -> Asker {
        let document = get(&daemon.url, "/api/v1/openapi.json").json();
        Asker { daemon, document, seen: BTreeSet::new() }
    }

    /// `path` as the document has it, and what is asked for.
    fn ask(&mut self, method: &str, path: &str, asked: &str, body: Option<&Value>) -> Answer {
        let url = &self.daemon.url;
        let body = body.map(Value::to_string).unwrap_or_default();
        let (host, length) = (format!("Host: {}", address(url)), format!("Content-Length: {}", body.len()));
        let mut headers = vec![&*host, "Sec-Fetch-Site: same-origin"];
        if !body.is_empty() {
            headers.extend([&*length, "Content-Type: application/json"]);
        }
        let answer = send(url, &format!("{method} {asked}"), &headers, body.as_bytes());
        let operation = &self.document["paths"][path][method.to_lowercase()];
        let mut response = &operation["responses"][answer.status.to_string()];
        if let Some(reference) = response.get("$ref") {
            response = resolve(&self.document, reference.as_str().unwrap());
        }
        let place = format!("{method} {asked} {}", answer.status);
        assert!(response.is_object(), "{place} is not documented: {}", String::from_utf8_lossy(&answer.body));
        match response.get("content").and_then(Value::as_object) {
            None => assert!(answer.body.is_empty(), "{place}"),
            Some(content) => {
                let (kind, it) = content.iter().next().unwrap();
                assert!(answer.header("content-type").starts_with(&**kind), "{place}: {answer:?}");
                if kind == "application/json" {
                    check(&self.document, &it["schema"], &answer.json(), &place);
                }
            }
        }
        if answer.status < 300 {
            self.seen.insert((path.into(), method.to_lowercase()));
        }
        answer
    }

    fn get(&mut self, path: &str, asked: &str) -> Answer {
        self.ask("GET", path, asked, None)
    }
}

#[test]
fn every_operation_is_asked_and_answers_as_the_document_says() {
    let site = site_with("");
    asked(&site);
    let (daemon, events) = daemon(site);
    let mut it = Asker::new(daemon);
    for path in ["/healthz", "/readyz", "/metrics", "/api/v1/openapi.json", "/api/v1/cameras"] {
        assert_eq!(it.get(path, path).status, 200);
    }
    let id = events[40].id;
    let labels = format!("/api/v1/events/{id}/labels");
    assert_eq!(it.get("/media/{id}", &format!("/media/{}", events[40].media[0])).status, 200);
    assert_eq!(it.get("/media/{id}", &format!("/media/{}", Uuid::nil())).status, 404);
    assert_eq!(it.get("/api/v1/cameras/{name}/picture", "/api/v1/cameras/feeder/picture").status, 404);
    settings(&mut it);
    assert_eq!(it.get("/api/v1/events", "/api/v1/events?limit=3").json().as_array().unwrap().len(), 3);
    assert_eq!(it.get("/api/v1/events", "/api/v1/events?limit=x").status, 400);
    assert_eq!(it.get("/api/v1/events/{id}", &format!("/api/v1/events/{id}")).status, 200);

    // What comes by a class or a camera, and nothing else.
    let found = |it: &mut Asker, query: &str| {
        it.get("/api/v1/events", &format!("/api/v1/events?limit=200&{query}")).json().as_array().unwrap().len()
    };
    assert_eq!(found(&mut it, "class=red%20fox"), 44);
    assert_eq!(found(&mut it, "class=unknown&camera=feeder"), 1);
    assert_eq!(found(&mut it, "camera=gate"), 0);
    assert_eq!(found(&mut it, "class=%27%20OR%201%3D1%20--"), 0);

    // Questions: lent, skipped, given back, answered, undone.
    let lent = it.get("/api/v1/queue", "/api/v1/queue?n=3").json();
    let questions = lent["questions"].as_array().unwrap().clone();
    assert_eq!((questions.len(), &lent["state"]["open"]), (3, &json!(7)));
    assert_eq!(questions[2]["why"], "still");
    let at = |nth: usize, what: &str| format!("/api/v1/queue/{}/{what}", questions[nth]["id"].as_str().unwrap());
    let (skip, release) = ("/api/v1/queue/{id}/skip", "/api/v1/queue/{id}/release");
    assert_eq!(it.ask("POST", skip, &at(0, "skip"), None).status, 204);
    assert_eq!(it.ask("POST", skip, &at(0, "skip"), None).status, 404, "it is skipped already");
    assert_eq!(it.ask("POST", release, &at(1, "release"), None).status, 204);
    assert_eq!(it.ask("POST", release, &at(1, "release"), None).status, 404);
    let undone = it.ask("POST", "/api/v1/queue/undo", "/api/v1/queue/undo", None).json();
    assert_eq!((&undone["id"], &undone["taken_back"]), (&questions[0]["id"], &json!("")));
    let moment = format!("/api/v1/moments/{}/labels", questions[2]["id"].as_str().unwrap());
    let of_moment = "/api/v1/moments/{question}/labels";
    let picture = format!("/media/{}", questions[2]["moment"].as_str().unwrap());
    assert_eq!(it.get("/media/{id}", &picture).status, 200, "nobody has said that people are in it");
    let blank = json!({"species": [{"class": "blank"}], "key": "m1"});
    assert_eq!(it.ask("POST", of_moment, &moment, Some(&blank)).status, 201);
    assert_eq!(it.ask("POST", of_moment, &moment, Some(&blank)).status, 200);
    let path = "/api/v1/events/{id}/labels";
    let asked = format!("/api/v1/events/{}/labels", questions[0]["event"].as_str().unwrap());
    let answer = json!({"task": "species", "key": "k-1", "question": questions[0]["id"], "frame": null,
        "species": [{"class": "fox", "count": 2, "sex": "male", "life_stage": "adult"}, {"class": "roe deer"}]});
    let first = it.ask("POST", path, &asked, Some(&answer));
    let again = it.ask("POST", path, &asked, Some(&answer));
    assert_eq!((first.status, again.status), (201, 200));
    let mut other = answer.clone();
    other["species"] = json!([{"class": "another"}]);
    assert_eq!(it.ask("POST", path, &asked, Some(&other)).status, 409, "by a key that was used");
    assert_eq!(first.json()["id"], again.json()["id"]);
    assert_eq!((&first.json()["again"], &again.json()["again"]), (&json!(false), &json!(true)));
    assert_eq!(it.get("/api/v1/queue", "/api/v1/queue?n=1").json()["state"]["open"], 5);

    // Labels: listed a page at a time, and one's own taken back.
    let fox = json!({"species": [{"class": "fox"}]});
    assert_eq!(it.ask("POST", path, &labels, Some(&fox)).status, 201);
    let listed = it.get("/api/v1/labels", "/api/v1/labels?limit=1").json();
    assert_eq!((&listed[0]["labeller"], &listed[0]["event"]), (&json!("local"), &json!(id)));
    let newest = listed[0]["id"].as_str().unwrap().to_owned();
    let before = it.get("/api/v1/labels", &format!("/api/v1/labels?before={newest}&labeller=local")).json();
    assert_eq!(before.as_array().unwrap().len(), 1);
    assert_eq!(before[0]["species"][0], answer["species"][0]);
    let back = format!("/api/v1/labels/{newest}");
    assert_eq!(it.ask("DELETE", "/api/v1/labels/{id}", &back, None).status, 204);
    assert_eq!(it.ask("DELETE", "/api/v1/labels/{id}", &back, None).status, 404);
    // However it is written a known name is that class; and the last answer is undone though nobody had asked for it.
    for name in ["Red Fox", "vulpes VULPES"] {
        assert_eq!(it.ask("POST", path, &labels, Some(&json!({"species": [{"class": name}]}))).status, 201);
        let listed = it.get("/api/v1/labels", "/api/v1/labels?limit=1").json();
        assert_eq!(listed[0]["species"][0]["class"], "red fox", "{name}");
        let undone = it.ask("POST", "/api/v1/queue/undo", "/api/v1/queue/undo", None).json();
        assert_eq!((&undone["taken_back"], undone.get("id")), (&json!("red fox"), None));
    }
    let of_event = it.get("/api/v1/labels", &format!("/api/v1/labels?event={id}")).json();
    assert_eq!(of_event[0]["standing"], "withdrawn");

    // Generations: there is the starter head alone, and nothing before it.
    let list = it.get("/api/v1/generations", "/api/v1/generations?task=content").json();
    assert_eq!((&list[0]["number"], &list[0]["does"]), (&json!(0), &json!("serves")));
    let (one, promote) = ("/api/v1/generations/{task}/{number}", "/api/v1/generations/{task}/{number}/promote");
    assert_eq!(it.get(one, "/api/v1/generations/species/7").status, 404);
    assert_eq!(it.get(one, "/api/v1/generations/..%2f..%2fetc/7").status, 400);
    assert_eq!(it.ask("POST", promote, "/api/v1/generations/species/7/promote", None).status, 404);
    assert_eq!(it.ask("POST", promote, "/api/v1/generations/species/0/promote", None).json()["serving"], 0);
    let back = "/api/v1/generations/{task}/rollback";
    for asked in ["", "?from=0", "?from=3"] {
        let asked = format!("/api/v1/generations/species/rollback{asked}");
        assert_eq!(it.ask("POST", back, &asked, None).status, 409, "{asked}");
    }

    let paths = it.document["paths"].as_object().unwrap();
    let all =
        paths.iter().flat_map(|(path, it)| it.as_object().unwrap().keys().map(move |it| (path.clone(), it.clone())));
    // These need a camera that plays, and heads; `web`, `setup` and `retrain` have them.
    let playing = ["picture", "trial", "tape/{at_ms}"].map(|it| format!("/api/v1/cameras/{{name}}/{it}"));
    let elsewhere = |path: &str| [one, back].contains(&path) || playing.iter().any(|it| it == path);
    let unasked: Vec<_> = all.filter(|op| !it.seen.contains(op) && !elsewhere(&op.0)).collect();
    assert!(unasked.is_empty(), "{unasked:?}");
}

/// A camera's settings: saved, gone back from, and refused where they are wrong or of something else.
fn settings(it: &mut Asker) {
    let (path, asked) = ("/api/v1/cameras/{name}/settings", "/api/v1/cameras/feeder/settings");
    let first = it.get(path, asked).json();
    assert_eq!((&first["number"], &first["settings"]), (&json!(0), &first["configured"]));
    assert_eq!((&first["recorded"], &first["history"]), (&Value::Null, &json!([])));
    let mut wanted = first["settings"].clone();
    wanted["gate"]["sigma"] = json!(4.5);
    wanted["masks"] = json!([[[0, 0], [0.5, 0], [0.5, 0.25]]]);
    let body = |settings: &Value, seen: u32| json!({"settings": settings, "seen": seen});
    let saved = it.ask("POST", path, asked, Some(&body(&wanted, 0)));
    assert_eq!((saved.status, saved.json()), (201, json!({"number": 1, "tried": false})));
    assert_eq!(it.ask("POST", path, asked, Some(&body(&wanted, 0))).status, 409, "somebody was quicker");
    let second = it.get(path, asked).json();
    assert_eq!(second["history"][0]["changes"], json!(["masks", "gate.sigma"]));
    assert_eq!(
        (&second["history"][0]["changed_by"], &second["settings"]["gate"]["sigma"]),
        (&json!("local"), &json!(4.5))
    );
    wanted["gate"]["sigma"] = json!(-1);
    let wrong = it.ask("POST", path, asked, Some(&body(&wanted, 1)));
    assert!(
        wrong.status == 400 && wrong.text().contains("gate.sigma: must be between 0.5 and 100"),
        "{}",
        wrong.text()
    );
    assert_eq!(it.ask("POST", path, asked, Some(&json!({"settings": {}, "seen": 1}))).status, 400);
    for other in ["gate", "..%2f..%2fetc", "%2e%2e"] {
        let asked = format!("/api/v1/cameras/{other}/settings");
        assert_eq!(it.get(path, &asked).status, 404, "{other}");
    }
    let back = "/api/v1/cameras/{name}/settings/{number}/restore";
    let restore = |number: u32| format!("/api/v1/cameras/feeder/settings/{number}/restore");
    assert_eq!(it.ask("POST", back, &restore(7), Some(&json!({"seen": 1}))).status, 404);
    assert_eq!(it.ask("POST", back, &restore(0), Some(&json!({"seen": 1}))).json()["number"], 2);
    let third = it.get(path, asked).json();
    assert_eq!((&third["settings"], &third["history"][1]["number"]), (&third["configured"], &json!(1)));
    let trial = "/api/v1/cameras/{name}/trial";
    assert_eq!(it.get(trial, "/api/v1/cameras/feeder/trial").status, 404);
    let nothing = it.ask("POST", trial, "/api/v1/cameras/feeder/trial", Some(&json!({"settings": third["settings"]})));
    assert!(nothing.status == 409 && nothing.text().contains("nothing is recorded"), "{}", nothing.text());
    assert_eq!(it.get("/api/v1/cameras/{name}/tape/{at_ms}", "/api/v1/cameras/feeder/tape/1").status, 404);
}

#[test]
fn what_cannot_be_an_answer_is_refused_with_the_field_that_is_wrong() {
    let (daemon, events) = daemon(site_with(""));
    let mut it = Asker::new(daemon);
    let path = "/api/v1/events/{id}/labels";
    let asked = format!("/api/v1/events/{}/labels", events[0].id);
    let long = "x".repeat(101);
    for (body, status, said) in [
        (json!({}), 400, "species"),
        (json!({"species": []}), 400, "species: must be a list of 1 to 20, has 0"),
        (json!({"species": vec![json!({"class": "fox"}); 21]}), 400, "species: must be a list"),
        (json!({"species": [{"class": ""}]}), 400, "species[0].class:"),
        (json!({"species": [{"class": long}]}), 400, "species[0].class:"),
        (json!({"species": [{"class": "a\u{7}b"}]}), 400, "species[0].class:"),
        (
            json!({"species": [{"class": "fox"}, {"class": " fox "}]}),
            400,
            "species[1].class: \"fox\" stands there twice",
        ),
        (json!({"species": [{"class": "fox", "count": 0}]}), 400, "species[0].count: must be between 1 and 10000"),
        (json!({"species": [{"class": "fox", "count": -1}]}), 400, "count"),
        (json!({"species": [{"class": "fox", "sex": "both"}]}), 400, "sex"),
        (json!({"species": [{"class": "fox", "life_stage": "old"}]}), 400, "life_stage"),
        (json!({"species": [{"class": "blank", "count": 1}]}), 400, "species[0].class: blank has no count"),
        (json!({"species": [{"class": "fox"}, {"class": "blank"}]}), 400, "species: what shows anything else"),
        (json!({"species": [{"class": "fox"}], "task": "weather"}), 400, "task: \"weather\" is none of teach.tasks"),
        (json!({"species": [{"class": "fox"}], "frame": "noon"}), 400, "frame: \"noon\" is no time"),
        (json!({"species": [{"class": "fox"}], "frame": "2020-01-01T00:00:00Z"}), 400, "frame: "),
        (json!({"species": [{"class": "fox"}], "key": "a b"}), 400, "key: must be 1 to 64"),
        (json!({"species": [{"class": "fox"}], "question": "x"}), 400, "question"),
        (json!({"species": [{"class": "fox"}], "labeller": "ann"}), 400, "labeller"),
    ] {
        let answer = it.ask("POST", path, &asked, Some(&body));
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(answer.status == status && error.contains(said), "{body}: {}: {error}", answer.status);
    }
    let nobody = format!("/api/v1/events/{}/labels", Uuid::now_v7());
    let fox = json!({"species": [{"class": "fox"}]});
    assert_eq!(it.ask("POST", path, &nobody, Some(&fox)).status, 404);
    assert_eq!(it.ask("POST", path, "/api/v1/events/x/labels", Some(&fox)).status, 400);
    let host = format!("Host: {}", address(&it.daemon.url));
    let text = [&*host, "Content-Length: 2", "Content-Type: text/plain"];
    assert_eq!(send(&it.daemon.url, &format!("POST {asked}"), &text, b"{}").status, 415);
    let broken = [&*host, "Content-Length: 2", "Content-Type: application/json"];
    assert_eq!(send(&it.daemon.url, &format!("POST {asked}"), &broken, b"{x").status, 400);
    assert_eq!(it.get("/api/v1/labels", "/api/v1/labels").json(), json!([]), "none of these was half done");
}
