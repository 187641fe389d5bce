//! Loops over the entries of a matrix.

use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::{Buffer, Device, DeviceReal, GpuError, Matrix, MatrixRef};

pub(crate) const KERNELS: KernelFile = kernel_file!("matrix/entries");

/// x\[i, :\] *= factors\[i\].
pub(crate) fn scale_rows<T: DeviceReal>(x: &mut Matrix<T>, factors: &[f64]) -> Result<(), GpuError> {
    let (m, n) = (x.nrows(), x.ncols());
    if m * n == 0 {
        return Ok(());
    }
    let factors = Buffer::from_host(x.device(), factors)?;
    let place = x.as_mut().place();
    launch!(
        x.device(),
        T,
        KERNELS.kernel("scale_rows"),
        grid_over(m * n, 256),
        place.pointer,
        m as u64,
        factors.pointer(),
        m as u64,
        n as u64,
    )
}

/// The upper triangle of a column-major matrix, zeros below.
pub(crate) fn upper_triangle<T: DeviceReal>(a: MatrixRef<'_, T>) -> Result<Matrix<T>, GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    let mut r = Matrix::uninitialized(a.device, m, n)?;
    if m * n > 0 {
        launch!(
            a.device,
            T,
            KERNELS.kernel("upper_triangle"),
            grid_over(m * n, 256),
            r.as_mut().place().pointer,
            m as u64,
            a.place().pointer,
            a.place().stride as u64,
            m as u64,
            n as u64,
        )?;
    }
    Ok(r)
}

/// The n×n identity.
pub(crate) fn identity<T: DeviceReal>(device: &Device, n: usize) -> Result<Matrix<T>, GpuError> {
    let mut a = Matrix::uninitialized(device, n, n)?;
    let pointer = a.as_mut().place().pointer;
    launch!(
        device,
        T,
        KERNELS.kernel("identity"),
        grid_over(n * n, 256),
        pointer,
        n.max(1) as u64,
        n as u64,
        n as u64
    )?;
    Ok(a)
}

/// G += shift·I.
pub(crate) fn add_to_diagonal<T: DeviceReal>(g: &mut Matrix<T>, shift: T) -> Result<(), GpuError> {
    let (n, pointer) = (g.ncols(), g.as_mut().place().pointer);
    launch!(g.device(), T, KERNELS.kernel("add_to_diagonal"), grid_over(n, 256), pointer, n as u64, n as u64, shift)
}
