//! Targets by tiles: how the kernels are launched.

use cudarc::driver::{DeviceRepr, LaunchConfig};

use super::sharing::parts_of_a_share;
use super::{BANDS, COLUMNS, GROUP, Images, KERNELS, MAX_BLOCKS, PITCH, Window};
use crate::layers::THREADS;
use crate::runtime::launch::{grid_over, launch};
use crate::runtime::pool::Pointer;
use crate::{Buffer, Device, DeviceReal, GpuError};

/// Rows of a tile.
pub(super) const TILE_ROWS: usize = 16;

/// Groups of channels that a block makes at the most.
pub(super) const MOST_GROUPS: usize = 4;

/// Shared memory in bytes that leaves room for as many blocks as registers do, where less than a channel does not need more.
const SHARED: usize = 60 * 1024;

/// Threads with the sums of a tile in f32 that the registers of a multiprocessor hold, and bytes of its shared memory.
const THREADS_AT_A_TIME: usize = 512;
const MULTIPROCESSOR_SHARED: usize = 224 * 1024;

/// The argument of the kernels.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Correlation {
    pub batch: u64,
    pub sources: i64,
    pub targets: i64,
    pub source: [i64; 2],
    pub target: [i64; 2],
    pub kernel: [i64; 2],
    pub step: [i64; 2],
    pub up: [i64; 2],
    pub dilation: [i64; 2],
    pub offset: [i64; 2],
    pub packed: i64,
    pub block_targets: i64,
    pub slab: i64,
    pub share: i64,
    pub patch: [i64; 2],
}

// SAFETY: values of eight bytes each, in the order of the kernels' struct.
unsafe impl DeviceRepr for Correlation {}

impl Images {
    pub(super) fn forward(&self) -> Correlation {
        let Window { kernel, stride, before, dilation } = self.window;
        let pair = |x: [usize; 2]| x.map(|x| x as i64);
        Correlation {
            batch: self.batch as u64,
            sources: self.channels[0] as i64,
            targets: self.channels[1] as i64,
            source: pair(self.image),
            target: pair(self.positions),
            kernel: pair(kernel),
            step: pair(stride),
            up: [1, 1],
            dilation: pair(dilation),
            offset: before.map(|before| -(before as i64)),
            packed: self.channels[1].next_multiple_of(4 * GROUP) as i64,
            block_targets: GROUP as i64,
            slab: 1,
            share: 0,
            patch: [0, 0],
        }
    }

    /// From dy to dx, the taps in the opposite order.
    pub(super) fn backward(&self) -> Correlation {
        let forward = self.forward();
        let offset = |axis: usize| forward.dilation[axis] * (forward.kernel[axis] - 1) + forward.offset[axis];
        Correlation {
            sources: forward.targets,
            targets: forward.sources,
            source: forward.target,
            target: forward.source,
            step: [1, 1],
            up: forward.step,
            offset: [-offset(0), -offset(1)],
            packed: self.channels[0].next_multiple_of(4 * GROUP) as i64,
            ..forward
        }
    }
}

impl Correlation {
    pub(super) fn taps(&self) -> usize {
        (self.kernel[0] * self.kernel[1]) as usize
    }

    /// What the positions of a tile read.
    pub(super) fn set_patch(&mut self, rows: usize) {
        let reach = |axis: usize, count: usize| {
            (count as i64 - 1)
                .saturating_mul(self.step[axis])
                .saturating_add((self.kernel[axis] - 1).saturating_mul(self.dilation[axis]))
                .saturating_add(1)
        };
        let width = reach(1, COLUMNS);
        self.patch = [reach(0, rows), if width > COLUMNS as i64 { width.max(PITCH) } else { width }];
    }

    /// Values of a patch of one channel.
    pub(super) fn area(&self) -> usize {
        (self.patch[0] as usize).saturating_mul(self.patch[1] as usize)
    }

    /// The launch by tiles, where shared memory holds a channel's patch and weights. Where there are few tiles, blocks share the source
    /// channels.
    fn by_tiles<T: DeviceReal>(&mut self, device: &Device) -> Option<Tiles> {
        self.set_patch(TILE_ROWS);
        let (sources, targets) = (self.sources as usize, self.targets as usize);
        let groups = targets.div_ceil(GROUP).clamp(1, MOST_GROUPS);
        self.block_targets = (groups * GROUP) as i64;
        let channel = self.area().saturating_add(self.taps() * groups * GROUP).saturating_mul(size_of::<T>());
        // Slabs of about the same size.
        let slabs = sources.div_ceil((SHARED / channel).max(1)).max(1);
        let slab = sources.div_ceil(slabs);
        let bytes = channel.saturating_mul(slab);
        let (down, across) =
            ((self.target[0] as usize).div_ceil(TILE_ROWS), (self.target[1] as usize).div_ceil(COLUMNS));
        let (tiles, blocks) = (down * across, targets.div_ceil(groups * GROUP));
        if bytes > device.shared_bytes() as usize || tiles > i32::MAX as usize || blocks > MAX_BLOCKS {
            return None;
        }
        let threads = groups * BANDS * COLUMNS;
        let at_a_time =
            (THREADS_AT_A_TIME * size_of::<f32>() / size_of::<T>() / threads).min(MULTIPROCESSOR_SHARED / bytes);
        let slots = at_a_time.max(1) * device.multiprocessors() as usize;
        let of_a_share = parts_of_a_share(slabs, tiles * blocks * self.batch as usize, slots);
        let shares = slabs.div_ceil(of_a_share);
        if blocks * shares > MAX_BLOCKS {
            return None;
        }
        (self.slab, self.share) = (slab as i64, (of_a_share * slab) as i64);
        let grid_dim = (tiles as u32, (blocks * shares) as u32, (self.batch as usize).min(MAX_BLOCKS) as u32);
        let config = LaunchConfig { grid_dim, block_dim: (threads as u32, 1, 1), shared_mem_bytes: bytes as u32 };
        Some(Tiles { config, across, shares })
    }

