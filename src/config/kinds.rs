//! What a value of the configuration may be, and the sentence that says what is wrong with one that is not.

use std::net::SocketAddr;

use jiff::tz::TimeZone;
use toml_edit::Value;

/// What a key may hold.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// `true` or `false`.
    Bool,
    /// A whole number, both bounds included.
    Int(i64, i64),
    /// A number, both bounds included.
    Float(f64, f64),
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Text that a function accepts, or says what is wrong with.
    Text(fn(&str) -> Result<(), String>),
    /// A list of texts, each of which a function accepts.
    Texts(fn(&str) -> Result<(), String>),
    /// Polygons of relative coordinates.
    Polygons,
    /// A day or a time, as TOML's own or as text.
    Moment,
}

impl Kind {
    /// Says what is wrong with a value. Text is never repeated here unless its own check does so: it may be a secret.
    pub(super) fn check(self, value: &Value) -> Result<(), String> {
        match self {
            Kind::Bool => value.as_bool().map(|_| ()).ok_or_else(|| wrong_type("true or false", value)),
            Kind::Int(min, max) => match value.as_integer() {
                None => Err(wrong_type("a whole number", value)),
                Some(it) if (min..=max).contains(&it) => Ok(()),
                Some(it) => Err(format!("must be between {min} and {max}, is {it}")),
            },
            Kind::Float(min, max) => match number(value) {
                None => Err(wrong_type("a number", value)),
                // NaN is in no range.
                Some(it) if (min..=max).contains(&it) => Ok(()),
                Some(it) => Err(format!("must be between {min} and {max}, is {it}")),
            },
            Kind::Choice(words) => match value.as_str() {
                Some(it) if words.contains(&it) => Ok(()),
                Some(it) => Err(format!("must be {}, is \"{}\"", one_of(words), it.escape_debug())),
                None => Err(wrong_type(&one_of(words), value)),
            },
            Kind::Text(check) => match value.as_str() {
                Some(it) => check(it),
                None => Err(wrong_type("text in quotes", value)),
            },
            Kind::Texts(check) => match value.as_array() {
                Some(list) => list.iter().try_for_each(|it| Kind::Text(check).check(it)),
                None => Err(wrong_type("a list of texts", value)),
            },
            Kind::Polygons => polygons(value),
            Kind::Moment => match (value.as_datetime(), value.as_str()) {
                (Some(it), _) => moment(&it.to_string(), &TimeZone::UTC).map(|_| ()),
                (None, Some(it)) => moment(it, &TimeZone::UTC).map(|_| ()),
                (None, None) => Err(wrong_type("a day or a time, as 2026-03-01", value)),
            },
        }
    }
}

/// A number, whole or not.
pub(super) fn number(value: &Value) -> Option<f64> {
    value.as_float().or_else(|| value.as_integer().map(|it| it as f64))
}

/// A day (its beginning in that time zone) or a time.
pub(super) fn moment(text: &str, zone: &TimeZone) -> Result<jiff::Timestamp, String> {
    let text = text.trim();
    if let Ok(time) = text.parse::<jiff::Timestamp>() {
        return Ok(time);
    }
    let local = text.parse::<jiff::civil::DateTime>();
    local.and_then(|it| it.to_zoned_datetime(zone.clone())).map(|it| it.timestamp()).map_err(|_| {
        format!("must be a day or a time, as 2026-03-01 or 2026-03-01T14:00:00Z, is \"{}\"", text.escape_debug())
    })
}

/// A camera's name: `[A-Za-z0-9._-]{1,64}`.
pub(super) fn is_camera_name(name: &str) -> bool {
    (1..=64).contains(&name.len()) && name.bytes().all(|it| it.is_ascii_alphanumeric() || b"._-".contains(&it))
}

/// Says what is wrong with a camera's address, without repeating it: it may hold a password.
pub(super) fn uri(uri: &str) -> Result<(), String> {
    let Some((scheme, rest)) = uri.split_once("://") else {
        return if uri.trim().is_empty() { Err("must not be empty".into()) } else { Ok(()) };
    };
    match scheme.to_ascii_lowercase().as_str() {
        "file" if rest.len() > 1 && rest.starts_with('/') => Ok(()),
        "file" => Err("must name a file by its full path, as file:///videos/fox.mp4".into()),
        "rtsp" | "rtsps" | "http" | "https" => {
            let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
            let host = authority.rsplit('@').next().unwrap_or_default();
            if host.is_empty() || host.starts_with(':') { Err("names no host".into()) } else { Ok(()) }
        }
        _ => {
            // What stands before "://" is shown only if it can be nothing but a scheme.
            let shown =
                scheme.len() <= 12 && scheme.bytes().all(|it| it.is_ascii_alphanumeric() || b"+-.".contains(&it));
            let is = if shown { format!(", is {scheme}") } else { String::new() };
            Err(format!(
                "must begin with rtsp, rtsps, http, https or file and \"://\", or be a path such as /dev/video0{is}"
            ))
        }
    }
}

/// An address to listen at; what one needs that others can reach is checked with the people who may come.
pub(super) fn listen(text: &str) -> Result<(), String> {
    address(text).map(drop)
}

/// Where to listen.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    let wrong = |_| format!("must be an address and a port, as 127.0.0.1:8080, is \"{}\"", text.escape_debug());
    text.parse().map_err(wrong)
}

