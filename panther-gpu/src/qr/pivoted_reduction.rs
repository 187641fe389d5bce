//! Pivoted reduction of a matrix to R and reflectors: all pivots at once, or blocks of them from sketches.

use panther_linalg::PivotedQrOptions;
use panther_sketch::Distribution;
use panther_sketch::seed::{Purpose, derive};

use crate::gemm::product::multiplied;
use crate::matrix::entries::upper_triangle;
use crate::matrix::norms::{frobenius, row_energies};
use crate::matrix::permute::gather_columns;
use crate::qr::column_pivoting::{column_pivoted_qr, fits};
use crate::qr::householder::{apply_q_transpose, form_q, householder, householder_qr, is_split};
use crate::runtime::kernel::{Constant, KernelFile, kernel_file};
use crate::runtime::launch::{block_each, grid_over, launch};
use crate::{Buffer, Device, DeviceReal, DeviceSketch, GpuError, Matrix};

pub(crate) const KERNELS: KernelFile =
    kernel_file!("qr/pivoted_reduction").with(&[Constant::u32("MAX_PIVOTS", MAX_BLOCK)]);

/// Pivots that are chosen from one sketch where the matrix does not fit into shared memory: enough for products to be fast, and as
/// many as can change places at once. Fewer where columns are so many that the sketch would not fit either.
const MIN_BLOCK: usize = 128;
const MAX_BLOCK: usize = 1024;

/// A matrix after reduction.
pub(crate) struct Reduced<T> {
    factors: Factors<T>,
    pub(crate) permutation: Buffer<i32>,
    pub(crate) rank: usize,
    pub(crate) sketches: usize,
}

enum Factors<T> {
    /// R on and above the diagonal of `work`, the reflectors below it.
    Reflectors { work: Matrix<T>, tau: Buffer<T> },
    /// Q with the leading columns of the result, and R with its leading rows.
    Explicit { q: Matrix<T>, r: Matrix<T> },
}

impl<T: DeviceReal> Reduced<T> {
    /// R, rank×n.
    pub(crate) fn r(&self) -> Result<Matrix<T>, GpuError> {
        match &self.factors {
            Factors::Reflectors { work, .. } => upper_triangle(work.as_ref().subrows(0, self.rank)),
            Factors::Explicit { r, .. } => r.as_ref().subrows(0, self.rank).to_owned(),
        }
    }

    /// Q, m×rank.
    pub(crate) fn q(&self) -> Result<Matrix<T>, GpuError> {
        match &self.factors {
            Factors::Reflectors { work, tau } => {
                let mut q = work.as_ref().subcols(0, self.rank).to_owned()?;
                form_q(q.as_mut(), tau, self.rank)?;
                Ok(q)
            }
            Factors::Explicit { q, .. } => q.as_ref().subcols(0, self.rank).to_owned(),
        }
    }
}

/// Refuses an m×n matrix of which not even a sketch for a single pivot fits into shared memory.
pub(crate) fn check_size<T: DeviceReal>(
    device: &Device,
    (m, n): (usize, usize),
    options: &PivotedQrOptions,
) -> Result<(), GpuError> {
    if fits::<T>(device, m.min(n), n)? || fits::<T>(device, sketch_rows(1, m, options), n)? {
        return Ok(());
    }
    // The most columns that fit: by halving, as more of them never fit better.
    let (mut limit, mut beyond) = (0, n);
    while beyond - limit > 1 {
        let middle = limit.midpoint(beyond);
        if fits::<T>(device, sketch_rows(1, m, options), middle)? { limit = middle } else { beyond = middle }
    }
    Err(GpuError::TooLarge { operation: "pivoted_qr", argument: "columns of a", limit, got: n })
}

/// Reduces `work`, whose entries are about one or smaller, until what is left is at most `tolerance`.
pub(crate) fn reduce<T: DeviceReal>(
    work: Matrix<T>,
    tolerance: f64,
    options: &PivotedQrOptions,
) -> Result<Reduced<T>, GpuError> {
    let (m, n) = (work.nrows(), work.ncols());
    let small = fits::<T>(work.device(), m.min(n), n)?;
    if small { classical(work, tolerance) } else { blocked(work, tolerance, options) }
}

/// Pivots of A, or of R for tall A, all at once; then Householder QR in their order.
fn classical<T: DeviceReal>(work: Matrix<T>, tolerance: f64) -> Result<Reduced<T>, GpuError> {
    let device = work.device().clone();
    let (m, n) = (work.nrows(), work.ncols());
    if is_split(m, n) {
        return classical_of_split(work, tolerance);
    }
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
    Ok(Reduced { factors: Factors::Reflectors { work, tau }, permutation: pivoted.permutation, rank, sketches: 0 })
}

/// As [`classical`], of a matrix that is too large for reflectors of all of its rows: Q is that of blocks of rows times that of their R.
fn classical_of_split<T: DeviceReal>(work: Matrix<T>, tolerance: f64) -> Result<Reduced<T>, GpuError> {
    let shape = format!("{}×{}", work.nrows(), work.ncols());
    let (q, r) = householder_qr(work)?;
    let pivoted = column_pivoted_qr(r.as_ref(), r.ncols(), tolerance)?
        .ok_or_else(|| GpuError::shape("pivoted_qr", "a", "a matrix whose R fits into shared memory", shape))?;
    let rank = pivoted.rank;
    let q = multiplied(T::ONE, q.as_ref(), pivoted.q()?.as_ref().subcols(0, rank))?;
    let factors = Factors::Explicit { q, r: pivoted.r };
    Ok(Reduced { factors, permutation: pivoted.permutation, rank, sketches: 0 })
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
fn blocked<T: DeviceReal>(work: Matrix<T>, tolerance: f64, options: &PivotedQrOptions) -> Result<Reduced<T>, GpuError> {
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
        let width = block_width::<T>(&device, rows, columns, options)?;
        // 1. A sketch of what is left, and its pivots.
        sketches += 1;
        let rest = state.work.as_ref().subcols(state.steps, columns).subrows(state.steps, rows);
        let d = sketch_rows(width, rows, options);
        let sketch = if d == rows {
            rest.to_owned()?
        } else {
            let seed = derive(options.seed, Purpose::Pivots, sketches as u64);
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
    Ok(Reduced { factors: Factors::Reflectors { work, tau }, permutation, rank, sketches })
}

/// Rows of a sketch that `width` pivots are chosen from: an eighth and eight beyond them, or more where the options say so.
fn sketch_rows(width: usize, rows: usize, options: &PivotedQrOptions) -> usize {
    width.saturating_add(options.oversampling.max(width / 8 + 8)).min(rows)
}

/// How many pivots are chosen from one sketch of rows×columns that are left.
fn block_width<T: DeviceReal>(
    device: &Device,
    rows: usize,
    columns: usize,
    options: &PivotedQrOptions,
) -> Result<usize, GpuError> {
    let mut width = options.block_size.clamp(MIN_BLOCK, MAX_BLOCK).min(rows).min(columns);
    while width > 1 && !fits::<T>(device, sketch_rows(width, rows, options), columns)? {
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
            block_each(1, 32),
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
