//! How a product that reads A tile by tile is divided among the blocks of a device, and how its parts are summed.

use cudarc::driver::LaunchConfig;

use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::runtime::limits;
use crate::runtime::pool::Pointer;
use crate::{Buffer, Device, DeviceReal, GpuError, MatrixMut};

pub(crate) const KERNELS: KernelFile = kernel_file!("sketch/tiling");

/// Partial sums that are held at a time, unless one part has more.
const PART_NUMBERS: usize = 1 << 24;
const MOST_PARTS: usize = 256;
/// Threads of a multiprocessor.
const RESIDENT_THREADS: usize = 2048;

/// A block takes some columns of A, some rows of the output and some tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiling {
    pub(super) threads: u32,
    /// Columns of a tile.
    pub(super) columns: usize,
    /// Rows of a tile.
    pub(super) height: usize,
    /// Rows of the output that a block sums.
    pub(super) slice: usize,
    /// Bytes of shared memory of a block.
    pub(super) shared: usize,
}

/// Cuts d rows into equal slices of at most `most`.
pub(super) fn equal_slice(d: usize, most: usize) -> usize {
    d.div_ceil(d.div_ceil(most))
}

impl Tiling {
    /// out = scale·S·A, or += with `add`, for A of n rows: tiles are divided into parts with sums of their own, which `work` writes, and
    /// those are summed in their order. The sums of a single part go to `out` at once.
    pub(super) fn in_parts<T: DeviceReal>(
        &self,
        out: MatrixMut<'_, T>,
        n: usize,
        scale: T,
        add: bool,
        work: impl FnOnce(Parts<T>) -> Result<(), GpuError>,
    ) -> Result<(), GpuError> {
        let (rows, columns, device) = (out.nrows(), out.ncols(), out.device);
        let (tiles_per_part, config) = self.divide(device, rows, columns, n.div_ceil(self.height))?;
        let parts = config.grid_dim.1 as usize;
        let (add, step) = (u32::from(add), rows * columns);
        let (pointer, (down, right)) = (out.place().pointer, out.place().strides());
        if parts == 1 {
            return work(Parts { config, tiles_per_part, pointer, down, right, step, factor: scale, add });
        }
        let sums = Buffer::<T>::uninitialized(device, parts * step)?;
        let (sums_down, sums_right) = if right == 1 { (columns, 1) } else { (1, rows) };
        work(Parts {
            config,
            tiles_per_part,
            pointer: sums.pointer(),
            down: sums_down,
            right: sums_right,
            step,
            factor: T::ONE,
            add: 0,
        })?;
        launch!(
            device,
            T,
            KERNELS.kernel("sum_parts"),
            grid_over(step, 256),
            pointer,
            down as u64,
            right as u64,
            rows as u64,
            columns as u64,
            sums.pointer(),
            parts as u64,
            scale,
            add,
        )
    }

    /// Tiles of a part, and the blocks of all parts, for d rows and p columns of output: the multiprocessors should be busy to the end, but
    /// every part writes and reads its sums once more.
    fn divide(&self, device: &Device, d: usize, p: usize, tiles: usize) -> Result<(usize, LaunchConfig), GpuError> {
        let resident = RESIDENT_THREADS / self.threads as usize;
        let slots =
            device.multiprocessors() as usize * resident.min(device.shared_bytes() as usize / self.shared).max(1);
        let most = (PART_NUMBERS / d.saturating_mul(p)).clamp(1, MOST_PARTS).min(tiles);
        // Neighbouring blocks share columns of A.
        let blocks = p.div_ceil(self.columns).saturating_mul(d.div_ceil(self.slice));
        let blocks_down = limits::blocks("sketch", "rows of S times columns of a", blocks)?;
        let per_part = self.cheapest(slots, blocks, tiles, most);
        let config = LaunchConfig {
            grid_dim: (blocks_down, tiles.div_ceil(per_part) as u32, 1),
            block_dim: (self.threads, 1, 1),
            shared_mem_bytes: self.shared as u32,
        };
        Ok((per_part, config))
    }

    /// Tiles of a part.
    fn cheapest(&self, slots: usize, blocks: usize, tiles: usize, most: usize) -> usize {
        let cost = |parts: usize| {
            let waves = (blocks * parts).div_ceil(slots);
            // In rows of a tile that a block reads.
            let rows = tiles.div_ceil(parts) * self.height + if parts > 1 { 2 * self.slice } else { 0 };
            waves * rows
        };
        // The first of equals: fewest parts.
        tiles.div_ceil((1..=most).min_by_key(|&parts| cost(parts)).unwrap_or(1))
    }
}

/// How a kernel is launched for all parts, each of so many tiles, and where it writes them: part k goes to `pointer` + k·`step`, times
/// `factor`, or onto what is there with `add` = 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<T> {
    pub(super) config: LaunchConfig,
    pub(super) tiles_per_part: usize,
    pub(super) pointer: Pointer,
    pub(super) down: usize,
    pub(super) right: usize,
    pub(super) step: usize,
    pub(super) factor: T,
    pub(super) add: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_has_tiles_and_parts_fill_the_device() {
        let tiling = Tiling { threads: 1024, columns: 16, height: 2048, slice: 1280, shared: 200 << 10 };
        for tiles in [1, 2, 7, 8, 31, 32, 500] {
            for blocks in [1, 16, 128, 140, 1000] {
                let per_part = tiling.cheapest(132, blocks, tiles, tiles.min(MOST_PARTS));
                assert!((1..=tiles).contains(&per_part));
            }
        }
        // A single wave is left alone; a narrow matrix is cut.
        assert_eq!(tiling.cheapest(132, 128, 8, 8), 8);
        assert_eq!(tiling.cheapest(132, 16, 32, 32), 4);
    }

    #[test]
    fn slices_are_equal_and_not_too_large() {
        for (d, most) in [(1, 5), (5, 5), (6, 5), (1000, 7), (3000, 1400)] {
            let slice = equal_slice(d, most);
            assert!(slice <= most && slice * d.div_ceil(slice) >= d);
        }
    }
}
