//! The trait of all sketch operators.

use std::ops::Range;

use faer::{Mat, MatMut, MatRef, Par};

use crate::{Input, Real, SketchError};

/// A random linear map S, d×n, scaled so that E\[SᵀS\] = I.
///
/// Every entry is a function of (family, seed, d, n, i, j) alone, so products of a block of columns of S with the
/// matching block of rows of A can be taken in any order, on any number of threads, and add up to S·A: that is what
/// [`accumulate`](Self::accumulate) and [`adjoint_into`](Self::adjoint_into) offer to a caller whose A arrives in
/// pieces. The results are the same bytes for any number of threads.
pub trait SketchOperator<T: Real>: Send + Sync {
    /// d, the number of rows of S.
    fn nrows(&self) -> usize;

    /// n, the number of columns of S.
    fn ncols(&self) -> usize;

    /// out += S\[:, columns\]·A, with `a` of `columns.len()` rows and `out` d × a.ncols().
    ///
    /// # Errors
    /// [`SketchError::Shape`] if an operand does not fit, [`SketchError::OutOfRange`] if `columns` leaves 0..n.
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
    /// [`SketchError::Shape`] if A does not have n rows, [`SketchError::TooLarge`] if the result cannot be held.
    fn left(&self, a: Input<'_, T>, par: Par) -> Result<Mat<T>, SketchError> {
        let mut out = zeros("S·A", self.nrows(), a.ncols())?;
        self.accumulate(out.as_mut(), 0..self.ncols(), a, par)?;
        Ok(out)
    }

    /// A·Sᵀ, a.nrows() × d: the left product of the transposed views.
    ///
    /// # Errors
    /// [`SketchError::Shape`] if A does not have n columns, [`SketchError::TooLarge`] if the result cannot be held.
    fn right(&self, a: Input<'_, T>, par: Par) -> Result<Mat<T>, SketchError> {
        let mut out = zeros("A·Sᵀ", a.nrows(), self.nrows())?;
        self.accumulate(out.as_mut().transpose_mut(), 0..self.ncols(), a.transpose(), par)?;
        Ok(out)
    }

    /// Sᵀ·X, n × x.ncols().
    ///
    /// # Errors
    /// [`SketchError::Shape`] if X does not have d rows, [`SketchError::TooLarge`] if the result cannot be held.
    fn adjoint(&self, x: MatRef<'_, T>, par: Par) -> Result<Mat<T>, SketchError> {
        let mut out = zeros("Sᵀ·X", self.ncols(), x.ncols())?;
        self.adjoint_into(out.as_mut(), 0..self.ncols(), x, par)?;
        Ok(out)
    }

    /// S itself, d×n, entry by entry from the scalar streams: for tests and for looking at; no product needs it.
    ///
    /// # Panics
    /// If d·n numbers do not fit into memory.
    fn to_dense(&self) -> Mat<T>;
}

/// A matrix of zeros, unless its size overflows.
fn zeros<T: Real>(operation: &'static str, rows: usize, columns: usize) -> Result<Mat<T>, SketchError> {
    // The margin is for the padding of faer's columns.
    let bytes = rows.checked_add(64).and_then(|r| r.checked_mul(columns)).and_then(|e| e.checked_mul(size_of::<T>()));
    match bytes {
        Some(bytes) if isize::try_from(bytes).is_ok() => Ok(Mat::zeros(rows, columns)),
        _ => Err(SketchError::TooLarge { operation, shape: (rows, columns) }),
    }
}
