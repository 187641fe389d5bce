//! What an SVD consists of.

use crate::Matrix;

/// A = U·diag(s)·Vᵀ, σ descending.
pub(crate) struct Svd<T> {
    pub(crate) u: Matrix<T>,
    pub(crate) s: Vec<T>,
    pub(crate) v: Matrix<T>,
}
