//! The subsampled randomized Hadamard transform: aligned blocks of coordinates are transformed in shared memory, and the kept rows
//! take an entry of each.

use cudarc::driver::LaunchConfig;
use panther_sketch::stream;

use super::real;
use super::tiling::{Tiling, equal_slice, threads};
use crate::buffer::Buffer;
use crate::kernel::{KernelFile, grid_over, kernel_file, launch};
use crate::{Device, DeviceReal, GpuError, MatrixMut, MatrixRef};

const KERNELS: KernelFile = kernel_file!("sketch_srht");

/// Bytes of a row of a tile, as in the kernels.
const ROW_BYTES: usize = 64;
/// log₂ of a block's size: at least, unless there are fewer coordinates, and at most.
const LEVELS: (u32, u32) = (7, 11);

/// An SRHT.
#[derive(Debug)]
pub(super) struct Srht {
    d: usize,
    n: usize,
    /// Of the signs.
    key: u64,
    levels: u32,
    /// The d rows of H that are kept, ascending.
    kept: Buffer<u64>,
    /// Where they stand in `kept`, sorted by their low bits …
    order: Buffer<u64>,
    /// … of which value r begins at `starts[r]`.
    starts: Buffer<u64>,
}

impl Srht {
    pub(super) fn new(device: &Device, d: usize, n: usize, seed: u64) -> Result<Self, GpuError> {
        let operator = panther_sketch::Srht::new(d, n, seed)?;
        let kept: Vec<u64> = operator.rows().iter().map(|&row| row as u64).collect();
        // A block of about 2d coordinates: transforming and choosing cost alike.
        let room = (device.shared_bytes() as usize * 5 / 8 / ROW_BYTES).ilog2();
        let levels = (d.ilog2() + 1).clamp(LEVELS.0, LEVELS.1).min(n.next_power_of_two().ilog2()).min(room);
        let (order, starts) = by_low_bits(&kept, levels);
        Ok(Self {
            d,
            n,
            key: stream::family_key(seed, stream::SRHT_SIGNS),
            levels,
            kept: Buffer::from_host(device, &kept)?,
            order: Buffer::from_host(device, &order)?,
            starts: Buffer::from_host(device, &starts)?,
        })
    }

    /// 1/√d.
    fn scale<T: DeviceReal>(&self) -> T {
        real(1.0 / (self.d as f64).sqrt())
    }

    /// Few enough that two blocks fit onto a multiprocessor unless they fill its shared memory.
    fn threads(&self) -> u32 {
        threads((1 << self.levels) / 2)
    }

    fn tiling<T>(&self, device: &Device) -> Tiling {
        let height = 1 << self.levels;
        // A byte a row is for the signs.
        let rows = (device.shared_bytes() as usize - height * (ROW_BYTES + 1)) / ROW_BYTES;
        let slice = equal_slice(self.d, rows);
        let shared = (height + slice) * ROW_BYTES + height;
        Tiling { threads: self.threads(), columns: ROW_BYTES / size_of::<T>(), height, slice, shared }
    }

    pub(super) fn left<T: DeviceReal>(&self, out: MatrixMut<'_, T>, a: MatrixRef<'_, T>) -> Result<(), GpuError> {
        let device = out.device;
        let tiling = self.tiling::<T>(device);
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
                self.d as u64,
                self.n as u64,
                a.ncols() as u64,
                self.key,
                self.levels,
                tiling.slice as u32,
                to.tiles_per_part as u64,
                to.factor,
            )
        })
    }

    pub(super) fn adjoint<T: DeviceReal>(&self, out: MatrixMut<'_, T>, x: MatrixRef<'_, T>) -> Result<(), GpuError> {
        let p = x.ncols();
        let blocks = self.n.div_ceil(1 << self.levels).min(u16::MAX.into());
        let config = LaunchConfig {
            grid_dim: (p.div_ceil(ROW_BYTES / size_of::<T>()) as u32, blocks as u32, 1),
            block_dim: (self.threads(), 1, 1),
            shared_mem_bytes: (ROW_BYTES << self.levels) as u32,
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
            self.starts.pointer(),
            self.n as u64,
            p as u64,
            self.key,
            self.levels,
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
            self.key,
            self.scale::<T>(),
        )
    }
}

/// Positions of the kept rows sorted by their low bits, and where each value of those begins.
fn by_low_bits(kept: &[u64], levels: u32) -> (Vec<u64>, Vec<u64>) {
    let low = |row: u64| row & ((1 << levels) - 1);
    let mut order: Vec<u64> = (0..kept.len() as u64).collect();
    // A stable sort: equal ones stay in ascending order.
    order.sort_by_key(|&at| low(kept[at as usize]));
    let mut starts = vec![0; (1 << levels) + 1];
    for &row in kept {
        starts[low(row) as usize + 1] += 1;
    }
    for r in 1..starts.len() {
        starts[r] += starts[r - 1];
    }
    (order, starts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_found_by_their_low_bits() {
        let kept = [0, 3, 4, 5, 8, 11, 63];
        let (order, starts) = by_low_bits(&kept, 2);
        assert_eq!(order, [0, 2, 4, 3, 1, 5, 6]);
        assert_eq!(starts, [0, 3, 4, 4, 7]);
        let (order, starts) = by_low_bits(&[0], 0);
        assert_eq!((order, starts), (vec![0], vec![0, 1]));
    }
}
