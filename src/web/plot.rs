//! Plots as SVG, made here: a page needs no script for them, and nothing from elsewhere. What they show stands in words, too,
//! for those who do not see them.

use std::fmt::Write as _;

/// Width of every plot, in its own units.
const WIDTH: f64 = 640.0;
/// Of a bar's row.
const ROW: f64 = 26.0;
/// Where bars begin: names stand before.
const NAMES: f64 = 190.0;
/// Characters of a name that fit.
const FITTING: usize = 24;
/// Of a plot of points.
const HEIGHT: f64 = 240.0;
const MARGIN: f64 = 48.0;

/// A bar.
pub(super) struct Bar {
    pub(super) name: String,
    pub(super) value: u64,
}

/// A point and its interval, 0..=1.
pub(super) struct Point {
    pub(super) name: String,
    pub(super) value: f64,
    pub(super) interval: (f64, f64),
    /// Whether it ever served: those that did are filled and joined.
    pub(super) served: bool,
}

/// Bars side by side, each with its name and number.
pub(super) fn bars(title: &str, bars: &[Bar]) -> String {
    let most = bars.iter().map(|it| it.value).max().unwrap_or(0).max(1) as f64;
    let height = ROW * bars.len() as f64 + 6.0;
    let said: Vec<String> = bars.iter().map(|it| format!("{} {}", it.name, it.value)).collect();
    let mut svg = begin(title, height, &said.join(", "));
    for (place, it) in bars.iter().enumerate() {
        let top = ROW * place as f64;
        let width = (WIDTH - NAMES - 60.0) * it.value as f64 / most;
        let (middle, end) = (top + 17.0, NAMES + width + 8.0);
        let _ = write!(
            svg,
            r#"<text x="{:.0}" y="{middle:.0}" text-anchor="end">{}</text><rect class="bar-of" x="{NAMES:.0}" y="{:.0}" width="{width:.1}" height="16" rx="3"/><text class="faint" x="{end:.1}" y="{middle:.0}">{}</text>"#,
            NAMES - 8.0,
            escaped(&fitting(&it.name)),
            top + 5.0,
            it.value
        );
    }
    svg + "</svg>"
}

/// Points from left to right with their intervals, between 0 and 100 %.
pub(super) fn points(title: &str, points: &[Point]) -> String {
    let percent = |it: f64| format!("{:.0} %", 100.0 * it);
    let said: Vec<String> = points
        .iter()
        .map(|it| {
            let (low, high) = it.interval;
            format!("{}: {}, interval {} to {}", it.name, percent(it.value), percent(low), percent(high))
        })
        .collect();
    let mut svg = begin(title, HEIGHT, &said.join("; "));
    let y = |value: f64| HEIGHT - MARGIN - (HEIGHT - MARGIN - 14.0) * value.clamp(0.0, 1.0);
    let step = (WIDTH - 2.0 * MARGIN) / points.len().max(1) as f64;
    let x = |place: usize| 1.4 * MARGIN + step * (place as f64 + 0.5);
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let y = y(share);
        let _ = write!(
            svg,
            r#"<line class="grid" x1="{MARGIN:.0}" x2="{WIDTH:.0}" y1="{y:.1}" y2="{y:.1}"/><text class="faint" x="{:.0}" y="{:.1}" text-anchor="end">{}</text>"#,
            MARGIN - 5.0,
            y + 4.0,
            percent(share)
        );
    }
    let served: Vec<String> = points
        .iter()
        .enumerate()
        .filter(|(_, it)| it.served)
        .map(|(place, it)| format!("{:.1},{:.1}", x(place), y(it.value)))
        .collect();
    let _ = write!(svg, r#"<polyline class="line" points="{}"/>"#, served.join(" "));
    // Where they stand close not every one can have its name.
    let every = (28.0 / step).ceil().max(1.0) as usize;
    for (place, it) in points.iter().enumerate() {
        let (x, low, high) = (x(place), y(it.interval.0), y(it.interval.1));
        let class = if it.served { "dot" } else { "hollow" };
        let _ = write!(
            svg,
            r#"<line class="whisker" x1="{x:.1}" x2="{x:.1}" y1="{low:.1}" y2="{high:.1}"/><circle class="{class}" cx="{x:.1}" cy="{:.1}" r="5"/>"#,
            y(it.value)
        );
        if place % every == 0 {
            let name = escaped(&it.name);
            let _ = write!(
                svg,
                r#"<text class="faint" x="{x:.1}" y="{:.0}" text-anchor="middle">{name}</text>"#,
                HEIGHT - 18.0
            );
        }
    }
    svg + "</svg>"
}

/// The 95 % interval of a share of `n` (Wilson 1927), which holds for few, too.
pub(super) fn wilson(share: f64, n: usize) -> (f64, f64) {
    const Z: f64 = 1.959_964;
    if n == 0 {
        return (0.0, 1.0);
    }
    let n = n as f64;
    let (middle, scale) = (share + Z * Z / (2.0 * n), 1.0 + Z * Z / n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    (((middle - half) / scale).max(0.0), ((middle + half) / scale).min(1.0))
}

fn begin(title: &str, height: f64, said: &str) -> String {
    let label = escaped(&format!("{title}: {said}"));
    format!(r#"<svg class="plot" viewBox="0 0 {WIDTH:.0} {height:.0}" role="img" aria-label="{label}">"#)
}

fn fitting(name: &str) -> String {
    if name.chars().count() <= FITTING {
        return name.into();
    }
    name.chars().take(FITTING - 1).chain(['…']).collect()
}

fn escaped(text: &str) -> String {
    text.chars()
        .map(|it| match it {
            '&' => "&amp;".into(),
            '<' => "&lt;".into(),
            '>' => "&gt;".into(),
            '"' => "&quot;".into(),
            '\'' => "&#39;".into(),
            other => String::from(other),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_wilson() {
        let near = |got: (f64, f64), low: f64, high: f64| (got.0 - low).abs() < 1e-4 && (got.1 - high).abs() < 1e-4;
        assert!(near(wilson(0.5, 10), 0.2366, 0.7634), "{:?}", wilson(0.5, 10));
        assert!(near(wilson(1.0, 20), 0.8389, 1.0), "{:?}", wilson(1.0, 20));
        assert_eq!(wilson(0.0, 0), (0.0, 1.0));
    }

    #[test]
    fn a_name_is_no_markup_and_a_plot_says_in_words_what_it_shows() {
        let evil = Bar { name: "<script>&\"".into(), value: 3 };
        let svg = bars("Labels", &[evil, Bar { name: "a very long name of a very small bird".into(), value: 0 }]);
        assert!(!svg.contains("<script") && svg.contains("&lt;script&gt;&amp;&quot; 3"), "{svg}");
        assert!(svg.contains("a very long name of a v…</text>") && svg.contains("role=\"img\""), "{svg}");
        let point = |served| Point { name: "1".into(), value: 0.8, interval: (0.6, 0.9), served };
        let svg = points("Right", &[point(true), point(false)]);
        assert!(svg.contains("1: 80 %, interval 60 % to 90 %") && svg.contains("hollow"), "{svg}");
        assert!(points("Right", &[]).ends_with("</svg>"));
    }
}
