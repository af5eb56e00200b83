//! The form of a camera's settings: as it is shown, and as it is understood.

use serde_json::{Map, Value, json};

use super::super::said::Fields;
use crate::config::GateSettings;
use crate::config::explained::{self, Range};
use crate::config::overlay::understand;

/// What people call the keys of the gate, and in which unit they are.
const CALLED: [(&str, &str, &str); 12] = [
    ("width_px", "Width of the analysed picture", "px"),
    ("sigma", "What moves differs by", "σ"),
    ("min_luma", "and by at least", "of 255 luma"),
    ("min_area", "Smallest that counts", "of the picture"),
    ("max_area", "All changes at once above", "of the picture"),
    ("background_secs", "The background follows in", "seconds"),
    ("max_crops", "Crops of a frame, at most", "crops"),
    ("margin", "Margin around what moves", "of its longer side"),
    ("min_crop_px", "Smallest side of a crop", "px"),
    ("time_lapse_secs", "A still frame passes every", "seconds"),
    ("linger_secs", "and brings where it moved for", "seconds"),
    ("find_clock", "Leave a burnt-in clock out", ""),
];

/// A setting on the form.
pub(super) struct Field {
    pub(super) name: String,
    pub(super) label: &'static str,
    pub(super) unit: &'static str,
    pub(super) value: String,
    pub(super) configured: String,
    pub(super) min: String,
    pub(super) max: String,
    /// `1`, or `any`; empty: yes or no.
    pub(super) step: &'static str,
    pub(super) reason: String,
    /// It is not as configured.
    pub(super) differs: bool,
}

/// A mask on the form.
pub(super) struct MaskLine {
    /// `12.5 10, 40 10, 40 30`: corners in percent of width and height.
    pub(super) corners: String,
    pub(super) name: String,
}

/// What is shown of settings, beside what is configured.
pub(super) fn fields(settings: &GateSettings, configured: &GateSettings) -> Vec<Field> {
    let text = |it: &GateSettings| serde_json::to_string(&it.gate).unwrap_or_default();
    let table = |it: &str| serde_json::from_str::<Map<String, Value>>(it).unwrap_or_default();
    let (now, before) = (table(&text(settings)), table(&text(configured)));
    let shown = |of: &Map<String, Value>, name: &str| match of.get(name) {
        Some(Value::Bool(true)) => "yes".into(),
        Some(Value::Bool(false)) => "no".into(),
        Some(it) => it.to_string().trim_end_matches(".0").to_owned(),
        None => String::new(),
    };
    let field = |it: explained::Explained| {
        let (_, label, unit) = CALLED.into_iter().find(|called| called.0 == it.name)?;
        let (min, max, step) = match it.range {
            Range::Switch => (String::new(), String::new(), ""),
            Range::Whole(min, max) => (min.to_string(), max.to_string(), "1"),
            Range::Number(min, max) => (min.to_string(), max.to_string(), "any"),
        };
        let (value, configured) = (shown(&now, it.name), shown(&before, it.name));
        let differs = value != configured;
        Some(Field { name: it.name.into(), label, unit, value, configured, min, max, step, reason: it.reason, differs })
    };
    explained::gate().into_iter().filter_map(field).collect()
}

/// What is shown of masks.
pub(super) fn mask_lines(masks: &[Vec<[f64; 2]>]) -> Vec<MaskLine> {
    let percent = |it: f64| format!("{:.3}", 100.0 * it).trim_end_matches('0').trim_end_matches('.').to_owned();
    let corners = |it: &Vec<[f64; 2]>| {
        it.iter().map(|[x, y]| format!("{} {}", percent(*x), percent(*y))).collect::<Vec<_>>().join(", ")
    };
    let line =
        |(nth, it): (usize, &Vec<[f64; 2]>)| MaskLine { corners: corners(it), name: format!("Mask {}", nth + 1) };
    masks.iter().enumerate().map(line).collect()
}

/// What a form says, checked; else everything that is wrong with it.
pub(super) fn wanted(fields: &Fields) -> Result<GateSettings, Vec<String>> {
    let mut problems = Vec::new();
    let mut masks = Vec::new();
    for text in fields.all("mask").filter(|it| !it.is_empty()) {
        match corners(text) {
            Ok(it) => masks.push(it),
            Err(why) => problems.push(format!("mask {}: {why}", masks.len() + 1)),
        }
    }
    match rectangle(fields) {
        Ok(it) => masks.extend(it),
        Err(why) => problems.push(why),
    }
    let mut gate = Map::new();
    for it in explained::gate() {
        let name = format!("gate.{}", it.name);
        let said = fields.get(&name);
        let value = match it.range {
            Range::Switch => Ok(Value::from(!said.is_empty())),
            Range::Whole(..) if said.parse::<i64>().is_ok() => Ok(said.parse::<i64>().unwrap_or(0).into()),
            _ => number(said).map(Value::from),
        };
        match value {
            Ok(value) => drop(gate.insert(it.name.into(), value)),
            Err(why) => problems.push(format!("{name}: {why}")),
        }
    }
    if problems.is_empty() { understand(json!({ "masks": masks, "gate": gate })) } else { Err(problems) }
}

