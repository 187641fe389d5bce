//! The sparse sign sketch: A is read once, tile by tile, and every row of the output sums its list of coordinates.

use panther_sketch::stream;

use super::lists::{self, Lists, Nonzeros, WINDOW};
use super::tiling::{ROW_BYTES, Tiling, equal_slice, threads, tile_columns};
use super::{below_2_31, real};
use crate::buffer::Buffer;
use crate::kernel::{KernelFile, grid_over, kernel_file, launch};
use crate::{Device, DeviceReal, GpuError, MatrixMut, MatrixRef};

pub(super) const KERNELS: KernelFile = kernel_file!("sketch_sums");

/// A list has about as many entries at most: sorting costs their square.
const LONGEST_LIST: usize = 256;
/// Rows of a tile at least, where there is shared memory for more.
const LEAST_HEIGHT: usize = 512;

/// A sparse sign operator.
#[derive(Debug)]
pub(super) struct SparseSign {
    d: usize,
    n: usize,
    zeta: usize,
    key: u64,
}

impl SparseSign {
    pub(super) fn new(d: usize, n: usize, zeta: usize, seed: u64) -> Result<Self, GpuError> {
        below_2_31("d", d)?;
        Ok(Self { d, n, zeta, key: stream::family_key(seed, stream::SPARSE_SIGN) })
    }

    /// 1/√ζ.
    fn scale<T: DeviceReal>(&self) -> T {
        real(1.0 / (self.zeta as f64).sqrt())
    }

    /// Tiles as high as lists and shared memory allow, so that lists are long and sums are seldom taken up again.
    fn tiling<T: DeviceReal>(&self, device: &Device) -> Tiling {
        let rows = device.shared_bytes() as usize / ROW_BYTES;
        let threads = threads(self.d.saturating_mul(tile_columns::<T>()));
        let wanted = (2 * threads as usize).min(rows * 5 / 8);
        let (slice, room) = if self.d + LEAST_HEIGHT <= rows {
            (self.d, rows - self.d)
        } else {
            let slice = equal_slice(self.d, rows - wanted);
            (slice, rows - slice)
        };
        let lists = (LONGEST_LIST * self.d).div_ceil(self.zeta).min(WINDOW / self.zeta).max(1);
        let height = wanted.min(room).min(lists).min(self.n);
        Tiling { threads, height, slice, shared: (height + slice) * ROW_BYTES }
    }

    /// Draws the nonzeros of `count` coordinates from coordinate `first` on; codes count in chunks of `chunk`.
    fn draw<T: DeviceReal>(
        &self,
        nonzeros: &mut Nonzeros,
        first: usize,
        count: usize,
        chunk: usize,
    ) -> Result<(), GpuError> {
        launch!(
            nonzeros.codes.device(),
            T,
            lists::KERNELS.kernel("draw_sparse_sign"),
            grid_over(count, 64),
            nonzeros.buckets.pointer(),
            nonzeros.codes.pointer(),
            self.key,
            first as u64,
            count as u64,
            self.d as u64,
            self.zeta as u64,
            chunk as u64,
        )
    }

    /// Draws S in blocks of coordinates and hands each on with its first one and their number.
    fn for_each_window<T: DeviceReal>(
        &self,
        device: &Device,
        mut work: impl FnMut(&Nonzeros, usize, usize) -> Result<(), GpuError>,
    ) -> Result<(), GpuError> {
        let window = (WINDOW / self.zeta).clamp(1, self.n);
        let mut nonzeros = Nonzeros::new(device, window * self.zeta)?;
        for first in (0..self.n).step_by(window) {
            let count = window.min(self.n - first);
            self.draw::<T>(&mut nonzeros, first, count, 1)?;
            work(&nonzeros, first, count)?;
        }
        Ok(())
    }

    pub(super) fn left<T: DeviceReal>(&self, out: MatrixMut<'_, T>, a: MatrixRef<'_, T>) -> Result<(), GpuError> {
        let mut out = out;
        let tiling = self.tiling::<T>(out.device);
        let per_chunk = tiling.height * self.zeta;
        // As many chunks as there is room for nonzeros and for the starts of lists.
        let chunks = (WINDOW / per_chunk).min(WINDOW / (self.d + 1)).clamp(1, self.n.div_ceil(tiling.height));
        let mut nonzeros = Nonzeros::new(out.device, chunks * per_chunk)?;
        let mut lists = Lists::new(out.device, chunks * per_chunk, chunks, self.d)?;
        let window = chunks * tiling.height;
        for first in (0..self.n).step_by(window) {
            let count = window.min(self.n - first);
            self.draw::<T>(&mut nonzeros, first, count, tiling.height)?;
            lists.build::<T>(&mut nonzeros, count * self.zeta, per_chunk)?;
            let block = Block { tiling, nonzeros: &nonzeros, lists: &lists, add: first > 0 };
            self.sum(out.rb_mut(), a.subrows(first, count), block)?;
        }
        Ok(())
    }

