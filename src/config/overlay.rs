//! What people saved on a camera's page: files in the state folder that go before the configuration. A file is a version, and the
//! newest of a camera holds: `cameras/<camera>.<number>.toml`. Each holds what differs from the configuration, and nothing else.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value};
use toml_edit::Item;

use super::check::{File, Layers, Origin, Problem};
use super::environment::Environment;
use super::keys::{self, Key};
use super::kinds::Kind;
use super::load::Overrides;
use super::{GateSettings, keys::GATE};

/// Below the state folder.
pub const FOLDER: &str = "cameras";
const ENDING: &str = ".toml";
/// Masks of a camera, and corners of a mask, at most: they are drawn by hand, and each corner costs the gate a little.
const MAX_MASKS: usize = 32;
const MAX_CORNERS: usize = 64;

/// A version as its file has it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Overlay {
    /// When it was saved.
    pub changed_at: Timestamp,
    /// By whom.
    pub changed_by: String,
    /// Whether they had seen what it would have changed.
    pub tried: bool,
    /// Instead of the configuration's.
    pub masks: Option<Vec<Vec<[f64; 2]>>>,
    /// Instead of the configuration's, key by key.
    #[serde(default)]
    pub gate: Map<String, Value>,
}

impl Overlay {
    /// What differs between what is configured and what is wanted.
    pub fn between(
        configured: &GateSettings,
        wanted: &GateSettings,
        (changed_at, changed_by, tried): (Timestamp, &str, bool),
    ) -> Overlay {
        let (before, mut gate) = (table(configured), table(wanted));
        gate.retain(|key, value| before.get(key) != Some(value));
        let masks = (configured.masks != wanted.masks).then(|| wanted.masks.clone());
        Overlay { changed_at, changed_by: changed_by.into(), tried, masks, gate }
    }

    /// What holds where this lies over what is configured.
    pub fn over(&self, configured: &GateSettings) -> Result<GateSettings, String> {
        let mut gate = table(configured);
        gate.extend(self.gate.clone());
        let gate = serde_json::from_value(Value::Object(gate)).map_err(|error| format!("gate: {error}"))?;
        Ok(GateSettings { masks: self.masks.clone().unwrap_or_else(|| configured.masks.clone()), gate })
    }

    /// The keys that it sets.
    pub fn keys(&self) -> Vec<String> {
        let masks = self.masks.iter().map(|_| "masks".to_owned());
        masks.chain(self.gate.keys().map(|it| format!("gate.{it}"))).collect()
    }

    /// As its file has it.
    pub fn to_toml(&self) -> String {
        let mut text = String::from(
            "# Saved on the camera's page, which shows who changed what: it goes before the configuration, and the file\n\
             # with the highest number holds. Remove it, and the one before holds from the next start on.\n",
        );
        let by = toml::Value::from(self.changed_by.as_str());
        let _ = writeln!(text, "changed_at = \"{}\"\nchanged_by = {by}\ntried = {}", self.changed_at, self.tried);
        text + &settings_toml(self.masks.as_ref().map(json), &self.gate)
    }

    /// Understands a file's text, which has been checked.
    pub fn parse(text: &str) -> Result<Overlay, String> {
        toml::from_str(text).map_err(|error| error.message().to_owned())
    }
}

