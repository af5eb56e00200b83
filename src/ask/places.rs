//! Where events lie to each other: vectors along the directions in which they differ most, of length 1.

use std::ops::Range;

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef, Par, Side};

use crate::infer::vector::{dot, normalised};
use crate::teach::side_by_side::side_by_side;

/// Directions, at most.
const MAX_DIRECTIONS: usize = 128;
/// Events that the directions are found of, at most: more of them turn the directions little, and cost seconds.
const MAX_SAMPLE: usize = 384;
/// A direction in which the spread is this share of the largest, or less, is noise of the arithmetic.
const LEAST_SPREAD: f64 = 1e-6;
/// Events that are compared with all others at a time.
const BLOCK: usize = 256;

/// Events as points of length 1.
pub(super) struct Places {
    /// `[events][directions]`.
    points: Vec<f32>,
    n: usize,
    directions: usize,
}

/// What lies nearest to a point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Nearest {
    /// Its place.
    pub(super) at: usize,
    /// The square of its distance.
    pub(super) square: f32,
}

impl Places {
    /// Of events' vectors. One of another length, or that holds what is no number, lies as far from all as can be.
    pub(super) fn of(vectors: &[&[f32]]) -> Places {
        let dimension = vectors.iter().map(|it| it.len()).max().unwrap_or(0);
        let whole = |it: &[f32]| it.len() == dimension && it.iter().all(|x| x.is_finite());
        let mut mean = vec![0.0f32; dimension];
        let n_whole = vectors.iter().filter(|it| whole(it)).count().max(1) as f32;
        for it in vectors.iter().filter(|it| whole(it)) {
            mean.iter_mut().zip(*it).for_each(|(mean, x)| *mean += x / n_whole);
        }
        let rows: Vec<f32> = vectors
            .iter()
            .flat_map(|it| {
                let less = |it: &[f32]| it.iter().zip(&mean).map(|(x, mean)| x - mean).collect::<Vec<f32>>();
                if whole(it) { normalised(&less(it)) } else { vec![0.0; dimension] }
            })
            .collect();
        let n = vectors.len();
        let basis = basis(&rows, n, dimension);
        let directions = basis.nrows();
        let all = MatRef::from_row_major_slice(&rows, n, dimension);
        let blocks = side_by_side(n.div_ceil(BLOCK), |i| {
            let (from, to) = (i * BLOCK, ((i + 1) * BLOCK).min(n));
            // A point a column.
            let mut block = Mat::<f32>::zeros(directions, to - from);
            let own = all.subrows(from, to - from);
            matmul(block.as_mut(), Accum::Replace, basis.as_ref(), own.transpose(), 1.0, Par::Seq);
            let point = |j: usize| normalised(&block.col(j).iter().copied().collect::<Vec<f32>>());
            (0..to - from).flat_map(point).collect::<Vec<f32>>()
        });
        Places { points: blocks.concat(), n, directions }
    }

    fn point(&self, i: usize) -> &[f32] {
        &self.points[i * self.directions..(i + 1) * self.directions]
    }

    /// The square of the distance of two.
    pub(super) fn square(&self, a: usize, b: usize) -> f32 {
        (2.0 - 2.0 * dot(self.point(a), self.point(b))).max(0.0)
    }

    /// What `work` makes of the squares of the distances of each of `of` to all of `to`, side by side.
    pub(super) fn each<T: Send>(
        &self,
        of: Range<usize>,
        to: Range<usize>,
        work: impl Fn(usize, &[f32]) -> T + Sync,
    ) -> Vec<T> {
        let of = of.start.min(self.n)..of.end.min(self.n);
        let all = MatRef::from_row_major_slice(&self.points, self.n, self.directions);
        let others = all.subrows(to.start, to.len());
        let blocks = side_by_side(of.len().div_ceil(BLOCK), |i| {
            let from = of.start + i * BLOCK;
            let own = all.subrows(from, BLOCK.min(of.end - from));
            let mut squares = Mat::<f32>::full(others.nrows(), own.nrows(), 2.0);
            matmul(squares.as_mut(), Accum::Add, others, own.transpose(), -2.0, Par::Seq);
            let column = |j: usize| {
                let squares: Vec<f32> = squares.col(j).iter().map(|it| it.max(0.0)).collect();
                work(from + j, &squares)
            };
            (0..own.nrows()).map(column).collect::<Vec<T>>()
        });
        blocks.into_iter().flatten().collect()
    }