    /// As [`by_tiles`](Self::by_tiles), where a block makes all targets of a tile and shared memory holds them too.
    pub(super) fn by_mixed_tiles<T: DeviceReal>(&mut self, device: &Device) -> Option<Tiles> {
        let Tiles { config, across, shares } = self.by_tiles::<T>(device)?;
        let targets = self.block_targets as usize * TILE_ROWS * COLUMNS * size_of::<T>();
        let shared_mem_bytes = config.shared_mem_bytes.max(targets as u32);
        let fits = config.grid_dim.1 == 1 && shared_mem_bytes <= device.shared_bytes();
        fits.then_some(Tiles { config: LaunchConfig { shared_mem_bytes, ..config }, across, shares })
    }
}

/// A launch by tiles.
pub(super) struct Tiles {
    pub config: LaunchConfig,
    /// Tiles side by side.
    pub across: usize,
    /// Blocks that share the source channels of a tile.
    pub shares: usize,
}

/// A weight, source channels and target channels `strides` apart, its taps one behind the other.
#[derive(Clone, Copy)]
pub(super) struct Weight<'a, T> {
    pub values: &'a Buffer<T>,
    pub strides: [usize; 2],
    pub flipped: bool,
    pub alpha: T,
}

impl<T: DeviceReal> Weight<'_, T> {
    /// As the kernels read it: source channels, taps, target channels.
    pub(super) fn pack(self, at: &Correlation) -> Result<Buffer<T>, GpuError> {
        let count = at.sources as usize * at.taps() * at.packed as usize;
        let packed = Buffer::<T>::uninitialized(self.values.device(), count)?;
        launch!(
            self.values.device(),
            T,
            KERNELS.kernel("pack"),
            grid_over(count, THREADS),
            self.values.pointer(),
            self.strides[0] as u64,
            self.strides[1] as u64,
            at.taps() as u64,
            u32::from(self.flipped),
            at.targets as u64,
            at.packed as u64,
            self.alpha,
            packed.pointer(),
            count as u64,
        )?;
        Ok(packed)
    }
}

/// The targets, whose values are `count`.
pub(super) fn correlate<T: DeviceReal>(
    mut at: Correlation,
    source: &Buffer<T>,
    weight: Weight<'_, T>,
    bias: Option<&Buffer<T>>,
    count: usize,
) -> Result<Buffer<T>, GpuError> {
    let device = source.device();
    if count == 0 || source.is_empty() {
        return Buffer::zeros(device, count);
    }
    let (packed, target) = (weight.pack(&at)?, Buffer::<T>::uninitialized(device, count)?);
    let (bias, has_bias) = address(bias);
    let (from, with, to) = (source.pointer(), packed.pointer(), target.pointer());
    let Some(Tiles { config, across, shares }) = at.by_tiles::<T>(device) else {
        let (kernel, config) = (KERNELS.kernel("correlate_simply"), grid_over(count, THREADS));
        launch!(device, T, kernel, config, at, from, with, bias, has_bias, to, count as u64)?;
        return Ok(target);
    };
    let (kernel, across) = (KERNELS.kernel("correlate"), across as u64);
    if shares == 1 {
        launch!(device, T, kernel, config, at, from, with, bias, has_bias, to, across)?;
        return Ok(target);
    }
    let parts = Buffer::<T>::uninitialized(device, shares * count)?;
    launch!(device, T, kernel, config, at, from, with, 0_u64, 0_u32, parts.pointer(), across)?;
    launch!(
        device,
        T,
        KERNELS.kernel("join_shares"),
        grid_over(count, THREADS),
        parts.pointer(),
        shares as u64,
        bias,
        has_bias,
        (at.target[0] * at.target[1]) as u64,
        at.targets as u64,
        to,
        count as u64,
    )?;
    Ok(target)
}

/// As the kernels take it.
pub(super) fn address<T: DeviceReal>(bias: Option<&Buffer<T>>) -> (Pointer, u32) {
    bias.map_or((0, 0), |bias| (bias.pointer(), 1))
}
