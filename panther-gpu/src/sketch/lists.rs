//! The nonzeros of a row-sparse operator on a device, and the lists that they are sorted into.

use cudarc::driver::LaunchConfig;

use super::sparse_rows::KERNELS;
use crate::buffer::Buffer;
use crate::kernel::launch;
use crate::{Device, DeviceReal, GpuError};

/// Drawn nonzeros: each has a bucket and a code, a number and a sign.
#[derive(Debug)]
pub(super) struct Nonzeros {
    pub(super) buckets: Buffer<u32>,
    pub(super) codes: Buffer<u32>,
}

impl Nonzeros {
    /// Room for `count`.
    pub(super) fn new(device: &Device, count: usize) -> Result<Self, GpuError> {
        Ok(Self { buckets: Buffer::uninitialized(device, count)?, codes: Buffer::uninitialized(device, count)? })
    }
}

/// The codes of each bucket in ascending order. They replace the buckets.
#[derive(Debug)]
pub(super) struct Lists {
    /// `size` + 1, each where a list starts.
    pub(super) starts: Buffer<u32>,
    size: usize,
    slots: Buffer<u32>,
    unsorted: Buffer<u32>,
}

impl Lists {
    /// Room for the lists of `count` nonzeros in `size` buckets.
    pub(super) fn new(device: &Device, count: usize, size: usize) -> Result<Self, GpuError> {
        Ok(Self {
            starts: Buffer::uninitialized(device, size + 1)?,
            size,
            slots: Buffer::uninitialized(device, count)?,
            unsorted: Buffer::uninitialized(device, count)?,
        })
    }

    /// Sorts the first `count` nonzeros. `nonzeros.buckets` holds the lists afterwards.
    pub(super) fn build<T: DeviceReal>(&mut self, nonzeros: &mut Nonzeros, count: usize) -> Result<(), GpuError> {
        launch!(
            self.starts.device(),
            T,
            KERNELS.kernel("build_lists"),
            LaunchConfig { grid_dim: (1, 1, 1), block_dim: (1024, 1, 1), shared_mem_bytes: 0 },
            nonzeros.buckets.pointer(),
            self.starts.pointer(),
            nonzeros.buckets.pointer(),
            nonzeros.codes.pointer(),
            self.slots.pointer(),
            self.unsorted.pointer(),
            count as u64,
            self.size as u64,
        )
    }
}
