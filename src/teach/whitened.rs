//! Whitened cosine to class means: closed form, right from one event a class on.
//!
//! The covariance within classes, pooled over all of them, is what rare species borrow from common ones. It is shrunk
//! towards a multiple of the identity, with which nothing but the plain cosine is left (within-class covariance
//! normalisation: Hatch & Stolcke 2006). Only the angle counts: a score with the mean's length in it would never name a
//! class of few events.

use faer::linalg::solvers::Llt;
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::{Mat, Par, Side};

use super::fit::FitError;
use super::taught::Samples;

/// A share of the spread below which the classes' own is noise of the arithmetic: each has a single sample.
const NO_SPREAD: f64 = 1e-9;

/// What the samples of each class have in common, and how they differ.
#[derive(Debug)]
pub struct Scatter {
    /// `[classes][directions]`.
    means: Mat<f64>,
    /// Classes that have samples.
    present: Vec<bool>,
    /// `[directions][directions]`.
    within: Mat<f64>,
    /// Its trace, where it is more than noise.
    trace: Option<f64>,
}

/// Sums over samples. Those of a part can be taken off again: what is left are the others', without a look at them. Then a class may
/// weigh more or less than its events in the covariance, which is the whole of what that changes: means are of one class each.
#[derive(Debug, Clone)]
pub struct Moments {
    /// Samples of each class.
    n: Vec<usize>,
    /// Their weights.
    weights: Vec<f64>,
    /// `[classes][directions]`: of weighted coordinates.
    sums: Mat<f64>,
    /// `[directions][directions]`: of weighted products of coordinates.
    products: Mat<f64>,
}

/// Class means in the whitened space.
#[derive(Debug)]
pub struct Whitened {
    /// `[directions][directions]`, lower triangular.
    pub whitening: Mat<f64>,
    /// `[classes][directions]`, of length 1; 0 where a class has no samples.
    pub means: Mat<f64>,
    present: Vec<bool>,
}

impl Moments {
    /// Of weighted samples.
    pub fn of(samples: &Samples) -> Moments {
        let (n, k) = (samples.x.nrows(), samples.x.ncols());
        let mut counts = vec![0; samples.n_classes];
        samples.class.iter().for_each(|it| counts[*it] += 1);
        let mut sums = Mat::<f64>::zeros(samples.n_classes, k);
        for j in 0..k {
            (0..n).for_each(|i| sums[(samples.class[i], j)] += samples.weight[i] * samples.x[(i, j)]);
        }
        let weighted = Mat::from_fn(n, k, |i, j| samples.weight[i].sqrt() * samples.x[(i, j)]);
        let products = weighted.transpose() * &weighted;
        Moments { n: counts, weights: samples.class_weights(), sums, products }
    }

    /// Of all these samples but those.
    pub fn less(&self, part: &Moments) -> Moments {
        let n: Vec<usize> = self.n.iter().zip(&part.n).map(|(all, part)| all - part).collect();
        let left = n.iter().zip(self.weights.iter().zip(&part.weights));
        Moments {
            weights: left.map(|(n, (all, part))| if *n > 0 { all - part } else { 0.0 }).collect(),
            sums: &self.sums - &part.sums,
            products: &self.products - &part.products,
            n,
        }
    }

    /// How they lie.
    pub fn scatter(&self) -> Scatter {
        let (n_classes, k) = (self.n.len(), self.sums.ncols());
        let present: Vec<bool> = self.n.iter().map(|it| *it > 0).collect();
        let mean = |c: usize, j: usize| if present[c] { self.sums[(c, j)] / self.weights[c] } else { 0.0 };
        let means = Mat::from_fn(n_classes, k, mean);
        let of_means = Mat::from_fn(n_classes, k, |c, j| self.weights[c].sqrt() * means[(c, j)]);
        let n_present = present.iter().filter(|it| **it).count() as f64;
        let freedom = (self.weights.iter().sum::<f64>() - n_present).max(1.0);
        let mut within = &self.products - of_means.transpose() * &of_means;
        within *= faer::Scale(1.0 / freedom);
        let trace = |it: &Mat<f64>| (0..k).map(|i| it[(i, i)]).sum::<f64>();
        let own = trace(&within);
        let trace = (own * freedom > NO_SPREAD * trace(&self.products)).then_some(own);
        Scatter { means, present, within, trace }
    }
}

impl Scatter {
    /// Of weighted samples.
    pub fn of(samples: &Samples) -> Scatter {
        Moments::of(samples).scatter()
    }

    /// Class means with the covariance shrunk by `shrinkage`, 0..=1; 1 is the plain cosine.
    pub fn whitened(&self, shrinkage: f64) -> Result<Whitened, FitError> {
        let k = self.within.nrows();
        let (within, mean) = self.trace.map_or((0.0, 1.0), |trace| (1.0 - shrinkage, shrinkage * trace / k as f64));
        let shrunk = Mat::from_fn(k, k, |i, j| within * self.within[(i, j)] + if i == j { mean } else { 0.0 });
        let factor: Llt<f64> = shrunk.llt(Side::Lower).map_err(|_| FitError::Numbers("within-class covariance"))?;
        let mut whitening = Mat::<f64>::identity(k, k);
        solve_lower_triangular_in_place(factor.L(), whitening.as_mut(), Par::Seq);
        let mut means = &self.means * whitening.transpose();
        normalise(&mut means);
        Ok(Whitened { whitening, means, present: self.present.clone() })
    }
}

impl Whitened {
    /// Cosines `[samples][classes]` of coordinates `[samples][directions]`; −1 for a class without samples.
    pub fn cosines(&self, x: &Mat<f64>) -> Mat<f64> {
        let mut white = x * self.whitening.transpose();
        normalise(&mut white);
        let mut cosines = white * self.means.transpose();
        for class in (0..self.present.len()).filter(|it| !self.present[*it]) {
            cosines.col_mut(class).fill(-1.0);
        }
        cosines
    }
}

/// Rows of length 1; what is nothing stays so.
fn normalise(x: &mut Mat<f64>) {
    for i in 0..x.nrows() {
        let length = x.row(i).norm_l2();
        if length > 0.0 {
            (0..x.ncols()).for_each(|j| x[(i, j)] /= length);
        }
    }
}
