//! Pivoted QR of any matrix on a device.

use panther_linalg::rules::{derive_seed, rank_tolerance};
use panther_linalg::{LinalgError, PivotedQr, PivotedQrOptions, QrFallback};
use panther_sketch::Distribution;

use crate::column_pivoting::{column_pivoted_qr, fits};
use crate::kernel::{KernelFile, grid_over, kernel_file, launch};
use crate::magnitude::{magnitude, scaled_copy};
use crate::probe::{Residual, measure_orthogonality, measure_residual};
use crate::sketch::DeviceSketch;
use crate::small::{frobenius, gather_columns, rescale, row_energies, upper_triangle};
use crate::solver::{apply_q_transpose, form_q, householder, householder_qr};
use crate::{Buffer, Device, DeviceReal, GpuError, Matrix, MatrixRef};

const KERNELS: KernelFile = kernel_file!("small");

/// Pivots that are chosen from one sketch where the matrix does not fit into shared memory: enough for products to be fast. Fewer
/// where columns are so many that the sketch would not fit either.
const BLOCK: usize = 128;

/// A\[:, P\] ≈ Q R on a device, with the diagnostics of [`PivotedQr`].
#[derive(Debug)]
pub struct DevicePivotedQr<T> {
    /// Orthonormal columns, m×rank.
    pub q: Matrix<T>,
    /// Upper triangular (trapezoidal if rank < n), rank×n, zeros stored below the diagonal.
    pub r: Matrix<T>,
    /// P, n numbers: column j of QR is column `permutation[j]` of A.
    pub permutation: Buffer<i32>,
    /// Numerical rank.
    pub rank: usize,
    /// ‖A\[:, P\] − QR‖_F is at most this, but for [`failure_probability`](Self::failure_probability).
    pub error_estimate: f64,
    /// As in [`PivotedQr`].
    pub failure_probability: f64,
    /// ‖A‖_F.
    pub norm: f64,
    /// ‖QᵀQ − I‖_F, estimated from random vectors (unbiased in the square).
    pub orthogonality: f64,
    /// How many sketches were drawn.
    pub sketches: usize,
    /// Passes over A.
    pub passes: usize,
    /// What was fallen back to.
    pub fallback: QrFallback,
}

impl<T: DeviceReal> DevicePivotedQr<T> {
    /// A copy on the host.
    ///
    /// # Errors
    /// [`GpuError::Call`].
    pub fn to_host(&self) -> Result<PivotedQr<T>, GpuError> {
        Ok(PivotedQr {
            q: self.q.to_host()?,
            r: self.r.to_host()?,
            permutation: self.permutation.to_host()?.into_iter().map(|j| j as usize).collect(),
            rank: self.rank,
            error_estimate: self.error_estimate,
            failure_probability: self.failure_probability,
            norm: self.norm,
            orthogonality: self.orthogonality,
            sketches: self.sketches,
            passes: self.passes,
            fallback: self.fallback,
            scalar: std::marker::PhantomData,
        })
    }
}

/// A\[:, P\] = Q R of any matrix on the device that holds it: promises, rank rule and diagnostics of
/// [`panther_linalg::pivoted_qr()`].
///
/// Where A, or for tall A the R of its unpivoted QR, fits into the device's shared memory (29 MB on an H100: 2500 columns of f32),
/// the pivots are those of classical pivoting, chosen in one launch. Larger ones are chosen 128 at a time from Gaussian
/// sketches, and fewer beyond 50000 columns of f32; `options.block_size` is for the CPU. The rest is Householder QR through cuSOLVER.
///
/// # Errors
/// Those of [`panther_linalg::pivoted_qr()`] as [`GpuError::Linalg`], [`GpuError::Shape`] where not even a sketch of nine rows fits into
/// shared memory (700000 columns of f32 on an H100), and [`GpuError::OutOfMemory`], [`GpuError::Call`].
pub fn pivoted_qr<T: DeviceReal>(
    a: MatrixRef<'_, T>,
    options: &PivotedQrOptions,
) -> Result<DevicePivotedQr<T>, GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    if m == 0 || n == 0 {
        return Err(LinalgError::Empty { argument: "a", shape: (m, n) }.into());
    }
    if options.block_size == 0 {
        let high = m.min(n);
        return Err(LinalgError::OutOfRange { argument: "block_size", low: 1, high, got: 0 }.into());
    }
    let relative = rank_tolerance::<T>(options.rank_tolerance, m, n)?;
    let size = magnitude("a", a)?;
    let work = scaled_copy(a, -size.exponent)?;
    let reduced = reduce(work.try_clone()?, relative * size.frobenius, options)?;
    let (q, mut r) = (reduced.q()?, reduced.r()?);
    let Residual { error_estimate, failure_probability } = measure_residual(
        work.as_ref(),
        (size.frobenius, size.exponent),
        &reduced.permutation,
        q.as_ref(),
        r.as_ref(),
        options.seed,
    )?;
    let orthogonality = measure_orthogonality(q.as_ref(), options.seed)?;
    rescale("R", r.as_mut(), size.exponent)?;
    Ok(DevicePivotedQr {
        rank: reduced.rank,
        q,
        r,
        permutation: reduced.permutation,
        error_estimate,
        failure_probability,
        norm: size.norm(),
        orthogonality,
        sketches: reduced.sketches,
        passes: 3,
        fallback: QrFallback::None,
    })
}

