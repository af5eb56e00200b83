//! `default.toml` explains every key, the table of keys knows them all, and the typed structs take them.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;

use super::environment::Environment;
use super::load::{CameraArgument, Overrides, load_in};
use super::{Config, DEFAULT, check, keys};

fn nowhere() -> Environment {
    Environment::from_iter::<[(&str, &str); 0]>([])
}

/// A file of the defaults themselves, with every key that is only shown there in a comment.
fn every_key() -> String {
    let uncommented = |line: &str| match line.strip_prefix("# ") {
        Some(rest) if is_assignment(rest) => rest.to_owned(),
        _ => line.to_owned(),
    };
    DEFAULT.lines().map(|it| uncommented(it) + "\n").collect()
}

fn is_assignment(line: &str) -> bool {
    let name = line.split_once(" = ").map_or("", |it| it.0);
    !name.is_empty() && name.bytes().all(|it| it.is_ascii_lowercase() || it == b'_')
}

fn loaded(text: &str) -> Config {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("site.toml");
    fs::write(&file, text).unwrap();
    let camera = CameraArgument { name: Some("feeder".into()), uri: "/dev/video0".into() };
    let overrides = Overrides { cameras: vec![camera], ..Overrides::default() };
    let problems = check::problems(Some(&file), &overrides, &nowhere());
    assert!(problems.is_empty(), "{problems:?}");
    load_in(Some(&file), overrides, &nowhere()).unwrap()
}

#[test]
fn the_defaults_may_be_copied_whole_and_change_nothing() {
    let shown = |it: &Config| format!("{it:?}");
    assert_eq!(shown(&loaded(DEFAULT)), shown(&loaded("")));
    let all = loaded(&every_key());
    assert!(all.cameras[0].latitude.is_some() && all.cameras[0].longitude.is_some() && all.cameras[0].since.is_some());
}

#[test]
fn every_key_stands_in_the_defaults_and_none_besides() {
    let text = every_key();
    let document = text.parse::<toml_edit::DocumentMut>().unwrap();
    let section = |name: &str| -> BTreeSet<String> {
        document[name].as_table().unwrap().iter().map(|(key, _)| key.to_owned()).collect()
    };
    let known: BTreeSet<&str> = keys::SECTIONS.iter().map(|it| it.0).collect();
    assert_eq!(document.iter().map(|it| it.0).collect::<BTreeSet<_>>(), known);
    for (name, keys) in keys::SECTIONS {
        assert_eq!(section(name), keys.iter().map(|it| it.name.to_owned()).collect(), "[{name}]");
    }
}

#[test]
fn every_key_is_explained_above_it() {
    let mut above = "";
    let mut section = "";
    for line in DEFAULT.lines() {
        if line.starts_with('[') {
            section = line;
        }
        let shown = line.strip_prefix("# ").is_some_and(is_assignment);
        if is_assignment(line) || shown {
            // Latitude and longitude share their words.
            let explained = above.starts_with("# ");
            assert!(explained, "{section}: nothing is said of {line:?}");
        }
        above = line;
    }
}

#[test]
fn names_that_no_table_knows_are_given_a_meaning_and_what_is_wrong_with_it_is_said_by_line() {
    let taxon = |it: &str| format!("[[taxon]]\n{it}\n");
    let text = taxon("name = \"panther\"\nscientific_name = \"Puma concolor coryi\"\nfamily = \"Felidae\"");
    let taxa = loaded(&text).models.taxa;
    assert_eq!((&*taxa[0].name, &*taxa[0].scientific_name), ("panther", "Puma concolor coryi"));
    assert_eq!(taxa[0].family.as_deref(), Some("Felidae"));
    let wrong = taxon("name = \"fox\"\nscientific_name = \"vulpes Vulpes\"\nfamily = \"dogs\"")
        + &taxon("name = \"Fox\"\nfamly = \"Canidae\"");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("site.toml");
    fs::write(&file, wrong).unwrap();
    let problems = check::problems(Some(&file), &Overrides::default(), &nowhere());
    let said: Vec<String> =
        problems.iter().map(|it| format!("{}: {}: {}", it.line.unwrap(), it.key, it.message)).collect();
    let wanted = [
        "3: taxon.scientific_name: must be a scientific name",
        "4: taxon.family: must be the scientific name of a family",
        "5: taxon.scientific_name: this taxon has no scientific_name",
        "6: taxon.name: \"fox\" has a meaning already",
        "7: taxon.famly: no such key in [taxon]; did you mean family?",
    ];
    assert_eq!(said.len(), wanted.len(), "{said:?}");
    assert!(said.iter().zip(wanted).all(|(said, wanted)| said.starts_with(wanted)), "{said:?}");
}

