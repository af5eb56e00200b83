//! Finds the [`Space`] of what was taught: means by modality and view, and the principal directions of the rest.

use std::iter;
use std::sync::Arc;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};

use crate::infer::space::{Impressions, N_KINDS, Space, centred};

use super::fit::FitError;
use super::side_by_side::side_by_side;
use super::taught::{Lesson, Taught};

/// Directions kept, at most, half of them of impressions where there are such: more than 256 gave nothing on real frames, and each
/// costs time in every frame.
const MAX_DIRECTIONS: usize = 256;
/// A direction in which the spread is this share of the largest, or less, is noise of the arithmetic.
const LEAST_SPREAD: f64 = 1e-9;
/// A kind of candidate pulls its mean away from that of all as if this many events more spoke for the latter.
const PRIOR_EVENTS: f64 = 5.0;

/// Rows of which products are summed at a time, and columns that one thread does.
const BLOCK: usize = 512;
const PANEL: usize = 160;

/// The space of what was taught, of its lessons: a function of its vectors and events, and not of its classes' names. `weight` is
/// the length of an impression, see [`Impressions`]; of no matter where the network's last layer is not known.
pub(super) fn space(taught: &Taught, lessons: &[Lesson<'_>], weight: f64) -> Result<Space, FitError> {
    let (dimension, layer) = (taught.dimension, taught.last_layer());
    let lengths: Vec<usize> = iter::once(dimension).chain(layer.map(|it| it.n_classes())).collect();
    let parts = side_by_side(lengths.len(), |part| -> Result<(Vec<f32>, Vec<f32>), FitError> {
        let values = |lesson: usize| if part == 0 { lessons[lesson].features } else { &*lessons[lesson].impression };
        let means = means(lengths[part], lessons, values);
        let basis = basis(lengths[part], lessons, values, &means, MAX_DIRECTIONS / lengths.len())?;
        Ok((means, basis))
    });
    let mut parts = parts.into_iter();
    let (means, basis) = parts.next().transpose()?.unwrap_or_default();
    let impressions = layer.zip(parts.next().transpose()?).map(|(classifier, (means, basis))| Impressions {
        classifier: Arc::clone(classifier),
        means,
        basis,
        weight: weight as f32,
    });
    Ok(Space { means, basis, dimension, impressions })
}

/// `[directions][dimension]`: those in which lessons differ most, at most so many; `values` are those of a lesson.
fn basis<'a>(
    dimension: usize,
    lessons: &'a [Lesson<'_>],
    values: impl Fn(usize) -> &'a [f32],
    means: &[f32],
    most: usize,
) -> Result<Vec<f32>, FitError> {
    let n = lessons.len();
    // A vector a column.
    let mut x = Mat::<f32>::zeros(dimension, n);
    for i in 0..n {
        let (centred, weight) = (centred(values(i), means, lessons[i].kind), lessons[i].weight.sqrt() as f32);
        (0..dimension).for_each(|j| x[(j, i)] = weight * centred[j]);
    }
    // Directions of the smaller of both products: the larger one has the same ones, and nothing more.
    let narrow = n < dimension;
    let product = if narrow { product(x.as_ref()) } else { product(x.transpose()) };
    let eigen = product.self_adjoint_eigen(Side::Lower).map_err(|_| FitError::Numbers("principal directions"))?;
    let spread = eigen.S().column_vector();
    let largest = spread[spread.nrows() - 1];
    let double = narrow.then(|| Mat::from_fn(dimension, n, |j, i| f64::from(x[(j, i)])));
    let mut basis = Vec::new();
    // Eigenvalues come in rising order.
    for i in (0..spread.nrows()).rev().take(most).filter(|&i| spread[i] > LEAST_SPREAD * largest) {
        let direction = eigen.U().col(i);
        let direction = if let Some(x) = &double { x * direction } else { direction.to_owned() };
        let length = direction.norm_l2();
        basis.extend(direction.iter().map(|it| (it / length) as f32));
    }
    Ok(basis)
}

/// Of each column with each other, in double precision: the lower triangle.
fn product(x: MatRef<'_, f32>) -> Mat<f64> {
    let (rows, columns) = (x.nrows(), x.ncols());
    let panels = side_by_side(columns.div_ceil(PANEL), |panel| {
        let (from, to) = (panel * PANEL, ((panel + 1) * PANEL).min(columns));
        let mut sums = Mat::<f64>::zeros(columns - from, to - from);
        for row in (0..rows).step_by(BLOCK) {
            let n = BLOCK.min(rows - row);
            let block = Mat::from_fn(n, columns - from, |i, j| f64::from(x[(row + i, from + j)]));
            let own = block.as_ref().subcols(0, to - from);
            matmul(sums.as_mut(), Accum::Add, block.transpose(), own, 1.0, Par::Seq);
        }
        sums
    });
    Mat::from_fn(
        columns,
        columns,
        |i, j| if i < j { 0.0 } else { panels[j / PANEL][(i - j / PANEL * PANEL, j % PANEL)] },
    )
}

/// `[N_KINDS][dimension]`: each kind's own mean as far as events speak for it, else that of all; `values` are those of a lesson.
pub(super) fn means<'a>(dimension: usize, lessons: &'a [Lesson<'_>], values: impl Fn(usize) -> &'a [f32]) -> Vec<f32> {
    let mut sums = vec![vec![0.0f64; dimension]; N_KINDS];
    let mut totals = [0.0f64; N_KINDS];
    for (i, Lesson { kind, weight, .. }) in lessons.iter().enumerate() {
        totals[*kind] += weight;
        sums[*kind].iter_mut().zip(values(i)).for_each(|(sum, &it)| *sum += weight * f64::from(it));
    }
    let total: f64 = totals.iter().sum::<f64>().max(f64::MIN_POSITIVE);
    let all: Vec<f64> = (0..dimension).map(|j| sums.iter().map(|it| it[j]).sum::<f64>() / total).collect();
    let mean = |kind: usize, j: usize| (sums[kind][j] + PRIOR_EVENTS * all[j]) / (totals[kind] + PRIOR_EVENTS);
    (0..N_KINDS).flat_map(|kind| (0..dimension).map(move |j| (kind, j))).map(|(kind, j)| mean(kind, j) as f32).collect()
}
