//! The subsampled randomized Hadamard transform: aligned tiles of coordinates are transformed, a column a warp, and the kept rows take
//! an entry of each.

use cudarc::driver::{DeviceRepr, LaunchConfig, ValidAsZeroBits};
use panther_sketch::stream;

use super::tiling::{Tiling, equal_slice};
use crate::runtime::kernel::{Constant, KernelFile, WARP, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::runtime::limits::{blocks, index};
use crate::{Buffer, Device, DeviceReal, GpuError, MatrixMut, MatrixRef};

pub(crate) const KERNELS: KernelFile = kernel_file!("sketch/srht", "sketch/stream.cuh").with(&[
    Constant::u64("PHI", panther_sketch::seed::PHI),
    Constant::u32("SIZE", SIZE),
    Constant::u32("COLUMN_BYTES", COLUMN_BYTES),
    Constant::u32("AHEAD", AHEAD),
    Constant::size_of::<Kept>("SIZE_OF_KEPT"),
]);

/// Coordinates of a tile.
const SIZE: usize = 1024;
/// Numbers that a column of a tile takes in shared memory: every 32 rows one more, against conflicts of banks.
const COLUMN_ROOM: usize = SIZE + SIZE / WARP;
/// Rows of the output that a lane and a warp have in work at a time.
const AHEAD: usize = 8;
const CHOSEN_ROWS: usize = AHEAD * WARP;
/// Bytes of the columns of a block where they lie side by side, at most.
const COLUMN_BYTES: usize = 64;
/// Bytes that all banks of shared memory give at a time.
const BANK_BYTES: usize = 128;

/// An SRHT.
#[derive(Debug)]
pub(super) struct Srht {
    d: usize,
    n: usize,
    /// The d rows of H that are kept, ascending.
    kept: Buffer<Kept>,
    /// Their positions in [`conflict_free`] groups.
    order: Buffer<u32>,
    /// Of all coordinates, a bit each; the kernels say which.
    signs: Buffer<u32>,
}

impl Srht {
    pub(super) fn new<T: DeviceReal>(device: &Device, d: usize, n: usize, seed: u64) -> Result<Self, GpuError> {
        index("sketch", "d", d)?;
        let operator = panther_sketch::Srht::new(d, n, seed)?;
        let rows = operator.rows();
        let kept: Vec<Kept> = rows.iter().copied().map(Kept::new).collect();
        let kept = Buffer::from_host(device, &kept)?;
        let order = Buffer::from_host(device, &conflict_free(rows))?;
        let coordinates = n.next_multiple_of(SIZE);
        let signs = Buffer::uninitialized(device, coordinates / WARP)?;
        launch!(
            device,
            T,
            KERNELS.kernel("draw_srht_signs"),
            grid_over(coordinates, 256),
            signs.pointer(),
            stream::family_key(seed, stream::SRHT_SIGNS),
            coordinates as u64,
        )?;
        Ok(Self { d, n, kept, order, signs })
    }

    /// 1/√d.
    fn scale<T: DeviceReal>(&self) -> T {
        T::from_f64(1.0 / (self.d as f64).sqrt())
    }

    pub(super) fn left<T: DeviceReal>(&self, out: MatrixMut<'_, T>, a: MatrixRef<'_, T>) -> Result<(), GpuError> {
        let device = out.device;
        let tiling = tiling::<T>(self.d, device.shared_bytes() as usize);
        let (a_down, a_right) = a.place().strides();
        tiling.in_parts(out, self.n, self.scale(), false, |to| {
            launch!(
                device,
                T,
                KERNELS.kernel("srht_left"),
                to.config,
                to.pointer,
                to.down as u64,
                to.right as u64,
                to.step as u64,
                a.place().pointer,
                a_down as u64,
                a_right as u64,
                self.kept.pointer(),
                self.signs.pointer(),
                self.d as u64,
                self.n as u64,
                a.ncols() as u64,
                tiling.slice as u32,
                stride::<T>(tiling.columns, tiling.slice) as u32,
                to.tiles_per_part as u64,
                to.factor,
            )
        })
    }

    pub(super) fn adjoint<T: DeviceReal>(&self, out: MatrixMut<'_, T>, x: MatrixRef<'_, T>) -> Result<(), GpuError> {
        let (p, columns) = (x.ncols(), block_columns::<T>(out.device.shared_bytes() as usize));
        let stride = stride::<T>(columns, 0);
        let tiles = self.n.div_ceil(SIZE).min(u16::MAX.into());
        let config = LaunchConfig {
            grid_dim: (blocks("sketch", "columns of x", p.div_ceil(columns))?, tiles as u32, 1),
            block_dim: ((columns * WARP) as u32, 1, 1),
            shared_mem_bytes: (stride * columns * size_of::<T>()) as u32,
        };
        let ((down, right), (x_down, x_right)) = (out.place().strides(), x.place().strides());
        launch!(
            out.device,
            T,
            KERNELS.kernel("srht_adjoint"),
            config,
            out.place().pointer,
            down as u64,
            right as u64,
            x.place().pointer,
            x_down as u64,
            x_right as u64,
            self.kept.pointer(),
            self.order.pointer(),
            (self.order.len() / WARP) as u32,
            self.signs.pointer(),
            self.d as u64,
            self.n as u64,
            p as u64,
            stride as u32,
            self.scale::<T>(),
        )
    }

    /// S itself, into a column-major matrix without gaps.
    pub(super) fn put<T: DeviceReal>(&self, s: MatrixMut<'_, T>) -> Result<(), GpuError> {
        launch!(
            s.device,
            T,
            KERNELS.kernel("put_srht"),
            grid_over(self.d * self.n, 256),
            s.place().pointer,
            self.d as u64,
            self.n as u64,
            self.kept.pointer(),
            self.signs.pointer(),
            self.scale::<T>(),
        )
    }
}

/// A row of H for the kernels: where its low bits are in a column of shared memory, and its high bits.
#[repr(C, align(8))]
#[derive(Clone, Copy, Debug)]
struct Kept {
    place: u32,
    high: u32,
}

// SAFETY: two numbers in the order of the kernels' struct, without gaps.
unsafe impl DeviceRepr for Kept {}
// SAFETY: any bytes are two numbers.
unsafe impl ValidAsZeroBits for Kept {}

impl Kept {
    const fn new(row: usize) -> Self {
        let (low, high) = (row % SIZE, row / SIZE);
        Self { place: (low + low / WARP) as u32, high: high as u32 }
    }
}

/// How S·A with d rows is divided.
fn tiling<T>(d: usize, shared_bytes: usize) -> Tiling {
    let columns = block_columns::<T>(shared_bytes);
    let row_bytes = columns * size_of::<T>();
    let most = (shared_bytes / row_bytes - stride::<T>(columns, 0)) / CHOSEN_ROWS * CHOSEN_ROWS;
    let slice = equal_slice(d, most);
    let shared = row_bytes * stride::<T>(columns, slice);
    Tiling { threads: (columns * WARP) as u32, columns, height: SIZE, slice, shared }
}

/// Columns that a block takes: 64 bytes where they lie side by side, or half of that where more does not fit.
fn block_columns<T>(shared_bytes: usize) -> usize {
    let many = COLUMN_BYTES / size_of::<T>();
    let fits = stride::<T>(many, CHOSEN_ROWS) * many * size_of::<T>() <= shared_bytes;
    if fits { many } else { many / 2 }
}

/// Numbers of shared memory for a column and the sums of `slice` rows. A warp that writes neighbouring rows of all columns meets every
/// bank once.
fn stride<T>(columns: usize, slice: usize) -> usize {
    COLUMN_ROOM + slice.next_multiple_of(CHOSEN_ROWS) + BANK_BYTES / (columns * size_of::<T>())
}

/// Positions of the kept rows in groups of 32 of which no two have the same low bits, so that they can be put into a column at once; d where
/// a group is not full. First the first ones of each low bits, then the second ones …, filled up to a multiple of `CHOSEN_ROWS`.
fn conflict_free(rows: &[usize]) -> Vec<u32> {
    let none = rows.len() as u32;
    let mut taken = [0; SIZE];
    let mut rounds: Vec<Vec<u32>> = Vec::new();
    for (at, row) in rows.iter().enumerate() {
        let round = &mut taken[row % SIZE];
        if *round == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[*round].push(at as u32);
        *round += 1;
    }
    let mut order = Vec::new();
    for round in rounds {
        order.extend(round);
        order.resize(order.len().next_multiple_of(WARP), none);
    }
    order.resize(order.len().next_multiple_of(CHOSEN_ROWS), none);
    order
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_group_has_different_low_bits_and_all_rows_have_a_group() {
        // 40 with the same low bits among others that are alone, and all rows twice.
        let same: Vec<usize> = (0..40).map(|k| 5 + k * SIZE).chain(6..600).collect();
        let twice: Vec<usize> = (0..2 * SIZE).collect();
        for rows in [vec![0], same, twice] {
            let order = conflict_free(&rows);
            assert!(order.len().is_multiple_of(CHOSEN_ROWS));
            for group in order.chunks(WARP) {
                let real = group.iter().filter(|&&at| (at as usize) < rows.len());
                let low: Vec<usize> = real.map(|&at| rows[at as usize] % SIZE).collect();
                assert_eq!(low.iter().collect::<HashSet<_>>().len(), low.len());
            }
            let mut all: Vec<u32> = order.into_iter().filter(|&at| (at as usize) < rows.len()).collect();
            all.sort_unstable();
            assert!(all.into_iter().eq(0..rows.len() as u32));
        }
    }

    /// For blocks of 48 KiB, which every device has, to the 227 KiB of a Hopper device.
    #[test]
    fn tiles_fit_into_shared_memory() {
        let fits = |tiling: Tiling, shared_bytes: usize| {
            assert!(
                tiling.shared <= shared_bytes && tiling.slice > 0 && tiling.columns > 1,
                "{shared_bytes}: {tiling:?}"
            );
        };
        for shared_bytes in [48 << 10, 99 << 10, 227 << 10] {
            for d in [1, 7, 512, 2560, 2561, 1 << 20] {
                fits(tiling::<f32>(d, shared_bytes), shared_bytes);
                fits(tiling::<f64>(d, shared_bytes), shared_bytes);
            }
        }
    }
}
