//! Multinomial logistic regression with balanced softmax: right where classes have many events.
//!
//! The loss is the weighted mean of the cross-entropy, with each class's share of the weight added to its score while it
//! is fitted and left out afterwards: the answer is as if all classes were as common (balanced softmax: Ren et al. 2020).
//! The weights have an L2 penalty, the bias has none. Minimised by L-BFGS (Nocedal & Wright 2006, algorithm 7.4), which
//! starts each step from the curvature along each direction, looked up anew every few steps: the coordinates are principal
//! directions, so that this is most of the curvature. It halves the steps. The large products are of single precision, all
//! that is summed over steps is of double.

use std::collections::VecDeque;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, Par};

use super::taught::Samples;

/// Pairs of steps remembered.
const MEMORY: usize = 8;
const MAX_STEPS: usize = 60;
/// Steps after which the curvature is looked up anew.
const LOOK_AGAIN: usize = 5;
/// What single precision makes of a loss of about 1: a rise by less is none.
const NOISE: f64 = 1e-7;
/// The bias has no penalty; so much is its least curvature.
const LEAST_CURVATURE: f64 = 1e-4;
/// A class of less than this share of the likeliest counts as impossible. What is left then stays far from the smallest numbers
/// that single precision has, with which processors take a hundred times as long.
const IMPOSSIBLE: f32 = 1e-20;
/// What a class without samples scores.
const NEVER: f64 = -30.0;

/// How near to the minimum is near enough: the largest slope. The loss is a mean, and about 1 at the start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Care {
    /// To find out which recipe is best, and what strangers look like.
    Trial,
    /// For a head that serves.
    Final,
}

impl Care {
    fn flat(self) -> f64 {
        match self {
            Care::Trial => 5e-5,
            Care::Final => 2e-6,
        }
    }

    fn max_steps(self) -> usize {
        match self {
            Care::Trial => MAX_STEPS,
            Care::Final => 4 * MAX_STEPS,
        }
    }
}

/// A fitted regression: `[classes][directions + 1]`, the last column is the bias.
#[derive(Debug, Clone)]
pub struct Logistic {
    theta: Mat<f64>,
}

/// Loss, slope and what they were computed from at one place.
struct At {
    theta: Mat<f64>,
    loss: f64,
    slope: Mat<f64>,
    /// `[classes][samples]`: the probabilities.
    p: Mat<f32>,
}

impl Logistic {
    /// Fits weighted samples with an L2 penalty of `ridge`, from `start` where there is one.
    pub fn fit(samples: &Samples, ridge: f64, start: Option<&Logistic>, care: Care) -> Logistic {
        Design::new(samples).fit(ridge, start, care)
    }

    /// Scores `[samples][classes]` of coordinates `[samples][directions]`.
    pub fn scores(&self, x: &Mat<f64>) -> Mat<f64> {
        with_one(x) * self.theta.transpose()
    }

    /// `[classes][directions]`, row by row.
    pub fn weights(&self) -> Vec<f32> {
        let k = self.theta.ncols() - 1;
        (0..self.theta.nrows()).flat_map(|i| (0..k).map(move |j| (i, j))).map(|at| self.theta[at] as f32).collect()
    }

    /// `[classes]`.
    pub fn bias(&self) -> Vec<f32> {
        let k = self.theta.ncols() - 1;
        (0..self.theta.nrows()).map(|i| self.theta[(i, k)] as f32).collect()
    }

    /// The same as if it had never heard of a class.
    pub fn without(&self, class: usize) -> Logistic {
        let mut without = self.clone();
        without.theta.row_mut(class).fill(0.0);
        without
    }
}

/// Samples as all fits on them need them, whatever their penalty.
pub struct Design<'a> {
    samples: &'a Samples,
    /// `[samples][directions + 1]`, the last is 1.
    x: Mat<f32>,
    /// Squares of it.
    squares: Mat<f32>,
    /// Logarithms of the classes' shares of the weight.
    ln_share: Vec<f32>,
    /// Each sample's share of the weight.
    weight: Vec<f32>,
}

