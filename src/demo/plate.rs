//! A plate to paint on: colours with transparency, and the strokes that a landscape is made of.

use super::noise;

/// A colour, each part 0..=1, linear enough for a painter.
pub(super) type Rgb = [f32; 3];

/// Between two colours.
pub(super) fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    std::array::from_fn(|part| a[part] + (b[part] - a[part]) * t.clamp(0.0, 1.0))
}

/// A colour brighter or darker.
pub(super) fn shade(colour: Rgb, by: f32) -> Rgb {
    colour.map(|part| (part * by).clamp(0.0, 1.0))
}

/// Pixels of a colour each, laid one over the other.
pub(super) struct Plate {
    pub(super) width: usize,
    pub(super) height: usize,
    /// Colour and opacity (0..=1), row by row.
    pub(super) pixels: Vec<(Rgb, f32)>,
}

impl Plate {
    /// A plate of clear glass.
    pub(super) fn clear(width: usize, height: usize) -> Plate {
        Plate { width, height, pixels: vec![([0.0; 3], 0.0); width * height] }
    }

    /// A plate on which every pixel's colour comes from its place.
    pub(super) fn filled(width: usize, height: usize, colour: impl Fn(usize, usize) -> Rgb) -> Plate {
        let pixel = |at: usize| (colour(at % width, at / width), 1.0);
        Plate { width, height, pixels: (0..width * height).map(pixel).collect() }
    }

    /// Changes every pixel's colour by its place.
    pub(super) fn tint(&mut self, change: impl Fn(f32, f32, Rgb) -> Rgb) {
        let width = self.width;
        for (at, (colour, _)) in self.pixels.iter_mut().enumerate() {
            *colour = change((at % width) as f32, (at / width) as f32, *colour);
        }
    }

    /// Lays a colour over one pixel; outside of the plate nothing happens.
    pub(super) fn dab(&mut self, x: i32, y: i32, colour: Rgb, opacity: f32) {
        if x < 0 || y < 0 || x as usize >= self.width || y as usize >= self.height || opacity <= 0.0 {
            return;
        }
        let (under, alpha) = &mut self.pixels[y as usize * self.width + x as usize];
        let opacity = opacity.min(1.0);
        let total = opacity + *alpha * (1.0 - opacity);
        *under = mix(*under, colour, opacity / total);
        *alpha = total;
    }

    /// A blade of grass or a reed from its root upwards: `lean` px to the side at the tip, `thick` px at the root.
    pub(super) fn blade(&mut self, (x, y): (f32, f32), height: f32, lean: f32, thick: f32, colour: Rgb) {
        let rows = height.max(1.0) as i32;
        for row in 0..rows {
            let up = row as f32 / rows as f32;
            let middle = x + lean * up * up;
            let half = (thick * (1.0 - up * 0.85)).max(0.5) / 2.0;
            // Roots stand in each other's shade; tips shine.
            let colour = shade(colour, 0.62 + 0.5 * up);
            let (left, right) = (middle - half, middle + half);
            for column in left.floor() as i32..=right.floor() as i32 {
                let covered = (right.min(column as f32 + 1.0) - left.max(column as f32)).clamp(0.0, 1.0);
                self.dab(column, y as i32 - row, colour, covered);
            }
        }
    }

    /// A leaf: a slender ellipse along a direction (radians), lighter on one side of its rib.
    pub(super) fn leaf(&mut self, (x, y): (f32, f32), length: f32, angle: f32, colour: Rgb) {
        let (sin, cos) = angle.sin_cos();
        let reach = length.ceil() as i32;
        for dy in -reach..=reach {
            for dx in -reach..=reach {
                let along = (dx as f32 * cos + dy as f32 * sin) / length;
                let across = (dy as f32 * cos - dx as f32 * sin) / (length * 0.42);
                let inside = 1.0 - along * along - across * across;
                if inside > 0.0 {
                    let side = if across < 0.0 { 1.12 } else { 0.88 };
                    self.dab(x as i32 + dx, y as i32 + dy, shade(colour, side), (inside * 4.0).min(1.0));
                }
            }
        }
    }

    /// A trunk with bark, from its root (`x`, `y`) to the upper edge, `thick` px wide, lit from `light` (-1 left, 1 right).
    pub(super) fn trunk(&mut self, seed: u64, (x, y): (f32, f32), thick: f32, lean: f32, light: f32, colour: Rgb) {
        for row in 0..(y as i32).min(self.height as i32) {
            let up = (y - row as f32) / y.max(1.0);
            let flare = 1.0 + 0.5 * (1.0 - up).powi(12);
            let middle = x + lean * up + noise::line(seed, row as f32 / (thick * 2.5)) * thick * 0.06;
            let half = thick * flare * (1.0 - 0.25 * up) / 2.0;
            for column in (middle - half) as i32..=(middle + half) as i32 {
                let across = (column as f32 - middle) / half;
                let groove = noise::fractal(seed, column as f32 / (thick * 0.07), row as f32 / (thick * 0.55), 3);
                let round = (1.0 - across * across).max(0.0).sqrt() * (0.8 + 0.25 * light * across);
                let colour = shade(colour, (0.45 + 0.75 * groove) * (0.35 + 0.75 * round));
                self.dab(column, row, colour, ((1.0 - across.abs()) * half).min(1.0));
            }
        }
    }

    /// Ground from `top` px down: tufts, litter and bare earth, coarser the nearer it lies.
    pub(super) fn ground(&mut self, seed: u64, top: f32, dark: Rgb, light: Rgb) {
        let (width, height) = (self.width as f32, self.height as f32);
        for row in top.max(0.0) as i32..self.height as i32 {
            // Perspective: a stride at the horizon is a hair wide.
            let near = 0.12 + 0.88 * (row as f32 - top) / (height - top).max(1.0);
            let scale = near * height / 26.0;
            for column in 0..self.width as i32 {
                let x = (column as f32 - width / 2.0) / scale;
                let y = near.ln() * 22.0;
                let patch = noise::fractal(seed ^ 1, x * 0.35, y * 0.5, 3);
                let grain = noise::fractal(seed ^ 2, x * 4.0, y * 3.0, 3);
                let colour = mix(dark, light, patch * 0.55 + (grain - 0.5) * 1.1 + 0.2);
                let edge = (row as f32 - top) / (height * 0.012);
                self.dab(column, row, colour, edge);
            }
        }
    }
}
