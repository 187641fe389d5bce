//! The exact SVD of a small matrix: pivoted QR and one-sided Jacobi rotations, a launch each.

use cudarc::driver::LaunchConfig;
use panther_linalg::rules::power_of_two;
use panther_linalg::{LinalgError, PivotedQrOptions};

use crate::buffer::Buffer;
use crate::column_pivoting::column_pivoted_qr;
use crate::kernel::{Kernel, KernelFile, grid_over, kernel_file, launch};
use crate::magnitude::scaled_copy;
use crate::orthonormal::{complete, multiplied};
use crate::pivoted_qr::reduce;
use crate::small::{block_each, identity, scatter_rows};
use crate::solver::householder_qr;
use crate::{Device, DeviceReal, GpuError, Matrix, MatrixRef};

const KERNELS: KernelFile = kernel_file!("jacobi");

const THREADS: u32 = 512;

/// As in the kernel.
const MOST_SWEEPS: i32 = 40;

/// A = U·diag(s)·Vᵀ, σ descending.
pub(crate) struct Svd<T> {
    pub(crate) u: Matrix<T>,
    pub(crate) s: Vec<T>,
    pub(crate) v: Matrix<T>,
}

/// The thin SVD of `a`, whose entries times 2^−exponent are about one or smaller: U m×r, V n×r, r = min(m, n).
///
/// Pivoted QR, then rotations of the columns of Rᵀ, which are nearly orthogonal already (Drmač and Veselić 2008): some 10
/// sweeps of 8·n³ operations. σ is exact to about ε·σ₁ or better, U and V are orthonormal to O(r·ε).
pub(crate) fn thin_svd<T: DeviceReal>(
    operation: &'static str,
    a: MatrixRef<'_, T>,
    exponent: i32,
) -> Result<Svd<T>, GpuError> {
    if a.nrows() < a.ncols() {
        let Svd { u, s, v } = thin_svd(operation, a.t(), exponent)?;
        return Ok(Svd { u: v, s, v: u });
    }
    scaled_back(tall_svd(operation, scaled_copy(a, -exponent)?)?, exponent)
}

/// As [`thin_svd`] for the T of AᵀQ = W·T, L×K with L ≤ K: its rows fall off as they were found, so that those of T are rotated at
/// once, and it need not be pivoted first.
pub(crate) fn projected_svd<T: DeviceReal>(
    operation: &'static str,
    t: MatrixRef<'_, T>,
    exponent: i32,
) -> Result<Svd<T>, GpuError> {
    if t.nrows() == 0 {
        return thin_svd(operation, t.t(), exponent);
    }
    match jacobi_svd(operation, scaled_copy(t.t(), -exponent)?) {
        Ok(svd) => scaled_back(svd, exponent),
        // Where rows are in no order there may be too many sweeps, and where they are long they do not fit.
        Err(GpuError::Linalg(LinalgError::NoConvergence { .. }) | GpuError::Shape { .. }) => {
            thin_svd(operation, t.t(), exponent)
        }
        Err(error) => Err(error),
    }
}

/// With σ·2^exponent.
fn scaled_back<T: DeviceReal>(mut svd: Svd<T>, exponent: i32) -> Result<Svd<T>, GpuError> {
    let (first, second) = (T::from_f64(power_of_two(exponent / 2)), T::from_f64(power_of_two(exponent - exponent / 2)));
    for s in &mut svd.s {
        *s = *s * first * second;
    }
    Ok(svd)
}

fn tall_svd<T: DeviceReal>(operation: &'static str, a: Matrix<T>) -> Result<Svd<T>, GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    if n == 0 {
        let nothing = |rows| Matrix::zeros(a.device(), rows, 0);
        return Ok(Svd { u: nothing(m)?, s: Vec::new(), v: nothing(0)? });
    }
    if m < 2 * n
        && let Some(pivoted) = column_pivoted_qr(a.as_ref(), n, 0.0)?
    {
        return from_factors(operation, &pivoted.q()?, &pivoted.r, &pivoted.permutation);
    }
    let (q, r) = householder_qr(a)?;
    if let Some(pivoted) = column_pivoted_qr(r.as_ref(), n, 0.0)? {
        let Svd { u, s, v } = from_factors(operation, &pivoted.q()?, &pivoted.r, &pivoted.permutation)?;
        return Ok(Svd { u: multiplied(T::ONE, q.as_ref(), u.as_ref())?, s, v });
    }
    let reduced = reduce(r, 0.0, &PivotedQrOptions::default())?;
    let r = reduced.r()?;
    let Svd { u, s, v } = from_factors(operation, &reduced.q()?, &r, &reduced.permutation)?;
    let u = complete(multiplied(T::ONE, q.as_ref(), u.as_ref())?, n, 0)?;
    let mut s = s;
    s.resize(n, T::ZERO);
    Ok(Svd { u, s, v: complete(v, n, 1)? })
}

