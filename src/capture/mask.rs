//! What is never looked at: the polygons of the config, and a burnt-in clock, found by its beat.

use std::collections::VecDeque;
use std::time::Duration;

/// A mask over an analysed picture: true is left out.
#[derive(Debug, Clone)]
pub struct Mask {
    width: usize,
    height: usize,
    masked: Vec<bool>,
}

impl Mask {
    /// Rasterises polygons of relative coordinates (even-odd rule, pixel centres).
    pub fn new(polygons: &[Vec<[f64; 2]>], width: usize, height: usize) -> Mask {
        let inside = |i: usize| {
            let x = ((i % width) as f64 + 0.5) / width as f64;
            let y = ((i / width) as f64 + 0.5) / height as f64;
            polygons.iter().any(|polygon| contains(polygon, x, y))
        };
        Mask { width, height, masked: (0..width * height).map(inside).collect() }
    }

    /// Takes masked pixels out of `moving`; how many there were.
    pub fn clear(&self, moving: &mut [bool]) -> usize {
        let mut n = 0;
        for (it, _) in moving.iter_mut().zip(&self.masked).filter(|(it, masked)| **it && **masked) {
            *it = false;
            n += 1;
        }
        n
    }

    /// Blackens what is masked in a picture of its size.
    pub fn paint(&self, image: &mut image::RgbImage) {
        for (pixel, _) in image.pixels_mut().zip(&self.masked).filter(|(_, masked)| **masked) {
            *pixel = image::Rgb([0; 3]);
        }
    }

    /// The same in a grey one.
    pub fn blacken(&self, image: &mut image::GrayImage) {
        for (pixel, _) in image.pixels_mut().zip(&self.masked).filter(|(_, masked)| **masked) {
            *pixel = image::Luma([0]);
        }
    }

    /// Adds the rows and columns of a burnt-in text.
    pub fn add(&mut self, text: &Text) {
        for y in text.top..text.bottom.min(self.height) {
            self.masked[y * self.width + text.left..y * self.width + text.right.min(self.width)].fill(true);
        }
    }
}

fn contains(polygon: &[[f64; 2]], x: f64, y: f64) -> bool {
    let mut inside = false;
    for (i, a) in polygon.iter().enumerate() {
        let b = polygon[(i + polygon.len() - 1) % polygon.len()];
        if (a[1] > y) != (b[1] > y) && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0] {
            inside = !inside;
        }
    }
    inside
}

/// Where a burnt-in text stands, in px of the analysed picture; `right` and `bottom` lie outside of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// Left edge.
    pub left: usize,
    /// Top edge.
    pub top: usize,
    /// Right edge, exclusive.
    pub right: usize,
    /// Bottom edge, exclusive.
    pub bottom: usize,
}

impl Text {
    fn holds(&self, x: usize, y: usize) -> bool {
        (self.left..self.right).contains(&x) && (self.top..self.bottom).contains(&y)
    }
}

/// Luma by which a digit's pixel changes from one frame to the next, and by which text stands out.
const DIGIT_LUMA: u8 = 50;
/// Share of the height, at the top and at the bottom, in which clocks are burnt in.
const STRIP: f64 = 0.13;
/// Changes a second apart that make a clock.
const BEATS: usize = 8;

/// Texts in one strip, at most: a date and a time that stand apart, and one more.
const MAX_TEXTS: usize = 3;

/// Finds a burnt-in clock: in a strip at the top or bottom edge, a small place of high contrast where pixels change
/// once a second, and not in between.
#[derive(Debug)]
pub struct ClockFinder {
    width: usize,
    height: usize,
    last: Vec<u8>,
    strips: [Strip; 2],
}

#[derive(Debug)]
struct Strip {
    top: usize,
    bottom: usize,
    beats: VecDeque<(Duration, Text)>,
    n_off_beat: usize,
    /// What was found in it, and is not looked at any more.
    texts: Vec<Text>,
}

impl ClockFinder {
    /// For luma pictures of `width` x `height` px.
    pub fn new(width: usize, height: usize) -> ClockFinder {
        let deep = (height as f64 * STRIP).ceil() as usize;
        let strip = |top, bottom| Strip { top, bottom, beats: VecDeque::new(), n_off_beat: 0, texts: Vec::new() };
        ClockFinder { width, height, last: Vec::new(), strips: [strip(0, deep), strip(height - deep, height)] }
    }

    /// Looks at one more picture; gives each clock once, when it is sure of it.
    pub fn update(&mut self, luma: &[u8], elapsed: Duration) -> Vec<Text> {
        let mut found = Vec::new();
        if self.last.len() == luma.len() {
            let (width, height) = (self.width, self.height);
            for strip in self.strips.iter_mut().filter(|it| it.texts.len() < MAX_TEXTS) {
                let Some(change) = strip.changed(&self.last, luma, width) else { continue };
                if strip.beat(elapsed, change, height) {
                    let text = line_of(luma, width, strip.top, strip.bottom, change);
                    found.push(text);
                    strip.texts.push(text);
                    strip.beats.clear();
                }
            }
        }
        self.last.clear();
        self.last.extend_from_slice(luma);
        found
    }
}

