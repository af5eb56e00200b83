//! Every problem of a configuration at once, with file, line and key: a walk over the file's own spans.

use std::fmt;
use std::ops::Range;
use std::path::Path;

use toml_edit::{Document, Item, Table, TableLike, Value};

use super::DEFAULT;
use super::cameras;
use super::certificate;
use super::environment::Environment;
use super::keys::{self, Key};
use super::load::Overrides;
use super::overlay;
use super::persons;
use super::shares;
use super::taxa;

/// One thing that a person must edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file as it was named, or `environment`, or `command line`.
    pub file: String,
    /// Line in that file, from 1.
    pub line: Option<usize>,
    /// Column in that line, in characters, from 1.
    pub column: Option<usize>,
    /// `section.key`, the variable's or the argument's name; may be empty.
    pub key: String,
    /// What is wrong and what would be right. Never holds a secret.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)
    }
}

impl Problem {
    /// A problem of something that has no lines.
    pub(super) fn elsewhere(file: &str, key: &str, message: impl Into<String>) -> Problem {
        Problem { file: file.to_owned(), line: None, column: None, key: key.to_owned(), message: message.into() }
    }
}

/// Everything that is wrong with a configuration, in the order of its file; empty where all is well.
pub fn problems(path: Option<&Path>, overrides: &Overrides, environment: &Environment) -> Vec<Problem> {
    match Layers::read(path, environment) {
        Ok(layers) => layers.problems(overrides, environment),
        Err(problems) => problems,
    }
}

/// The layers below the command line, parsed.
#[derive(Debug)]
pub(super) struct Layers {
    pub(super) default: Document<&'static str>,
    /// Without a file: an empty one.
    pub(super) file: File,
    pub(super) environment: Table,
    environment_problems: Vec<Problem>,
}

/// A file with its text, for line numbers.
#[derive(Debug)]
pub(super) struct File {
    name: String,
    pub(super) text: String,
    pub(super) document: Document<String>,
}

/// One `[[camera]]` or `[[taxon]]` of the file.
#[derive(Clone)]
pub(super) struct Camera<'a> {
    pub(super) table: &'a dyn TableLike,
    /// Its header.
    pub(super) span: Option<Range<usize>>,
}

/// Whether a line gives a key a value that begins with a letter or a slash, as no value of TOML does but
/// `true`, `false`, `inf` and `nan`.
fn is_unquoted(line: &str) -> bool {
    let value = line.split_once('=').map_or("", |it| it.1.trim());
    let is_word = value.starts_with(|it: char| it.is_alphabetic() || it == '/');
    is_word && !["true", "false", "inf", "nan"].contains(&value)
}

/// Where a value stands: in the file, or elsewhere.
#[derive(Debug, Clone)]
pub(super) enum Origin {
    /// In the file, there.
    File(Option<Range<usize>>),
    /// In this variable.
    Environment(String),
    /// Nowhere but in the defaults.
    Default,
}

impl Layers {
    /// Reads the file; gives one problem where that, or its syntax, fails.
    pub(super) fn read(path: Option<&Path>, environment: &Environment) -> Result<Layers, Vec<Problem>> {
        let default = Document::parse(DEFAULT).expect("the compiled-in defaults parse: this is a bug");
        let name = path.map(|it| it.display().to_string()).unwrap_or_default();
        let text = match path.map(std::fs::read_to_string) {
            None => String::new(),
            Some(Ok(text)) => text,
            Some(Err(error)) => return Err(vec![Problem::elsewhere(&name, "", format!("cannot be read: {error}"))]),
        };
        let file = File::parse(name, text).map_err(|it| vec![it])?;
        let (environment, environment_problems) = environment.layer();
        Ok(Layers { default, file, environment, environment_problems })
    }

    /// All problems of all layers and of the command line.
    pub(super) fn problems(&self, overrides: &Overrides, environment: &Environment) -> Vec<Problem> {
        let mut problems = Vec::new();
        self.file.walk(&mut problems);
        problems.extend(self.environment_problems.iter().cloned());
        problems.extend(overrides.problems());
        cameras::check(self, overrides, environment, &mut problems);
        overlay::check(self, overrides, environment, &mut problems);
        persons::check(self, overrides, environment, &mut problems);
        if !overrides.without_secrets {
            certificate::check(self, environment, &mut problems);
        }
        shares::check(self, &mut problems);
        // Stable: what has no line comes last, in the order it was found.
        problems.sort_by_key(|it| it.line.unwrap_or(usize::MAX));
        let mut seen: Vec<Problem> = Vec::new();
        problems.retain(|it| {
            !seen.contains(it) && {
                seen.push(it.clone());
                true
            }
        });
        problems
    }

