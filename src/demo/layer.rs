//! What stands between camera and background: plates as planes, that sway in the wind from their roots.

use super::frame::{I420, blend, yuv};
use super::noise;
use super::plate::Plate;

/// Columns that sway as one: wide enough to copy quickly, narrow enough that no seam is seen.
const BLOCK: usize = 16;

/// The wind of a place: gusts that travel over the picture, and flutter on top.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wind {
    /// What is drawn from it.
    pub(super) seed: u64,
    /// 0 (still) ..= 1 (a gale for grass).
    pub(super) strength: f32,
}

impl Wind {
    /// How far (about -1..=1, times strength) what stands at `x` (widths) in a row of its own leans at a moment.
    pub(super) fn lean(&self, row: u64, x: f32, secs: f64) -> f32 {
        let secs = secs as f32;
        let seed = self.seed ^ row.wrapping_mul(0x2545_F491_4F6C_DD1D);
        // It never dies altogether, and swells within seconds.
        let force = 0.45 + 0.55 * (noise::line(self.seed ^ 0xF0, secs / 4.5) * 0.5 + 0.5);
        let gust = noise::line(self.seed ^ 0x61, x * 3.0 - secs * 0.9);
        let swing = noise::line(seed, x * 7.0 - secs * 1.6) * 0.5;
        let flutter = (secs * 6.3 + noise::line(seed ^ 3, x * 31.0) * 9.0).sin() * 0.18;
        self.strength * force * (gust * 0.75 + swing + flutter)
    }
}

/// A plate in front of the background.
pub(super) struct Layer {
    /// Where its left edge lies, px: even.
    left: i32,
    /// Where its upper edge lies, px: even.
    top: i32,
    /// What has its feet above this line (a share of the height) is drawn behind it.
    pub(super) depth: f32,
    /// How far its upper edge sways in a wind of 1, px.
    sway: f32,
    width: usize,
    height: usize,
    /// Luma, blue, red, opacity; then opacity at half the size.
    planes: [Vec<u8>; 5],
    /// How much each row follows the sway, 0 at the root.
    follows: Vec<f32>,
    row: u64,
}

impl Layer {
    /// Makes a layer of a plate; both offsets are rounded to even px.
    pub(super) fn new(plate: &Plate, left: f32, top: f32, depth: f32, sway: f32, row: u64) -> Layer {
        let (width, height) = (plate.width & !1, plate.height & !1);
        let at = |x: usize, y: usize| plate.pixels[y * plate.width + x];
        let mut planes: [Vec<u8>; 5] = Default::default();
        for y in 0..height {
            for x in 0..width {
                let (colour, alpha) = at(x, y);
                planes[0].push(yuv(colour)[0]);
                planes[3].push((alpha * 255.0) as u8);
            }
        }
        for y in (0..height).step_by(2) {
            for x in (0..width).step_by(2) {
                let four = [at(x, y), at(x + 1, y), at(x, y + 1), at(x + 1, y + 1)];
                let alpha: f32 = four.iter().map(|it| it.1).sum();
                let sum = |part: usize| four.iter().map(|it| it.0[part] * it.1).sum::<f32>() / alpha.max(1e-6);
                let [_, u, v] = yuv([sum(0), sum(1), sum(2)]);
                planes[1].push(u);
                planes[2].push(v);
                planes[4].push((alpha / 4.0 * 255.0) as u8);
            }
        }
        let follow = |row: usize| (1.0 - row as f32 / height as f32).powf(1.5);
        let follows = (0..height).map(follow).collect();
        let even = |px: f32| (px / 2.0).round() as i32 * 2;
        Layer { left: even(left), top: even(top), depth, sway, width, height, planes, follows, row }
    }

    /// Lays it over the picture as it stands in the wind at a moment.
    pub(super) fn draw(&self, picture: &mut I420, wind: Wind, secs: f64) {
        let (width, height) = (picture.size.width() as i32, picture.size.height() as i32);
        let lean = |x: usize| {
            let place = (self.left + x as i32) as f32 / width as f32;
            if self.sway > 0.0 { self.sway * wind.lean(self.row, place, secs) } else { 0.0 }
        };
        let leans: Vec<f32> = (0..self.width.div_ceil(BLOCK)).map(|block| lean(block * BLOCK)).collect();
        let (luma, blue, red) = picture.planes();
        let [y, u, v, alpha, alpha_half] = &self.planes;
        for row in 0..self.height as i32 {
            let target = self.top + row;
            if target < 0 || target >= height {
                continue;
            }
            let follows = self.follows[row as usize];
            // A dither of its own for each row: else whole tufts would jump by a pixel at once.
            let dither = noise::unit(0xD1, i64::from(row), self.row as i64) - 0.5;
            for (block, lean) in leans.iter().enumerate() {
                let shift = (lean * follows + dither * (lean * follows).abs().min(1.0)).round() as i32;
                let span = Span::new(block, self.left, shift, self.width as i32, width, 1);
                let to = (target * width) as usize;
                span.blend(&mut luma[to..to + width as usize], row as usize * self.width, y, alpha);
                if row % 2 == 0 {
                    let span = Span::new(block, self.left / 2, shift / 2, self.width as i32 / 2, width / 2, 2);
                    let to = (target / 2 * (width / 2)) as usize;
                    let from = row as usize / 2 * (self.width / 2);
                    span.blend(&mut blue[to..to + width as usize / 2], from, u, alpha_half);
                    span.blend(&mut red[to..to + width as usize / 2], from, v, alpha_half);
                }
            }
        }
    }
}

/// Columns `target` of the picture's row that show columns from `source` on of the layer's.
struct Span {
    target: std::ops::Range<usize>,
    source: usize,
}

