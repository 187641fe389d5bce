//! Anything that multiplies: the input of [`rsvd`](crate::rsvd()).

use faer::{Mat, MatMut, MatRef, Par};
use panther_sketch::{Real, SketchOperator};

use crate::{LinalgError, ScaledNorm};

/// A linear map A, m×n, that multiplies from both sides.
///
/// Implemented for dense ([`MatRef`], [`Mat`]) and sparse faer matrices, and for pairs of closures through
/// [`FnOperator`](crate::FnOperator). The result of a product must be the same bytes for any `par`.
///
/// The library passes column-major X of at least one column, each column contiguous.
pub trait LinearOperator<T: Real>: Sync {
    /// m.
    fn nrows(&self) -> usize;

    /// n.
    fn ncols(&self) -> usize;

    /// out = A·X, X n×l, out m×l.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] for operands that do not fit; an operator of the caller may fail in its own way.
    fn apply(&self, out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par) -> Result<(), LinalgError>;

    /// out = Aᵀ·X, X m×l, out n×l.
    ///
    /// # Errors
    /// As [`apply`](Self::apply).
    fn apply_adjoint(&self, out: MatMut<'_, T>, x: MatRef<'_, T>, par: Par) -> Result<(), LinalgError>;

    /// A·Sᵀ, m×d. The default multiplies by a dense copy of Sᵀ.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if S does not have n columns.
    fn sketch(&self, s: &dyn SketchOperator<T>, par: Par) -> Result<Mat<T>, LinalgError> {
        check_shape("A·Sᵀ", "s", (s.nrows(), self.ncols()), (s.nrows(), s.ncols()))?;
        let mut transposed = Mat::zeros(s.ncols(), s.nrows());
        transposed.copy_from(s.to_dense()?.transpose());
        let mut out = Mat::zeros(self.nrows(), s.nrows());
        self.apply(out.as_mut(), transposed.as_ref(), par)?;
        Ok(out)
    }

    /// ‖A‖_F, or `None` if only products can tell (it is then estimated).
    ///
    /// # Errors
    /// [`LinalgError::NonFinite`] for a matrix with such an entry.
    fn scaled_norm(&self, par: Par) -> Result<Option<ScaledNorm>, LinalgError>;

    /// A as a dense matrix, if its entries are stored.
    ///
    /// The products and the norm of an operator without stored entries (`None`, the default) are checked against each
    /// other.
    fn to_dense(&self, _par: Par) -> Option<Mat<T>> {
        None
    }

    /// Whether the entries are stored: whether [`to_dense`](Self::to_dense) is `Some`.
    fn has_entries(&self) -> bool {
        false
    }
}

/// An error unless both shapes are the same.
pub(crate) fn check_shape(
    operation: &'static str,
    argument: &'static str,
    expected: (usize, usize),
    got: (usize, usize),
) -> Result<(), LinalgError> {
    if expected == got { Ok(()) } else { Err(LinalgError::Shape { operation, argument, expected, got }) }
}

/// An error unless X and out fit A, m×n.
pub(crate) fn check_product<T>(
    operation: &'static str,
    (m, n): (usize, usize),
    out: &MatMut<'_, T>,
    x: MatRef<'_, T>,
) -> Result<(), LinalgError> {
    check_shape(operation, "x", (n, x.ncols()), x.shape())?;
    check_shape(operation, "out", (m, x.ncols()), (out.nrows(), out.ncols()))
}
