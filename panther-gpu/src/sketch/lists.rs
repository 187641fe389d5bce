//! The nonzeros of a sparse family on a device, and the lists that they are sorted into.

use cudarc::driver::LaunchConfig;

use crate::buffer::Buffer;
use crate::kernel::{KernelFile, kernel_file, launch};
use crate::{Device, DeviceReal, GpuError};

pub(super) const KERNELS: KernelFile = kernel_file!("sketch_lists");

/// Nonzeros that are held at a time, unless one coordinate or row has more.
pub(super) const WINDOW: usize = 1 << 22;

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

/// The codes of each bucket in ascending order, chunk by chunk of nonzeros. They replace the buckets.
#[derive(Debug)]
pub(super) struct Lists {
    /// `size` + 1 a chunk, each where a list starts in its chunk.
    pub(super) starts: Buffer<u32>,
    size: usize,
    slots: Buffer<u32>,
    unsorted: Buffer<u32>,
}

impl Lists {
    /// Room for the lists of `count` nonzeros in `chunks` chunks and `size` buckets.
    pub(super) fn new(device: &Device, count: usize, chunks: usize, size: usize) -> Result<Self, GpuError> {
        Ok(Self {
            starts: Buffer::uninitialized(device, chunks.saturating_mul(size + 1))?,
            size,
            slots: Buffer::uninitialized(device, count)?,
            unsorted: Buffer::uninitialized(device, count)?,
        })
    }

    /// Sorts the first `count` nonzeros in chunks of `per_chunk`. `nonzeros.buckets` holds the lists afterwards.
    pub(super) fn build<T: DeviceReal>(
        &mut self,
        nonzeros: &mut Nonzeros,
        count: usize,
        per_chunk: usize,
    ) -> Result<(), GpuError> {
        let device = self.starts.device();
        let chunks = count.div_ceil(per_chunk);
        let config = LaunchConfig { grid_dim: (chunks as u32, 1, 1), block_dim: (1024, 1, 1), shared_mem_bytes: 0 };
        launch!(
            device,
            T,
            KERNELS.kernel("build_lists"),
            config,
            nonzeros.buckets.pointer(),
            self.starts.pointer(),
            nonzeros.buckets.pointer(),
            nonzeros.codes.pointer(),
            self.slots.pointer(),
            self.unsorted.pointer(),
            count as u64,
            per_chunk as u64,
            self.size as u64,
        )
    }
}