pub(super) fn anything(_: &str) -> Result<(), String> {
    Ok(())
}

pub(super) fn filled(text: &str) -> Result<(), String> {
    if text.trim().is_empty() { Err("must not be empty".into()) } else { Ok(()) }
}

/// A task is a column of a table, a label of a metric, and a folder.
pub(super) fn task(text: &str) -> Result<(), String> {
    const COLUMNS: [&str; 4] = ["path", "camera", "captured_at", "event"];
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if text.is_empty() || text.len() > 32 || !text.chars().all(allowed) {
        return Err("must be 1 to 32 of a-z 0-9 _".into());
    }
    if COLUMNS.contains(&text) { Err("is a column of tables of labels already".into()) } else { Ok(()) }
}

/// `Puma concolor`, `Puma`, `Felidae`.
pub(super) fn scientific_name(text: &str) -> Result<(), String> {
    let mut words = text.split(' ');
    let first = words.next().unwrap_or_default();
    let lower = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_lowercase() || it == b'-');
    let genus = first.len() > 1 && first.as_bytes()[0].is_ascii_uppercase() && lower(&first[1..]);
    if genus && words.clone().count() <= 2 && words.all(lower) {
        return Ok(());
    }
    Err(format!(
        "must be a scientific name, as \"Puma concolor\", \"Puma\" or \"Felidae\", is \"{}\"",
        text.escape_debug()
    ))
}

pub(super) fn family(text: &str) -> Result<(), String> {
    if scientific_name(text).is_ok() && text.ends_with("idae") {
        Ok(())
    } else {
        Err(format!("must be the scientific name of a family, as \"Felidae\", is \"{}\"", text.escape_debug()))
    }
}

/// A labeller's name; the bound is that of labels.
pub(super) fn person_name(text: &str) -> Result<(), String> {
    let fits = text.trim() == text && (1..=100).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fits { Ok(()) } else { Err("must be 1 to 100 characters of one line, without blanks around them".into()) }
}

pub(super) fn file_stem(text: &str) -> Result<(), String> {
    filled(text)?;
    if text.contains('/') { Err("must be the name of a contract, without folder and \".toml\"".into()) } else { Ok(()) }
}

pub(super) fn file_stem_or_none(text: &str) -> Result<(), String> {
    if text.is_empty() { Ok(()) } else { file_stem(text) }
}

pub(super) fn host(text: &str) -> Result<(), String> {
    let ok = !text.is_empty() && text.bytes().all(|it| it.is_ascii_alphanumeric() || b".-_:[]".contains(&it));
    if ok { Ok(()) } else { Err(format!("must be host names, as cameras.example.org, is \"{}\"", text.escape_debug())) }
}

pub(super) fn filter(text: &str) -> Result<(), String> {
    match tracing_subscriber::EnvFilter::builder().parse(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("must be a filter of tracing, as \"info,eyeshine::capture=debug\": {error}")),
    }
}

pub(super) fn tls_pin(text: &str) -> Result<(), String> {
    let ok = text.is_empty() || (text.len() == 64 && text.bytes().all(|it| it.is_ascii_hexdigit()));
    if ok { Ok(()) } else { Err("must be a SHA-256: 64 hexadecimal digits without colons".into()) }
}

pub(super) fn time_zone(text: &str) -> Result<(), String> {
    match TimeZone::get(text) {
        Ok(_) => Ok(()),
        Err(_) => Err(format!("must be an IANA time zone, as Europe/Zurich, is \"{}\"", text.escape_debug())),
    }
}

pub(super) fn camera_name(text: &str) -> Result<(), String> {
    if is_camera_name(text) {
        Ok(())
    } else {
        Err(format!("must be 1 to 64 of the letters A-Z a-z 0-9 . _ -, is \"{}\"", text.escape_debug()))
    }
}

fn polygons(value: &Value) -> Result<(), String> {
    let wrong = || wrong_type("polygons, as [[[0, 0], [1, 0], [1, 0.1]]]", value);
    for (nth, polygon) in value.as_array().ok_or_else(wrong)?.iter().enumerate() {
        let points = polygon.as_array().ok_or_else(wrong)?;
        if points.iter().all(|it| !it.is_array()) && !points.is_empty() {
            return Err("is one polygon, and must be a list of them: [[0, 0], [1, 0], [1, 1]] stands in one more pair of brackets".into());
        }
        if points.len() < 3 {
            return Err(format!("polygon {} has {} points, must have at least 3", nth + 1, points.len()));
        }
        for point in points {
            let point = point.as_array().ok_or_else(wrong)?;
            let [Some(x), Some(y)] = [point.get(0).and_then(number), point.get(1).and_then(number)] else {
                return Err(wrong());
            };
            if point.len() != 2 {
                return Err(wrong());
            }
            if !(0.0..=1.0).contains(&x) || !(0.0..=1.0).contains(&y) {
                return Err(format!("polygon {}: x and y must be between 0 and 1, are [{x}, {y}]", nth + 1));
            }
        }
    }
    Ok(())
}

fn one_of(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|it| format!("\"{it}\"")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn wrong_type(wanted: &str, value: &Value) -> String {
    let is = match value {
        Value::String(_) => "text",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date or a time",
        Value::Array(_) => "a list of another shape",
        Value::InlineTable(_) => "a table",
    };
    format!("must be {wanted}, is {is}")
}