    /// The `[[camera]]` tables of the file.
    pub(super) fn cameras(&self) -> Vec<Camera<'_>> {
        tables(self.file.document.get("camera")).unwrap_or_default()
    }

    /// What holds for a camera, and where that stands: its own value, or the nearest default.
    pub(super) fn of_camera<'a>(&'a self, camera: Option<&'a dyn TableLike>, key: &str) -> Option<(&'a Value, Origin)> {
        let defaults = |table: &'a Table| table.get("camera_defaults").and_then(Item::as_table_like);
        if let Some((found, item)) = camera.and_then(|it| it.get_key_value(key)) {
            return Some((item.as_value()?, Origin::File(found.span())));
        }
        if let Some(item) = defaults(&self.environment).and_then(|it| it.get(key)) {
            let variable = format!("EYESHINE__CAMERA_DEFAULTS__{}", key.to_ascii_uppercase());
            return Some((item.as_value()?, Origin::Environment(variable)));
        }
        if let Some((found, item)) = defaults(&self.file.document).and_then(|it| it.get_key_value(key)) {
            return Some((item.as_value()?, Origin::File(found.span())));
        }
        defaults(&self.default).and_then(|it| it.get(key)).and_then(Item::as_value).map(|it| (it, Origin::Default))
    }
}

impl Layers {
    /// A value of a plain section, and where it stands.
    pub(super) fn of_section(&self, section: &str, key: &str) -> (Option<&Value>, Origin) {
        fn find<'a>(table: &'a Table, section: &str, key: &str) -> Option<(&'a toml_edit::Key, &'a Item)> {
            table.get(section)?.as_table_like()?.get_key_value(key)
        }
        if let Some((_, item)) = find(&self.environment, section, key) {
            let variable = format!("EYESHINE__{}__{}", section.to_ascii_uppercase(), key.to_ascii_uppercase());
            return (item.as_value(), Origin::Environment(variable));
        }
        if let Some((found, item)) = find(&self.file.document, section, key) {
            return (item.as_value(), Origin::File(found.span()));
        }
        (find(&self.default, section, key).and_then(|it| it.1.as_value()), Origin::Default)
    }

    /// A problem of a value that stands there.
    pub(super) fn problem_at(&self, origin: &Origin, key: &str, message: &str) -> Problem {
        match origin {
            Origin::File(at) => self.file.problem(at.clone(), key, message),
            Origin::Environment(variable) => Problem::elsewhere("environment", variable, message),
            Origin::Default => Problem::elsewhere("defaults", key, message),
        }
    }
}

impl File {
    /// Parses a file; gives the problem where its syntax fails.
    pub(super) fn parse(name: String, text: String) -> Result<File, Problem> {
        match Document::parse(text.clone()) {
            Ok(document) => Ok(File { name, text, document }),
            Err(error) => {
                let (line, column) = place(&text, error.span().map_or(0, |it| it.start));
                // Only the message: the error's own display would repeat the line, which may hold a password.
                let mut message = error.message().trim().replace('\n', "; ");
                if text.lines().nth(line - 1).is_some_and(is_unquoted) {
                    message += "; text stands in quotes, as name = \"feeder\"";
                }
                let (line, column) = (Some(line), Some(column));
                Err(Problem { file: name, line, column, key: String::new(), message })
            }
        }
    }

    /// A problem of this file.
    pub(super) fn problem(&self, at: Option<Range<usize>>, key: &str, message: impl Into<String>) -> Problem {
        let at = at.map(|it| place(&self.text, it.start));
        Problem {
            file: self.name.clone(),
            line: at.map(|it| it.0),
            column: at.map(|it| it.1),
            key: key.to_owned(),
            message: message.into(),
        }
    }