impl Strip {
    /// The box of what changed in it beside the texts that were found, if it is more than a speck.
    fn changed(&self, last: &[u8], luma: &[u8], width: usize) -> Option<Text> {
        let mut text = Text { left: width, top: self.bottom, right: 0, bottom: self.top };
        let mut n = 0;
        for i in self.top * width..self.bottom * width {
            let (x, y) = (i % width, i / width);
            if last[i].abs_diff(luma[i]) >= DIGIT_LUMA && !self.texts.iter().any(|it| it.holds(x, y)) {
                text.left = text.left.min(x);
                text.right = text.right.max(x + 1);
                text.top = text.top.min(y);
                text.bottom = text.bottom.max(y + 1);
                n += 1;
            }
        }
        (n >= 2).then_some(text)
    }

    /// Notes a change; true once there were enough a second apart, all in one small place.
    fn beat(&mut self, elapsed: Duration, change: Text, height: usize) -> bool {
        let small = change.bottom - change.top <= height / 12 && change.right - change.left <= height / 2;
        let since = self.beats.back().map(|(at, _)| elapsed.saturating_sub(*at).as_secs_f64());
        // A frame's distance of slack on either side; compression lets a digit change over two frames.
        match since {
            Some(secs) if secs < 0.45 && small => return false,
            Some(secs) if !small || !(0.7..=1.35).contains(&secs) => {
                self.n_off_beat += 1;
                if self.n_off_beat > 1 {
                    self.beats.clear();
                    self.n_off_beat = 0;
                }
            }
            _ => {}
        }
        if !small {
            return false;
        }
        self.beats.push_back((elapsed, change));
        if self.beats.len() < BEATS {
            return false;
        }
        let first = self.beats[0].1;
        // The place of the seconds: all changes overlap it.
        self.beats.iter().all(|(_, it)| it.left < first.right && first.left < it.right)
    }
}

/// The whole line of text that the seconds belong to: rows with a margin, columns as far as the contrast reaches.
fn line_of(luma: &[u8], width: usize, top: usize, bottom: usize, seconds: Text) -> Text {
    let (line_top, line_bottom) = (seconds.top.saturating_sub(2).max(top), (seconds.bottom + 2).min(bottom));
    let sharp = |x: usize| {
        (line_top..line_bottom).any(|y| {
            let row = &luma[y * width..(y + 1) * width];
            row[x].abs_diff(row[(x + 1).min(width - 1)]) >= DIGIT_LUMA
        })
    };
    // Words of a line lie at most a few characters apart.
    let reach = 3 * (line_bottom - line_top);
    let (mut left, mut right) = (seconds.left, seconds.right);
    for x in (0..seconds.left).rev() {
        if sharp(x) {
            left = x;
        } else if left - x > reach {
            break;
        }
    }
    for x in seconds.right..width {
        if sharp(x) {
            right = x + 1;
        } else if x - right > reach {
            break;
        }
    }
    Text { left: left.saturating_sub(2), top: line_top, right: (right + 2).min(width), bottom: line_bottom }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_polygon_masks_what_lies_inside() {
        let mask = Mask::new(&[vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]], 10, 4);
        let mut moving = vec![true; 40];
        assert_eq!(mask.clear(&mut moving), 20);
        assert!(!moving[4] && moving[5]);
    }

    fn with_digit(secs: usize, luma: &mut [u8]) {
        // A date that stands still, and a digit whose strokes change.
        for x in 20..60 {
            luma[3 * 160 + x] = if x % 3 == 0 { 255 } else { 40 };
        }
        for y in 2..6 {
            for x in 64..67 {
                luma[y * 160 + x] = if (x + y + secs).is_multiple_of(2) { 255 } else { 40 };
            }
        }
    }

    #[test]
    fn a_clock_is_found_by_its_beat_with_the_date_beside_it() {
        let mut finder = ClockFinder::new(160, 90);
        let mut found = Vec::new();
        for n in 0..100u64 {
            let mut luma = vec![90u8; 160 * 90];
            with_digit((n / 5) as usize, &mut luma);
            found.extend(finder.update(&luma, Duration::from_millis(200 * n)));
        }
        let [text] = &found[..] else { panic!("it is found, and once: {found:?}") };
        assert!(text.left <= 20 && text.right >= 67 && text.top <= 2 && text.bottom >= 6, "{text:?}");
        assert!(text.bottom < 12, "{text:?}");
    }

    #[test]
    fn a_bird_at_the_edge_is_no_clock() {
        let mut finder = ClockFinder::new(160, 90);
        let mut seed = 7u32;
        for n in 0..200u64 {
            let mut luma = vec![90u8; 160 * 90];
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let x0 = 60 + (seed >> 28) as usize;
            for y in 82..88 {
                luma[y * 160 + x0..y * 160 + x0 + 8].fill(220);
            }
            assert!(finder.update(&luma, Duration::from_millis(200 * n)).is_empty());
        }
    }
}
