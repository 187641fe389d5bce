//! Anything that can be multiplied: what [`rsvd`](crate::rsvd()) needs of a matrix.

use faer::{Mat, MatMut, MatRef, Par};
use panther_sketch::{Real, SketchOperator};

use crate::LinalgError;

/// ‖A‖_F as mantissa·2^exponent, so that it can be told even where it leaves the range of the type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Magnitude {
    /// ‖A·2^−exponent‖_F, 0 for the zero matrix.
    pub frobenius: f64,
    /// Exponent of a power of two near the largest |aᵢⱼ| (or near ‖A‖_F).
    pub exponent: i32,
}

/// A linear map m×n that can be multiplied from both sides.
///
/// Implemented for dense ([`MatRef`], [`Mat`]) and sparse faer matrices, and for pairs of closures through
/// [`FnOperator`](crate::FnOperator). The result of a product must be the same bytes for any `par`.
pub trait LinearOperator<T: Real>: Sync {
    /// m.
    fn nrows(&self) -> usize;

    /// n.
    fn ncols(&self) -> usize;

    /// out = A·X, X n×l, out m×l.
    fn apply(&self, out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par);

    /// out = Aᵀ·X, X m×l, out n×l.
    fn apply_adjoint(&self, out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par);

    /// A·Sᵀ, m×d. The default multiplies by Sᵀ, written out.
    ///
    /// # Errors
    /// If S does not have n columns.
    fn sketch(&self, s: &dyn SketchOperator<T>, par: Par) -> Result<Mat<T>, LinalgError> {
        let mut out = Mat::zeros(self.nrows(), s.nrows());
        self.apply(out.as_mut(), s.to_dense().transpose(), par);
        Ok(out)
    }

    /// ‖A‖_F, or `None` if only products can tell (it is then estimated).
    ///
    /// # Errors
    /// [`LinalgError::NonFinite`] for a matrix with such an entry.
    fn magnitude(&self, par: Par) -> Result<Option<Magnitude>, LinalgError>;
}