/// Settings as somebody says them, checked as the configuration is: every problem a sentence.
pub fn understand(said: Value) -> Result<GateSettings, Vec<String>> {
    let Value::Object(mut said) = said else { return Err(vec!["settings must be an object".into()]) };
    let masks = said.remove("masks").ok_or_else(|| vec!["masks: are missing".to_owned()])?;
    let Some(Value::Object(gate)) = said.remove("gate") else { return Err(vec!["gate: is missing".into()]) };
    let mut problems: Vec<String> = said.keys().map(|it| format!("{it}: there is no such setting")).collect();
    problems
        .extend(GATE.iter().filter(|it| !gate.contains_key(it.name)).map(|it| format!("gate.{}: is missing", it.name)));
    if let Some(many) = too_many(&masks) {
        problems.push(many);
    }
    // Names are checked before they become keys of a text.
    let known = |it: &&String| keys::find(GATE, it).is_none();
    problems
        .extend(gate.keys().filter(known).map(|it| format!("gate.{}: there is no such setting", it.escape_debug())));
    if problems.is_empty() {
        let text = settings_toml(Some(masks.clone()), &gate);
        match File::parse(String::new(), text) {
            Ok(file) => {
                walk(&file, &mut problems, |it| format!("{}: {}", it.key.trim_start_matches("camera."), it.message))
            }
            Err(problem) => problems.push(problem.message),
        }
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let whole = Value::Object(Map::from_iter([("masks".into(), masks), ("gate".into(), Value::Object(gate))]));
    serde_json::from_value(whole).map_err(|error| vec![error.to_string()])
}

fn too_many(masks: &Value) -> Option<String> {
    let masks = masks.as_array()?;
    if masks.len() > MAX_MASKS {
        return Some(format!("masks: {} are too many: at most {MAX_MASKS}", masks.len()));
    }
    let longest = masks.iter().filter_map(|it| it.as_array().map(Vec::len)).max()?;
    (longest > MAX_CORNERS).then(|| format!("masks: {longest} corners are too many: a mask has at most {MAX_CORNERS}"))
}

/// The newest version of each camera below a state folder: its camera, number and path.
pub fn newest(state_dir: &Path) -> io::Result<Vec<(String, u32, PathBuf)>> {
    let mut all = versions(state_dir)?;
    all.sort();
    let mut newest: Vec<(String, u32, PathBuf)> = Vec::new();
    for it in all {
        match newest.last_mut() {
            Some(last) if last.0 == it.0 => *last = it,
            _ => newest.push(it),
        }
    }
    Ok(newest)
}

/// Every version of every camera.
pub fn versions(state_dir: &Path) -> io::Result<Vec<(String, u32, PathBuf)>> {
    let entries = match fs::read_dir(state_dir.join(FOLDER)) {
        Ok(it) => it,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let parts = name.to_str().and_then(|it| it.strip_suffix(ENDING)).and_then(|it| it.rsplit_once('.'));
        if let Some((camera, number)) = parts
            && let Ok(number) = number.parse()
        {
            all.push((camera.to_owned(), number, entry.path()));
        }
    }
    Ok(all)
}

/// The name of a version's file.
pub fn file_name(camera: &str, number: u32) -> String {
    format!("{camera}.{number}{ENDING}")
}

/// Checks the newest version of each camera: it goes before the configuration, and must be as right.
pub(super) fn check(layers: &Layers, overrides: &Overrides, environment: &Environment, problems: &mut Vec<Problem>) {
    let dir = state_dir(layers, overrides, environment);
    let newest = match newest(&dir) {
        Ok(it) => it,
        Err(error) => {
            let folder = dir.join(FOLDER).display().to_string();
            let why = match error.kind() {
                std::io::ErrorKind::NotADirectory => format!("{} is to be a folder, and is none", dir.display()),
                _ => format!("cannot be read: {error}"),
            };
            problems.push(Problem::elsewhere(&folder, "", why));
            return;
        }
    };
    for (_, _, path) in newest {
        let name = path.display().to_string();
        let file = fs::read_to_string(&path)
            .map_err(|error| Problem::elsewhere(&name, "", format!("cannot be read: {error}")))
            .and_then(|text| File::parse(name, text));
        match file {
            Ok(file) => {
                let before = problems.len();
                walk(&file, problems, |it| it);
                for own in VERSION.iter().filter(|it| it.name != "masks" && file.document.get(it.name).is_none()) {
                    problems.push(file.problem(None, own.name, "is missing"));
                }
                // A day alone is no time.
                if let Some(why) = Overlay::parse(&file.text).err().filter(|_| problems.len() == before) {
                    problems.push(file.problem(None, "", why));
                }
            }
            Err(problem) => problems.push(problem),
        }
    }
}

/// What goes before the configuration, a line for each camera, with where it stands.
pub fn listed(path: Option<&Path>, overrides: &Overrides, environment: &Environment) -> String {
    let Ok(layers) = Layers::read(path, environment) else { return String::new() };
    let newest = newest(&state_dir(&layers, overrides, environment)).unwrap_or_default();
    let line = |(camera, _, path): (String, u32, PathBuf)| {
        let it = Overlay::parse(&fs::read_to_string(&path).ok()?).ok()?;
        let Overlay { changed_at, changed_by, .. } = &it;
        let keys = match it.keys() {
            keys if keys.is_empty() => "nothing".into(),
            keys => keys.join(", "),
        };
        let (path, day, by) = (path.display(), changed_at.strftime("%Y-%m-%d %H:%M:%SZ"), changed_by.escape_debug());
        Some(format!("camera {camera}: {path} says {keys} instead (saved {day} by {by})\n"))
    };
    newest.into_iter().filter_map(line).collect()
}

/// The folder that is meant before anything is loaded.
fn state_dir(layers: &Layers, overrides: &Overrides, environment: &Environment) -> PathBuf {
    let named = overrides.state_dir.clone().or_else(|| environment.state_directory());
    let configured = || {
        let (value, _): (_, Origin) = layers.of_section("state", "dir");
        value.and_then(|it| it.as_str()).unwrap_or_default().into()
    };
    named.unwrap_or_else(configured)
}

/// What a version holds beside `[gate]`.
const VERSION: &[Key] = &[
    Key { name: "changed_at", kind: Kind::Moment },
    Key { name: "changed_by", kind: Kind::Text(|_| Ok(())) },
    Key { name: "tried", kind: Kind::Bool },
    Key { name: "masks", kind: Kind::Polygons },
];

fn walk<T>(file: &File, problems: &mut Vec<T>, of: impl Fn(Problem) -> T) {
    let mut found = Vec::new();
    file.walk_table("camera", &[VERSION], file.document.as_table(), &mut found);
    match file.document.get("gate").map(Item::as_table_like) {
        Some(Some(gate)) => file.walk_table("gate", &[GATE], gate, &mut found),
        Some(None) => found.push(file.problem(None, "gate", "must be a table, as [gate]")),
        None => {}
    }
    problems.extend(found.into_iter().map(of));
}

/// The gate's settings as a table, each number as it is written by hand: 0.1, and not 0.10000000149.
fn table(settings: &GateSettings) -> Map<String, Value> {
    match json(&settings.gate) {
        Value::Object(it) => it,
        _ => Map::new(),
    }
}

fn json(it: &impl serde::Serialize) -> Value {
    serde_json::to_string(it).ok().and_then(|it| serde_json::from_str(&it).ok()).unwrap_or_default()
}

/// Lists, numbers and words of JSON are such of TOML, too.
fn settings_toml(masks: Option<Value>, gate: &Map<String, Value>) -> String {
    let mut text = masks.map_or_else(String::new, |it| format!("masks = {it}\n"));
    if !gate.is_empty() {
        text += "\n[gate]\n";
    }
    for (key, value) in gate {
        let _ = writeln!(text, "{key} = {value}");
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::check;
    use super::*;

    fn configured() -> GateSettings {
        crate::capture::testing::config("/dev/null").gate_settings()
    }

    fn said(settings: &GateSettings) -> Value {
        json(settings)
    }

    #[test]
    fn a_version_holds_what_differs_and_comes_back_as_it_was() {
        let configured = configured();
        let mut wanted = configured.clone();
        wanted.gate.sigma = 4.1;
        wanted.gate.max_crops = 3;
        wanted.masks = vec![vec![[0.0, 0.0], [0.5, 0.0], [0.5, 0.125]]];
        let at = "2026-03-01T20:00:00Z".parse().unwrap();
        let overlay = Overlay::between(&configured, &wanted, (at, "ada \"the\" keeper\n", true));
        assert_eq!(overlay.keys(), ["masks", "gate.max_crops", "gate.sigma"]);
        let text = overlay.to_toml();
        assert!(text.contains("sigma = 4.1\n") && !text.contains("min_luma"), "{text}");
        let read = Overlay::parse(&text).unwrap();
        assert_eq!(read, overlay);
        assert_eq!(read.over(&configured).unwrap(), wanted);
        // What the configuration says of other keys later on holds.
        let later =
            GateSettings { gate: crate::config::GateConfig { min_luma: 9.0, ..configured.gate.clone() }, ..configured };
        let over = read.over(&later).unwrap().gate;
        assert_eq!((over.min_luma, over.sigma), (9.0, 4.1));
    }

    #[test]
    fn what_is_said_is_checked_as_the_configuration_is() {
        let right = said(&configured());
        assert_eq!(understand(right.clone()).unwrap(), configured());
        let problem = |change: &dyn Fn(&mut Value)| {
            let mut it = right.clone();
            change(&mut it);
            understand(it).map(|_| String::new()).unwrap_or_else(|it| it.join("; "))
        };
        for (change, wanted) in [
            (
                &(|it: &mut Value| it["gate"]["sigma"] = 0.into()) as &dyn Fn(&mut Value),
                "gate.sigma: must be between 0.5 and 100, is 0",
            ),
            (&|it| it["gate"]["max_crops"] = Value::from(1.5), "gate.max_crops: must be a whole number"),
            (&|it| it["gate"]["find_clock"] = "yes".into(), "gate.find_clock: must be true or false"),
            (&|it| it["masks"] = serde_json::json!([[[0, 0], [1, 0]]]), "masks: polygon 1 has 2 points"),
            (
                &|it| it["masks"] = serde_json::json!([[[0, 0], [1, 0], [1, 1.5]]]),
                "masks: polygon 1: x and y must be between",
            ),
            (&|it| it["masks"] = serde_json::json!(vec![[[0, 0], [1, 0], [1, 1]]; 33]), "masks: 33 are too many"),
            (&|it| it["masks"] = serde_json::json!([vec![[0, 0]; 65]]), "masks: 65 corners are too many"),
            (&|it| drop(it["gate"].as_object_mut().unwrap().remove("sigma")), "gate.sigma: is missing"),
            (&|it| it["gate"]["sigma = 1\nx"] = 1.into(), "gate.sigma = 1\\nx: there is no such setting"),
            (&|it| it["uri"] = "rtsp://evil".into(), "uri: there is no such setting"),
        ] {
            let found = problem(change);
            assert!(found.starts_with(wanted), "{wanted}: {found}");
        }
    }

    #[test]
    fn a_bad_version_is_told_with_its_place_and_an_older_one_is_not_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join(FOLDER);
        fs::create_dir_all(&folder).unwrap();
        let overrides = Overrides { state_dir: Some(dir.path().to_owned()), ..Overrides::default() };
        let told = || -> Vec<String> {
            let all = check::problems(None, &overrides, &Environment::default());
            all.iter().map(|it| it.to_string().replace(&format!("{}/", folder.display()), "")).collect()
        };
        let head = "changed_at = \"2026-03-01T20:00:00Z\"\nchanged_by = \"ada\"\ntried = false\n";
        fs::write(folder.join("feeder.9.toml"), "no toml").unwrap();
        fs::write(folder.join("feeder.10.toml"), format!("{head}masks = []\n")).unwrap();
        fs::write(folder.join("feeder.x.toml"), "of somebody else").unwrap();
        assert_eq!(told(), Vec::<String>::new());
        fs::write(folder.join("a.b.1.toml"), format!("{head}urii = 1\n[gate]\nsigma = -1\n")).unwrap();
        assert_eq!(
            told(),
            [
                "a.b.1.toml:4: camera.urii: no such key in [camera]",
                "a.b.1.toml:6: gate.sigma: must be between 0.5 and 100, is -1"
            ]
        );
        fs::write(folder.join("a.b.2.toml"), head.replace("T20:00:00Z", "")).unwrap();
        assert_eq!((told().len(), told()[0].starts_with("a.b.2.toml: ")), (1, true), "{:?}", told());
        fs::write(folder.join("a.b.2.toml"), "masks = [").unwrap();
        assert_eq!((told().len(), told()[0].starts_with("a.b.2.toml:1")), (1, true), "{:?}", told());
    }
}
