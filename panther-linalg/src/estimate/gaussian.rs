//! Gaussian test matrices for error estimates.

use faer::prelude::*;
use panther_sketch::{Distribution, Real};

use crate::LinalgError;

/// n×s with independent N(0, 1) entries.
pub(crate) fn gaussian<T: Real>(n: usize, s: usize, seed: u64) -> Result<Mat<T>, LinalgError> {
    let unscaled = T::from_f64((s as f64).sqrt());
    let mut g = Distribution::Gaussian.operator::<T>(s, n, seed)?.to_dense()?;
    for j in 0..n {
        for x in g.col_mut(j).iter_mut() {
            *x *= unscaled;
        }
    }
    Ok(g.transpose().to_owned())
}
