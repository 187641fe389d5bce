//! What the layers of panther-nn do on a device: functions of buffers, which hold row-major tensors of the extents given.
//!
//! All of them only enqueue work; those that give a number wait for it. Sums are taken in a fixed order, so that the same call
//! gives the same bytes each time on one device.
//!
//! # Errors
//! All: [`GpuError::Shape`] where a buffer is not as long as its extents say, [`GpuError::OutOfMemory`], [`GpuError::Call`].

pub mod convolution;
pub mod elementwise;
pub mod gather;
pub mod linear_attention;
pub mod loss;
pub mod normalization;
pub mod optimizer;
pub mod pooling;
pub mod products;
pub mod reductions;
pub mod row_marks;
pub mod sinusoids;
pub mod softmax;

use cudarc::driver::LaunchConfig;

use crate::{Buffer, DeviceNumber, GpuError};

/// Threads of a block of a loop over elements.
pub(crate) const THREADS: u32 = 256;

/// An error where a buffer does not hold `count` values.
pub(crate) fn holds<T: DeviceNumber>(
    operation: &'static str,
    argument: &'static str,
    buffer: &Buffer<T>,
    count: usize,
) -> Result<(), GpuError> {
    if buffer.len() == count {
        return Ok(());
    }
    Err(GpuError::shape(operation, argument, format!("{count} values"), buffer.len().to_string()))
}

/// A block of `threads` for each of `count` rows, up to a bound: kernels walk on in steps of the whole grid.
pub(crate) fn block_a_row(count: usize, threads: u32) -> LaunchConfig {
    const MAX_BLOCKS: usize = 1 << 16;
    let blocks = count.clamp(1, MAX_BLOCKS) as u32;
    LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (threads, 1, 1), shared_mem_bytes: 0 }
}
