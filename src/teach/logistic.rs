//! Multinomial logistic regression with balanced softmax: right where classes have many events.
//!
//! The loss is the weighted mean of the cross-entropy, with each class's share of the weight added to its score while it
//! is fitted and left out afterwards: the answer is as if all classes were as common (balanced softmax: Ren et al. 2020).
//! The weights have an L2 penalty, the bias has none. Minimised by L-BFGS (Nocedal & Wright 2006, algorithm 7.4).

use std::collections::VecDeque;

use faer::Mat;

use super::taught::Samples;

/// Pairs of steps remembered.
const MEMORY: usize = 8;
const MAX_STEPS: usize = 60;
/// The largest slope at which the minimum counts as found: the loss is a mean, and about 1 at the start.
const FLAT: f64 = 2e-5;
/// What a class without samples scores.
const NEVER: f64 = -30.0;

/// A fitted regression: `[classes][directions + 1]`, the last column is the bias.
#[derive(Debug, Clone)]
pub struct Logistic {
    theta: Mat<f64>,
}

impl Logistic {
    /// Fits weighted samples with an L2 penalty of `ridge`, from `start` where there is one.
    pub fn fit(samples: &Samples, ridge: f64, start: Option<&Logistic>) -> Logistic {
        let problem = Problem::new(samples, ridge);
        let (n_classes, columns) = (samples.n_classes, samples.x.ncols() + 1);
        let mut theta = start.map_or_else(|| Mat::zeros(n_classes, columns), |it| it.theta.clone());
        let mut history: VecDeque<(Mat<f64>, Mat<f64>)> = VecDeque::new();
        let (mut loss, mut slope) = problem.at(&theta);
        for _ in 0..MAX_STEPS {
            if slope.norm_max() < FLAT {
                break;
            }
            let direction = direction(&slope, &history);
            let descent = inner(&direction, &slope);
            let mut length = if history.is_empty() { 1.0 / slope.norm_l2() } else { 1.0 };
            // Backtracking until the loss falls as it should (Armijo).
            let stepped = loop {
                let there = &theta + &direction * faer::Scale(length);
                let (value, new_slope) = problem.at(&there);
                if value <= loss + 1e-4 * length * descent {
                    break Some((there, value, new_slope));
                }
                length /= 2.0;
                if length < 1e-12 {
                    break None;
                }
            };
            let Some((there, value, new_slope)) = stepped else { break };
            let (step, bend) = (&there - &theta, &new_slope - &slope);
            if inner(&step, &bend) > 1e-14 {
                history.push_back((step, bend));
                if history.len() > MEMORY {
                    history.pop_front();
                }
            }
            (theta, loss, slope) = (there, value, new_slope);
        }
        for class in (0..n_classes).filter(|it| !problem.present(*it)) {
            theta.row_mut(class).fill(0.0);
            theta[(class, columns - 1)] = NEVER;
        }
        Logistic { theta }
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
}

struct Problem<'a> {
    samples: &'a Samples,
    /// `[samples][directions + 1]`, the last is 1.
    x: Mat<f64>,
    /// Logarithms of the classes' shares of the weight.
    ln_share: Vec<f64>,
    total: f64,
    ridge: f64,
}

impl Problem<'_> {
    fn new(samples: &Samples, ridge: f64) -> Problem<'_> {
        let weights = samples.class_weights();
        let total: f64 = weights.iter().sum::<f64>().max(f64::MIN_POSITIVE);
        let ln_share = weights.iter().map(|it| (it / total).ln()).collect();
        Problem { samples, x: with_one(&samples.x), ln_share, total, ridge }
    }

    fn present(&self, class: usize) -> bool {
        self.ln_share[class].is_finite()
    }

    /// Loss and slope.
    fn at(&self, theta: &Mat<f64>) -> (f64, Mat<f64>) {
        let mut z = &self.x * theta.transpose();
        let (n, n_classes, k) = (z.nrows(), z.ncols(), theta.ncols() - 1);
        let mut loss = 0.0;
        for i in 0..n {
            let (truth, weight) = (self.samples.class[i], self.samples.weight[i] / self.total);
            let mut top = f64::NEG_INFINITY;
            for c in 0..n_classes {
                z[(i, c)] += self.ln_share[c];
                top = top.max(z[(i, c)]);
            }
            let sum: f64 = (0..n_classes).map(|c| (z[(i, c)] - top).exp()).sum();
            let ln_sum = sum.ln() + top;
            loss += weight * (ln_sum - z[(i, truth)]);
            for c in 0..n_classes {
                z[(i, c)] = weight * ((z[(i, c)] - ln_sum).exp() - f64::from(u8::from(c == truth)));
            }
        }
        let mut slope = z.transpose() * &self.x;
        for c in 0..n_classes {
            for j in 0..k {
                loss += 0.5 * self.ridge * theta[(c, j)] * theta[(c, j)];
                slope[(c, j)] += self.ridge * theta[(c, j)];
            }
        }
        (loss, slope)
    }
}

/// Downhill, bent by what the last steps have shown.
fn direction(slope: &Mat<f64>, history: &VecDeque<(Mat<f64>, Mat<f64>)>) -> Mat<f64> {
    let mut q = slope.clone();
    let mut alphas = Vec::with_capacity(history.len());
    for (step, bend) in history.iter().rev() {
        let alpha = inner(step, &q) / inner(step, bend);
        q -= bend * faer::Scale(alpha);
        alphas.push(alpha);
    }
    if let Some((step, bend)) = history.back() {
        q *= faer::Scale(inner(step, bend) / inner(bend, bend));
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
