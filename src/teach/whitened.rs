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

/// What the samples of each class have in common, and how they differ.
#[derive(Debug)]
pub struct Scatter {
    /// `[classes][directions]`.
    means: Mat<f64>,
    /// Classes that have samples.
    present: Vec<bool>,
    /// `[directions][directions]`.
    within: Mat<f64>,
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

impl Scatter {
    /// Of weighted samples.
    pub fn of(samples: &Samples) -> Scatter {
        let (n, k) = (samples.x.nrows(), samples.x.ncols());
        let totals = samples.class_weights();
        let mut means = Mat::<f64>::zeros(samples.n_classes, k);
        for i in 0..n {
            let (class, weight) = (samples.class[i], samples.weight[i]);
            (0..k).for_each(|j| means[(class, j)] += weight * samples.x[(i, j)] / totals[class]);
        }
        let rest =
            Mat::from_fn(n, k, |i, j| samples.weight[i].sqrt() * (samples.x[(i, j)] - means[(samples.class[i], j)]));
        let present: Vec<bool> = totals.iter().map(|it| *it > 0.0).collect();
        let n_present = present.iter().filter(|it| **it).count() as f64;
        let freedom = (totals.iter().sum::<f64>() - n_present).max(1.0);
        let mut within = rest.transpose() * &rest;
        within *= faer::Scale(1.0 / freedom);
        Scatter { means, present, within }
    }

    /// Class means with the covariance shrunk by `shrinkage`, 0..=1; 1 is the plain cosine.
    pub fn whitened(&self, shrinkage: f64) -> Result<Whitened, FitError> {
        let k = self.within.nrows();
        let trace: f64 = (0..k).map(|i| self.within[(i, i)]).sum();
        let (within, mean) = if trace > 0.0 { (1.0 - shrinkage, shrinkage * trace / k as f64) } else { (0.0, 1.0) };
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