    /// For each of `of` what is nearest among `to`, but itself. None where there is nothing else.
    pub(super) fn nearest(&self, of: Range<usize>, to: Range<usize>) -> Vec<Option<Nearest>> {
        self.each(of, to.clone(), |i, squares| {
            let others = squares.iter().enumerate().map(|(j, it)| Nearest { at: to.start + j, square: *it });
            others.filter(|it| it.at != i).min_by(|a, b| a.square.total_cmp(&b.square))
        })
    }
}

/// `[directions][dimension]`, the principal directions of some of the rows.
fn basis(rows: &[f32], n: usize, dimension: usize) -> Mat<f32> {
    let step = n.div_ceil(MAX_SAMPLE).max(1);
    let taken: Vec<usize> = (0..n).step_by(step).collect();
    let sample = Mat::from_fn(taken.len(), dimension, |i, j| rows[taken[i] * dimension + j]);
    let mut product = Mat::<f32>::zeros(taken.len(), taken.len());
    matmul(product.as_mut(), Accum::Replace, sample.as_ref(), sample.transpose(), 1.0, Par::Seq);
    let product = Mat::from_fn(taken.len(), taken.len(), |i, j| f64::from(product[(i, j)]));
    let Ok(eigen) = product.self_adjoint_eigen(Side::Lower) else {
        // It only fails on what is no number, and there is none: the first directions are as good as any.
        return Mat::from_fn(MAX_DIRECTIONS.min(dimension), dimension, |i, j| if i == j { 1.0 } else { 0.0 });
    };
    let spread = eigen.S().column_vector();
    // Eigenvalues come in rising order.
    let most = if taken.is_empty() { 0.0 } else { spread[taken.len() - 1] };
    let kept = (0..taken.len()).rev().take(MAX_DIRECTIONS).filter(|&i| spread[i] > LEAST_SPREAD * most);
    let kept: Vec<usize> = kept.collect();
    let turn = Mat::from_fn(kept.len(), taken.len(), |i, j| (eigen.U()[(j, kept[i])] / spread[kept[i]].sqrt()) as f32);
    let mut basis = Mat::<f32>::zeros(kept.len(), dimension);
    matmul(basis.as_mut(), Accum::Replace, turn.as_ref(), sample.as_ref(), 1.0, Par::Seq);
    basis
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_the_vectors_and_what_is_broken_lies_far() {
        let vectors =
            [vec![1.0, 0.1, 0.0], vec![1.0, 0.12, 0.0], vec![-1.0, 0.0, 0.1], vec![f32::NAN, 0.0, 0.0], vec![1.0]];
        let rows: Vec<&[f32]> = vectors.iter().map(|it| &**it).collect();
        let places = Places::of(&rows);
        assert!(places.square(0, 1) < 0.05, "{}", places.square(0, 1));
        assert!(places.square(0, 2) > 3.5, "{}", places.square(0, 2));
        assert_eq!((places.square(0, 3), places.square(1, 4)), (2.0, 2.0));
        let nearest = places.nearest(0..3, 0..3);
        assert_eq!(nearest[0].map(|it| it.at), Some(1));
        assert_eq!(nearest[1].map(|it| it.at), Some(0));
        assert_eq!(Places::of(&[]).nearest(0..0, 0..0), Vec::new());
        assert_eq!(Places::of(&[&[1.0, 2.0]]).nearest(0..1, 0..1), vec![None]);
    }
}
