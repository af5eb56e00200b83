//! Shadow mode before a live camera: a better challenger serves after its events, a spoiled one never does.

use std::fs;

use crate::cameras::http::Server;
use crate::daemon::Daemon;
use crate::people::film;
use crate::teach::{ANIMALS, Site, serves, text};

#[test]
fn a_challenger_answers_live_events_unheard_before_it_serves() {
    let site = Site::new();
    let pointer = |name: &str| fs::read_to_string(site.state().join("heads/species").join(name)).unwrap_or_default();
    let config = site.config("min_new_labels = 0\nretrain_hours = 0\nshadow_events = 3");
    let config = text(&config);
    let first = site.table("first", &ANIMALS[..2], 6);
    site.done(&["--config", config, "label", "import", text(&first)]);
    let trained = site.json(&["--config", config, "train", "--json"]);
    assert_eq!(
        (&trained["serving"], &trained["shadow"]),
        (&1.into(), &false.into()),
        "nothing taught serves before it"
    );
    let more = site.table("more", &ANIMALS, 3);
    site.done(&["--config", config, "label", "import", text(&more)]);
    let trained = site.json(&["--config", config, "train", "--json"]);
    assert_eq!(trained["verdict"]["decision"], "promoted", "{trained}");
    assert_eq!((&trained["serving"], &trained["shadow"]), (&1.into(), &true.into()), "{trained}");
    let listed = site.done(&["heads", "list"]);
    assert!(listed.lines().any(|it| it.starts_with("   1  serves")), "{listed}");
    assert!(listed.lines().any(|it| it.starts_with("   2  shadow")), "{listed}");

    let server = Server::film(film());
    let camera = format!("gate={}", server.uri);
    let mut daemon = Daemon::start_in_folder(&site.state(), "run", &["--config", config, "--camera", &camera]);
    daemon.wait("a first event of the shadow's", 120, |it| {
        it.metrics().sum("eyeshine_shadow_events", &[("task", "species"), ("outcome", "all")]) >= 1.0
    });
    assert!(serves(&daemon, "1"), "it is not heard");
    assert!(site.done(&["heads", "list"]).contains("live events so far"));
    daemon.wait("the shadow to serve", 180, |it| serves(it, "2"));
    let shown = site.json(&["heads", "show", "2"]);
    assert_eq!(
        (&shown["shadow"]["promoted"], &shown["shadow"]["tally"]["events"]),
        (&true.into(), &3.into()),
        "{shown}"
    );
    assert_eq!((pointer("current").trim(), &*pointer("shadow")), ("2", ""));

    // One that was taught every name wrongly, as somebody carries it here.
    let spoiled = Site::new();
    let wrong = spoiled.table("wrong", &[("fox", ANIMALS[0].1), ("zebra", ANIMALS[1].1)], 6);
    spoiled.done(&["label", "import", text(&wrong)]);
    spoiled.done(&["train"]);
    let file = spoiled.path("wrong.head");
    spoiled.done(&["heads", "export", "1", text(&file)]);
    site.done(&["heads", "import", text(&file)]);
    fs::write(site.state().join("heads/species/shadow"), "3\n").unwrap();
    let verdicts = |it: &Daemon| {
        it.metrics().sum("eyeshine_shadow_verdicts_total", &[("task", "species"), ("verdict", "refused")])
    };
    daemon.wait("the spoiled one's end", 180, |it| verdicts(it) == 1.0);
    assert!(serves(&daemon, "2"));
    assert_eq!((pointer("current").trim(), &*pointer("shadow")), ("2", ""));
    let listed = site.done(&["heads", "list"]);
    assert!(
        listed.contains("as a shadow: on 3 live events beside generation 2: ") && listed.contains("otherwise"),
        "{listed}"
    );
    let log = daemon.stop().log;
    assert!(log.contains("shadow promoted: on 3 live events") && log.contains("shadow refused: on 3 live"), "{log}");
}