/// The SVD of A from A·P = Q·R, R r×n: with Rᵀ·V = U·Σ it is Q·V·Σ·(P·U)ᵀ.
fn from_factors<T: DeviceReal>(
    operation: &'static str,
    q: &Matrix<T>,
    r: &Matrix<T>,
    permutation: &Buffer<i32>,
) -> Result<Svd<T>, GpuError> {
    let Svd { u, s, v } = jacobi_svd(operation, r.as_ref().t().to_owned()?)?;
    Ok(Svd { u: multiplied(T::ONE, q.as_ref(), v.as_ref())?, s, v: scatter_rows(&u, permutation)? })
}

/// How the columns are dealt out.
struct Deal {
    kernel: Kernel,
    /// Columns of a block.
    width: usize,
    /// Pairs of blocks.
    tables: usize,
    /// Thread blocks, one for each pair, or as many as the device runs.
    thread_blocks: usize,
    /// They are one cluster.
    clustered: bool,
    shared_bytes: usize,
}

/// As in the kernel: columns of a block, a warp for each, and rows of a part.
const MOST_WIDTH: usize = 16;
const PART: usize = 256;

/// The smallest cluster that has room: its barrier is cheaper than the device's, and a round of the tournament takes longer than ten
/// columns of a block to rotate, so that few columns want few rounds. Where all columns do not fit at once, blocks as wide as can be take
/// turns. `None` where two columns do not fit.
fn deal<T: DeviceReal>(device: &Device, m: usize, n: usize) -> Result<Option<Deal>, GpuError> {
    // A column in whole parts, a column of rotations, and the norm.
    let bytes = (m.next_multiple_of(PART) + 32 + 1) * size_of::<T>();
    let with = |kernel, width: usize, tables: usize, clustered| {
        let shared_bytes = 2 * width * bytes;
        let fits = width <= MOST_WIDTH && shared_bytes + 1024 <= device.shared_bytes() as usize;
        let thread_blocks = tables.min(device.multiprocessors() as usize);
        fits.then_some(Deal { kernel, width, tables, thread_blocks, clustered, shared_bytes })
    };
    for (name, blocks) in [("orthogonalize_4", 4), ("orthogonalize_16", 16)] {
        let kernel = KERNELS.kernel(name);
        let deal = with(kernel, n.div_ceil(2 * blocks).max(1), blocks, true);
        if deal.is_some() && device.runs_cluster::<T>(kernel, blocks as u32, THREADS)? {
            return Ok(deal);
        }
    }
    let least = n.div_ceil(2 * device.multiprocessors() as usize).max(1);
    let with = |width: usize| with(KERNELS.kernel("orthogonalize_grid"), width, n.div_ceil(2 * width), false);
    Ok(with(least.max(8)).or_else(|| with(least)).or_else(|| (1..=MOST_WIDTH).rev().find_map(with)))
}

/// Part of ε·σ₁ below which a column is rounding errors, without a direction of its own. The kernel's, of the longest column,
/// is not above it.
const NOISE: f64 = 1.0 / 16.0;