/// A matrix after reduction: R on and above the diagonal of `work`, the reflectors below it.
pub(crate) struct Reduced<T> {
    work: Matrix<T>,
    tau: Buffer<T>,
    pub(crate) permutation: Buffer<i32>,
    pub(crate) rank: usize,
    pub(crate) sketches: usize,
}

impl<T: DeviceReal> Reduced<T> {
    /// R, rank×n.
    pub(crate) fn r(&self) -> Result<Matrix<T>, GpuError> {
        upper_triangle(self.work.as_ref().subrows(0, self.rank))
    }

    /// Q, m×rank.
    pub(crate) fn q(&self) -> Result<Matrix<T>, GpuError> {
        let mut q = self.work.as_ref().subcols(0, self.rank).to_owned()?;
        form_q(q.as_mut(), &self.tau, self.rank)?;
        Ok(q)
    }
}

/// Reduces `work`, whose entries are about one or smaller, until what is left is at most `tolerance`.
pub(crate) fn reduce<T: DeviceReal>(
    work: Matrix<T>,
    tolerance: f64,
    options: &PivotedQrOptions,
) -> Result<Reduced<T>, GpuError> {
    let (m, n) = (work.nrows(), work.ncols());
    let small = fits::<T>(work.device(), m.min(n), n)?;
    if small { classical(work, tolerance) } else { blocked(work, tolerance, options.seed) }
}

/// Pivots of A, or of R for tall A, all at once; then Householder QR in their order.
fn classical<T: DeviceReal>(work: Matrix<T>, tolerance: f64) -> Result<Reduced<T>, GpuError> {
    let device = work.device().clone();
    let (m, n) = (work.nrows(), work.ncols());
    let compressed = if m > n { householder_qr(work.try_clone()?)?.1 } else { work.try_clone()? };
    let most = m.min(n);
    let pivoted = column_pivoted_qr(compressed.as_ref(), most, tolerance)?.ok_or_else(|| {
        GpuError::shape("pivoted_qr", "a", "a matrix that fits into shared memory", format!("{m}×{n}"))
    })?;
    let mut work = gather_columns(work.as_ref(), &pivoted.permutation, 0, n)?;
    let rank = pivoted.rank;
    let tau = Buffer::zeros(&device, most.max(1))?;
    let reflectors = factor_leading(&mut work, &tau, 0, rank)?;
    debug_assert_eq!(reflectors, rank);
    Ok(Reduced { work, tau, permutation: pivoted.permutation, rank, sketches: 0 })
}

/// Householder QR of the `width` columns from row and column `start` on, applied to the columns right of them.
fn factor_leading<T: DeviceReal>(
    work: &mut Matrix<T>,
    tau: &Buffer<T>,
    start: usize,
    width: usize,
) -> Result<usize, GpuError> {
    let (m, n) = (work.nrows(), work.ncols());
    let rows = m - start;
    householder(work.as_mut().subcols(start, width).subrows(start, rows), tau, start)?;
    let right = start + width;
    if right < n && width > 0 {
        let panel = work.as_ref().subcols(start, width).subrows(start, rows).to_owned()?;
        apply_q_transpose(work.as_mut().subcols(right, n - right).subrows(start, rows), panel.as_ref(), tau, start)?;
    }
    Ok(width.min(rows))
}

