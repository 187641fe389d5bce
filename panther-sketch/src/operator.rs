//! The trait of all sketch operators.

use std::ops::Range;

use faer::{Mat, MatMut, MatRef, Par};

use crate::{Input, Real, SketchError, try_zeros};

/// A random linear map S, d×n, scaled so that E\[SᵀS\] = I.
///
/// Every entry is a function of (family, seed, d, n, i, j) alone, so products of a block of columns
/// of S with the matching block of rows of A can be taken in any order, on any number of threads,
/// and add up to S·A: that is what [`accumulate`](Self::accumulate) and
/// [`adjoint_into`](Self::adjoint_into) offer to a caller whose A arrives in pieces. The results
/// are the same bytes for any number of threads.
pub trait SketchOperator<T: Real>: Send + Sync {
    /// d, the number of rows of S.
    fn nrows(&self) -> usize;

    /// n, the number of columns of S.
    fn ncols(&self) -> usize;

    /// out += S\[:, columns\]·A, with `a` of `columns.len()` rows and `out` d × a.ncols().
    ///
    /// # Errors
    /// [`SketchError::Shape`] if an operand does not fit, [`SketchError::OutOfRange`] if `columns`
    /// leaves 0..n, [`SketchError::OutOfMemory`] if working memory cannot be allocated; `out` is
    /// then left partly updated.
    fn accumulate(
        &self,
        out: MatMut<'_, T>,
        columns: Range<usize>,
        a: Input<'_, T>,
        par: Par,
    ) -> Result<(), SketchError>;

    /// out = S\[:, columns\]ᵀ·X, with `x` of d rows and `out` `columns.len()` × x.ncols().
    ///
    /// # Errors
    /// As [`accumulate`](Self::accumulate).
    fn adjoint_into(
        &self,
        out: MatMut<'_, T>,
        columns: Range<usize>,
        x: MatRef<'_, T>,
        par: Par,
    ) -> Result<(), SketchError>;

    /// S·A, d × a.ncols().
    ///
    /// # Errors
    /// [`SketchError::Shape`] if A does not have n rows, [`SketchError::OutOfMemory`] if the result
    /// cannot be allocated.
    fn left(&self, a: Input<'_, T>, par: Par) -> Result<Mat<T>, SketchError> {
        let mut out = try_zeros("S·A", self.nrows(), a.ncols())?;
        self.accumulate(out.as_mut(), 0..self.ncols(), a, par)?;
        Ok(out)
    }

    /// A·Sᵀ, a.nrows() × d: the left product of the transposed views.
    ///
    /// # Errors
    /// [`SketchError::Shape`] if A does not have n columns, [`SketchError::OutOfMemory`] if the
    /// result cannot be allocated.
    fn right(&self, a: Input<'_, T>, par: Par) -> Result<Mat<T>, SketchError> {
        let mut out = try_zeros("A·Sᵀ", a.nrows(), self.nrows())?;
        self.accumulate(out.as_mut().transpose_mut(), 0..self.ncols(), a.transpose(), par)?;
        Ok(out)
    }

    /// Sᵀ·X, n × x.ncols().
    ///
    /// # Errors
    /// [`SketchError::Shape`] if X does not have d rows, [`SketchError::OutOfMemory`] if the result
    /// cannot be allocated.
    fn adjoint(&self, x: MatRef<'_, T>, par: Par) -> Result<Mat<T>, SketchError> {
        let mut out = try_zeros("Sᵀ·X", self.ncols(), x.ncols())?;
        self.adjoint_into(out.as_mut(), 0..self.ncols(), x, par)?;
        Ok(out)
    }

    /// S itself, d×n, entry by entry from the scalar streams: for tests and inspection; no product
    /// needs it.
    ///
    /// # Errors
    /// [`SketchError::OutOfMemory`] if d·n entries cannot be allocated.
    fn to_dense(&self) -> Result<Mat<T>, SketchError>;
}