impl Span {
    fn new(block: usize, left: i32, shift: i32, width: i32, picture: i32, part: i32) -> Span {
        let block_px = BLOCK as i32 / part;
        let first = block as i32 * block_px;
        let last = (first + block_px).min(width);
        // The block of the picture stays where it is; what it shows moves.
        let source = (first - shift).clamp(0, (width - (last - first)).max(0));
        let start = (left + first).max(0);
        let end = (left + last).min(picture);
        if start >= end {
            return Span { target: 0..0, source: 0 };
        }
        Span { target: start as usize..end as usize, source: (source + start - left - first) as usize }
    }

    fn blend(&self, row: &mut [u8], from: usize, colour: &[u8], alpha: &[u8]) {
        let source = from + self.source..from + self.source + self.target.len();
        blend(&mut row[self.target.clone()], &colour[source.clone()], &alpha[source]);
    }
}

/// A pool: a surface whose rows glide, with glints of the sky.
pub(super) struct Water {
    top: usize,
    height: usize,
    width: usize,
    /// Luma of the surface, wider than the picture by twice [`Water::MARGIN`].
    surface: Vec<u8>,
    /// Where it is, 0..=255 (the shore is soft), at full and half size.
    mask: [Vec<u8>; 2],
    /// Two sheets of ripples, each of the surface's size.
    ripples: [Vec<i16>; 2],
    chroma: [u8; 2],
}

impl Water {
    const MARGIN: usize = 64;

    /// A pool between two lines (px, even) of a picture, its colours by row from the far to the near shore.
    pub(super) fn new(seed: u64, width: usize, top: usize, bottom: usize, far: [f32; 3], near: [f32; 3]) -> Water {
        let height = bottom - top;
        let wide = width + 2 * Water::MARGIN;
        let (mut surface, mut mask, mut half) = (Vec::new(), Vec::new(), Vec::new());
        let mut ripples = [Vec::new(), Vec::new()];
        for row in 0..height {
            let down = row as f32 / height as f32;
            let scale = height as f32 * (0.12 + 0.3 * down);
            for column in 0..wide {
                let (x, y) = (column as f32 / scale, row as f32 / scale * 4.0);
                let colour =
                    super::plate::mix(far, near, down + (noise::fractal(seed, x * 0.4, y * 0.5, 3) - 0.5) * 0.5);
                surface.push(yuv(colour)[0]);
                for (sheet, ripples) in ripples.iter_mut().enumerate() {
                    let ripple = noise::fractal(seed ^ (7 + sheet as u64), x * 1.6, y * 2.6, 2) - 0.5;
                    ripples.push((ripple * 110.0) as i16);
                }
            }
            for column in 0..width {
                let x = column as f32 / width as f32;
                let shore = 0.10 * (noise::line(seed ^ 5, x * 6.0) + noise::line(seed ^ 6, x * 17.0) * 0.4);
                // An oval that runs out of the picture on the right.
                let (dx, dy) = ((x - 0.66) / 0.56, (down - 0.5) / 0.5);
                let inside = 1.0 + shore - (dx * dx + dy * dy).sqrt();
                mask.push(((inside * 14.0).clamp(0.0, 1.0) * 255.0) as u8);
            }
        }
        for row in (0..height).step_by(2) {
            half.extend((0..width).step_by(2).map(|column| mask[row * width + column]));
        }
        let [_, u, v] = yuv(super::plate::mix(far, near, 0.5));
        Water { top, height, width, surface, mask: [mask, half], ripples, chroma: [u, v] }
    }

    /// Lays it over the picture as it ripples at a moment.
    pub(super) fn draw(&self, picture: &mut I420, wind: Wind, secs: f64) {
        let wide = self.width + 2 * Water::MARGIN;
        let force = 0.4 + 0.6 * wind.lean(99, 0.5, secs).abs().min(1.0);
        let (luma, blue, red) = picture.planes();
        let mut line = vec![0u8; self.width];
        for row in 0..self.height {
            let down = row as f32 / self.height as f32;
            let wave = ((row as f32 / (2.5 + 6.0 * down)) - secs as f32 * 2.6).sin();
            let glide = |speed: f64| -> usize {
                let px = secs * speed * (0.5 + f64::from(down)) + f64::from(wave) * f64::from(2.0 + 5.0 * down);
                // To and fro within the margin: a sheet has no end to run out of.
                let swing = (px / 30.0).sin() * (Water::MARGIN as f64 - 2.0);
                (Water::MARGIN as f64 + swing) as usize
            };
            let at = row * wide;
            let surface = &self.surface[at + glide(6.0)..][..self.width];
            let one = &self.ripples[0][at + glide(21.0)..][..self.width];
            let two = &self.ripples[1][at + glide(-33.0)..][..self.width];
            let strength = (force * 16.0) as i16;
            for (((line, &surface), &one), &two) in line.iter_mut().zip(surface).zip(one).zip(two) {
                *line = (i16::from(surface) + (((one + two) * strength) >> 4)).clamp(16, 235) as u8;
            }
            let to = (self.top + row) * self.width;
            blend(&mut luma[to..to + self.width], &line, &self.mask[0][row * self.width..][..self.width]);
            if row % 2 == 0 {
                let half = self.width / 2;
                let to = (self.top + row) / 2 * half;
                let mask = &self.mask[1][row / 2 * half..][..half];
                for (plane, colour) in [(&mut *blue, self.chroma[0]), (&mut *red, self.chroma[1])] {
                    line[..half].fill(colour);
                    blend(&mut plane[to..to + half], &line[..half], mask);
                }
            }
        }
    }
}
