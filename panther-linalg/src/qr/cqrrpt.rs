//! CQRRPT: Cholesky QR with randomization and pivoting for tall matrices (Melnichenko et al., arXiv 2311.08316).

use std::marker::PhantomData;

use faer::prelude::*;
use panther_sketch::seed::{Purpose, derive};
use panther_sketch::{Distribution, Input, Real};

use crate::estimate::{Residual, measure_residual, quantum};
use crate::kernels::to_dense;
use crate::operator::{Scaled, rescaled, scaled_back, scaled_norm};
use crate::qr::pivoted_qr::pivoted_qr;
use crate::qr::preconditioned::{Cut, Factors, factor};
use crate::rank::{checked_tolerance, rank_tolerance, residual_rounding};
use crate::{CqrrptOptions, LinalgError, PivotedQr, PivotedQrOptions, QrFallback, ScaledNorm};

/// Rows of the smallest sketch: a handful of rows would be unlucky too often.
const MIN_SKETCH: usize = 32;

/// Sketches to try, each of twice the size of the last, before the general pivoted QR.
pub const SKETCHES: usize = 3;

/// The dropped columns may have a residual this many times that in the sketch: √(1/(1 − n/d)) is typical.
pub const DROPPED: f64 = 4.0;

/// A\[:, P\] ≈ Q R for tall A by a sketch, pivoted QR of the sketch, and Cholesky QR of the preconditioned matrix.
///
/// A is m×n, dense or sparse. The sketch has d = max(⌈γn⌉, 32) rows; m ≤ d, and so wide and square A, goes to
/// [`pivoted_qr`]. With k the numerical rank, Q is m×k, R is k×n upper trapezoidal, and
/// ‖A\[:, P\] − QR‖_F ≤ c·max(m, n)·ε·‖A‖_F, ‖QᵀQ − I‖_F ≤ c·n·ε.
///
/// Columns are dropped when the sketch puts their residual below `rank_tolerance`·‖A‖_F; their residual in A is measured,
/// and more than four times that counts as an unlucky sketch. By default only rounding is dropped: the sketch drops below
/// √m·ε·‖A‖_F, the level of its own rounding, and where the residual in A is above the rounding of that,
/// (2 + √n)·ε·‖A‖_F, the factorization is repeated with the columns above this level.
///
/// About 3mn² operations, all in products, beside O(dn²) for the sketch; 2mn² where the sketch shows A to be so well
/// conditioned that Cholesky QR needs no preconditioner; memory of one copy of A (two where its entries
/// are beyond 2^±(a quarter of the type's exponents), which must be scaled first).
///
/// # When it fails, and what is done
/// - Q not orthonormal after one Cholesky pass (measured), or the pass breaks down: a second pass, shifted Cholesky QR,
///   Householder QR, in this order.
/// - A direction of A that the sketch missed (small n and few distinct entries: columns cancel in it): a fresh sketch of
///   twice the size and twice the nonzeros, three in all, then [`pivoted_qr`].
///
/// [`PivotedQr::fallback`] and [`PivotedQr::sketches`] report it. The result is the same bytes for any `par`.
///
/// # Errors
/// [`LinalgError::Empty`], [`LinalgError::NonFinite`], [`LinalgError::InvalidNumber`] (`gamma`, `rank_tolerance`),
/// [`LinalgError::OutOfRange`] (`vec_nnz`), [`LinalgError::Overflow`] if R leaves the range of the type.
///
/// ```
/// use faer::{Mat, Par};
/// use panther_linalg::{CqrrptOptions, cqrrpt};
/// // Rank 2: the third column is the sum of the others.
/// let a = Mat::from_fn(500, 3, |i, j| match j {
///     0 => (i as f64).sin(),
///     1 => (i as f64).cos(),
///     _ => (i as f64).sin() + (i as f64).cos(),
/// });
/// let qr = cqrrpt(a.as_ref(), &CqrrptOptions::default(), Par::Seq)?;
/// assert_eq!(qr.rank, 2);
/// let pivoted = Mat::from_fn(500, 3, |i, j| a[(i, qr.permutation[j])]);
/// assert!((&qr.q * &qr.r - pivoted).norm_l2() < 1e-13 * a.norm_l2());
/// # Ok::<(), panther_linalg::LinalgError>(())
/// ```
pub fn cqrrpt<'a, T: Real>(
    a: impl Into<Input<'a, T>>,
    options: &CqrrptOptions,
    par: Par,
) -> Result<PivotedQr<T>, LinalgError> {
    let a = a.into();
    let (m, n) = (a.nrows(), a.ncols());
    if m == 0 || n == 0 {
        return Err(LinalgError::Empty { argument: "a", shape: (m, n) });
    }
    let d = sketch_rows(options, n)?;
    let cuts = cuts::<T>(checked_tolerance(options.rank_tolerance)?, m, n);
    let mut work = Work::default();
    if m <= d {
        return general(a, options, work, par);
    }
    let size = scaled_norm("a", a, par)?;
    work.passes += 1;
    if size.exponent.abs() > T::MIN_POSITIVE.to_f64().log2().abs() as i32 / 4 {
        let near_one = rescaled("A", to_dense(a), -size.exponent)?;
        work.passes += 1;
        let unit = ScaledNorm { exponent: 0, ..size };
        let scaled = try_sketches(Input::Dense(near_one.as_ref()), unit, &cuts, d, options, &mut work, par)?;
        return scaled.map_or_else(|| general(a, options, work, par), |qr| scale_back(qr, size.exponent));
    }
    try_sketches(a, size, &cuts, d, options, &mut work, par)?.map_or_else(|| general(a, options, work, par), Ok)
}

