//! The environment as a layer: `EYESHINE__SECTION__KEY`, each value read as its key's type says.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use toml_edit::{Item, Table, Value};

use super::check::{Problem, suggestion};
use super::keys;
use super::kinds::Kind;

const PREFIX: &str = "EYESHINE__";

/// The variables of a process. A value of its own, so that tests need not change their process.
#[derive(Debug, Clone, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// What this process was given.
    pub fn of_process() -> Environment {
        Environment(std::env::vars_os().collect())
    }

    /// One variable; an empty one counts as unset.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str).filter(|it| !it.is_empty())
    }

    /// Where a password file lies: a name without a slash is looked for in `$CREDENTIALS_DIRECTORY` first.
    pub fn credential(&self, file: &Path) -> PathBuf {
        if !file.as_os_str().to_string_lossy().contains('/')
            && let Some(folder) = self.get("CREDENTIALS_DIRECTORY")
            && let path = Path::new(folder).join(file)
            && path.exists()
        {
            return path;
        }
        file.to_owned()
    }

    /// The first of systemd's `$STATE_DIRECTORY`.
    pub fn state_directory(&self) -> Option<PathBuf> {
        let all = self.get("STATE_DIRECTORY")?.to_string_lossy().into_owned();
        all.split(':').next().map(PathBuf::from)
    }

    /// The layer: `[section] key = value` for every variable that is right, and a problem for every other.
    pub(super) fn layer(&self) -> (Table, Vec<Problem>) {
        let mut layer = Table::new();
        let mut problems = Vec::new();
        for (name, value) in &self.0 {
            let name = name.to_string_lossy();
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            match read(rest, value) {
                Ok((section, key, value)) => {
                    let section = layer.entry(&section).or_insert_with(|| Item::Table(Table::new()));
                    if let Some(section) = section.as_table_mut() {
                        section.insert(&key, Item::Value(value));
                    }
                }
                Err(message) => problems.push(Problem::elsewhere("environment", &name, message)),
            }
        }
        (layer, problems)
    }
}

impl<K: Into<OsString>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Environment {
        Environment(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

/// Reads the variable whose name ends in `rest`.
fn read(rest: &str, value: &OsStr) -> Result<(String, String, Value), String> {
    let rest = rest.to_ascii_lowercase();
    let Some((section, key)) = rest.split_once("__") else {
        return Err("must be named EYESHINE__SECTION__KEY".into());
    };
    if section == "camera" {
        return Err("cameras stand in the file; EYESHINE__CAMERA_DEFAULTS__KEY holds for all of them".into());
    }
    let upper = |it: &str| it.to_ascii_uppercase();
    let Some(keys) = keys::section(section) else {
        let sections = keys::SECTIONS.iter().map(|(name, _)| *name);
        return Err(format!("no such section{}", suggestion(section, sections, upper)));
    };
    let Some(found) = keys::find(keys, key) else {
        let names = keys.iter().map(|it| it.name);
        return Err(format!("no such key in [{section}]{}", suggestion(key, names, upper)));
    };
    let text = value.to_str().ok_or("must be UTF-8")?;
    let value = match found.kind {
        Kind::Bool | Kind::Int(..) | Kind::Float(..) | Kind::Polygons => {
            text.trim().parse().unwrap_or_else(|_| Value::from(text))
        }
        Kind::Texts(_) => text.split(',').map(str::trim).filter(|it| !it.is_empty()).collect(),
        Kind::Choice(_) | Kind::Text(_) | Kind::Moment => Value::from(text),
    };
    found.kind.check(&value)?;
    Ok((section.to_owned(), key.to_owned(), value))
}
