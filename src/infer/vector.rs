//! Arithmetic of embeddings, for the few places that need it frame by frame.

/// Inner product of two vectors of one length.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    // Eight sums side by side: the compiler makes vectors of them.
    let mut sums = [0.0f32; 8];
    let (a8, b8) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a8.remainder().iter().zip(b8.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a8.zip(b8) {
        for i in 0..8 {
            sums[i] += x[i] * y[i];
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// The same direction, of length 1; a vector of nothing stays one.
pub(crate) fn normalised(vector: &[f32]) -> Vec<f32> {
    let length = dot(vector, vector).sqrt().max(f32::MIN_POSITIVE);
    vector.iter().map(|it| it / length).collect()
}

/// Probabilities of scores: their exponentials, made to sum to 1.
pub(crate) fn softmax(scores: &mut [f32]) {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|it| *it = (*it - top).exp());
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|it| *it /= sum);
}
