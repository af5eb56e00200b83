//! An animal at one distance, in the light of its place: drawn with a gait, a breath and a shadow.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbaImage;

use super::DemoError;
use super::frame::{I420, blend, yuv};
use super::plate::mix;

/// The light that falls on an animal.
#[derive(Debug, Clone, Copy)]
pub(super) struct Light {
    /// Brightness against the photograph's.
    pub(super) gain: f32,
    /// Haze before it, 0..=1, and the haze's colour.
    pub(super) haze: f32,
    pub(super) haze_colour: [f32; 3],
    /// What remains of its colours, 0..=1: none by infrared.
    pub(super) colour: f32,
    /// How dark its shadow is, 0..=1.
    pub(super) shadow: f32,
}

/// How an animal holds itself at a moment; lengths in px.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pose {
    /// Middle of its feet.
    pub(super) x: f32,
    /// Where the ground is below it.
    pub(super) ground: f32,
    /// How far above the ground.
    pub(super) lift: f32,
    /// Looks to the right.
    pub(super) right: bool,
    /// How far legs are apart, forwards or backwards.
    pub(super) stride: f32,
    /// How far the back leans over the feet.
    pub(super) sway: f32,
    /// How far the chest has risen.
    pub(super) breath: f32,
}

/// An animal, ready to be drawn.
pub(super) struct Sprite {
    width: usize,
    height: usize,
    /// Luma, blue, red, opacity: as photographed, then mirrored.
    planes: [[Vec<u8>; 4]; 2],
    looks_right: bool,
    shadow: f32,
}

impl Sprite {
    /// Scales a cut-out to `width` x `height` px and puts it into the light.
    pub(super) fn new(
        cut: &RgbaImage,
        looks_right: bool,
        (width, height): (usize, usize),
        light: Light,
    ) -> Result<Sprite, DemoError> {
        let (width, height) = (width.max(4), height.max(4));
        let scaling = |error: &dyn std::fmt::Display| DemoError::Scaling(error.to_string());
        let source =
            ImageRef::new(cut.width(), cut.height(), cut.as_raw(), PixelType::U8x4).map_err(|it| scaling(&it))?;
        let mut target = Image::new(width as u32, height as u32, PixelType::U8x4);
        // Bilinear is what a cheap lens does; transparent pixels lend no colour (the resizer multiplies by alpha).
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        Resizer::new().resize(&source, &mut target, &options).map_err(|it| scaling(&it))?;
        let mut planes: [Vec<u8>; 4] = Default::default();
        for pixel in target.buffer().chunks_exact(4) {
            let colour = [pixel[0], pixel[1], pixel[2]].map(|part| f32::from(part) / 255.0);
            let grey = colour[0] * 0.45 + colour[1] * 0.35 + colour[2] * 0.2;
            let lit = mix([grey; 3], colour, light.colour).map(|part| part * light.gain);
            let [y, u, v] = yuv(mix(lit, light.haze_colour, light.haze).map(|part| part.clamp(0.0, 1.0)));
            planes.iter_mut().zip([y, u, v, pixel[3]]).for_each(|(plane, value)| plane.push(value));
        }
        let mirror = |plane: &Vec<u8>| plane.chunks_exact(width).flat_map(|row| row.iter().rev().copied()).collect();
        let mirrored = std::array::from_fn(|part| mirror(&planes[part]));
        Ok(Sprite { width, height, planes: [planes, mirrored], looks_right, shadow: light.shadow })
    }

    /// Lays shadow and animal over the picture.
    pub(super) fn draw(&self, picture: &mut I420, pose: Pose) {
        self.draw_shadow(picture, pose);
        let [y, u, v, alpha] = &self.planes[usize::from(pose.right != self.looks_right)];
        let (width, height) = (picture.size.width() as i32, picture.size.height() as i32);
        let left = (pose.x - self.width as f32 / 2.0).round() as i32;
        let top = (pose.ground - pose.lift).round() as i32 - self.height as i32;
        let (luma, blue, red) = picture.planes();
        for row in 0..self.height {
            let target = top + row as i32;
            if target < 0 || target >= height {
                continue;
            }
            let down = row as f32 / self.height as f32;
            let risen = if down < 0.55 { pose.breath.round() as usize } else { 0 };
            let from = (row + risen).min(self.height - 1) * self.width;
            let lean = pose.sway * (1.0 - down);
            let legs = ((down - 0.62) / 0.38).max(0.0) * pose.stride;
            // Fore and hind legs go against each other; the seam lies below the belly, where nothing is.
            for (columns, swing) in [(0..self.width / 2, legs), (self.width / 2..self.width, -legs)] {
                let shift = left + (lean + swing).round() as i32;
                let first = (-shift).max(columns.start as i32);
                let last = (width - shift).min(columns.end as i32);
                if first >= last {
                    continue;
                }
                let source = from + first as usize..from + last as usize;
                let to = (target * width + shift + first) as usize;
                blend(&mut luma[to..to + source.len()], &y[source.clone()], &alpha[source.clone()]);
                if target % 2 == 0 {
                    let chroma_row = (target / 2 * (width / 2)) as usize;
                    for (offset, from) in source.enumerate() {
                        let column = shift + first + offset as i32;
                        if column % 2 == 0 && alpha[from] > 0 {
                            let at = chroma_row + column as usize / 2;
                            blend(&mut blue[at..=at], &u[from..=from], &alpha[from..=from]);
                            blend(&mut red[at..=at], &v[from..=from], &alpha[from..=from]);
                        }
                    }
                }
            }
        }
    }

    /// A soft oval below its feet, fainter the higher it is above the ground.
    fn draw_shadow(&self, picture: &mut I420, pose: Pose) {
        let (width, height) = (picture.size.width() as i32, picture.size.height() as i32);
        let (rx, ry) = (self.width as f32 * 0.52, (self.width as f32 * 0.075).max(2.0));
        let far = 1.0 - (pose.lift / self.height as f32 / 1.5).min(1.0);
        let centre = pose.ground - ry * 0.5;
        let luma = picture.planes().0;
        for row in ((centre - ry) as i32).max(0)..((centre + ry) as i32 + 1).min(height) {
            for column in ((pose.x - rx) as i32).max(0)..((pose.x + rx) as i32 + 1).min(width) {
                let (dx, dy) = ((column as f32 - pose.x) / rx, (row as f32 - centre) / ry);
                let inside = (1.0 - dx * dx - dy * dy).max(0.0);
                let keep = 1.0 - self.shadow * far * inside;
                let pixel = &mut luma[(row * width + column) as usize];
                *pixel = (f32::from(*pixel - (*pixel).min(16)) * keep + 16.0) as u8;
            }
        }
    }
}
