//! Frigate's published recipe: frozen features, a dense layer of 128 (ReLU), dropout 0.3, softmax; 50 epochs of Adam at
//! 1e-3 in batches of 32, no validation.

use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Units of the dense layer.
const H: usize = 128;

/// A lesson: features and class.
pub(crate) type Lesson<'a> = (&'a [f32], usize);

/// Probabilities `[asked][classes]` of a head that was taught the lessons.
pub(crate) fn frigate(lessons: &[Lesson<'_>], c: usize, asked: &[&[f32]], seed: u64) -> Vec<Vec<f32>> {
    let dimension = lessons.first().map_or(0, |it| it.0.len());
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    let limit = (6.0 / (dimension + H) as f32).sqrt();
    let mut w1: Vec<f32> = (0..dimension * H).map(|_| dice.random_range(-limit..limit)).collect();
    let limit = (6.0 / (c + H) as f32).sqrt();
    let mut w2: Vec<f32> = (0..c * H).map(|_| dice.random_range(-limit..limit)).collect();
    let (mut b1, mut b2) = (vec![0.0f32; H], vec![0.0f32; c]);
    let mut moments: Vec<(Vec<f32>, Vec<f32>)> =
        [w1.len(), w2.len(), H, c].iter().map(|&n| (vec![0.0; n], vec![0.0; n])).collect();
    let mut t = 0;
    let mut order: Vec<usize> = (0..lessons.len()).collect();
    for _ in 0..50 {
        order.shuffle(&mut dice);
        for batch in order.chunks(32) {
            t += 1;
            let mut g: Vec<Vec<f32>> = vec![vec![0.0; w1.len()], vec![0.0; w2.len()], vec![0.0; H], vec![0.0; c]];
            for &i in batch {
                let (x, class) = lessons[i];
                let keep: Vec<f32> =
                    (0..H).map(|_| if dice.random_range(0.0f32..1.0) < 0.3 { 0.0 } else { 1.0 / 0.7 }).collect();
                let h0 = hidden(&w1, &b1, x);
                let h: Vec<f32> = h0.iter().zip(&keep).map(|(a, k)| a * k).collect();
                let p = softmax((0..c).map(|k| b2[k] + dot(&w2[k * H..(k + 1) * H], &h)).collect());
                let error = |(k, p): (usize, &f32)| (p - f32::from(u8::from(k == class))) / batch.len() as f32;
                let d: Vec<f32> = p.iter().enumerate().map(error).collect();
                let mut dh = vec![0.0f32; H];
                for k in 0..c {
                    g[3][k] += d[k];
                    for j in 0..H {
                        g[1][k * H + j] += d[k] * h[j];
                        dh[j] += d[k] * w2[k * H + j];
                    }
                }
                for j in 0..H {
                    if h0[j] > 0.0 && keep[j] > 0.0 {
                        let e = dh[j] * keep[j];
                        g[2][j] += e;
                        g[0][j * dimension..(j + 1) * dimension].iter_mut().zip(x).for_each(|(g, x)| *g += e * x);
                    }
                }
            }
            let (c1, c2) = (1.0 - 0.9f32.powi(t), 1.0 - 0.999f32.powi(t));
            for (w, (g, (m, v))) in [&mut w1, &mut w2, &mut b1, &mut b2].into_iter().zip(g.iter().zip(&mut moments)) {
                for q in 0..w.len() {
                    m[q] = 0.9 * m[q] + 0.1 * g[q];
                    v[q] = 0.999 * v[q] + 0.001 * g[q] * g[q];
                    w[q] -= 1e-3 * (m[q] / c1) / ((v[q] / c2).sqrt() + 1e-7);
                }
            }
        }
    }
    let answer = |x: &&[f32]| {
        let h = hidden(&w1, &b1, x);
        softmax((0..c).map(|k| b2[k] + dot(&w2[k * H..(k + 1) * H], &h)).collect())
    };
    asked.iter().map(answer).collect()
}

fn hidden(w1: &[f32], b1: &[f32], x: &[f32]) -> Vec<f32> {
    w1.chunks_exact(x.len()).zip(b1).map(|(w, b)| (b + dot(w, x)).max(0.0)).collect()
}

/// Of scores.
pub(crate) fn softmax(mut z: Vec<f32>) -> Vec<f32> {
    let top = z.iter().copied().fold(f32::MIN, f32::max);
    z.iter_mut().for_each(|z| *z = (*z - top).exp());
    let sum: f32 = z.iter().sum();
    z.iter_mut().for_each(|z| *z /= sum);
    z
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut s = [0.0f32; 16];
    for (x, y) in a.chunks_exact(16).zip(b.chunks_exact(16)) {
        for i in 0..16 {
            s[i] += x[i] * y[i];
        }
    }
    s.iter().sum()
}
