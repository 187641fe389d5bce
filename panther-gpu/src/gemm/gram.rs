//! Gram matrices.

use crate::{DeviceReal, GpuError, Matrix, MatrixRef, product};

/// Columns of a block of [`gram`].
const GRAM_BLOCK: usize = 256;

/// The upper triangle of QᵀQ and some of what is below it, in blocks of columns: little more than m·n² operations. cuBLAS's own syrk
/// sums long columns less accurately, and slowly where there are few.
pub(crate) fn gram<T: DeviceReal>(q: MatrixRef<'_, T>) -> Result<Matrix<T>, GpuError> {
    let n = q.ncols();
    let mut g = Matrix::zeros(q.device, n, n)?;
    for start in (0..n).step_by(GRAM_BLOCK) {
        let width = GRAM_BLOCK.min(n - start);
        let above = g.as_mut().subcols(start, width).subrows(0, start + width);
        product(above, T::ONE, q.subcols(0, start + width).t(), q.subcols(start, width), T::ZERO)?;
    }
    Ok(g)
}
