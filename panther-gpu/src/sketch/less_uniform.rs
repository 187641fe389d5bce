//! The sketch whose rows are sparse: gathers, and for Sᵀ·X lists of what each coordinate takes.

use panther_sketch::stream;

use super::sparse::WINDOW;
use crate::runtime::kernel::{Constant, KernelFile, kernel_file};
use crate::runtime::launch::{block_each, grid_over, launch};
use crate::runtime::limits::index;
use crate::{Buffer, Device, DeviceReal, GpuError, MatrixMut, MatrixRef};

pub(crate) const KERNELS: KernelFile = kernel_file!("sketch/less_uniform", "sketch/stream.cuh")
    .with(&[Constant::u64("PHI", panther_sketch::seed::PHI), Constant::u32("LIST_THREADS", LIST_THREADS)]);

/// Threads of the block that makes the lists.
const LIST_THREADS: usize = 1024;

/// A row-sparse operator.
#[derive(Debug)]
pub(super) struct LessUniform {
    d: usize,
    n: usize,
    zeta: usize,
    key: u64,
}

impl LessUniform {
    pub(super) fn new(d: usize, n: usize, zeta: usize, seed: u64) -> Result<Self, GpuError> {
        index("sketch", "d", d)?;
        index("sketch", "n", n)?;
        index("sketch", "vec_nnz", zeta)?;
        Ok(Self { d, n, zeta, key: stream::family_key(seed, stream::LESS_UNIFORM) })
    }

    /// √(n/(dζ)).
    fn scale<T: DeviceReal>(&self) -> T {
        T::from_f64((self.n as f64 / self.d as f64 / self.zeta as f64).sqrt())
    }

    /// Rows of S that are drawn at once.
    fn window(&self) -> usize {
        (WINDOW / self.zeta).clamp(1, self.d)
    }

    /// Draws S in blocks of rows and hands each on with its first one and their number.
    fn for_each_window<T: DeviceReal>(
        &self,
        device: &Device,
        mut work: impl FnMut(&mut Nonzeros, usize, usize) -> Result<(), GpuError>,
    ) -> Result<(), GpuError> {
        let window = self.window();
        let mut nonzeros = Nonzeros::new(device, window * self.zeta)?;
        for first in (0..self.d).step_by(window) {
            let count = window.min(self.d - first);
            launch!(
                device,
                T,
                KERNELS.kernel("draw_less_uniform"),
                grid_over(count, 64),
                nonzeros.buckets.pointer(),
                nonzeros.codes.pointer(),
                self.key,
                first as u64,
                count as u64,
                self.n as u64,
                self.zeta as u64,
            )?;
            work(&mut nonzeros, first, count)?;
        }
        Ok(())
    }

    pub(super) fn left<T: DeviceReal>(&self, out: MatrixMut<'_, T>, a: MatrixRef<'_, T>) -> Result<(), GpuError> {
        let mut out = out;
        let device = out.device;
        self.for_each_window::<T>(device, |nonzeros, first, count| {
            let part = out.rb_mut().subrows(first, count).place();
            let ((down, right), (a_down, a_right)) = (part.strides(), a.place().strides());
            launch!(
                device,
                T,
                KERNELS.kernel("less_uniform_left"),
                grid_over(count * part.columns, 256),
                part.pointer,
                down as u64,
                right as u64,
                a.place().pointer,
                a_down as u64,
                a_right as u64,
                nonzeros.buckets.pointer(),
                nonzeros.codes.pointer(),
                count as u64,
                part.columns as u64,
                self.zeta as u64,
                self.scale::<T>(),
            )
        })
    }

    pub(super) fn adjoint<T: DeviceReal>(&self, out: MatrixMut<'_, T>, x: MatrixRef<'_, T>) -> Result<(), GpuError> {
        let device = out.device;
        let most = self.window() * self.zeta;
        let mut lists = Lists::new(device, most, self.n)?;
        let ((down, right), (x_down, x_right)) = (out.place().strides(), x.place().strides());
        self.for_each_window::<T>(device, |nonzeros, first, count| {
            lists.build::<T>(nonzeros, count * self.zeta)?;
            launch!(
                device,
                T,
                KERNELS.kernel("less_uniform_adjoint"),
                grid_over(self.n * out.ncols(), 256),
                out.place().pointer,
                down as u64,
                right as u64,
                x.place().pointer,
                x_down as u64,
                x_right as u64,
                nonzeros.buckets.pointer(),
                lists.starts.pointer(),
                self.n as u64,
                out.ncols() as u64,
                self.scale::<T>(),
                u32::from(first > 0),
            )
        })
    }

    /// S itself, into column-major zeros without gaps.
    pub(super) fn put<T: DeviceReal>(&self, s: MatrixMut<'_, T>) -> Result<(), GpuError> {
        self.for_each_window::<T>(s.device, |nonzeros, first, count| {
            launch!(
                s.device,
                T,
                KERNELS.kernel("put_less_uniform"),
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

/// Drawn nonzeros: each has a bucket and a code, a number and a sign.
#[derive(Debug)]
struct Nonzeros {
    buckets: Buffer<u32>,
    codes: Buffer<u32>,
}

impl Nonzeros {
    /// Room for `count`.
    fn new(device: &Device, count: usize) -> Result<Self, GpuError> {
        Ok(Self { buckets: Buffer::uninitialized(device, count)?, codes: Buffer::uninitialized(device, count)? })
    }
}

/// The codes of each bucket in ascending order. They replace the buckets.
#[derive(Debug)]
struct Lists {
    /// `size` + 1, each where a list starts.
    starts: Buffer<u32>,
    size: usize,
    slots: Buffer<u32>,
    unsorted: Buffer<u32>,
}

impl Lists {
    /// Room for the lists of `count` nonzeros in `size` buckets.
    fn new(device: &Device, count: usize, size: usize) -> Result<Self, GpuError> {
        Ok(Self {
            starts: Buffer::uninitialized(device, size + 1)?,
            size,
            slots: Buffer::uninitialized(device, count)?,
            unsorted: Buffer::uninitialized(device, count)?,
        })
    }

    /// Sorts the first `count` nonzeros. `nonzeros.buckets` holds the lists afterwards.
    fn build<T: DeviceReal>(&mut self, nonzeros: &mut Nonzeros, count: usize) -> Result<(), GpuError> {
        launch!(
            self.starts.device(),
            T,
            KERNELS.kernel("build_lists"),
            block_each(1, LIST_THREADS as u32),
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
