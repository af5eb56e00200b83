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
    width: usize,
    height: usize,
    mean: Vec<f32>,
    deviation: Vec<f32>,
    n_frames: u32,
    last: Duration,
    low: Vec<f32>,
    high: Vec<f32>,
}

impl Background {
    /// An empty model for luma pictures of `width` x `height` px.
    pub fn new(width: usize, height: usize) -> Background {
        let n = width * height;
        Background {
            width,
            height,
            mean: vec![0.0; n],
            deviation: vec![4.0; n],
            n_frames: 0,
            last: Duration::ZERO,
            low: vec![0.0; n],
            high: vec![0.0; n],
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
        spread(&self.mean, self.width, self.height, &mut self.low, &mut self.high);
        for i in 0..luma.len() {
            let y = f32::from(luma[i]);
            let outside = (y - self.high[i]).max(self.low[i] - y);
            let fires = outside > config.min_luma.max(config.sigma * self.deviation[i]);
            moving[i] = fires;
            let mean_rate = if fires { rate * FOREGROUND_RATE } else { rate };
            self.mean[i] += mean_rate * (y - self.mean[i]);
            let deviation_rate = if fires { rate * FOREGROUND_RATE } else { rate.max(DEVIATION_RATE) };
            // 1.25: from mean absolute deviation to the σ of a normal distribution.
            self.deviation[i] += deviation_rate * (1.25 * (y - self.mean[i]).abs() - self.deviation[i]);
        }
    }
}

/// Smallest and largest value in each 3 x 3 neighbourhood.
fn spread(values: &[f32], width: usize, height: usize, low: &mut [f32], high: &mut [f32]) {
    // Rows first, then columns over three rows: two passes of three instead of one of nine.
    let mut row_low = vec![0.0f32; values.len()];
    let mut row_high = vec![0.0f32; values.len()];
    for y in 0..height {
        let row = &values[y * width..(y + 1) * width];
        for x in 0..width {
            let (a, b, c) = (row[x.saturating_sub(1)], row[x], row[(x + 1).min(width - 1)]);
            row_low[y * width + x] = a.min(b).min(c);
            row_high[y * width + x] = a.max(b).max(c);
        }
    }
    for y in 0..height {
        let (above, here, below) = (y.saturating_sub(1) * width, y * width, (y + 1).min(height - 1) * width);
        for x in 0..width {
            low[here + x] = row_low[above + x].min(row_low[here + x]).min(row_low[below + x]);
            high[here + x] = row_high[above + x].max(row_high[here + x]).max(row_high[below + x]);
        }
    }
}
