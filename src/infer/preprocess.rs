//! From candidates to the network's input: cut out, resized, normalised, laid out as the contract says.

use std::ops::Range;

use fast_image_resize::Resizer;
use image::RgbImage;

use crate::capture::picture::PictureError;
use crate::domain::Candidate;
use crate::infer::contract::{Channels, Input, Layout, Resize};

/// The input of one run, filled candidate by candidate; its memory is used again and again.
pub struct Inputs {
    input: Input,
    resizer: Resizer,
    /// For a channel of the tensor, what each value of a pixel becomes.
    tables: Vec<[f32; 256]>,
    numbers: Vec<f32>,
    count: usize,
}

impl Inputs {
    /// Room for `capacity` candidates (more are taken, at the price of growing once).
    pub fn new(input: &Input, capacity: usize) -> Inputs {
        let table = |(mean, std): (&f32, &f32)| std::array::from_fn(|value| (value as f32 - mean) / std);
        Inputs {
            tables: input.mean.iter().zip(&input.std).map(table).collect(),
            numbers: vec![0.0; input.len() * capacity],
            count: 0,
            input: input.clone(),
            resizer: Resizer::new(),
        }
    }

    /// How many candidates stand in it.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Takes out all but the first `count`.
    pub fn truncate(&mut self, count: usize) {
        self.count = self.count.min(count);
    }

    /// The input of some of the candidates, as [`Input::shape`] says.
    ///
    /// # Panics
    /// Where the range is not within [`Inputs::count`].
    pub fn numbers(&self, range: Range<usize>) -> &[f32] {
        &self.numbers[..self.count * self.input.len()][range.start * self.input.len()..range.end * self.input.len()]
    }

    /// Adds one candidate; where its pixels cannot be read, nothing is added.
    pub fn push(&mut self, candidate: &Candidate) -> Result<(), PictureError> {
        let Input { width, height, resize, .. } = self.input;
        let (area, picture) = (candidate.area, &candidate.frame.picture);
        let (w, h) = match resize {
            Resize::Stretch => (width, height),
            Resize::Letterbox => {
                let scale = (f64::from(width) / area.width).min(f64::from(height) / area.height);
                let side = |px: f64, most: u32| ((px * scale).round() as u32).clamp(1, most);
                (side(area.width, width), side(area.height, height))
            }
        };
        let image = picture.render(area, w, h, &mut self.resizer)?;
        let end = (self.count + 1) * self.input.len();
        if self.numbers.len() < end {
            self.numbers.resize(end, 0.0);
        }
        self.lay(&image, end - self.input.len());
        self.count += 1;
        Ok(())
    }

    /// Writes a picture no larger than the input, centred, at `start`.
    fn lay(&mut self, image: &RgbImage, start: usize) {
        let (width, height) = (self.input.width as usize, self.input.height as usize);
        let (w, h) = (image.width() as usize, image.height() as usize);
        let (left, top) = ((width - w) / 2, (height - h) / 2);
        let target = &mut self.numbers[start..start + self.input.len()];
        if (w, h) != (width, height) {
            // The mean, once normalised: what is no picture says nothing.
            target.fill(0.0);
        }
        let area = width * height;
        let tables = &self.tables;
        for (y, pixels) in image.as_raw().chunks_exact(w * 3).enumerate() {
            let at = (top + y) * width + left;
            match (self.input.colour, self.input.layout) {
                (Channels::Grey, _) => grey_row(pixels, &mut target[at..at + w], &tables[0]),
                (colour, Layout::Nchw) => {
                    let (first, rest) = target.split_at_mut(area);
                    let (second, third) = rest.split_at_mut(area);
                    let planes = [&mut first[at..at + w], &mut second[at..at + w], &mut third[at..at + w]];
                    planar_row(pixels, planes, tables, order(colour));
                }
                (colour, Layout::Nhwc) => packed_row(pixels, &mut target[at * 3..(at + w) * 3], tables, order(colour)),
            }
        }
    }
}

/// Where each channel of the tensor stands in an RGB pixel.
fn order(colour: Channels) -> [usize; 3] {
    if colour == Channels::Bgr { [2, 1, 0] } else { [0, 1, 2] }
}

fn planar_row(pixels: &[u8], planes: [&mut [f32]; 3], tables: &[[f32; 256]], order: [usize; 3]) {
    for ((plane, table), channel) in planes.into_iter().zip(tables).zip(order) {
        for (number, pixel) in plane.iter_mut().zip(pixels.chunks_exact(3)) {
            *number = table[usize::from(pixel[channel])];
        }
    }
}

fn packed_row(pixels: &[u8], target: &mut [f32], tables: &[[f32; 256]], order: [usize; 3]) {
    for (numbers, pixel) in target.chunks_exact_mut(3).zip(pixels.chunks_exact(3)) {
        for ((number, table), channel) in numbers.iter_mut().zip(tables).zip(order) {
            *number = table[usize::from(pixel[channel])];
        }
    }
}

fn grey_row(pixels: &[u8], target: &mut [f32], table: &[f32; 256]) {
    for (number, pixel) in target.iter_mut().zip(pixels.chunks_exact(3)) {
        // BT.601 in 16 bits: 0.299, 0.587, 0.114.
        let luma =
            (19_595 * u32::from(pixel[0]) + 38_470 * u32::from(pixel[1]) + 7_471 * u32::from(pixel[2]) + 32_768) >> 16;
        *number = table[luma as usize & 0xFF];
    }
}