    /// out = S\[:, window\]·A, or += with `add`.
    fn sum<T: DeviceReal>(&self, out: MatrixMut<'_, T>, a: MatrixRef<'_, T>, block: Block<'_>) -> Result<(), GpuError> {
        let (count, p, tiling) = (a.nrows(), a.ncols(), block.tiling);
        let parts = tiling.parts::<T>(out.device, self.d, p, count.div_ceil(tiling.height));
        let add = u32::from(block.add);
        let sums =
            (parts.count > 1).then(|| Buffer::<T>::uninitialized(out.device, parts.count * self.d * p)).transpose()?;
        let (down, right) = out.place().strides();
        let (to, to_down, to_right, factor, add_now) = match &sums {
            Some(sums) => (sums.pointer(), 1, self.d, T::ONE, 0),
            None => (out.place().pointer, down, right, self.scale(), add),
        };
        let (a_down, a_right) = a.place().strides();
        launch!(
            out.device,
            T,
            KERNELS.kernel("sparse_sign_left"),
            tiling.grid::<T>(self.d, p, parts.count),
            to,
            to_down as u64,
            to_right as u64,
            (self.d * p) as u64,
            a.place().pointer,
            a_down as u64,
            a_right as u64,
            block.nonzeros.buckets.pointer(),
            block.lists.starts.pointer(),
            self.d as u64,
            p as u64,
            count as u64,
            self.zeta as u64,
            tiling.height as u32,
            tiling.slice as u32,
            parts.tiles as u64,
            factor,
            add_now,
        )?;
        match &sums {
            Some(sums) => sum_parts(out, sums, parts.count, self.scale(), add),
            None => Ok(()),
        }
    }

    pub(super) fn adjoint<T: DeviceReal>(&self, out: MatrixMut<'_, T>, x: MatrixRef<'_, T>) -> Result<(), GpuError> {
        let mut out = out;
        let device = out.device;
        self.for_each_window::<T>(device, |nonzeros, first, count| {
            let part = out.rb_mut().subrows(first, count).place();
            let ((down, right), (x_down, x_right)) = (part.strides(), x.place().strides());
            launch!(
                device,
                T,
                KERNELS.kernel("sparse_sign_adjoint"),
                grid_over(count * part.columns, 256),
                part.pointer,
                down as u64,
                right as u64,
                x.place().pointer,
                x_down as u64,
                x_right as u64,
                nonzeros.buckets.pointer(),
                nonzeros.codes.pointer(),
                count as u64,
                part.columns as u64,
                self.zeta as u64,
                self.scale::<T>(),
            )
        })
    }

    /// S itself, into column-major zeros without gaps.
    pub(super) fn put<T: DeviceReal>(&self, s: MatrixMut<'_, T>) -> Result<(), GpuError> {
        self.for_each_window::<T>(s.device, |nonzeros, first, count| {
            launch!(
                s.device,
                T,
                lists::KERNELS.kernel("put_sparse_sign"),
                grid_over(count, 64),
                s.place().pointer,
                self.d as u64,
                first as u64,
                count as u64,
                self.zeta as u64,
                nonzeros.buckets.pointer(),
                nonzeros.codes.pointer(),
                self.scale::<T>(),
            )
        })
    }
}

/// What a window's product needs beside its operands.
#[derive(Clone, Copy)]
struct Block<'a> {
    tiling: Tiling,
    nonzeros: &'a Nonzeros,
    lists: &'a Lists,
    add: bool,
}

/// out = factor·Σ parts, or += with `add` = 1, in the order of the parts.
pub(super) fn sum_parts<T: DeviceReal>(
    out: MatrixMut<'_, T>,
    parts: &Buffer<T>,
    count: usize,
    factor: T,
    add: u32,
) -> Result<(), GpuError> {
    let (rows, columns) = (out.nrows(), out.ncols());
    let (down, right) = out.place().strides();
    launch!(
        out.device,
        T,
        KERNELS.kernel("sum_parts"),
        grid_over(rows * columns, 256),
        out.place().pointer,
        down as u64,
        right as u64,
        rows as u64,
        columns as u64,
        parts.pointer(),
        count as u64,
        factor,
        add,
    )
}
