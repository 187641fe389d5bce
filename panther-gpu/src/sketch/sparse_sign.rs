//! The sparse sign sketch: A is read chunk by chunk of its rows, once for every slice of the output, whose rows sum their lists of them.

use cudarc::driver::LaunchConfig;
use panther_sketch::stream;

use super::sparse::WINDOW;
use super::tiling::{Tiling, equal_slice};
use crate::runtime::kernel::{Constant, KernelFile, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::runtime::limits::index;
use crate::{Buffer, Device, DeviceReal, GpuError, MatrixMut, MatrixRef};

pub(crate) const KERNELS: KernelFile = kernel_file!("sketch/sparse_sign", "sketch/stream.cuh").with(&[
    Constant::u64("PHI", panther_sketch::seed::PHI),
    Constant::u32("ROW_BYTES", ROW_BYTES),
    Constant::u32("ROW_THREADS", ROW_THREADS),
    Constant::u32("SUMMED_ROWS", SUMMED_ROWS),
    Constant::u32("BROUGHT_QUADS", BROUGHT_QUADS),
    Constant::u32("MOST_THREADS", MOST_THREADS),
]);

/// Bytes of a row of a tile, and threads that read it, 16 bytes each.
const ROW_BYTES: usize = 128;
const ROW_THREADS: usize = ROW_BYTES / 16;
/// Rows of the output that a thread sums at most.
const SUMMED_ROWS: usize = 8;
/// How many times 16 bytes a thread brings of a tile. A tile has 512 rows at most: their places in it have 16 bits.
const BROUGHT_QUADS: usize = 4;
/// Threads of a block at most.
const MOST_THREADS: usize = 1024;
/// Bytes of nonzeros and lists that are held at a time, unless one chunk has more.
const LIST_BYTES: usize = 1 << 26;

/// A sparse sign operator.
#[derive(Debug)]
pub(super) struct SparseSign {
    d: usize,
    n: usize,
    zeta: usize,
    key: u64,
}

/// How S·A is divided: tiles are chunks of coordinates, of which every slice of the output has lists.
#[derive(Clone, Copy, Debug)]
struct Chunks {
    tiling: Tiling,
    /// Entries that the lists of a chunk and a slice have at most, and starts of lists, in steps of 16 bytes.
    list_room: usize,
    start_room: usize,
}

impl Chunks {
    /// Entries and starts of the lists of a chunk, for d rows of output.
    fn lists(&self, d: usize) -> (usize, usize) {
        let slices = d.div_ceil(self.tiling.slice);
        (slices * self.list_room, slices * self.start_room)
    }

    /// Shared memory for making the lists of a chunk and a slice: starts, entries and sets of coordinates.
    fn list_bytes(&self) -> usize {
        let sets = self.tiling.height.div_ceil(32) * self.tiling.slice;
        (self.start_room + sets) * size_of::<u32>() + self.list_room * size_of::<u16>()
    }
}

/// Lists of the coordinates that rows of the output sum, for each chunk and slice.
struct Lists {
    entries: Buffer<u16>,
    starts: Buffer<u32>,
}

impl SparseSign {
    pub(super) fn new(d: usize, n: usize, zeta: usize, seed: u64) -> Result<Self, GpuError> {
        index("sketch", "d", d)?;
        Ok(Self { d, n, zeta, key: stream::family_key(seed, stream::SPARSE_SIGN) })
    }

    /// 1/√ζ.
    fn scale<T: DeviceReal>(&self) -> T {
        T::from_f64(1.0 / (self.zeta as f64).sqrt())
    }

    /// Two tiles with their lists fit into the shared memory of a block: one is summed while the other is on its way.
    fn chunks<T>(&self, shared_bytes: usize) -> Chunks {
        // As many as there is work for.
        let threads = (self.d * ROW_THREADS).clamp(128, MOST_THREADS).next_power_of_two() as u32;
        // At last the sums of a slice lie in shared memory, a row each.
        let slice = equal_slice(self.d, (threads as usize / ROW_THREADS * SUMMED_ROWS).min(shared_bytes / ROW_BYTES));
        let start_room = (slice + 1).next_multiple_of(4);
        let per_row = self.zeta.min(slice);
        // 16 bytes are lost to rounding up.
        let room = shared_bytes / 2 - start_room * size_of::<u32>() - 16;
        let fitting = room / (ROW_BYTES + per_row * size_of::<u16>());
        let height = (BROUGHT_QUADS * threads as usize / ROW_THREADS).min(fitting).min(self.n);
        let list_room = (height * per_row).next_multiple_of(8);
        let stage = height * ROW_BYTES + list_room * size_of::<u16>() + start_room * size_of::<u32>();
        let shared = (2 * stage).max(slice * ROW_BYTES);
        let tiling = Tiling { threads, columns: ROW_BYTES / size_of::<T>(), height, slice, shared };
        Chunks { tiling, list_room, start_room }
    }

    /// Draws the nonzeros of `count` coordinates from coordinate `first` on.
    fn draw<T: DeviceReal>(&self, nonzeros: &mut Buffer<u32>, first: usize, count: usize) -> Result<(), GpuError> {
        launch!(
            nonzeros.device(),
            T,
            KERNELS.kernel("draw_sparse_sign"),
            grid_over(count, 64),
            nonzeros.pointer(),
            self.key,
            first as u64,
            count as u64,
            self.d as u64,
            self.zeta as u64,
        )
    }

    /// Draws S in blocks of `window` coordinates and hands each on with its first one and their number.
    fn for_each_window<T: DeviceReal>(
        &self,
        device: &Device,
        window: usize,
        mut work: impl FnMut(&Buffer<u32>, usize, usize) -> Result<(), GpuError>,
    ) -> Result<(), GpuError> {
        let mut nonzeros = Buffer::uninitialized(device, window * self.zeta)?;
        for first in (0..self.n).step_by(window) {
            let count = window.min(self.n - first);
            self.draw::<T>(&mut nonzeros, first, count)?;
            work(&nonzeros, first, count)?;
        }
        Ok(())
    }

    /// Coordinates that are drawn at a time where no lists are made of them.
    fn window(&self) -> usize {
        (WINDOW / self.zeta).clamp(1, self.n)
    }

    pub(super) fn left<T: DeviceReal>(&self, out: MatrixMut<'_, T>, a: MatrixRef<'_, T>) -> Result<(), GpuError> {
        let (device, mut out) = (out.device, out);
        let chunks = self.chunks::<T>(device.shared_bytes() as usize);
        let height = chunks.tiling.height;
        let (entries, starts) = chunks.lists(self.d);
        let chunk_bytes = (height * self.zeta + starts) * size_of::<u32>() + entries * size_of::<u16>();
        let at_a_time = (LIST_BYTES / chunk_bytes).clamp(1, self.n.div_ceil(height));
        let mut lists = Lists {
            entries: Buffer::uninitialized(device, at_a_time * entries)?,
            starts: Buffer::uninitialized(device, at_a_time * starts)?,
        };
        self.for_each_window::<T>(device, at_a_time * height, |nonzeros, first, count| {
            self.list::<T>(&mut lists, nonzeros, count, chunks)?;
            self.sum(out.rb_mut(), a.subrows(first, count), &lists, chunks, first > 0)
        })
    }

    fn list<T: DeviceReal>(
        &self,
        lists: &mut Lists,
        nonzeros: &Buffer<u32>,
        count: usize,
        chunks: Chunks,
    ) -> Result<(), GpuError> {
        let Tiling { threads, height, slice, .. } = chunks.tiling;
        let config = LaunchConfig {
            grid_dim: ((count.div_ceil(height) * self.d.div_ceil(slice)) as u32, 1, 1),
            block_dim: (threads, 1, 1),
            shared_mem_bytes: chunks.list_bytes() as u32,
        };
        launch!(
            nonzeros.device(),
            T,
            KERNELS.kernel("list_sparse_sign"),
            config,
            lists.entries.pointer(),
            lists.starts.pointer(),
            nonzeros.pointer(),
            count as u64,
            self.d as u64,
            self.zeta as u64,
            height as u32,
            slice as u32,
            chunks.list_room as u32,
            chunks.start_room as u32,
        )
    }

    /// out = S\[:, window\]·A, or += with `add`.
    fn sum<T: DeviceReal>(
        &self,
        out: MatrixMut<'_, T>,
        a: MatrixRef<'_, T>,
        lists: &Lists,
        chunks: Chunks,
        add: bool,
    ) -> Result<(), GpuError> {
        let (device, tiling) = (out.device, chunks.tiling);
        let (a_down, a_right) = a.place().strides();
        tiling.in_parts(out, a.nrows(), self.scale(), add, |to| {
            launch!(
                device,
                T,
                KERNELS.kernel("sparse_sign_left"),
                to.config,
                to.pointer,
                to.down as u64,
                to.right as u64,
                to.step as u64,
                a.place().pointer,
                a_down as u64,
                a_right as u64,
                lists.entries.pointer(),
                lists.starts.pointer(),
                self.d as u64,
                a.ncols() as u64,
                a.nrows() as u64,
                tiling.height as u32,
                tiling.slice as u32,
                chunks.list_room as u32,
                chunks.start_room as u32,
                to.tiles_per_part as u64,
                to.factor,
                to.add,
            )
        })
    }

    pub(super) fn adjoint<T: DeviceReal>(&self, out: MatrixMut<'_, T>, x: MatrixRef<'_, T>) -> Result<(), GpuError> {
        let (device, mut out) = (out.device, out);
        self.for_each_window::<T>(device, self.window(), |nonzeros, first, count| {
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
                nonzeros.pointer(),
                count as u64,
                part.columns as u64,
                self.zeta as u64,
                self.scale::<T>(),
            )
        })
    }

    /// S itself, into column-major zeros without gaps.
    pub(super) fn put<T: DeviceReal>(&self, s: MatrixMut<'_, T>) -> Result<(), GpuError> {
        self.for_each_window::<T>(s.device, self.window(), |nonzeros, first, count| {
            launch!(
                s.device,
                T,
                KERNELS.kernel("put_sparse_sign"),
                grid_over(count * self.zeta, 256),
                s.place().pointer,
                self.d as u64,
                first as u64,
                count as u64,
                self.zeta as u64,
                nonzeros.pointer(),
                self.scale::<T>(),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// For blocks of 48 KiB, which every device has, to the 227 KiB of a Hopper device.
    #[test]
    fn chunks_fit_into_shared_memory() {
        for shared_bytes in [48 << 10, 99 << 10, 227 << 10] {
            for d in [1, 7, 128, 512, 1000, 5000, 1 << 20] {
                for zeta in [1, 8, 130, 1000, 1 << 20].map(|zeta: usize| zeta.min(d)) {
                    for n in [1, 40, 1 << 20] {
                        let chunks = SparseSign { d, n, zeta, key: 0 }.chunks::<f64>(shared_bytes);
                        let Tiling { threads, height, slice, shared, .. } = chunks.tiling;
                        let given = format!("{shared_bytes} bytes, {d}×{n}, ζ = {zeta}: {chunks:?}");
                        assert!(height >= 1 && height * ROW_BYTES <= 1 << 16, "{given}");
                        assert!(slice * ROW_THREADS <= threads as usize * SUMMED_ROWS, "{given}");
                        assert!(height * ROW_THREADS <= threads as usize * BROUGHT_QUADS, "{given}");
                        assert!(chunks.list_room.is_multiple_of(8) && chunks.start_room.is_multiple_of(4), "{given}");
                        // Making lists takes a number a warp beside.
                        assert!(shared <= shared_bytes && chunks.list_bytes() + 128 <= shared_bytes, "{given}");
                    }
                }
            }
        }
    }
}
