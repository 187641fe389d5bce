//! Gradients by the weight, summed by tiles of pixels.

use cudarc::driver::LaunchConfig;

use super::correlation::Correlation;
use super::sharing::parts_of_a_share;
use super::{BANDS, COLUMNS, GROUP, Images, KERNELS, MAX_BLOCKS};
use crate::layers::reductions::add_shares;
use crate::layers::{THREADS, block_a_row, holds};
use crate::runtime::launch::launch;
use crate::{Buffer, Device, DeviceReal, GpuError};

/// Columns of a gradient that a thread makes, and target channels of a block.
pub(super) const PAIRS: usize = 9;
const BLOCK_TARGETS: usize = BANDS * GROUP;

/// Shared memory in bytes that leaves room for as many blocks as registers do.
const WEIGHT_SHARED: usize = 112 * 1024;

/// Blocks that a multiprocessor runs at a time.
const WEIGHT_BLOCKS: usize = 2;

/// gradient += the gradient by the weight from that by y.
///
/// # Errors
/// Those of this module's parent.
pub fn convolve_backward_weight<T: DeviceReal>(
    x: &Buffer<T>,
    dy: &Buffer<T>,
    images: Images,
    gradient: &mut Buffer<T>,
) -> Result<(), GpuError> {
    const NAME: &str = "convolve_backward_weight";
    images.check(NAME)?;
    holds(NAME, "x", x, images.inputs())?;
    holds(NAME, "dy", dy, images.outputs())?;
    holds(NAME, "gradient", gradient, images.weights())?;
    if x.is_empty() || dy.is_empty() || gradient.is_empty() {
        return Ok(());
    }
    let (device, mut at) = (x.device(), images.forward());
    let Some(plan) = WeightPlan::new::<T>(device, &mut at) else {
        let (kernel, count) = (KERNELS.kernel("correlate_weights_simply"), gradient.len());
        let config = block_a_row(count, THREADS);
        return launch!(device, T, kernel, config, at, x.pointer(), dy.pointer(), gradient.pointer(), count as u64);
    };
    let shares = Buffer::<T>::uninitialized(device, plan.shares * gradient.len())?;
    launch!(
        device,
        T,
        KERNELS.kernel("correlate_weights"),
        plan.config,
        at,
        x.pointer(),
        dy.pointer(),
        plan.rows as u64,
        plan.across as u64,
        plan.down as u64,
        plan.share as u64,
        plan.tiles as u64,
        plan.room as u64,
        shares.pointer(),
    )?;
    add_shares(&shares, 0, plan.shares, gradient.len(), gradient)
}

/// How a gradient by the weight is shared among blocks.
struct WeightPlan {
    config: LaunchConfig,
    rows: usize,
    across: usize,
    down: usize,
    tiles: usize,
    /// Values of a tile in shared memory.
    room: usize,
    share: usize,
    shares: usize,
}

impl WeightPlan {
    /// Where shared memory holds the patches of the channels that a block's columns come from.
    fn new<T: DeviceReal>(device: &Device, at: &mut Correlation) -> Option<Self> {
        let (taps, columns) = (at.taps(), at.sources as usize * at.taps());
        // Warps side by side: as few columns beyond the last as can be, and then as many warps.
        let wanted = (1..=4).rev().min_by_key(|warps| columns.div_ceil(warps * PAIRS) * warps)?;
        let tallest = (at.target[0] as usize).next_power_of_two();
        let rows = || [32, 16, 8, 4, 2, 1].into_iter().filter(|&rows| rows <= tallest);
        let choices = || (1..=wanted).rev().flat_map(|warps| rows().map(move |rows| (warps, rows)));
        // Twice a tile: one is on its way while the other is summed.
        let bytes = |room: usize| room.saturating_mul(2 * size_of::<T>());
        let mut within = |limit: usize| {
            choices().find_map(|(warps, rows)| {
                at.set_patch(rows);
                let width = warps * PAIRS;
                let channels = if width.is_multiple_of(taps) { width / taps } else { (width - 1).div_ceil(taps) + 1 };
                let values = at.area().saturating_mul(channels.min(at.sources as usize));
                let room = values.saturating_add(rows * BLOCK_TARGETS * COLUMNS);
                (bytes(room) <= limit).then_some((warps, rows, room))
            })
        };
        let most = device.shared_bytes() as usize;
        let (warps, rows, room) = within(WEIGHT_SHARED.min(most)).or_else(|| within(most))?;
        let (down, across) = ((at.target[0] as usize).div_ceil(rows), (at.target[1] as usize).div_ceil(COLUMNS));
        let tiles = at.batch as usize * down * across;
        let side = columns.div_ceil(warps * PAIRS);
        let depth = (at.targets as usize).div_ceil(BLOCK_TARGETS);
        if side > MAX_BLOCKS || depth > MAX_BLOCKS {
            return None;
        }
        let share = parts_of_a_share(tiles, side * depth, WEIGHT_BLOCKS * device.multiprocessors() as usize);
        let shares = tiles.div_ceil(share);
        let grid_dim = (shares as u32, side as u32, depth as u32);
        let block_dim = ((warps * BANDS * COLUMNS) as u32, 1, 1);
        let config = LaunchConfig { grid_dim, block_dim, shared_mem_bytes: bytes(room) as u32 };
        Some(Self { config, rows, across, down, tiles, room, share, shares })
    }
}
