//! Finds the [`Space`] of what was taught: means by modality and view, and the principal directions of the rest.

use faer::{Mat, Side};

use crate::infer::space::{N_KINDS, Space, kind};

use super::fit::FitError;
use super::taught::{Taught, weights};

/// Directions kept, at most: more than 256 gave nothing on real frames, and each costs time in every frame.
const MAX_DIRECTIONS: usize = 256;
/// A direction in which the spread is this share of the largest, or less, is noise of the arithmetic.
const LEAST_SPREAD: f64 = 1e-9;
/// A kind of candidate pulls its mean away from that of all as if this many events more spoke for the latter.
const PRIOR_EVENTS: f64 = 5.0;

/// The space of what was taught: a function of its vectors and events, and not of its classes' names.
pub fn space(taught: &Taught) -> Result<Space, FitError> {
    let dimension = taught.dimension;
    let (mut vectors, mut kinds, mut event, mut class) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (i, it) in taught.events.iter().enumerate() {
        for frame in &it.frames {
            for view in &frame.views {
                vectors.push(&view.features);
                kinds.push(kind(view.modality, view.view));
                event.push(i);
                class.push(frame.class);
            }
        }
    }
    let weight = weights(&event, &class);
    let mut space = Space { means: means(dimension, &vectors, &kinds, &weight), basis: Vec::new(), dimension };
    let centred: Vec<Vec<f32>> = vectors.iter().zip(&kinds).map(|(it, &kind)| space.centred(it, kind)).collect();
    let n = centred.len();
    let x = Mat::from_fn(n, dimension, |i, j| weight[i].sqrt() * f64::from(centred[i][j]));
    // Directions of the smaller of both products: the larger one has the same ones, and nothing more.
    let narrow = n < dimension;
    let product = if narrow { &x * x.transpose() } else { x.transpose() * &x };
    let eigen = product.self_adjoint_eigen(Side::Lower).map_err(|_| FitError::Numbers("principal directions"))?;
    let spread = eigen.S().column_vector();
    let most = spread[spread.nrows() - 1];
    // Eigenvalues come in rising order.
    for i in (0..spread.nrows()).rev().take(MAX_DIRECTIONS).filter(|&i| spread[i] > LEAST_SPREAD * most) {
        let direction = eigen.U().col(i);
        let direction = if narrow { x.transpose() * direction } else { direction.to_owned() };
        let length = direction.norm_l2();
        space.basis.extend(direction.iter().map(|it| (it / length) as f32));
    }
    Ok(space)
}

/// `[N_KINDS][dimension]`: each kind's own mean as far as events speak for it, else that of all.
fn means(dimension: usize, vectors: &[&Vec<f32>], kinds: &[usize], weight: &[f64]) -> Vec<f32> {
    let mut sums = vec![vec![0.0f64; dimension]; N_KINDS];
    let mut totals = [0.0f64; N_KINDS];
    for ((vector, &kind), weight) in vectors.iter().zip(kinds).zip(weight) {
        totals[kind] += weight;
        sums[kind].iter_mut().zip(vector.iter()).for_each(|(sum, &it)| *sum += weight * f64::from(it));
    }
    let total: f64 = totals.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let all: Vec<f64> = (0..dimension).map(|j| sums.iter().map(|it| it[j]).sum::<f64>() / total).collect();
    let mean = |kind: usize, j: usize| (sums[kind][j] + PRIOR_EVENTS * all[j]) / (totals[kind] + PRIOR_EVENTS);
    (0..N_KINDS).flat_map(|kind| (0..dimension).map(move |j| (kind, j))).map(|(kind, j)| mean(kind, j) as f32).collect()
}