/// Blocks of pivots from sketches of what is left (Martinsson, Quintana-Ortí, Heavner and van de Geijn 2017). The host learns
/// of each block how many pivots it has, and what is left after it.
fn blocked<T: DeviceReal>(work: Matrix<T>, tolerance: f64, seed: u64) -> Result<Reduced<T>, GpuError> {
    let device = work.device().clone();
    let (m, n) = (work.nrows(), work.ncols());
    let most = m.min(n);
    let identity: Vec<i32> = (0..n as i32).collect();
    let mut state = Blocked {
        work,
        tau: Buffer::zeros(&device, most)?,
        permutation: Buffer::from_host(&device, &identity)?,
        steps: 0,
    };
    let mut sketches = 0;
    while state.steps < most && state.left()? > tolerance {
        let (rows, columns) = (m - state.steps, n - state.steps);
        let width = block_width::<T>(&device, rows, columns)?;
        // 1. A sketch of what is left, and its pivots.
        sketches += 1;
        let rest = state.work.as_ref().subcols(state.steps, columns).subrows(state.steps, rows);
        let d = sketch_rows(width, rows);
        let sketch = if d == rows {
            rest.to_owned()?
        } else {
            let seed = derive_seed(seed, sketches as u64);
            DeviceSketch::<T>::new(&device, Distribution::Gaussian, d, rows, seed)?.left(rest)?
        };
        let pivoted = column_pivoted_qr(sketch.as_ref(), width, 0.0)?.ok_or_else(|| {
            GpuError::shape("pivoted_qr", "a", "a matrix whose sketch fits into shared memory", format!("{m}×{n}"))
        })?;
        if pivoted.rank == 0 {
            break;
        }
        // 2. They go first, and are reduced.
        state.bring_forward(&pivoted.permutation, pivoted.rank)?;
        state.steps += factor_leading(&mut state.work, &state.tau, state.steps, pivoted.rank)?;
    }
    // 3. The rank: the smallest k with ‖R[k.., k..]‖_F ≤ tolerance.
    let mut left = state.left()?.powi(2);
    let energies = row_energies(state.work.as_ref().subrows(0, state.steps))?;
    let mut rank = state.steps;
    while rank > 0 && (left + energies[rank - 1]).sqrt() <= tolerance {
        rank -= 1;
        left += energies[rank];
    }
    let Blocked { work, tau, permutation, .. } = state;
    Ok(Reduced { work, tau, permutation, rank, sketches })
}

/// Rows of a sketch that so many pivots are chosen from.
fn sketch_rows(width: usize, rows: usize) -> usize {
    (width + width / 8 + 8).min(rows)
}

/// How many pivots are chosen from one sketch of rows×columns that are left.
fn block_width<T: DeviceReal>(device: &Device, rows: usize, columns: usize) -> Result<usize, GpuError> {
    let mut width = BLOCK.min(rows).min(columns);
    while width > 1 && !fits::<T>(device, sketch_rows(width, rows), columns)? {
        width /= 2;
    }
    Ok(width)
}

struct Blocked<T> {
    work: Matrix<T>,
    tau: Buffer<T>,
    permutation: Buffer<i32>,
    /// Columns reduced so far.
    steps: usize,
}

impl<T: DeviceReal> Blocked<T> {
    /// ‖A\[steps.., steps..\]‖_F.
    fn left(&self) -> Result<f64, GpuError> {
        let (s, m, n) = (self.steps, self.work.nrows(), self.work.ncols());
        if s >= m || s >= n {
            return Ok(0.0);
        }
        frobenius(self.work.as_ref().subcols(s, n - s).subrows(s, m - s))
    }

    /// Columns `pivots[..count]` of those from `steps` on change places with those that stand in front.
    fn bring_forward(&mut self, pivots: &Buffer<i32>, count: usize) -> Result<(), GpuError> {
        let device = self.work.device().clone();
        let m = self.work.nrows();
        let places = Buffer::<i32>::zeros(&device, 2 * count)?;
        let sources = Buffer::<i32>::zeros(&device, 2 * count)?;
        let moved = Buffer::<i32>::zeros(&device, 1)?;
        launch!(
            device,
            T,
            KERNELS.kernel("plan_moves"),
            crate::small::block_each(1, 32),
            pivots.pointer(),
            count as u32,
            places.pointer(),
            sources.pointer(),
            moved.pointer(),
        )?;
        // All are read before any is written.
        let columns = Buffer::<T>::uninitialized(&device, 2 * count * m)?;
        let indices = Buffer::<i32>::uninitialized(&device, 2 * count)?;
        let work = self.work.as_mut().place().pointer + (self.steps * m * size_of::<T>()) as u64;
        for kernel in ["lift_columns", "lay_columns"] {
            launch!(
                device,
                T,
                KERNELS.kernel(kernel),
                grid_over(2 * count * m, 256),
                work,
                m as u64,
                self.permutation.at(self.steps),
                places.pointer(),
                sources.pointer(),
                moved.pointer(),
                columns.pointer(),
                indices.pointer(),
            )?;
        }
        Ok(())
    }
}