/// `12.5 10, 40 10, 40 30`.
fn corners(text: &str) -> Result<Vec<[f64; 2]>, String> {
    let corner = |it: &str| -> Result<[f64; 2], String> {
        let mut words = it.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(x), Some(y), None) => Ok([share(x)?, share(y)?]),
            _ => {
                Err(format!("{it:?} is no corner: two numbers, percent of width and height, with a comma to the next"))
            }
        }
    };
    text.split([',', ';']).map(str::trim).filter(|it| !it.is_empty()).map(corner).collect()
}

/// The rectangle of which the edges are given; none where none is.
fn rectangle(fields: &Fields) -> Result<Option<Vec<[f64; 2]>>, String> {
    let edges = ["left", "top", "right", "bottom"].map(|it| fields.get(it));
    if edges.iter().all(|it| it.is_empty()) {
        return Ok(None);
    }
    let [left, top, right, bottom] = edges.map(share);
    let (left, top, right, bottom) = (left?, top?, right?, bottom?);
    if left >= right || top >= bottom {
        return Err("rectangle: left must be less than right, and top less than bottom".into());
    }
    Ok(Some(vec![[left, top], [right, top], [right, bottom], [left, bottom]]))
}

/// Percent as a share, to a hundred-thousandth.
fn share(percent: &str) -> Result<f64, String> {
    let it = number(percent)?;
    if (0.0..=100.0).contains(&it) {
        Ok((it * 1e3).round() / 1e5)
    } else {
        Err(format!("{it} % lies outside of the picture"))
    }
}

fn number(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|it| it.is_finite());
    number.ok_or_else(|| format!("{text:?} is no number"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn sent(settings: &GateSettings, more: &[(&str, &str)]) -> Result<GateSettings, Vec<String>> {
        let mut all: Vec<(String, String)> = Vec::new();
        for it in fields(settings, settings) {
            if it.step.is_empty() && it.value == "no" {
                continue;
            }
            all.push((format!("gate.{}", it.name), it.value));
        }
        all.extend(mask_lines(&settings.masks).into_iter().map(|it| ("mask".to_owned(), it.corners)));
        for (name, value) in more {
            all.retain(|it| it.0 != *name || *name == "mask");
            all.push(((*name).to_owned(), (*value).to_owned()));
        }
        wanted(&Fields(all))
    }

    #[test]
    fn every_setting_has_a_name_for_people_and_comes_back_as_it_was_shown() {
        let mut settings = crate::capture::testing::config("/dev/null").gate_settings();
        assert_eq!(fields(&settings, &settings).len(), explained::gate().len());
        settings.gate.find_clock = false;
        settings.gate.sigma = 3.3;
        settings.masks = vec![vec![[0.0, 0.0], [0.333, 0.0], [0.125, 1.0]]];
        assert_eq!(sent(&settings, &[]).unwrap(), settings);
        let shown = fields(&settings, &crate::capture::testing::config("/dev/null").gate_settings());
        let differ: Vec<&str> = shown.iter().filter(|it| it.differs).map(|it| &*it.name).collect();
        assert_eq!(differ, ["sigma", "find_clock"]);
    }

    #[test]
    fn masks_are_drawn_by_numbers_and_what_is_wrong_is_said() {
        let settings = crate::capture::testing::config("/dev/null").gate_settings();
        let masks = |more: &[(&str, &str)]| sent(&settings, more).map(|it| it.masks);
        let edges = [("left", "10"), ("top", "0"), ("right", "50"), ("bottom", "25.5")];
        assert_eq!(masks(&edges).unwrap(), [[[0.1, 0.0], [0.5, 0.0], [0.5, 0.255], [0.1, 0.255]]]);
        assert_eq!(
            masks(&[("mask", "0 0; 100 0, 100 100,"), ("mask", " ")]).unwrap(),
            [[[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]]]
        );
        for (more, why) in [
            (("mask", "0 0, 1 0"), "masks: polygon 1 has 2 points"),
            (("mask", "0 0, 1 0, 1 101"), "mask 1: 101 % lies outside"),
            (("mask", "0 0, 1 0, 1"), "mask 1: \"1\" is no corner"),
            (("left", "10"), "\"\" is no number"),
            (("gate.sigma", "many"), "gate.sigma: \"many\" is no number"),
            (("gate.sigma", "NaN"), "gate.sigma: \"NaN\" is no number"),
            (("gate.width_px", "1.5"), "gate.width_px: must be a whole number"),
            (("gate.max_area", "2"), "gate.max_area: must be between 0.01 and 1, is 2"),
        ] {
            let said = masks(&[more]).unwrap_err().join("; ");
            assert!(said.starts_with(why), "{why}: {said}");
        }
    }
}
