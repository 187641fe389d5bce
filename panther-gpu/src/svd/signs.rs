//! The signs of singular vectors.

use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::{block_each, launch};
use crate::{DeviceReal, GpuError, Matrix};

pub(crate) const KERNELS: KernelFile = kernel_file!("svd/signs");

/// In each column of U the entry of largest magnitude, the first of equals, becomes positive.
pub(crate) fn fix_signs<T: DeviceReal>(u: &mut Matrix<T>, v: &mut Matrix<T>) -> Result<(), GpuError> {
    let (m, n, k) = (u.nrows(), v.nrows(), u.ncols());
    if k == 0 {
        return Ok(());
    }
    let (up, vp) = (u.as_mut().place().pointer, v.as_mut().place().pointer);
    launch!(
        u.device(),
        T,
        KERNELS.kernel("fix_signs"),
        block_each(k, 256),
        up,
        m as u64,
        m as u64,
        vp,
        n as u64,
        n as u64
    )
}
