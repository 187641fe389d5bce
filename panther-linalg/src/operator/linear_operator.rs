//! Anything that can be multiplied: what [`rsvd`](crate::rsvd()) needs of a matrix.

use faer::{Mat, MatMut, MatRef, Par};
use panther_sketch::{Real, SketchOperator};

use crate::{LinalgError, ScaledNorm};

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
    fn scaled_norm(&self, par: Par) -> Result<Option<ScaledNorm>, LinalgError>;
}