    /// Unknown keys, wrong types, wrong values.
    fn walk(&self, problems: &mut Vec<Problem>) {
        for (name, item) in self.document.iter() {
            let span = self.document.get_key_value(name).and_then(|(key, _)| key.span());
            if name == "camera" {
                match tables(Some(item)) {
                    Some(cameras) => cameras.into_iter().for_each(|it| self.walk_camera(&it, problems)),
                    None => problems.push(self.problem(span, name, "each camera begins with [[camera]]")),
                }
                continue;
            }
            if name == "taxon" {
                match tables(Some(item)) {
                    Some(_) => taxa::check(self, problems),
                    None => problems.push(self.problem(span, name, "each taxon begins with [[taxon]]")),
                }
                continue;
            }
            match (keys::section(name), item.as_table_like()) {
                (Some(keys), Some(table)) => {
                    self.walk_table(name, &[keys], table, problems);
                    if let Some(persons) = table.get("person").filter(|_| name == "web") {
                        persons::walk(self, persons, problems);
                    }
                }
                (Some(_), None) => problems.push(self.problem(span, name, format!("must be a table, as [{name}]"))),
                (None, _) => {
                    let names = keys::SECTIONS.iter().map(|(name, _)| *name).chain(["camera", "taxon"]);
                    let hint = suggestion(name, names, str::to_owned);
                    problems.push(self.problem(span, name, format!("no such section{hint}")));
                }
            }
        }
    }

    fn walk_camera(&self, Camera { table: camera, span }: &Camera, problems: &mut Vec<Problem>) {
        self.walk_table("camera", &[keys::CAMERA_OWN, keys::CAMERA_DEFAULTS], *camera, problems);
        if let Some((key, gate)) = camera.get_key_value("gate") {
            match gate.as_table_like() {
                Some(gate) => self.walk_table("camera.gate", &[keys::GATE], gate, problems),
                None => problems.push(self.problem(key.span(), "camera.gate", "must be a table, as [camera.gate]")),
            }
        }
        for own in keys::CAMERA_OWN {
            if camera.get(own.name).is_none() {
                let message = format!("this camera has no {}", own.name);
                problems.push(self.problem(span.clone(), &format!("camera.{}", own.name), message));
            }
        }
    }

    pub(super) fn walk_table(
        &self,
        section: &str,
        keys: &[&[Key]],
        table: &dyn TableLike,
        problems: &mut Vec<Problem>,
    ) {
        for (name, item) in table.iter() {
            let path = format!("{section}.{name}");
            let at = table.get_key_value(name).and_then(|(key, _)| key.span());
            let known = keys.iter().find_map(|keys| keys::find(keys, name));
            let message = match (known, item.as_value()) {
                (Some(key), Some(value)) => key.kind.check(value).err(),
                (Some(_), None) => Some("must be a value, is a table".to_owned()),
                (None, _) if section == "camera" && name == "gate" => None,
                (None, _) if section == "web" && name == "person" => None,
                (None, _) if section == "web.person" && name == "token" => {
                    Some("tokens never stand here: use token_file or token_env".to_owned())
                }
                (None, _) if name == "password" => {
                    Some("passwords never stand here: use password_file or password_env".to_owned())
                }
                (None, _) => {
                    let names = keys.iter().flat_map(|keys| keys.iter().map(|it| it.name));
                    Some(format!("no such key in [{section}]{}", suggestion(name, names, str::to_owned)))
                }
            };
            problems.extend(message.map(|it| self.problem(at, &path, it)));
        }
    }
}

/// The tables of `[[name]]`, or of `name = [{…}]`; `None` where it is something else.
pub(super) fn tables(item: Option<&Item>) -> Option<Vec<Camera<'_>>> {
    match item {
        None => Some(Vec::new()),
        Some(Item::ArrayOfTables(it)) => Some(it.iter().map(|it| Camera { table: it, span: it.span() }).collect()),
        Some(Item::Value(Value::Array(it))) => {
            it.iter().map(|it| it.as_inline_table().map(|it| Camera { table: it, span: it.span() })).collect()
        }
        Some(_) => None,
    }
}

/// `; did you mean x?`, where something is near.
pub(super) fn suggestion<'a>(
    name: &str,
    names: impl Iterator<Item = &'a str>,
    show: impl Fn(&str) -> String,
) -> String {
    let lower = name.to_ascii_lowercase();
    let near = names
        .map(|it| (strsim::damerau_levenshtein(&lower, it), it))
        .filter(|(distance, it)| *distance <= 1.max(it.len() / 3))
        .min();
    near.map(|(_, it)| format!("; did you mean {}?", show(it))).unwrap_or_default()
}

/// Line and column, from 1, of a byte.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    (line, column)
}
