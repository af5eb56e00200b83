//! From candidates to the network's input: cut out, resized, normalised, laid out as the contract says.

use std::ops::Range;

use fast_image_resize::Resizer;

use crate::capture::picture::{Canvas, PictureError};
use crate::domain::Candidate;
use crate::infer::contract::{Channels, Input, Layout, Resize};

/// The input of one run, filled candidate by candidate; its memory is used again and again.
pub struct Inputs {
    input: Input,
    resizer: Resizer,
    canvas: Canvas,
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
            canvas: Canvas::default(),
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
        let rgb = picture.render_on(area, w, h, &mut self.resizer, &mut self.canvas)?;
        let end = (self.count + 1) * self.input.len();
        if self.numbers.len() < end {
            self.numbers.resize(end, 0.0);
        }
        let target = &mut self.numbers[end - self.input.len()..end];
        lay(rgb, (w as usize, h as usize), &self.input, &self.tables, target);
        self.count += 1;
        Ok(())
    }
}

/// Writes a picture no larger than the input, centred.
fn lay(rgb: &[u8], (w, h): (usize, usize), input: &Input, tables: &[[f32; 256]], target: &mut [f32]) {
    let (width, height) = (input.width as usize, input.height as usize);
    let (left, top) = ((width - w) / 2, (height - h) / 2);
    if (w, h) != (width, height) {
        // The mean, once normalised: what is no picture says nothing.
        target.fill(0.0);
    }
    let area = width * height;
    for (y, pixels) in rgb.chunks_exact(w * 3).enumerate() {
        let at = (top + y) * width + left;
        match (input.colour, input.layout) {
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use image::{Rgb, RgbImage};

    use super::*;
    use crate::domain::Area;
    use crate::infer::contract::Contract;
    use crate::infer::tiny;

    fn input(change: impl Fn(&mut Input)) -> Input {
        let dir = tempfile::tempdir().unwrap();
        tiny::write(dir.path(), None);
        let mut input = Contract::load(Path::new(dir.path()), "tiny").unwrap().input;
        change(&mut input);
        input
    }

    /// A picture whose pixels all differ, of exactly the input's size: resizing leaves it alone.
    fn picture() -> RgbImage {
        RgbImage::from_fn(6, 4, |x, y| Rgb([(x * 40) as u8, (y * 60) as u8, (x * 10 + y) as u8]))
    }

    fn push(input: &Input, image: RgbImage, count: usize) -> Inputs {
        let frame = tiny::still(&tiny::camera("c"), "c", 0, image);
        let mut inputs = Inputs::new(input, 1);
        (0..count).for_each(|_| inputs.push(&tiny::whole(&frame)).unwrap());
        inputs
    }

    #[test]
    fn every_number_stands_where_the_layout_says_and_is_normalised() {
        for (colour, layout) in [
            (Channels::Rgb, Layout::Nchw),
            (Channels::Bgr, Layout::Nchw),
            (Channels::Rgb, Layout::Nhwc),
            (Channels::Bgr, Layout::Nhwc),
        ] {
            let input = input(|it| (it.colour, it.layout) = (colour, layout));
            let inputs = push(&input, picture(), 2);
            assert_eq!(inputs.numbers(0..1), inputs.numbers(1..2));
            let numbers = inputs.numbers(1..2);
            for (x, y, pixel) in picture().enumerate_pixels() {
                for channel in 0..3 {
                    let value = f32::from(pixel[if colour == Channels::Bgr { 2 - channel } else { channel }]);
                    let wanted = (value - input.mean[channel]) / input.std[channel];
                    let (x, y) = (x as usize, y as usize);
                    let at = if layout == Layout::Nchw { (channel * 4 + y) * 6 + x } else { (y * 6 + x) * 3 + channel };
                    assert_eq!(numbers[at], wanted, "{colour:?} {layout:?} at {x},{y} channel {channel}");
                }
            }
        }
    }

    #[test]
    fn grey_is_luma() {
        let input = input(|it| {
            (it.colour, it.mean, it.std) = (Channels::Grey, vec![100.0], vec![50.0]);
        });
        let inputs = push(&input, picture(), 1);
        for (number, Rgb([r, g, b])) in inputs.numbers(0..1).iter().zip(picture().pixels()) {
            let luma = 0.299 * f32::from(*r) + 0.587 * f32::from(*g) + 0.114 * f32::from(*b);
            assert!((number * 50.0 + 100.0 - luma).abs() <= 0.51, "{number} for {luma}");
        }
        assert_eq!(inputs.numbers(0..1).len(), 24);
    }

    #[test]
    fn a_letterbox_keeps_the_shape_and_fills_with_the_mean() {
        let input = input(|it| (it.resize, it.layout) = (Resize::Letterbox, Layout::Nchw));
        // 30 x 10 px into 6 x 4: two rows of picture, one above and one below of nothing. Twice, over what was there before.
        let mut inputs = push(&input, RgbImage::from_pixel(12, 8, Rgb([200; 3])), 1);
        inputs.truncate(0);
        let frame = tiny::still(&tiny::camera("c"), "c", 0, RgbImage::from_pixel(30, 10, Rgb([200; 3])));
        inputs.push(&tiny::whole(&frame)).unwrap();
        let blue = &inputs.numbers(0..1)[..24];
        assert!(blue[..6].iter().chain(&blue[18..]).all(|&it| it == 0.0), "{blue:?}");
        assert!(blue[6..18].iter().all(|&it| it == 200.0), "{blue:?}");
    }

    #[test]
    fn what_cannot_be_read_adds_nothing() {
        let input = input(|_| ());
        let mut inputs = push(&input, picture(), 1);
        let frame = tiny::still(&tiny::camera("c"), "c", 0, picture());
        for (width, x) in [(0.0, 0.0), (5.0, 900.0), (-5.0, 0.0)] {
            let area = Area { x, width, ..frame.picture.area() };
            assert!(inputs.push(&Candidate { area, ..tiny::whole(&frame) }).is_err(), "{area:?}");
            assert_eq!(inputs.count(), 1);
        }
    }
}
