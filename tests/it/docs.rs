//! What the pages say: their links lead somewhere, their commands and configs are understood, their metrics exist, and Prometheus
//! takes their rules.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What it is compiled from.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every page, with its text.
fn pages() -> Vec<(PathBuf, String)> {
    let mut pages: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "models/README.md"].iter().map(|it| root().join(it)).collect();
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|it| it.unwrap().path());
    pages.extend(docs.filter(|it| it.extension().is_some_and(|it| it == "md")));
    pages.into_iter().map(|it| (it.clone(), fs::read_to_string(&it).unwrap())).collect()
}

/// The blocks of a page that are in this language.
fn blocks(text: &str, language: &str) -> Vec<String> {
    let begin = format!("```{language}\n");
    text.split(begin.as_str()).skip(1).map(|it| it.split("```").next().unwrap().to_owned()).collect()
}

/// What a heading is linked to by.
fn anchor(heading: &str) -> String {
    let kept = heading.to_lowercase();
    kept.chars().filter(|it| it.is_alphanumeric() || " -".contains(*it)).collect::<String>().replace(' ', "-")
}

#[test]
fn every_link_leads_somewhere() {
    let mut n_links = 0;
    for (page, text) in pages() {
        for target in text.split("](").skip(1).map(|it| it.split(')').next().unwrap()) {
            if target.starts_with("http") {
                continue;
            }
            n_links += 1;
            let (file, part) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() { page.clone() } else { page.parent().unwrap().join(file) };
            assert!(file.exists(), "{}: {target}", page.display());
            let there = || fs::read_to_string(&file).unwrap();
            let is_heading = |it: &str| it.starts_with('#') && anchor(it.trim_start_matches(['#', ' '])) == part;
            assert!(part.is_empty() || there().lines().any(is_heading), "{}: {target}", page.display());
        }
    }
    assert!(n_links > 30, "{n_links}");
}

/// The words of a command, as a shell has them: what is quoted is one.
fn words_of(line: &str) -> impl Iterator<Item = &str> {
    let parts = line.split('"').enumerate();
    parts.flat_map(|(nth, it)| if nth % 2 == 1 { vec![it] } else { it.split_whitespace().collect() })
}

/// A flag that does not exist is refused before help is asked for.
#[test]
fn every_command_is_understood() {
    let mut n_commands = 0;
    for (page, text) in pages() {
        for line in blocks(&text, "sh").iter().flat_map(|it| it.lines()).filter(|it| it.starts_with("eyeshine ")) {
            let said = line.split(" # ").next().unwrap().replace("EVENT", "019ab2c0-0000-7000-8000-000000000000");
            let words = words_of(&said).skip(1);
            let help = Command::new(env!("CARGO_BIN_EXE_eyeshine")).args(words).arg("--help").output().unwrap();
            let why = String::from_utf8_lossy(&help.stderr).into_owned();
            assert!(help.status.success(), "{}: {line}: {why}", page.display());
            n_commands += 1;
        }
    }
    assert!(n_commands > 30, "{n_commands}");
}

/// Each by itself, with a camera where it names none.
#[test]
fn every_config_is_good() {
    let folder = TempDir::new().unwrap();
    for secret in ["feeder", "ann"] {
        fs::write(folder.path().join(secret), "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n")
            .unwrap();
    }
    let file = folder.path().join("eyeshine.toml");
    let mut n_configs = 0;
    for (page, text) in pages() {
        for block in blocks(&text, "toml") {
            // A certificate is not ours to have, and needs persons beside it.
            if block.contains("tls_certificate") {
                continue;
            }
            fs::write(&file, &block).unwrap();
            let mut command = Command::new(env!("CARGO_BIN_EXE_eyeshine"));
            command.arg("--config").arg(&file).arg("--state-dir").arg(folder.path().join("state")).arg("check-config");
            let said = command.env("CREDENTIALS_DIRECTORY", folder.path()).output().unwrap();
            let why = String::from_utf8_lossy(&said.stderr).into_owned();
            assert!(said.status.success(), "{}:\n{block}\n{why}", page.display());
            n_configs += 1;
        }
    }
    assert!(n_configs >= 5, "{n_configs}");
}

#[test]
fn every_metric_has_its_line() {
    let mut sources = vec![root().join("src/metrics.rs")];
    sources.extend(fs::read_dir(root().join("src/metrics")).unwrap().map(|it| it.unwrap().path()));
    let page = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let named = |text: &str, quote: char| -> BTreeSet<String> {
        let words = text.split(quote).filter(|it| it.starts_with("eyeshine_"));
        words.filter(|it| it.chars().all(|it| it == '_' || it.is_ascii_lowercase())).map(str::to_owned).collect()
    };
    let mut there: BTreeSet<String> = BTreeSet::new();
    for source in sources {
        there.extend(named(&fs::read_to_string(source).unwrap(), '"'));
    }
    assert!(there.len() > 40, "{there:?}");
    assert_eq!(named(&page, '`'), there);
    // Other pages name some of them, and families of them.
    for (page, text) in pages() {
        for name in
            text.split(|it: char| it != '_' && !it.is_ascii_lowercase()).filter(|it| it.starts_with("eyeshine_"))
        {
            assert!(there.iter().any(|it| it.starts_with(name)), "{}: {name}", page.display());
        }
    }
}

/// Where there is a Prometheus to ask.
#[test]
fn prometheus_takes_the_rules() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let [rules] = &blocks(&readme, "yaml")[..] else { panic!("the rules are one block") };
    let mut command = Command::new("promtool");
    command.args(["check", "rules", "/dev/stdin"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut promtool) = command.spawn() else { return println!("skipped: no promtool here") };
    promtool.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
    let said = promtool.wait_with_output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
}