/// d for the given options, after checking them.
pub fn sketch_rows(options: &CqrrptOptions, n: usize) -> Result<usize, LinalgError> {
    let gamma = options.gamma;
    if !(1.0..=1e6).contains(&gamma) {
        let requirement = "at least 1 and at most 10⁶";
        return Err(LinalgError::InvalidNumber { argument: "gamma", requirement, got: gamma });
    }
    let d = ((gamma * n as f64).ceil() as usize).max(MIN_SKETCH);
    if options.vec_nnz == 0 || options.vec_nnz > d {
        return Err(LinalgError::OutOfRange { argument: "vec_nnz", low: 1, high: d, got: options.vec_nnz });
    }
    Ok(d)
}

/// Where columns may be cut off, relative to ‖A‖_F, in the order in which it is tried.
fn cuts<T: Real>(chosen: Option<f64>, m: usize, n: usize) -> Vec<Cut> {
    if let Some(tolerance) = chosen {
        return vec![Cut { in_sketch: tolerance, in_matrix: DROPPED * tolerance }];
    }
    let rounding = residual_rounding::<T>(m, n);
    let of_sketch = rank_tolerance::<T>(m, n).max(rounding);
    vec![Cut { in_sketch: of_sketch, in_matrix: rounding }, Cut { in_sketch: rounding, in_matrix: DROPPED * rounding }]
}

/// Work on A so far.
#[derive(Clone, Copy, Default)]
struct Work {
    passes: usize,
    sketches: usize,
}

/// The general pivoted QR.
fn general<T: Real>(
    a: Input<'_, T>,
    options: &CqrrptOptions,
    work: Work,
    par: Par,
) -> Result<PivotedQr<T>, LinalgError> {
    let options =
        PivotedQrOptions { rank_tolerance: options.rank_tolerance, seed: options.seed, ..PivotedQrOptions::default() };
    let (qr, copies) = match a {
        Input::Dense(a) => (pivoted_qr(a, &options, par)?, 0),
        sparse => (pivoted_qr(to_dense(sparse).as_ref(), &options, par)?, 1),
    };
    let (sketches, passes) = (qr.sketches + work.sketches, qr.passes + work.passes + copies);
    Ok(PivotedQr { fallback: QrFallback::PivotedQr, sketches, passes, ..qr })
}

fn scale_back<T: Real>(qr: PivotedQr<T>, exponent: i32) -> Result<PivotedQr<T>, LinalgError> {
    let r = rescaled("R", qr.r, exponent)?;
    let back = |x: f64| scaled_back(x, exponent);
    let rounded_to_type = quantum::<T>(qr.norm, qr.q.nrows(), r.ncols());
    Ok(PivotedQr { r, error_estimate: back(qr.error_estimate) + rounded_to_type, norm: back(qr.norm), ..qr })
}

/// CQRRPT with one sketch after the other; `None` if all were unlucky.
fn try_sketches<T: Real>(
    a: Input<'_, T>,
    size: ScaledNorm,
    cuts: &[Cut],
    d: usize,
    options: &CqrrptOptions,
    work: &mut Work,
    par: Par,
) -> Result<Option<PivotedQr<T>>, LinalgError> {
    let (m, n) = (a.nrows(), a.ncols());
    let norm = size.norm();
    if norm == 0.0 {
        return Ok(Some(zero_qr(m, n, *work)));
    }
    for attempt in 0..SKETCHES {
        let (rows, vec_nnz) = (d.saturating_mul(1 << attempt), options.vec_nnz.saturating_mul(1 << attempt));
        if rows >= m {
            break;
        }
        let seed = derive(options.seed, Purpose::Sample, attempt as u64);
        let sketch = Distribution::SparseSign { vec_nnz }.operator::<T>(rows, m, seed)?.left(a, par)?;
        work.sketches += 1;
        work.passes += 1;
        if let Some(factors) = factor(a, norm, cuts, sketch, seed, &mut work.passes, par)? {
            return measured(a, norm, factors, options.seed, *work, par).map(Some);
        }
    }
    Ok(None)
}

/// The result, with its error measured.
fn measured<T: Real>(
    a: Input<'_, T>,
    norm: f64,
    factors: Factors<T>,
    seed: u64,
    work: Work,
    par: Par,
) -> Result<PivotedQr<T>, LinalgError> {
    let Factors { q, r, permutation, orthogonality, fallback } = factors;
    let scaled = Scaled::new(&a, 0);
    let Residual { error_estimate, failure_probability } =
        measure_residual(&scaled, norm, &permutation, q.as_ref(), r.as_ref(), seed, par)?;
    Ok(PivotedQr {
        rank: q.ncols(),
        q,
        r,
        permutation,
        error_estimate,
        failure_probability,
        norm,
        orthogonality,
        sketches: work.sketches,
        passes: work.passes + 1,
        fallback,
        scalar: PhantomData,
    })
}

/// A zero matrix: nothing to factor.
fn zero_qr<T: Real>(m: usize, n: usize, work: Work) -> PivotedQr<T> {
    PivotedQr {
        q: Mat::zeros(m, 0),
        r: Mat::zeros(0, n),
        permutation: (0..n).collect(),
        rank: 0,
        error_estimate: 0.0,
        failure_probability: 0.0,
        norm: 0.0,
        orthogonality: 0.0,
        sketches: work.sketches,
        passes: work.passes,
        fallback: QrFallback::None,
        scalar: PhantomData,
    }
}
