//! Tables of labelled pictures: `path,species[,camera,captured_at,event,<task>…]`, read whole or refused by line.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The task that the column `species` is of.
pub const SPECIES: &str = "species";
/// The task that says whether anything is there, and of what kind.
const CONTENT: &str = "content";
/// Names that mean something here, and what else they are called where a label says what is there.
const RESERVED: [(&str, &[&str]); 5] = [
    ("blank", &["empty", "nothing"]),
    ("human", &["humans", "person", "persons", "people", "homo sapiens"]),
    ("vehicle", &["vehicles", "car", "cars"]),
    ("unknown", &[]),
    ("unidentifiable", &[]),
];
/// The camera of pictures that name none.
const NO_CAMERA: &str = "import";
/// Pictures of one camera that name no event, and were taken within so many seconds of each other, are one.
const GAP_SECS: f64 = 60.0;
/// Columns that are no task's, but for `species`.
const COLUMNS: [&str; 5] = ["path", SPECIES, "camera", "captured_at", "event"];
/// Longest name of a class, or of a person.
pub const MAX_NAME: usize = 100;

/// A table cannot be used; nothing of it was.
#[derive(Debug, thiserror::Error)]
pub enum LabelFileError {
    /// It cannot be read.
    #[error("{path}: {why}")]
    Read {
        /// The table.
        path: String,
        /// The system's reason.
        why: String,
    },
    /// Its columns are separated by something else.
    #[error("{path}: line 1: the columns are separated by {separator:?}: save the table with commas")]
    Separator {
        /// The table.
        path: String,
        /// By what.
        separator: char,
    },
    /// Its header lacks a column.
    #[error(
        "{path}: line 1: no column `{column}`: a table of labels begins with `path,species`, then, as wanted, `camera`, `captured_at`, `event`, and a column for each further task"
    )]
    NoColumn {
        /// The table.
        path: String,
        /// Which.
        column: &'static str,
    },
    /// Its header has a column that is none.
    #[error(
        "{path}: line 1: unknown column `{column}`: known are path, species, camera, captured_at, event{tasks}; a task must stand in the config (teach.tasks) first"
    )]
    UnknownColumn {
        /// The table.
        path: String,
        /// Which.
        column: String,
        /// `, a, b`.
        tasks: String,
    },
    /// Its header has a column twice.
    #[error("{path}: line 1: column `{column}` stands there twice")]
    Twice {
        /// The table.
        path: String,
        /// Which.
        column: String,
    },
    /// A row is wrong.
    #[error("{path}: line {line}: {why}")]
    Row {
        /// The table.
        path: String,
        /// From 1.
        line: u64,
        /// What is wrong, and what to do.
        why: String,
    },
}

/// A labelled picture.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelRow {
    /// In the table.
    pub line: u64,
    /// As the table has it.
    pub path: PathBuf,
    /// When it was taken, where the table says so.
    pub captured_at: Option<Timestamp>,
    /// Class by task; `species` is one.
    pub classes: BTreeMap<String, String>,
}

/// Pictures of one event.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledBurst {
    /// The camera.
    pub camera: String,
    /// What the event is called: the same in every import of the table.
    pub name: String,
    /// In the order of time, where that is known, else of the table.
    pub rows: Vec<LabelRow>,
}

/// Reads a table; `tasks` are those that may have a column beside `species`.
pub fn read(path: &Path, tasks: &[String]) -> Result<Vec<LabelledBurst>, LabelFileError> {
    let name = path.display().to_string();
    let unread = |why: String| LabelFileError::Read { path: name.clone(), why };
    let file = File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => unread("there is no such table".into()),
        _ => unread(error.to_string()),
    })?;
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(file);
    let header = reader.headers().map_err(|error| unread(error.to_string()))?.clone();
    // Spreadsheets put a mark of the byte order before the first name.
    let header: Vec<String> = header.iter().map(|it| it.trim_start_matches('\u{feff}').trim().to_owned()).collect();
    if let [only] = &*header
        && let Some(separator) = [';', '\t'].into_iter().find(|it| only.contains(*it))
    {
        return Err(LabelFileError::Separator { path: name, separator });
    }
    // Spreadsheets begin with a capital.
    let lower = |it: String| if COLUMNS.contains(&&*it.to_lowercase()) { it.to_lowercase() } else { it };
    let header: Vec<String> = header.into_iter().map(lower).collect();
    let columns = Columns::of(&header, &name, tasks)?;
    let mut rows: Vec<(String, Option<String>, LabelRow)> = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|error| {
            let line = error.position().map_or(0, csv::Position::line);
            LabelFileError::Row { path: name.clone(), line, why: format!("not a row of CSV in UTF-8: {error}") }
        })?;
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |why: String| LabelFileError::Row { path: name.clone(), line, why };
        if record.len() != header.len() {
            return Err(wrong(format!("{} fields, where the header has {}", record.len(), header.len())));
        }
        rows.push(columns.row(&record, line).map_err(wrong)?);
    }
    Ok(bursts(rows))
}

/// Where each column stands.
struct Columns {
    path: usize,
    camera: Option<usize>,
    captured_at: Option<usize>,
    event: Option<usize>,
    tasks: Vec<(usize, String)>,
}

