//! The random projections of FAVOR+ (Choromanski et al., arXiv 2009.14794, section 2.4).

use panther_sketch::Distribution;

use crate::NnError;
use crate::layers::in_range;

/// Ω, m×d in row-major order: blocks of d orthogonal rows, the directions of each block Haar distributed and the lengths those of
/// independent Gaussian vectors (χ with d degrees of freedom). Each row is Gaussian by itself, so that features of Ω have the mean
/// that those of independent rows have, and less variance. O(m·d²) operations; the same for a seed everywhere.
///
/// # Errors
/// [`NnError::OutOfRange`] where m or d is 0.
pub fn orthogonal_features(num_features: usize, dimension: usize, seed: u64) -> Result<Vec<f64>, NnError> {
    in_range("num_features", num_features, 1, usize::MAX)?;
    in_range("dimension", dimension, 1, usize::MAX)?;
    // Columns of variance 1/d: the first half gives the directions, the second the lengths.
    let draws = Distribution::Gaussian.operator::<f64>(dimension, 2 * num_features, seed)?.to_dense()?;
    let mut rows: Vec<Vec<f64>> = (0..num_features).map(|i| draws.col_as_slice(i).to_vec()).collect();
    rows.chunks_mut(dimension).for_each(orthonormalize);
    let root = (dimension as f64).sqrt();
    for (i, row) in rows.iter_mut().enumerate() {
        let length = root * norm(draws.col_as_slice(num_features + i));
        row.iter_mut().for_each(|x| *x *= length);
    }
    Ok(rows.concat())
}

/// Gram–Schmidt, twice for each vector so that rounding leaves them orthogonal. It is the QR decomposition with positive diagonal,
/// whose Q is Haar distributed for Gaussian input.
fn orthonormalize(vectors: &mut [Vec<f64>]) {
    for i in 0..vectors.len() {
        let (before, rest) = vectors.split_at_mut(i);
        let vector = &mut rest[0];
        for other in before.iter().chain(before.iter()) {
            let along: f64 = other.iter().zip(vector.iter()).map(|(a, b)| a * b).sum();
            vector.iter_mut().zip(other).for_each(|(x, other)| *x -= along * other);
        }
        let length = norm(vector);
        vector.iter_mut().for_each(|x| *x /= length);
    }
}

fn norm(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}
