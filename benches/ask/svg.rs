//! A chart of learning curves.

use std::fmt::Write;

use crate::curve::Points;

const SIZE: (f64, f64) = (640.0, 360.0);
/// Left, top, right, bottom.
const MARGINS: (f64, f64, f64, f64) = (56.0, 40.0, 16.0, 48.0);
/// Told apart by those who see no red or green, too, and by their dashes (Okabe & Ito 2008).
const STROKES: [(&str, &str); 4] =
    [("#000000", "2 3"), ("#0072b2", "none"), ("#d55e00", "8 4"), ("#009e73", "8 3 2 3")];

/// Shares of the full balanced accuracy by labels; a line marks what is nearly as good.
pub(crate) fn chart(name: &str, curves: &[(&str, Points)], nearly: f64) -> String {
    let most = curves.iter().flat_map(|it| &it.1).map(|it| it.0).max().unwrap_or(1) as f64;
    let (left, top, right, bottom) = MARGINS;
    let x = |n: f64| left + n / most * (SIZE.0 - left - right);
    let y = |share: f64| top + (1.0 - (share.clamp(0.4, 1.05) - 0.4) / 0.65) * (SIZE.1 - top - bottom);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>{name}: balanced accuracy by labels</title>\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n",
        SIZE.0, SIZE.1
    );
    let mut line = |text: String| {
        // A string takes all.
        let _ = writeln!(svg, "{text}");
    };
    let text = |x: f64, y: f64, anchor: &str, it: &str| {
        format!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#222222\">{it}</text>")
    };
    for share in [0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0] {
        let at = y(share);
        line(format!("<path d=\"M{left} {at:.1}H{}\" stroke=\"#dddddd\"/>", SIZE.0 - right));
        line(text(left - 6.0, at + 4.0, "end", &format!("{:.0} %", 100.0 * share)));
    }
    let step = (most / 8.0 / 5.0).ceil() * 5.0;
    for n in (0..).map(|it| f64::from(it) * step).take_while(|it| *it <= most) {
        line(text(x(n), SIZE.1 - bottom + 16.0, "middle", &format!("{n:.0}")));
    }
    let at = y(nearly);
    line(format!("<path d=\"M{left} {at:.1}H{}\" stroke=\"#666666\" stroke-dasharray=\"1 3\"/>", SIZE.0 - right));
    line(text(SIZE.0 / 2.0, SIZE.1 - 10.0, "middle", "labels"));
    line(text(left, 18.0, "start", &format!("{name}: share of the balanced accuracy with all labels; dotted: 95 %")));
    for (i, ((way, points), (colour, dashes))) in curves.iter().zip(STROKES).enumerate() {
        let path: Vec<String> = points.iter().map(|it| format!("{:.1} {:.1}", x(it.0 as f64), y(it.1))).collect();
        let style = format!("fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\" stroke-dasharray=\"{dashes}\"");
        line(format!("<path d=\"M{}\" {style}/>", path.join("L")));
        let at = SIZE.1 - bottom - 16.0 * (curves.len() - i) as f64;
        line(format!("<path d=\"M{} {:.1}h32\" {style}/>", SIZE.0 - 240.0, at - 4.0));
        line(text(SIZE.0 - 200.0, at, "start", way));
    }
    svg + "</svg>\n"
}
