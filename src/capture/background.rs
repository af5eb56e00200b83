//! The pixel background of one camera: what each pixel usually is, how much it usually varies, and so what moves now.
//!
//! A running mean and mean absolute deviation a pixel (after Stauffer & Grimson 1999, with one mode), compared over a
//! neighbourhood of 3 x 3 as ViBe does (Barnich & Van Droogenbroeck 2011), so that grass that sways by a pixel does not
//! count. What moves is learned more slowly than what does not: a standing animal stays in the foreground for a while.

use std::time::Duration;

use crate::config::GateConfig;

/// Luma frames after which the model is trusted.
const LEARNED: u32 = 5;
/// How much slower a moving pixel is learned than a still one.
const FOREGROUND_RATE: f32 = 0.3;
/// Fastest time constant of the deviation, as a rate a frame: grass that starts to sway is usual within seconds.
const DEVIATION_RATE: f32 = 0.02;

/// See the module.
#[derive(Debug)]
pub struct Background {
    mean: Vec<f32>,
    deviation: Vec<f32>,
    n_frames: u32,
    last: Duration,
    around: Around,
}

/// Smallest and largest value in each neighbourhood of 3 x 3.
#[derive(Debug)]
struct Around {
    width: usize,
    low: Vec<f32>,
    high: Vec<f32>,
    row_low: Vec<f32>,
    row_high: Vec<f32>,
}

impl Background {
    /// An empty model for luma pictures of `width` x `height` px.
    pub fn new(width: usize, height: usize) -> Background {
        let n = width * height;
        Background {
            mean: vec![0.0; n],
            deviation: vec![4.0; n],
            n_frames: 0,
            last: Duration::ZERO,
            around: Around {
                width,
                low: vec![0.0; n],
                high: vec![0.0; n],
                row_low: vec![0.0; n],
                row_high: vec![0.0; n],
            },
        }
    }

    /// Begins anew from the next picture: all of the scene changed at once.
    pub fn forget(&mut self) {
        self.n_frames = 0;
    }

    /// Whether enough pictures were seen to trust [`Background::update`].
    pub fn is_learned(&self) -> bool {
        self.n_frames >= LEARNED
    }

    /// Marks in `moving` (true, one a pixel) what differs from the background, then learns the picture.
    ///
    /// `luma` and `moving` are row by row, `width * height` long.
    pub fn update(&mut self, config: &GateConfig, luma: &[u8], elapsed: Duration, moving: &mut [bool]) {
        if self.n_frames == 0 {
            for (mean, &y) in self.mean.iter_mut().zip(luma) {
                *mean = f32::from(y);
            }
            self.deviation.fill(4.0);
            moving.fill(false);
            self.n_frames = 1;
            self.last = elapsed;
            return;
        }
        let step_secs = elapsed.saturating_sub(self.last).as_secs_f32().min(config.background_secs);
        self.last = elapsed;
        self.n_frames = self.n_frames.saturating_add(1);
        // A young model is a plain average; an old one forgets with its time constant.
        let young = 0.5 / self.n_frames as f32;
        let rate = (step_secs / config.background_secs).max(if self.n_frames < 50 { young } else { 0.0 });
        let rate_moving = rate * FOREGROUND_RATE;
        let deviation_rate_still = rate.max(DEVIATION_RATE);
        self.around.spread(&self.mean);
        let usual = self.mean.iter_mut().zip(&mut self.deviation).zip(self.around.low.iter().zip(&self.around.high));
        for ((&y, moving), ((mean, deviation), (&low, &high))) in luma.iter().zip(moving).zip(usual) {
            let y = f32::from(y);
            let fires = larger(y - high, low - y) > larger(config.min_luma, config.sigma * *deviation);
            *moving = fires;
            *mean += if fires { rate_moving } else { rate } * (y - *mean);
            let deviation_rate = if fires { rate_moving } else { deviation_rate_still };
            // 1.25: from mean absolute deviation to the σ of a normal distribution.
            *deviation += deviation_rate * (1.25 * (y - *mean).abs() - *deviation);
        }
    }
}

impl Around {
    /// Rows first, then columns over three rows: two passes of three instead of one of nine.
    fn spread(&mut self, values: &[f32]) {
        let Around { width, low, high, row_low, row_high } = self;
        let width = *width;
        let rows = row_low.chunks_exact_mut(width).zip(row_high.chunks_exact_mut(width));
        for (row, (low, high)) in values.chunks_exact(width).zip(rows) {
            for ((three, low), high) in row.windows(3).zip(&mut low[1..]).zip(&mut high[1..]) {
                *low = smaller(smaller(three[0], three[1]), three[2]);
                *high = larger(larger(three[0], three[1]), three[2]);
            }
            for (edge, inner) in [(0, 1.min(width - 1)), (width - 1, width.saturating_sub(2))] {
                low[edge] = smaller(row[edge], row[inner]);
                high[edge] = larger(row[edge], row[inner]);
            }
        }
        over_rows(row_low, width, low, smaller);
        over_rows(row_high, width, high, larger);
    }
}

/// Joins each row with the one above and the one below.
fn over_rows(rows: &[f32], width: usize, joined: &mut [f32], join: impl Fn(f32, f32) -> f32) {
    let last = rows.len().saturating_sub(width);
    for (start, joined) in (0_usize..).step_by(width).zip(joined.chunks_exact_mut(width)) {
        let row = |start: usize| &rows[start..start + width];
        let (above, here, below) = (row(start.saturating_sub(width)), row(start), row((start + width).min(last)));
        for (joined, (&above, (&here, &below))) in joined.iter_mut().zip(above.iter().zip(here.iter().zip(below))) {
            *joined = join(join(above, here), below);
        }
    }
}

// One instruction each, where `f32::min` and `f32::max` take care of NaN, which no luma is.
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_neighbourhood_ends_at_the_edges() {
        let values = [5.0, 1.0, 3.0, 9.0, 4.0, 4.0, 4.0, 4.0, 7.0, 8.0, 2.0, 6.0];
        for (width, height) in [(4, 3), (3, 4), (1, 12), (12, 1), (2, 6)] {
            let mut around = Background::new(width, height).around;
            around.spread(&values);
            for i in 0..values.len() {
                let (x, y) = (i % width, i / width);
                let near = |j: &usize| (j % width).abs_diff(x) <= 1 && (j / width).abs_diff(y) <= 1;
                let of =
                    |join: fn(f32, f32) -> f32| (0..values.len()).filter(near).map(|j| values[j]).reduce(join).unwrap();
                assert_eq!(
                    (around.low[i], around.high[i]),
                    (of(f32::min), of(f32::max)),
                    "{width}x{height} at {x},{y}"
                );
            }
        }
    }
}
