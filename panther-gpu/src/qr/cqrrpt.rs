//! CQRRPT on a device: Cholesky QR with randomization and pivoting for tall matrices (Melnichenko et al., arXiv 2311.08316).

use panther_linalg::rules::{
    DISTORTION, DROPPED, SKETCHES, WELL_CONDITIONED, exponent_of, power_of_two, quantum, rank_tolerance, scaled_back,
    sketch_rows,
};
use panther_linalg::{CqrrptOptions, LinalgError, PivotedQrOptions, QrFallback, ScaledNorm};
use panther_sketch::Distribution;
use panther_sketch::seed::{Purpose, derive};

use crate::gemm::product::multiplied;
use crate::matrix::entries::identity;
use crate::matrix::norms::{frobenius, magnitude};
use crate::matrix::permute::gather_columns;
use crate::matrix::scaling::{NearOne, rescale, scale_by_power};
use crate::qr::cholesky_qr::{cholesky_pass, stabilizing_shift};
use crate::qr::column_pivoting::{Pivoted, column_pivoted_qr};
use crate::qr::error_estimate::{Residual, measure_orthogonality, measure_residual};
use crate::qr::householder::householder_qr;
use crate::qr::pivoted_reduction::reduce;
use crate::qr::triangular::solve_on_the_right;
use crate::{Buffer, DevicePivotedQr, DeviceReal, DeviceSketch, GpuError, Matrix, MatrixRef, pivoted_qr, product};

/// A\[:, P\] ≈ Q R for tall A by a sketch, pivoted QR of the sketch, and Cholesky QR of the preconditioned matrix, on the device
/// that holds A: the algorithm, the draws, the options, the diagnostics and the fallbacks of [`panther_linalg::cqrrpt()`].
///
/// About 3mn² operations in products, 2mn² where the sketch shows A to be well conditioned, and a step of column pivoting a column;
/// memory of one copy of A (its Q). The host reads back a few numbers after each stage: norm, rank, Cholesky factor, measurements.
/// The same bytes come out each time.
///
/// # Errors
/// Those of [`panther_linalg::cqrrpt()`] as [`GpuError::Linalg`], and [`GpuError::OutOfMemory`], [`GpuError::Call`].
pub fn cqrrpt<T: DeviceReal>(a: MatrixRef<'_, T>, options: &CqrrptOptions) -> Result<DevicePivotedQr<T>, GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    if m == 0 || n == 0 {
        return Err(LinalgError::Empty { argument: "a", shape: (m, n) }.into());
    }
    let d = sketch_rows(options, n)?;
    let relative = rank_tolerance::<T>(options.rank_tolerance, m, n)?;
    if m <= d {
        return general(a, options, 0);
    }
    let size = magnitude("a", a)?;
    let near_one = NearOne::new(a, &size)?;
    match try_sketches(&near_one, &size, relative, d, options)? {
        Some(qr) => Ok(qr),
        None => general(a, options, SKETCHES),
    }
}

/// The general pivoted QR, after so many sketches for nothing.
fn general<T: DeviceReal>(
    a: MatrixRef<'_, T>,
    options: &CqrrptOptions,
    sketches: usize,
) -> Result<DevicePivotedQr<T>, GpuError> {
    let options =
        PivotedQrOptions { rank_tolerance: options.rank_tolerance, seed: options.seed, ..PivotedQrOptions::default() };
    let qr = pivoted_qr(a, &options)?;
    Ok(DevicePivotedQr { fallback: QrFallback::PivotedQr, sketches: qr.sketches + sketches, ..qr })
}