impl Columns {
    fn of(header: &[String], name: &str, tasks: &[String]) -> Result<Columns, LabelFileError> {
        let find = |column: &str| header.iter().position(|it| it == column);
        let needed =
            |column: &'static str| find(column).ok_or_else(|| LabelFileError::NoColumn { path: name.into(), column });
        let mut columns = Columns {
            path: needed("path")?,
            camera: find("camera"),
            captured_at: find("captured_at"),
            event: find("event"),
            tasks: vec![(needed(SPECIES)?, SPECIES.into())],
        };
        for (i, column) in header.iter().enumerate() {
            if header[..i].contains(column) {
                return Err(LabelFileError::Twice { path: name.into(), column: column.clone() });
            }
            match column.as_str() {
                known if COLUMNS.contains(&known) => {}
                _ if tasks.contains(column) => columns.tasks.push((i, column.clone())),
                _ => {
                    let tasks = tasks.iter().filter(|it| *it != SPECIES).map(|it| format!(", {it}")).collect();
                    return Err(LabelFileError::UnknownColumn { path: name.into(), column: column.clone(), tasks });
                }
            }
        }
        Ok(columns)
    }

    /// Camera, event and the rest of a row.
    fn row(&self, record: &csv::StringRecord, line: u64) -> Result<(String, Option<String>, LabelRow), String> {
        let field = |at: usize| record.get(at).unwrap_or_default().trim();
        let given = |at: Option<usize>| at.map(field).filter(|it| !it.is_empty());
        if field(self.path).is_empty() {
            return Err("path: is empty: name the picture, relative to the table or to --root".into());
        }
        let camera = given(self.camera).unwrap_or(NO_CAMERA);
        if camera.len() > 64 || !camera.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) {
            return Err(format!("camera: {camera:?} must be 1 to 64 of A-Z a-z 0-9 . _ -"));
        }
        let mut classes = BTreeMap::new();
        for (at, task) in &self.tasks {
            let class = field(*at);
            if !class.is_empty() {
                classes.insert(task.clone(), class_name(task, class)?);
            }
        }
        if classes.is_empty() {
            return Err("no label: write what the picture shows (`blank` for nothing), or leave the row out".into());
        }
        let captured_at = given(self.captured_at).map(time).transpose()?;
        let event = given(self.event).map(str::to_owned);
        Ok((camera.to_owned(), event, LabelRow { line, path: field(self.path).into(), captured_at, classes }))
    }
}

/// The name of a class as it is kept, of what somebody wrote, or why it cannot be one.
///
/// Names by which events are marked, or left out of what is taught, are theirs in whatever case; and of what is there, the
/// words of other programs and of people are, too: nobody's picture is to be shown because it was called `Person`.
pub fn class_name(task: &str, written: &str) -> Result<String, String> {
    let class = written.trim();
    if class.is_empty() || class.chars().count() > MAX_NAME || class.chars().any(char::is_control) {
        return Err(format!("{task}: a class is called by 1 to {MAX_NAME} characters of one line"));
    }
    let lower = class.to_lowercase();
    let says_what_is_there = [SPECIES, CONTENT].contains(&task);
    let is_meant =
        |(kept, words): &(&str, &[&str])| lower == *kept || (says_what_is_there && words.contains(&lower.as_str()));
    Ok(RESERVED.into_iter().find(is_meant).map_or(class, |it| it.0).to_owned())
}

/// What else they are called, with commas between.
pub fn also_called() -> String {
    RESERVED.iter().flat_map(|it| it.1).copied().collect::<Vec<_>>().join(",")
}

/// Whether a name means something here and is no species that somebody has to name first.
pub fn is_reserved(class: &str) -> bool {
    RESERVED.iter().any(|it| it.0 == class)
}

fn time(text: &str) -> Result<Timestamp, String> {
    moment(text).map_err(|error| format!("captured_at: {error}"))
}

/// A time as people write it: RFC 3339, or date and time without a zone, which is UTC.
pub fn moment(text: &str) -> Result<Timestamp, String> {
    let civil = |text: &str| text.parse::<DateTime>().and_then(|it| TimeZone::UTC.to_timestamp(it));
    text.parse::<Timestamp>()
        .or_else(|_| civil(text))
        .map_err(|_| format!("{text:?} is no time: write it as 2026-03-01T17:30:00Z or 2026-03-01 17:30:00 (UTC)"))
}

/// Events in the order in which the table first names them.
fn bursts(rows: Vec<(String, Option<String>, LabelRow)>) -> Vec<LabelledBurst> {
    let mut bursts: Vec<LabelledBurst> = Vec::new();
    let mut named: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut timed: BTreeMap<String, Vec<(Timestamp, LabelRow)>> = BTreeMap::new();
    for (camera, event, row) in rows {
        match (event, row.captured_at) {
            (Some(name), _) => {
                let at = *named.entry((camera.clone(), name.clone())).or_insert_with(|| {
                    bursts.push(LabelledBurst { camera, name, rows: Vec::new() });
                    bursts.len() - 1
                });
                bursts[at].rows.push(row);
            }
            (None, Some(at)) => timed.entry(camera).or_default().push((at, row)),
            // Nothing says that it belongs to another.
            (None, None) => {
                let name = row.path.display().to_string();
                bursts.push(LabelledBurst { camera, name, rows: vec![row] });
            }
        }
    }
    for burst in &mut bursts {
        burst.rows.sort_by_key(|it| it.captured_at);
    }
    for (camera, mut rows) in timed {
        rows.sort_by_key(|it| it.0);
        let mut last: Option<Timestamp> = None;
        for (at, row) in rows {
            let apart = last.map_or(f64::INFINITY, |it| at.duration_since(it).as_secs_f64());
            last = Some(at);
            match bursts.last_mut() {
                Some(burst) if apart <= GAP_SECS => burst.rows.push(row),
                _ => bursts.push(LabelledBurst { camera: camera.clone(), name: at.to_string(), rows: vec![row] }),
            }
        }
    }
    bursts
}

#[cfg(test)]
mod tests;
