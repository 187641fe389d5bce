//! The exact SVD of a small matrix: pivoted QR and one-sided Jacobi rotations, a launch each.

use cudarc::driver::LaunchConfig;
use panther_linalg::rules::power_of_two;
use panther_linalg::{LinalgError, PivotedQrOptions};

use crate::buffer::Buffer;
use crate::column_pivoting::column_pivoted_qr;
use crate::kernel::{KernelFile, grid_over, kernel_file, launch};
use crate::magnitude::scaled_copy;
use crate::orthonormal::{complete, multiplied};
use crate::pivoted_qr::reduce;
use crate::small::{block_each, frobenius, identity, scatter_rows};
use crate::solver::householder_qr;
use crate::{Device, DeviceReal, GpuError, Matrix, MatrixRef};

const KERNELS: KernelFile = kernel_file!("jacobi");

const THREADS: u32 = 512;

/// Blocks of a cluster.
const CLUSTER: usize = 16;

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
/// sweeps of 12·n³ operations. σ is exact to about ε·σ₁ or better, U and V are orthonormal to O(r·ε).
pub(crate) fn thin_svd<T: DeviceReal>(
    operation: &'static str,
    a: MatrixRef<'_, T>,
    exponent: i32,
) -> Result<Svd<T>, GpuError> {
    if a.nrows() < a.ncols() {
        let Svd { u, s, v } = thin_svd(operation, a.t(), exponent)?;
        return Ok(Svd { u: v, s, v: u });
    }
    let Svd { u, mut s, v } = tall_svd(operation, scaled_copy(a, -exponent)?)?;
    let (first, second) = (T::from_f64(power_of_two(exponent / 2)), T::from_f64(power_of_two(exponent - exponent / 2)));
    for s in &mut s {
        *s = *s * first * second;
    }
    Ok(Svd { u, s, v })
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
        return from_factors(operation, &pivoted.q()?, &pivoted.r, pivoted.ends.0, &pivoted.permutation);
    }
    let (q, r) = householder_qr(a)?;
    if let Some(pivoted) = column_pivoted_qr(r.as_ref(), n, 0.0)? {
        let Svd { u, s, v } = from_factors(operation, &pivoted.q()?, &pivoted.r, pivoted.ends.0, &pivoted.permutation)?;
        return Ok(Svd { u: multiplied(T::ONE, q.as_ref(), u.as_ref())?, s, v });
    }
    let reduced = reduce(r, 0.0, &PivotedQrOptions::default())?;
    let r = reduced.r()?;
    let Svd { u, s, v } = from_factors(operation, &reduced.q()?, &r, frobenius(r.as_ref())?, &reduced.permutation)?;
    let u = complete(multiplied(T::ONE, q.as_ref(), u.as_ref())?, n, 0)?;
    let mut s = s;
    s.resize(n, T::ZERO);
    Ok(Svd { u, s, v: complete(v, n, 1)? })
}

/// The SVD of A from A·P = Q·R, R r×n, whose longest row is about as long as `scale`: with Rᵀ·V = U·Σ it is
/// Q·V·Σ·(P·U)ᵀ.
fn from_factors<T: DeviceReal>(
    operation: &'static str,
    q: &Matrix<T>,
    r: &Matrix<T>,
    scale: f64,
    permutation: &Buffer<i32>,
) -> Result<Svd<T>, GpuError> {
    let Svd { u, s, v } = jacobi_svd(operation, r.as_ref().t().to_owned()?, scale)?;
    Ok(Svd { u: multiplied(T::ONE, q.as_ref(), v.as_ref())?, s, v: scatter_rows(&u, permutation)? })
}

/// How the columns are dealt out: columns of a block, and thread blocks, one for every two blocks.
fn deal<T: DeviceReal>(device: &Device, rows: usize, n: usize) -> Option<(usize, usize, bool)> {
    let room = device.shared_bytes() as usize - 1024;
    let fits = |width: usize| 2 * width * rows * size_of::<T>() <= room;
    // A cluster's barrier is cheaper than the device's.
    let width = n.div_ceil(2 * CLUSTER).max(1);
    if device.has_clusters() && width <= 16 && fits(width) {
        return Some((width, CLUSTER, true));
    }
    let width = n.div_ceil(2 * device.multiprocessors() as usize).max(8).min(n.div_ceil(2).max(1));
    let width = if fits(width) { width } else { n.div_ceil(2 * device.multiprocessors() as usize).max(1) };
    fits(width).then(|| (width, n.div_ceil(2 * width), false))
}