/// CQRRPT with one sketch after the other; `None` if all were unlucky.
fn try_sketches<T: DeviceReal>(
    near_one: &NearOne<'_, T>,
    size: &ScaledNorm,
    relative: f64,
    d: usize,
    options: &CqrrptOptions,
) -> Result<Option<DevicePivotedQr<T>>, GpuError> {
    let a = near_one.view();
    let (m, n) = (a.nrows(), a.ncols());
    let (norm, exponent) = (near_one.frobenius(size), near_one.exponent());
    if norm == 0.0 {
        return zero_qr(a).map(Some);
    }
    for attempt in 0..SKETCHES {
        let (rows, vec_nnz) = (d << attempt, options.vec_nnz << attempt);
        if rows >= m {
            break;
        }
        let seed = derive(options.seed, Purpose::Sample, attempt as u64);
        let sketch = DeviceSketch::<T>::new(a.device, Distribution::SparseSign { vec_nnz }, rows, m, seed)?.left(a)?;
        let Some(Factors { q, mut r, permutation, orthogonality, fallback }) =
            from_sketch(a, relative * norm, sketch, exponent_of(norm), seed)?
        else {
            continue;
        };
        let Residual { error_estimate, failure_probability } =
            measure_residual(a, (norm, exponent), &permutation, q.as_ref(), r.as_ref(), options.seed)?;
        rescale("R", r.as_mut(), exponent)?;
        return Ok(Some(DevicePivotedQr {
            rank: q.ncols(),
            error_estimate: error_estimate + if exponent == 0 { 0.0 } else { quantum::<T>(norm, m, n) },
            q,
            r,
            permutation,
            failure_probability,
            norm: scaled_back(norm, exponent),
            orthogonality,
            sketches: attempt + 1,
            passes: 3 + attempt,
            fallback,
        }));
    }
    Ok(None)
}

/// A zero matrix: nothing to factor.
fn zero_qr<T: DeviceReal>(a: MatrixRef<'_, T>) -> Result<DevicePivotedQr<T>, GpuError> {
    let n = a.ncols();
    let natural: Vec<i32> = (0..n as i32).collect();
    Ok(DevicePivotedQr {
        q: Matrix::zeros(a.device, a.nrows(), 0)?,
        r: Matrix::zeros(a.device, 0, n)?,
        permutation: Buffer::from_host(a.device, &natural)?,
        rank: 0,
        error_estimate: 0.0,
        failure_probability: 0.0,
        norm: 0.0,
        orthogonality: 0.0,
        sketches: 0,
        passes: 1,
        fallback: QrFallback::None,
    })
}

struct Factors<T> {
    q: Matrix<T>,
    r: Matrix<T>,
    permutation: Buffer<i32>,
    orthogonality: f64,
    fallback: QrFallback,
}

/// Algorithm 1 of the paper, from the sketch on; `None` if the sketch turns out to have been unlucky.
fn from_sketch<T: DeviceReal>(
    a: MatrixRef<'_, T>,
    tolerance: f64,
    sketch: Matrix<T>,
    exponent: i32,
    seed: u64,
) -> Result<Option<Factors<T>>, GpuError> {
    // 1. Pivoted QR of the sketch: the permutation, the rank and the preconditioner.
    let SketchQr { r: r_sk, permutation, rank: k, ends: (first, last) } = pivot(sketch, tolerance, exponent, seed)?;
    if k == 0 {
        return Ok(None);
    }
    // 2. A_pre = A·P_k·R_k⁻¹, well conditioned where the sketch embeds the range of A.
    let n = a.ncols();
    let mut q = gather_columns(a, &permutation, 0, k)?;
    let preconditioner = r_sk.as_ref().subcols(0, k).subrows(0, k);
    let is_well_conditioned = k == n && first <= WELL_CONDITIONED * last;
    if !is_well_conditioned {
        solve_on_the_right(q.as_mut(), preconditioner)?;
    }
    // 3. Cholesky QR of A_pre.
    let Orthonormalized { r: r_pre, orthogonality, fallback } = orthonormalize(&mut q, seed)?;
    if is_well_conditioned {
        return Ok(Some(Factors { q, r: r_pre, permutation, orthogonality, fallback }));
    }
    // Not even a number where a tolerance of zero let rounding errors into the preconditioner.
    let distortion = frobenius(r_pre.as_ref())?;
    if distortion.is_nan() || distortion > DISTORTION * (k as f64).sqrt() {
        return Ok(None);
    }
    // 4. R = R_pre·R_sk; for the columns that were dropped their projection, which leaves the least of them.
    let mut r = Matrix::uninitialized(a.device, k, n)?;
    product(r.as_mut().subcols(0, k), T::ONE, r_pre.as_ref(), preconditioner, T::ZERO)?;
    if k < n {
        let mut dropped = gather_columns(a, &permutation, k, n - k)?;
        let r2 = multiplied(T::ONE, q.as_ref().t(), dropped.as_ref())?;
        product(dropped.as_mut(), -T::ONE, q.as_ref(), r2.as_ref(), T::ONE)?;
        r.as_mut().subcols(k, n - k).copy_from(r2.as_ref())?;
        if frobenius(dropped.as_ref())? > DROPPED * tolerance {
            return Ok(None);
        }
    }
    Ok(Some(Factors { q, r, permutation, orthogonality, fallback }))
}

