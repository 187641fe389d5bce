//! Loops over elements.

use cudarc::driver::LaunchConfig;

use crate::layers::{THREADS, holds};
use crate::runtime::kernel::{Constant, KernelFile, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::{Buffer, DeviceReal, GpuError};

pub(crate) const KERNELS: KernelFile =
    kernel_file!("layers/elementwise").with(&[Constant::u32("RELU", Activation::Relu.code() as usize)]);

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0), with derivative 0 at 0.
    Relu,
    /// x·Φ(x).
    Gelu,
}

impl Activation {
    /// The kernels' number for it.
    const fn code(self) -> u32 {
        match self {
            Self::Relu => 0,
            Self::Gelu => 1,
        }
    }
}

/// f(x).
///
/// # Errors
/// Those of this module's parent.
pub fn activate<T: DeviceReal>(f: Activation, x: &Buffer<T>) -> Result<Buffer<T>, GpuError> {
    let (device, count) = (x.device(), x.len());
    let y = Buffer::uninitialized(device, count)?;
    if count > 0 {
        let config = grid_over(count, THREADS);
        launch!(device, T, KERNELS.kernel("activate"), config, f.code(), x.pointer(), y.pointer(), count as u64)?;
    }
    Ok(y)
}

/// f'(x)·dy.
///
/// # Errors
/// Those of this module's parent.
pub fn activate_backward<T: DeviceReal>(f: Activation, x: &Buffer<T>, dy: &Buffer<T>) -> Result<Buffer<T>, GpuError> {
    let (device, count) = (x.device(), x.len());
    holds("activate_backward", "dy", dy, count)?;
    let dx = Buffer::uninitialized(device, count)?;
    if count > 0 {
        let (kernel, config) = (KERNELS.kernel("activate_backward"), grid_over(count, THREADS));
        launch!(device, T, kernel, config, f.code(), x.pointer(), dy.pointer(), dx.pointer(), count as u64)?;
    }
    Ok(dx)
}

/// y += α·x.
///
/// # Errors
/// Those of this module's parent.
pub fn add_scaled<T: DeviceReal>(alpha: T, x: &Buffer<T>, y: &mut Buffer<T>) -> Result<(), GpuError> {
    let count = x.len();
    holds("add_scaled", "y", y, count)?;
    if count == 0 {
        return Ok(());
    }
    let config = grid_over(count, THREADS);
    launch!(x.device(), T, KERNELS.kernel("add_scaled"), config, alpha, x.pointer(), y.pointer(), count as u64)
}

/// x *= α.
///
/// # Errors
/// Those of this module's parent.
pub fn scale<T: DeviceReal>(alpha: T, x: &mut Buffer<T>) -> Result<(), GpuError> {
    let count = x.len();
    if count == 0 {
        return Ok(());
    }
    launch!(x.device(), T, KERNELS.kernel("scale"), grid_over(count, THREADS), alpha, x.pointer(), count as u64)
}

/// x += `bias` on each row of the bias's length.
///
/// # Errors
/// Those of this module's parent.
pub fn add_rows<T: DeviceReal>(bias: &Buffer<T>, x: &mut Buffer<T>) -> Result<(), GpuError> {
    let (count, width) = (x.len(), bias.len());
    if width == 0 || !count.is_multiple_of(width) {
        return Err(GpuError::shape("add_rows", "x", format!("rows of {width}"), count.to_string()));
    }
    if count == 0 {
        return Ok(());
    }
    let (rows, kernel) = (count / width, KERNELS.kernel("add_rows"));
    // Some rows a thread, so that it has several loads on the way.
    let grid_dim = (width.div_ceil(THREADS as usize) as u32, rows.div_ceil(4).min(u16::MAX.into()) as u32, 1);
    let config = LaunchConfig { grid_dim, block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 };
    launch!(x.device(), T, kernel, config, bias.pointer(), width as u64, x.pointer(), rows as u64)
}
