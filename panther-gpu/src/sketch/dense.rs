//! The families with independent entries: S is drawn a block of columns at a time and multiplied.

use panther_sketch::{Distribution, stream};

use crate::gemm::operands::Operands;
use crate::gemm::product::gemm;
use crate::matrix::raw::Place;
use crate::runtime::kernel::{Constant, KernelFile, WARP, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::runtime::pool::Pointer;
use crate::{Buffer, Device, DeviceReal, GpuError, Matrix, MatrixMut, MatrixRef, Precision};

pub(crate) const KERNELS: KernelFile =
    kernel_file!("sketch/dense", "sketch/stream.cuh", "sketch/box_muller.cuh", "sketch/pairs.cuh")
        .with(&[Constant::u64("PHI", panther_sketch::seed::PHI)]);

/// Numbers of S that are held at a time …
const PANEL_NUMBERS: usize = 1 << 24;
/// … unless these many columns have more.
const LEAST_COLUMNS: usize = 32;

/// A dense operator.
#[derive(Debug)]
pub(super) struct Dense {
    d: usize,
    n: usize,
    key: u64,
    drawing: Drawing,
    /// The factor that makes E\[SᵀS\] = I.
    scale: f64,
}

/// A kernel that draws columns, how many a block draws, and the threads that it takes.
#[derive(Clone, Copy, Debug)]
struct Drawing {
    kernel: &'static str,
    columns: usize,
    threads: u32,
}

/// Where columns go that are drawn: entry (i, c) to number i·down + c·right.
#[derive(Clone, Copy, Debug)]
struct Target {
    pointer: Pointer,
    down: usize,
    right: usize,
}

impl Dense {
    pub(super) fn new(family: Distribution, d: usize, n: usize, seed: u64) -> Result<Self, GpuError> {
        let root = (d as f64).sqrt();
        // A column is a thread, and there are few columns for a device.
        let by_threads = |kernel| Drawing { kernel, columns: 64, threads: 64 };
        let (tag, drawing, scale) = match family {
            Distribution::Gaussian => {
                (stream::GAUSSIAN, Drawing { kernel: "draw_gaussian", columns: WARP, threads: 256 }, 1.0 / root)
            }
            Distribution::Rademacher => (stream::RADEMACHER, by_threads("draw_rademacher"), 1.0 / root),
            Distribution::Uniform => (stream::UNIFORM, by_threads("draw_uniform"), 3.0_f64.sqrt() / root),
            other => {
                let got = format!("{other:?}");
                return Err(GpuError::shape("sketch", "distribution", "a family that devices draw", got));
            }
        };
        Ok(Self { d, n, key: stream::family_key(seed, tag), drawing, scale })
    }

    /// Draws `count` columns of S from column `first` on, times `factor`.
    fn draw<T: DeviceReal>(
        &self,
        device: &Device,
        target: Target,
        first: usize,
        count: usize,
        factor: f64,
    ) -> Result<(), GpuError> {
        let Drawing { kernel, columns, threads } = self.drawing;
        launch!(
            device,
            T,
            KERNELS.kernel(kernel),
            grid_over(count.div_ceil(columns) * threads as usize, threads),
            target.pointer,
            target.down as u64,
            target.right as u64,
            self.key,
            first as u64,
            count as u64,
            self.d as u64,
            T::from_f64(self.scale),
            T::from_f64(factor),
        )
    }

    /// Draws S in blocks of columns and hands each on with its first column.
    fn for_each_panel<T: DeviceReal>(
        &self,
        device: &Device,
        mut work: impl FnMut(Place, usize) -> Result<(), GpuError>,
    ) -> Result<(), GpuError> {
        let width = (PANEL_NUMBERS / self.d).max(LEAST_COLUMNS).min(self.n);
        let panel = Buffer::<T>::uninitialized(device, self.d.saturating_mul(width))?;
        let pointer = panel.pointer();
        for first in (0..self.n).step_by(width) {
            let columns = width.min(self.n - first);
            // By rows, so that neighbouring threads, which draw neighbouring columns, write neighbouring numbers.
            self.draw::<T>(device, Target { pointer, down: columns, right: 1 }, first, columns, 1.0)?;
            work(Place { pointer, rows: self.d, columns, stride: columns, row_major: true }, first)?;
        }
        Ok(())
    }

    pub(super) fn left<T: DeviceReal>(&self, out: MatrixMut<'_, T>, a: MatrixRef<'_, T>) -> Result<(), GpuError> {
        self.for_each_panel::<T>(out.device, |panel, first| {
            let rows = a.subrows(first, panel.columns).place();
            let operands = Operands { a: panel, b: rows, c: out.place(), count: 1, strides: [0; 3] };
            let beta = if first == 0 { T::ZERO } else { T::ONE };
            gemm(out.device, Precision::F32, T::ONE, operands, beta)
        })
    }

    pub(super) fn adjoint<T: DeviceReal>(&self, out: MatrixMut<'_, T>, x: MatrixRef<'_, T>) -> Result<(), GpuError> {
        let mut out = out;
        let device = out.device;
        self.for_each_panel::<T>(device, |panel, first| {
            let rows = out.rb_mut().subrows(first, panel.columns).place();
            let operands = Operands { a: panel.t(), b: x.place(), c: rows, count: 1, strides: [0; 3] };
            gemm(device, Precision::F32, T::ONE, operands, T::ZERO)
        })
    }

    /// S itself.
    pub(super) fn put<T: DeviceReal>(&self, s: MatrixMut<'_, T>) -> Result<(), GpuError> {
        let (down, right) = s.place().strides();
        self.draw::<T>(s.device, Target { pointer: s.place().pointer, down, right }, 0, self.n, 1.0)
    }
}

/// n×s with independent N(0, 1) entries, those that panther-linalg measures with: the transposed Gaussian operator of s rows, times √s.
///
/// # Errors
/// [`GpuError::Sketch`] if n or s is 0, [`GpuError::OutOfMemory`], [`GpuError::Call`].
pub fn gaussian_matrix<T: DeviceReal>(device: &Device, n: usize, s: usize, seed: u64) -> Result<Matrix<T>, GpuError> {
    // For its refusals.
    Distribution::Gaussian.operator::<T>(s, n, seed)?;
    let operator = Dense::new(Distribution::Gaussian, s, n, seed)?;
    let mut g = Matrix::uninitialized(device, n, s)?;
    let (down, right) = g.as_mut().t().place().strides();
    let target = Target { pointer: g.as_mut().place().pointer, down, right };
    operator.draw::<T>(device, target, 0, n, (s as f64).sqrt())?;
    Ok(g)
}