impl Design<'_> {
    /// Of weighted samples.
    pub fn new(samples: &Samples) -> Design<'_> {
        let (weight, mut weights) = (samples.even_weights(), vec![0.0; samples.n_classes]);
        samples.class.iter().zip(&weight).for_each(|(&class, it)| weights[class] += it);
        let total: f64 = weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let k = samples.x.ncols();
        let x = Mat::from_fn(samples.x.nrows(), k + 1, |i, j| if j < k { samples.x[(i, j)] as f32 } else { 1.0 });
        Design {
            samples,
            squares: Mat::from_fn(x.nrows(), x.ncols(), |i, j| x[(i, j)] * x[(i, j)]),
            x,
            ln_share: weights.iter().map(|it| (it / total).ln() as f32).collect(),
            weight: weight.iter().map(|it| (it / total) as f32).collect(),
        }
    }

    /// Fits with an L2 penalty of `ridge`, from `start` where there is one.
    pub fn fit(&self, ridge: f64, start: Option<&Logistic>, care: Care) -> Logistic {
        let (n_classes, columns) = (self.samples.n_classes, self.x.ncols());
        let present = |class: usize| self.ln_share[class].is_finite();
        let mut theta = start.map_or_else(|| Mat::zeros(n_classes, columns), |it| it.theta.clone());
        for class in (0..n_classes).filter(|it| !present(*it)) {
            theta.row_mut(class).fill(0.0);
        }
        let mut history: VecDeque<(Mat<f64>, Mat<f64>)> = VecDeque::new();
        let mut here = self.at(theta, ridge);
        let mut curvature = self.curvature(&here, ridge);
        for step in 0..care.max_steps() {
            if here.slope.norm_max() < care.flat() {
                break;
            }
            if step > 0 && step % LOOK_AGAIN == 0 {
                curvature = self.curvature(&here, ridge);
            }
            let direction = direction(&here.slope, &curvature, &history);
            let descent = inner(&direction, &here.slope);
            let mut length = 1.0;
            // Backtracking until the loss falls as it should (Armijo).
            let stepped = loop {
                let there = self.at(&here.theta + &direction * faer::Scale(length), ridge);
                if there.loss <= here.loss + 1e-4 * length * descent + NOISE * here.loss.abs() {
                    break Some(there);
                }
                length /= 2.0;
                if length < 1e-6 {
                    break None;
                }
            };
            let Some(there) = stepped else { break };
            let (step, bend) = (&there.theta - &here.theta, &there.slope - &here.slope);
            if inner(&step, &bend) > 1e-14 {
                history.push_back((step, bend));
                if history.len() > MEMORY {
                    history.pop_front();
                }
            }
            here = there;
        }
        let mut theta = here.theta;
        for class in (0..n_classes).filter(|it| !present(*it)) {
            theta.row_mut(class).fill(0.0);
            theta[(class, columns - 1)] = NEVER;
        }
        Logistic { theta }
    }

    fn at(&self, theta: Mat<f64>, ridge: f64) -> At {
        let (n, n_classes, columns) = (self.x.nrows(), theta.nrows(), theta.ncols());
        let single = Mat::from_fn(n_classes, columns, |c, j| theta[(c, j)] as f32);
        // Classes side by side, as each sample needs all of them.
        let mut p = Mat::<f32>::zeros(n_classes, n);
        matmul(p.as_mut(), Accum::Replace, &single, self.x.transpose(), 1.0, Par::Seq);
        let mut rest = Mat::<f32>::zeros(n_classes, n);
        let mut loss = 0.0f64;
        for i in 0..n {
            let (truth, weight) = (self.samples.class[i], self.weight[i]);
            let (Some(z), Some(rest)) = (p.col_mut(i).try_as_col_major_mut(), rest.col_mut(i).try_as_col_major_mut())
            else {
                continue;
            };
            let (z, rest) = (z.as_slice_mut(), rest.as_slice_mut());
            z.iter_mut().zip(&self.ln_share).for_each(|(z, ln_share)| *z += ln_share);
            let top = z.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let of_truth = z[truth] - top;
            z.iter_mut().for_each(|z| {
                let likely = exp(*z - top);
                *z = if likely < IMPOSSIBLE { 0.0 } else { likely };
            });
            let sum: f32 = z.iter().sum();
            loss += f64::from(weight) * f64::from(sum.ln() - of_truth);
            let scale = 1.0 / sum;
            z.iter_mut().for_each(|z| *z *= scale);
            rest.iter_mut().zip(z.iter()).for_each(|(rest, p)| *rest = weight * p);
            rest[truth] -= weight;
        }
        let mut single = Mat::<f32>::zeros(n_classes, columns);
        matmul(single.as_mut(), Accum::Replace, &rest, &self.x, 1.0, Par::Seq);
        let mut slope = Mat::from_fn(n_classes, columns, |c, j| f64::from(single[(c, j)]));
        for j in 0..columns - 1 {
            for c in 0..n_classes {
                loss += 0.5 * ridge * theta[(c, j)] * theta[(c, j)];
                slope[(c, j)] += ridge * theta[(c, j)];
            }
        }
        At { theta, loss, slope, p }
    }

    /// The second derivative by each weight alone.
    fn curvature(&self, at: &At, ridge: f64) -> Mat<f64> {
        let (n_classes, columns) = (at.p.nrows(), self.x.ncols());
        let spread = Mat::from_fn(n_classes, at.p.ncols(), |c, i| self.weight[i] * at.p[(c, i)] * (1.0 - at.p[(c, i)]));
        let mut single = Mat::<f32>::zeros(n_classes, columns);
        matmul(single.as_mut(), Accum::Replace, &spread, &self.squares, 1.0, Par::Seq);
        Mat::from_fn(n_classes, columns, |c, j| {
            f64::from(single[(c, j)]) + if j + 1 < columns { ridge } else { LEAST_CURVATURE }
        })
    }
}