struct SketchQr<T> {
    r: Matrix<T>,
    permutation: Buffer<i32>,
    rank: usize,
    /// |R₁₁| and |R_kk|.
    ends: (f64, f64),
}

/// Pivoted QR of a sketch whose norm is about 2^exponent.
fn pivot<T: DeviceReal>(
    mut sketch: Matrix<T>,
    tolerance: f64,
    exponent: i32,
    seed: u64,
) -> Result<SketchQr<T>, GpuError> {
    /// So far from one the squares of what is ε times smaller keep their digits.
    const ROOM: i32 = 6;
    if exponent.abs() <= ROOM {
        return pivot_near_one(sketch, tolerance, seed);
    }
    scale_by_power(sketch.as_mut(), -exponent)?;
    let mut qr = pivot_near_one(sketch, tolerance * power_of_two(-exponent), seed)?;
    scale_by_power(qr.r.as_mut(), exponent)?;
    let (first, last) = qr.ends;
    Ok(SketchQr { ends: (first * power_of_two(exponent), last * power_of_two(exponent)), ..qr })
}

/// In one launch where the sketch fits into shared memory, or by the blocked algorithm.
fn pivot_near_one<T: DeviceReal>(sketch: Matrix<T>, tolerance: f64, seed: u64) -> Result<SketchQr<T>, GpuError> {
    let most = sketch.nrows().min(sketch.ncols());
    if let Some(Pivoted { r, permutation, rank, ends, .. }) = column_pivoted_qr(sketch.as_ref(), most, tolerance)? {
        return Ok(SketchQr { r, permutation, rank, ends });
    }
    let reduced = reduce(sketch, tolerance, &PivotedQrOptions { seed, ..PivotedQrOptions::default() })?;
    let r = reduced.r()?;
    let rank = reduced.rank;
    let ends = if rank == 0 {
        (0.0, 0.0)
    } else {
        let at =
            |i: usize| r.as_ref().subcols(i, 1).subrows(i, 1).to_owned()?.to_host().map(|x| x[(0, 0)].to_f64().abs());
        (at(0)?, at(rank - 1)?)
    };
    Ok(SketchQr { r, permutation: reduced.permutation, rank, ends })
}

struct Orthonormalized<T> {
    r: Matrix<T>,
    orthogonality: f64,
    fallback: QrFallback,
}

/// Makes `q` orthonormal by the cheapest way that is seen to work.
fn orthonormalize<T: DeviceReal>(q: &mut Matrix<T>, seed: u64) -> Result<Orthonormalized<T>, GpuError> {
    let good = 10.0 * q.ncols() as f64 * T::EPSILON.to_f64();
    let mut r: Option<Matrix<T>> = None;
    let shifted = QrFallback::ShiftedCholeskyQr3;
    for (fallback, shift) in [
        (QrFallback::None, false),
        (QrFallback::CholeskyQr2, false),
        (shifted, true),
        (shifted, false),
        (shifted, false),
    ] {
        let shift = if shift { stabilizing_shift(q.as_ref())? } else { T::ZERO };
        // A pass that breaks down leaves q as it was, for the next one.
        let Ok(factor) = cholesky_pass(q, shift)? else { continue };
        r = Some(after(r, factor)?);
        let orthogonality = measure_orthogonality(q.as_ref(), seed)?;
        if orthogonality <= good {
            let r = r.map_or_else(|| identity(q.device(), q.ncols()), Ok)?;
            return Ok(Orthonormalized { r, orthogonality, fallback });
        }
    }
    let nothing = Matrix::zeros(q.device(), 0, 0)?;
    let (orthonormal, factor) = householder_qr(std::mem::replace(q, nothing))?;
    *q = orthonormal;
    let r = after(r, factor)?;
    let orthogonality = measure_orthogonality(q.as_ref(), seed)?;
    Ok(Orthonormalized { r, orthogonality, fallback: QrFallback::Householder })
}

/// factor·r, where there is an r yet.
fn after<T: DeviceReal>(r: Option<Matrix<T>>, factor: Matrix<T>) -> Result<Matrix<T>, GpuError> {
    match r {
        None => Ok(factor),
        Some(r) => multiplied(T::ONE, factor.as_ref(), r.as_ref()),
    }
}