/// Rotates the columns of `x`, m×n with m ≥ n, until they are orthogonal, but for those that are far below ε·σ₁.
fn jacobi_svd<T: DeviceReal>(operation: &'static str, mut x: Matrix<T>) -> Result<Svd<T>, GpuError> {
    let device = x.device().clone();
    let (m, n) = (x.nrows(), x.ncols());
    let Some(Deal { kernel, width, tables, thread_blocks, clustered, shared_bytes }) = deal::<T>(&device, m, n)? else {
        return Err(GpuError::shape(
            operation,
            "a",
            "a matrix two columns of which fit into shared memory",
            format!("{m}×{n}"),
        ));
    };
    let mut v = identity::<T>(&device, n)?;
    let changed = Buffer::<i32>::zeros(&device, MOST_SWEEPS as usize)?;
    let largest = Buffer::<u64>::zeros(&device, 1)?;
    // The lengths of the columns of x and v, and the number of sweeps.
    let report = Buffer::<f64>::zeros(&device, 2 * n + 1)?;
    let counter = Buffer::<u32>::zeros(&device, 1)?;
    let tolerance = T::EPSILON * T::from_f64((m as f64).sqrt());
    let config = LaunchConfig {
        grid_dim: (thread_blocks as u32, 1, 1),
        block_dim: (THREADS, 1, 1),
        shared_mem_bytes: shared_bytes as u32,
    };
    let (xp, vp) = (x.as_mut().place().pointer, v.as_mut().place().pointer);
    launch!(
        device,
        T,
        kernel,
        config,
        cooperative: !clustered,
        xp,
        m as u64,
        m as u32,
        n as u32,
        vp,
        n as u64,
        width as u32,
        tables as u32,
        tolerance,
        changed.pointer(),
        largest.pointer(),
        report.at(2 * n),
        counter.pointer(),
    )?;
    sorted(operation, x, v, &report)
}

/// σ from the lengths of the columns, descending, and the columns in that order and of unit length.
fn sorted<T: DeviceReal>(
    operation: &'static str,
    x: Matrix<T>,
    v: Matrix<T>,
    report: &Buffer<f64>,
) -> Result<Svd<T>, GpuError> {
    let device = x.device().clone();
    let (m, n) = (x.nrows(), x.ncols());
    for (matrix, rows, first) in [(&x, m, 0), (&v, n, n)] {
        launch!(
            device,
            T,
            KERNELS.kernel("column_norms"),
            block_each(n, 128),
            matrix.as_ref().place().pointer,
            rows as u64,
            rows as u64,
            report.at(first)
        )?;
    }
    let report = report.to_host()?;
    if report[2 * n] >= f64::from(MOST_SWEEPS) {
        return Err(LinalgError::NoConvergence { operation, shape: (m, n) }.into());
    }
    let (of_x, of_v) = report[..2 * n].split_at(n);
    // What rounding did to the lengths of v it did to those of x.
    let sigma: Vec<f64> = of_x.iter().zip(of_v).map(|(x, v)| x / v).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| sigma[j].total_cmp(&sigma[i]));
    // Shorter columns may not have been rotated.
    let least = 2.0 * NOISE * T::EPSILON.to_f64() * order.first().map_or(0.0, |&j| sigma[j]);
    let known = order.iter().take_while(|&&j| sigma[j] > least).count();
    let columns: Vec<i32> = order.iter().map(|&j| j as i32).collect();
    let inverse = |lengths: &[f64]| -> Vec<f64> {
        order.iter().map(|&j| if lengths[j] > 0.0 { 1.0 / lengths[j] } else { 0.0 }).collect()
    };
    let u = gather_scaled(&x, &columns, &inverse(of_x))?.truncated(known);
    let v = gather_scaled(&v, &columns, &inverse(of_v))?;
    let s = order.iter().map(|&j| if sigma[j] > least { T::from_f64(sigma[j]) } else { T::ZERO }).collect();
    Ok(Svd { u: complete(u, n, 0)?, s, v })
}

fn gather_scaled<T: DeviceReal>(x: &Matrix<T>, columns: &[i32], factors: &[f64]) -> Result<Matrix<T>, GpuError> {
    let device = x.device();
    let (m, n) = (x.nrows(), columns.len());
    let mut out = Matrix::uninitialized(device, m, n)?;
    let columns = Buffer::from_host(device, columns)?;
    let factors = Buffer::from_host(device, factors)?;
    launch!(
        device,
        T,
        KERNELS.kernel("gather_scaled"),
        grid_over(m * n, 256),
        out.as_mut().place().pointer,
        m as u64,
        x.as_ref().place().pointer,
        m as u64,
        columns.pointer(),
        factors.pointer(),
        m as u64,
        n as u64,
    )?;
    Ok(out)
}