/// Downhill, bent by what the last steps have shown.
fn direction(slope: &Mat<f64>, curvature: &Mat<f64>, history: &VecDeque<(Mat<f64>, Mat<f64>)>) -> Mat<f64> {
    let mut q = slope.clone();
    let mut alphas = Vec::with_capacity(history.len());
    for (step, bend) in history.iter().rev() {
        let alpha = inner(step, &q) / inner(step, bend);
        q -= bend * faer::Scale(alpha);
        alphas.push(alpha);
    }
    let over = |it: &Mat<f64>| Mat::from_fn(it.nrows(), it.ncols(), |c, j| it[(c, j)] / curvature[(c, j)]);
    q = over(&q);
    if let Some((step, bend)) = history.back() {
        q *= faer::Scale(inner(step, bend) / inner(bend, &over(bend)));
    }
    for ((step, bend), alpha) in history.iter().zip(alphas.into_iter().rev()) {
        let beta = inner(bend, &q) / inner(step, bend);
        q += step * faer::Scale(alpha - beta);
    }
    q * faer::Scale(-1.0)
}

fn inner(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    (0..a.ncols()).map(|j| a.col(j).iter().zip(b.col(j).iter()).map(|(x, y)| x * y).sum::<f64>()).sum()
}

fn with_one(x: &Mat<f64>) -> Mat<f64> {
    Mat::from_fn(x.nrows(), x.ncols() + 1, |i, j| if j < x.ncols() { x[(i, j)] } else { 1.0 })
}

/// e to the power of what is not above 0, to five digits: written so that the compiler does several at once.
pub(crate) fn exp(x: f32) -> f32 {
    // 1.5 × 2²³: added, it rounds to a whole number, which then stands in the lowest bits.
    const ROUND: f32 = 12_582_912.0;
    let t = x.max(-86.0) * std::f32::consts::LOG2_E;
    let rounded = t + ROUND;
    // −0.5..=0.5, times ln 2.
    let r = (t - (rounded - ROUND)) * std::f32::consts::LN_2;
    let series = 1.0 + r * (1.0 + r * (1.0 / 2.0 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r / 720.0)))));
    let power = rounded.to_bits().wrapping_sub(ROUND.to_bits()).wrapping_add(127) << 23;
    series * f32::from_bits(power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exponential_is_the_exponential() {
        for i in 0..8_000 {
            let x = -f64::from(i) / 100.0;
            let (ours, right) = (f64::from(exp(x as f32)), x.exp());
            assert!((ours / right - 1.0).abs() < 2e-5, "exp({x}) = {ours}, not {right}");
        }
        assert!(exp(f32::NEG_INFINITY) < 1e-36 && exp(0.0) == 1.0);
    }

    /// Numbers near the smallest, and products that leave registers dirty, make a training several times as long: neither shows
    /// in what a head says.
    #[test]
    fn nothing_that_makes_processors_slow_is_multiplied() {
        let samples = Samples {
            x: Mat::from_fn(2, 1, |i, _| if i == 0 { 1.0 } else { -1.0 }),
            class: vec![0, 1],
            event: vec![0, 1],
            weight: vec![1.0, 1.0],
            n_classes: 2,
        };
        for by in [10.0, 23.0, 40.0, 43.0, 60.0] {
            let at = Design::new(&samples).at(Mat::from_fn(2, 2, |c, j| [[by, 0.0], [-by, 0.0]][c][j]), 1e-3);
            for p in at.p.col_iter().flat_map(|it| it.iter()) {
                assert!(*p == 0.0 || *p > IMPOSSIBLE / 2.0, "{p} where classes are {by} apart");
            }
        }
        let locked = include_str!("../../Cargo.lock");
        assert!(!locked.contains("private-gemm-x86"), "faer's feature `std` is on again: see Cargo.toml");
    }
}