/// Part of ε·σ₁ below which a column is rounding errors, without a direction of its own.
const NOISE: f64 = 1.0 / 16.0;

/// Rotates the columns of `x`, m×n with m ≥ n, until they are orthogonal, but for those that are far below ε·`scale`.
fn jacobi_svd<T: DeviceReal>(operation: &'static str, mut x: Matrix<T>, scale: f64) -> Result<Svd<T>, GpuError> {
    let device = x.device().clone();
    let (m, n) = (x.nrows(), x.ncols());
    let Some((width, blocks, clustered)) = deal::<T>(&device, m + n, n) else {
        return Err(GpuError::shape(
            operation,
            "a",
            "a matrix two columns of which fit into shared memory",
            format!("{m}×{n}"),
        ));
    };
    let mut v = identity::<T>(&device, n)?;
    let changed = Buffer::<i32>::zeros(&device, MOST_SWEEPS as usize)?;
    let sweeps = Buffer::<i32>::zeros(&device, 1)?;
    let counter = Buffer::<u32>::zeros(&device, 1)?;
    let tolerance = T::EPSILON * T::from_f64((m as f64).sqrt());
    let noise = NOISE * T::EPSILON.to_f64() * scale;
    let floor = T::from_f64(noise * noise);
    let config = LaunchConfig {
        grid_dim: (blocks as u32, 1, 1),
        block_dim: (THREADS, 1, 1),
        shared_mem_bytes: (2 * width * (m + n) * size_of::<T>()) as u32,
    };
    let (xp, vp) = (x.as_mut().place.pointer, v.as_mut().place.pointer);
    let kernel = KERNELS.kernel(if clustered { "orthogonalize_cluster" } else { "orthogonalize_grid" });
    if clustered {
        kernel.allow_large_cluster(&device.function::<T>(kernel)?)?;
    }
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
        n as u32,
        width as u32,
        tolerance,
        floor,
        changed.pointer(),
        sweeps.pointer(),
        counter.pointer(),
    )?;
    sorted(operation, x, v, noise, &sweeps)
}

/// σ from the lengths of the columns, descending, and the columns in that order and of unit length.
fn sorted<T: DeviceReal>(
    operation: &'static str,
    x: Matrix<T>,
    v: Matrix<T>,
    noise: f64,
    sweeps: &Buffer<i32>,
) -> Result<Svd<T>, GpuError> {
    let device = x.device().clone();
    let (m, n) = (x.nrows(), x.ncols());
    let lengths = Buffer::<f64>::zeros(&device, 2 * n)?;
    for (matrix, rows, first) in [(&x, m, 0), (&v, n, n)] {
        launch!(
            device,
            T,
            KERNELS.kernel("column_norms"),
            block_each(n, 128),
            matrix.as_ref().place.pointer,
            rows as u64,
            rows as u64,
            lengths.at(first)
        )?;
    }
    let lengths = lengths.to_host()?;
    if sweeps.to_host()?[0] >= MOST_SWEEPS {
        return Err(LinalgError::NoConvergence { operation, shape: (m, n) }.into());
    }
    let (of_x, of_v) = lengths.split_at(n);
    // What rounding did to the lengths of v it did to those of x.
    let sigma: Vec<f64> = of_x.iter().zip(of_v).map(|(x, v)| x / v).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| sigma[j].total_cmp(&sigma[i]));
    // Shorter columns may not have been rotated.
    let least = 2.0 * noise;
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
        out.as_mut().place.pointer,
        m as u64,
        x.as_ref().place.pointer,
        m as u64,
        columns.pointer(),
        factors.pointer(),
        m as u64,
        n as u64,
    )?;
    Ok(out)
}
