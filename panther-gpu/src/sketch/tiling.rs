//! How a product that reads A tile by tile is divided among the blocks of a device.

use cudarc::driver::LaunchConfig;

use crate::{Device, DeviceReal};

/// Bytes of a row of a tile.
pub(super) const ROW_BYTES: usize = 64;
/// Partial sums that are held at a time, unless one part has more.
const PART_NUMBERS: usize = 1 << 24;
const MOST_PARTS: usize = 64;
const MOST_THREADS: usize = 1024;
/// Threads of a multiprocessor.
const RESIDENT_THREADS: usize = 2048;

/// Columns of a tile, as in the kernels.
pub(super) const fn tile_columns<T>() -> usize {
    ROW_BYTES / size_of::<T>()
}

/// A block takes some columns of A, some rows of the output and some tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tiling {
    pub(super) threads: u32,
    /// Rows of a tile.
    pub(super) height: usize,
    /// Rows of the output that a block sums.
    pub(super) slice: usize,
    /// Bytes of shared memory of a block.
    pub(super) shared: usize,
}

/// How many parts the tiles are divided into, each of which has sums of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) count: usize,
    pub(super) tiles: usize,
}

/// As many threads as there is work for, in a power of two.
pub(super) fn threads(work: usize) -> u32 {
    work.clamp(128, MOST_THREADS).next_power_of_two() as u32
}

/// Cuts d rows into equal slices of at most `most`.
pub(super) fn equal_slice(d: usize, most: usize) -> usize {
    d.div_ceil(d.div_ceil(most))
}

impl Tiling {
    /// The parts for `tiles` tiles of a matrix of p columns and d rows of output: the multiprocessors should be busy to the end, but
    /// every part writes and reads its sums once more.
    pub(super) fn parts<T: DeviceReal>(&self, device: &Device, d: usize, p: usize, tiles: usize) -> Parts {
        let resident = RESIDENT_THREADS / self.threads as usize;
        let slots =
            device.multiprocessors() as usize * resident.min(device.shared_bytes() as usize / self.shared).max(1);
        let blocks = p.div_ceil(tile_columns::<T>()) * d.div_ceil(self.slice);
        let most = (PART_NUMBERS / d.saturating_mul(p)).clamp(1, MOST_PARTS).min(tiles);
        self.cheapest(slots, blocks, tiles, most)
    }

    fn cheapest(&self, slots: usize, blocks: usize, tiles: usize, most: usize) -> Parts {
        let cost = |parts: usize| {
            let waves = (blocks * parts).div_ceil(slots);
            // In rows of a tile that a block reads.
            let rows = tiles.div_ceil(parts) * self.height + if parts > 1 { 2 * self.slice } else { 0 };
            waves * rows
        };
        let tiles_of = |parts: usize| tiles.div_ceil(parts);
        // The first of equals: fewest parts.
        let best = (1..=most).min_by_key(|&parts| cost(parts)).unwrap_or(1);
        // Fewer may do for as many tiles each.
        Parts { count: tiles.div_ceil(tiles_of(best)), tiles: tiles_of(best) }
    }

    /// Blocks for p columns, d rows of output and so many parts.
    pub(super) fn grid<T: DeviceReal>(&self, d: usize, p: usize, parts: usize) -> LaunchConfig {
        // Kernels walk on over slices in steps of the grid.
        let slices = d.div_ceil(self.slice).min(u16::MAX.into());
        LaunchConfig {
            grid_dim: (p.div_ceil(tile_columns::<T>()) as u32, slices as u32, parts as u32),
            block_dim: (self.threads, 1, 1),
            shared_mem_bytes: self.shared as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_tiles_and_fill_the_device() {
        let tiling = Tiling { threads: 1024, height: 2048, slice: 1280, shared: 200 << 10 };
        for tiles in [1, 2, 7, 8, 31, 32, 500] {
            for blocks in [1, 16, 128, 140, 1000] {
                let parts = tiling.cheapest(132, blocks, tiles, tiles.min(MOST_PARTS));
                assert!(parts.count * parts.tiles >= tiles && (parts.count - 1) * parts.tiles < tiles);
            }
        }
        // A single wave is left alone; a narrow matrix is cut.
        assert_eq!(tiling.cheapest(132, 128, 8, 8), Parts { count: 1, tiles: 8 });
        assert_eq!(tiling.cheapest(132, 16, 32, 32), Parts { count: 8, tiles: 4 });
    }

    #[test]
    fn slices_are_equal_and_not_too_large() {
        for (d, most) in [(1, 5), (5, 5), (6, 5), (1000, 7), (3000, 1400)] {
            let slice = equal_slice(d, most);
            assert!(slice <= most && slice * d.div_ceil(slice) >= d);
        }
        assert_eq!(threads(1), 128);
        assert_eq!(threads(500), 512);
        assert_eq!(threads(5000), 1024);
    }
}
