//! Columns and rows in another order.

use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::{Buffer, DeviceReal, GpuError, Matrix, MatrixRef};

pub(crate) const KERNELS: KernelFile = kernel_file!("matrix/permute");

/// A\[:, columns\].
pub(crate) fn gather_columns<T: DeviceReal>(
    a: MatrixRef<'_, T>,
    columns: &Buffer<i32>,
    start: usize,
    count: usize,
) -> Result<Matrix<T>, GpuError> {
    let mut out = Matrix::uninitialized(a.device, a.nrows(), count)?;
    if a.nrows() * count > 0 {
        let (down, right) = a.place().strides();
        launch!(
            a.device,
            T,
            KERNELS.kernel("gather_columns"),
            grid_over(a.nrows() * count, 256),
            out.as_mut().place().pointer,
            a.nrows() as u64,
            a.place().pointer,
            down as u64,
            right as u64,
            columns.at(start),
            a.nrows() as u64,
            count as u64,
        )?;
    }
    Ok(out)
}

/// The matrix whose column `columns[j]` is column j of A.
pub(crate) fn scatter_columns<T: DeviceReal>(a: &Matrix<T>, columns: &Buffer<i32>) -> Result<Matrix<T>, GpuError> {
    scattered("scatter_columns", a, columns)
}

/// The matrix whose row `rows[i]` is row i of A.
pub(crate) fn scatter_rows<T: DeviceReal>(a: &Matrix<T>, rows: &Buffer<i32>) -> Result<Matrix<T>, GpuError> {
    scattered("scatter_rows", a, rows)
}

fn scattered<T: DeviceReal>(kernel: &'static str, a: &Matrix<T>, places: &Buffer<i32>) -> Result<Matrix<T>, GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    let mut out = Matrix::uninitialized(a.device(), m, n)?;
    if m * n > 0 {
        launch!(
            a.device(),
            T,
            KERNELS.kernel(kernel),
            grid_over(m * n, 256),
            out.as_mut().place().pointer,
            m as u64,
            a.as_ref().place().pointer,
            m as u64,
            places.pointer(),
            m as u64,
            n as u64,
        )?;
    }
    Ok(out)
}