#[test]
fn shares_of_the_questions_are_of_one_whole_whichever_layer_they_stand_in() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("site.toml");
    let problems = |text: &str, environment: &[(&str, &str)]| -> Vec<String> {
        fs::write(&file, text).unwrap();
        let environment = Environment::from_iter(environment.iter().copied());
        let overrides = Overrides::default();
        check::problems(Some(&file), &overrides, &environment).iter().map(|it| it.message.clone()).collect()
    };
    assert!(problems("[ask]\nrandom_share = 0.60\n", &[]).is_empty());
    let wrong = problems("[ask]\nrandom_share = 0.61\n", &[]);
    assert!(wrong.len() == 1 && wrong[0].ends_with("must not be above 1 together, are 1.01"), "{wrong:?}");
    let wrong = problems("[ask]\nrandom_share = 0.60\n", &[("EYESHINE__ASK__STILL_SHARE", "0.2")]);
    assert!(wrong.len() == 1 && wrong[0].ends_with("are 1.15"), "{wrong:?}");
}

#[test]
fn what_stands_on_the_command_line_is_read_or_it_is_said_how_it_is_written() {
    let camera = |text: &str| text.parse::<CameraArgument>().map(|it| (it.name, it.uri));
    let named = |name: Option<&str>, uri: &str| Ok((name.map(str::to_owned), uri.to_owned()));
    assert_eq!(camera("feeder=rtsp://10.0.0.1/a?b=c"), named(Some("feeder"), "rtsp://10.0.0.1/a?b=c"));
    assert_eq!(camera("rtsp://10.0.0.1/a?b=c"), named(None, "rtsp://10.0.0.1/a?b=c"));
    assert!(camera("Füchse=clip.mp4").unwrap_err().contains("not \"Füchse\""));
    assert!(camera("").is_err());
    assert_eq!(super::load::listen("[::1]:80").map(|it| it.port()), Ok(80));
    assert!(super::load::listen("8080").unwrap_err().contains("as 127.0.0.1:8080"));
}

/// systemd gives passwords, tokens and certificates to the service alone.
#[test]
fn whoever_opens_no_camera_and_serves_nobody_needs_no_secret() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config.toml");
    let text = "[[camera]]\nname = \"feeder\"\nuri = \"rtsp://10.0.0.1/\"\nusername = \"a\"\npassword_file = \"feeder\"\n\n\
                [web]\ntls_certificate = \"cert\"\ntls_key = \"key\"\n\n\
                [[web.person]]\nname = \"ann\"\nrole = \"label\"\ntoken_file = \"ann\"\n";
    std::fs::write(&path, text).unwrap();
    let load =
        |without_secrets: bool| load_in(Some(&path), Overrides { without_secrets, ..Overrides::default() }, &nowhere());
    let said = load(false).unwrap_err().to_string();
    assert!(said.contains("systemd gives a name alone to the service only"), "{said}");
    assert!(said.contains("token_file") && said.contains("web.tls_certificate"), "{said}");
    assert_eq!(load(true).unwrap().cameras.len(), 1);
}

#[test]
fn what_is_written_nearly_right_is_told_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("site.toml");
    for (text, said) in [
        ("[[camera]]\nname = feeder\n", "site.toml:2: "),
        ("[[camera]]\nname = feeder\n", "text stands in quotes"),
        ("[state]\ndir = /var/lib/eyeshine\n", "text stands in quotes"),
        (
            "[[camera]]\nname = \"a\"\nuri = \"/dev/video0\"\nmasks = [[0, 0], [1, 0], [1, 1]]\n",
            "one more pair of brackets",
        ),
    ] {
        fs::write(&path, text).unwrap();
        let problems = check::problems(Some(&path), &Overrides::default(), &nowhere());
        let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(all.len() == 1 && all[0].contains(said), "{all:?}");
    }
    fs::write(&path, "[web]\nlisten = \"127.0.0.1:80\" oops\n").unwrap();
    let other = check::problems(Some(&path), &Overrides::default(), &nowhere());
    assert!(other.len() == 1 && !other[0].to_string().contains("quotes"), "{other:?}");
}
