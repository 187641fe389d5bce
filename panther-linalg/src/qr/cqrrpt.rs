//! CQRRPT: Cholesky QR with randomization and pivoting for tall matrices (Melnichenko et al., arXiv 2311.08316).

use faer::Accum;
use faer::prelude::*;
use panther_sketch::seed::{Purpose, derive};
use panther_sketch::{Distribution, Input, Real, product};

use crate::estimate::{Residual, measure_residual, quantum};
use crate::kernels::{gather_columns, inner_product, solve_on_the_right, to_dense};
use crate::operator::{Scaled, rescaled, scaled_back, scaled_norm};
use crate::qr::cholesky::upper_product;
use crate::qr::fallbacks::{Orthonormalized, orthonormalize};
use crate::qr::pivoted_qr::pivoted_qr;
use crate::qr::rank::rank_tolerance;
use crate::qr::reduction::reduce;
use crate::{CqrrptOptions, LinalgError, PivotedQr, PivotedQrOptions, QrFallback, ScaledNorm};

/// Rows of the smallest sketch: a handful of rows would be unlucky too often.
const LEAST_SKETCH: usize = 32;

/// Sketches to try, each of twice the size of the last, before the general pivoted QR.
pub const SKETCHES: usize = 3;

/// A good sketch leaves ‖A_pre‖_F at √k times a small constant. Above this multiple it has all but missed a direction,
/// and the rounding of A_pre·R_sk would show in the residual.
pub const DISTORTION: f64 = 100.0;

/// A sketch whose pivots are within this factor of each other shows A to be so well conditioned (κ of some tens at the
/// most, and ε·κ² is what Cholesky QR loses) that it needs no preconditioner.
pub const WELL_CONDITIONED: f64 = 8.0;

/// The dropped columns may have a residual this many times of what the sketch made of it: √(1/(1 − n/d)) is typical.
pub const DROPPED: f64 = 4.0;

/// A\[:, P\] ≈ Q R for tall A by a sketch, pivoted QR of the sketch, and Cholesky QR of the preconditioned matrix.
///
/// A is m×n, dense or sparse. The sketch has d = max(⌈γn⌉, 32) rows; m ≤ d, and so wide and square A, goes to
/// [`pivoted_qr`]. With k the numerical rank, Q is m×k, R is k×n upper trapezoidal, and
/// ‖A\[:, P\] − QR‖_F ≤ c·max(m, n)·ε·‖A‖_F, ‖QᵀQ − I‖_F ≤ c·n·ε. Columns are dropped when the sketch puts their residual
/// below `rank_tolerance`·‖A‖_F; what is really left of them is measured, and more than four times that counts as an
/// unlucky sketch.
///
/// About 3mn² operations, all in products, beside O(dn²) for the sketch, and 2mn² where the sketch shows A to be so well
/// conditioned that Cholesky QR needs no preconditioner; memory of one copy of A (two where its entries
/// are beyond 2^±(a quarter of the type's exponents), which must be scaled first).
///
/// # When it fails, and what is done
/// - Q not orthonormal after one Cholesky pass (measured), or the pass breaks down: a second pass, shifted Cholesky QR,
///   Householder QR, in this order.
/// - A direction of A that the sketch missed (small n and few distinct entries: columns cancel in it): a fresh sketch of
///   twice the size and twice the nonzeros, three in all, then [`pivoted_qr`].
///
/// [`PivotedQr::fallback`] and [`PivotedQr::sketches`] tell. The result is the same bytes for any `par`.
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
    let relative = rank_tolerance::<T>(options.rank_tolerance, m, n)?;
    if m <= d {
        return general(a, options, 0, par);
    }
    let size = scaled_norm("a", a, par)?;
    if size.exponent.abs() > T::MIN_POSITIVE.to_f64().log2().abs() as i32 / 4 {
        let near_one = rescaled("A", to_dense(a), -size.exponent)?;
        let unit = ScaledNorm { exponent: 0, ..size };
        let scaled = try_sketches(Input::Dense(near_one.as_ref()), unit, relative, d, options, par)?;
        return scaled.map_or_else(|| general(a, options, SKETCHES, par), |qr| scale_back(qr, size.exponent));
    }
    try_sketches(a, size, relative, d, options, par)?.map_or_else(|| general(a, options, SKETCHES, par), Ok)
}

/// d for the given options, after checking them.
pub fn sketch_rows(options: &CqrrptOptions, n: usize) -> Result<usize, LinalgError> {
    let gamma = options.gamma;
    if !(1.0..=1e6).contains(&gamma) {
        let requirement = "at least 1 and at most 10⁶";
        return Err(LinalgError::InvalidNumber { argument: "gamma", requirement, got: gamma });
    }
    let d = ((gamma * n as f64).ceil() as usize).max(LEAST_SKETCH);
    if options.vec_nnz == 0 || options.vec_nnz > d {
        return Err(LinalgError::OutOfRange { argument: "vec_nnz", low: 1, high: d, got: options.vec_nnz });
    }
    Ok(d)
}

/// The general pivoted QR, after so many sketches for nothing.
fn general<T: Real>(
    a: Input<'_, T>,
    options: &CqrrptOptions,
    sketches: usize,
    par: Par,
) -> Result<PivotedQr<T>, LinalgError> {
    let options =
        PivotedQrOptions { rank_tolerance: options.rank_tolerance, seed: options.seed, ..PivotedQrOptions::default() };
    let qr = match a {
        Input::Dense(a) => pivoted_qr(a, &options, par)?,
        sparse => pivoted_qr(to_dense(sparse).as_ref(), &options, par)?,
    };
    Ok(PivotedQr { fallback: QrFallback::PivotedQr, sketches: qr.sketches + sketches, ..qr })
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
    relative: f64,
    d: usize,
    options: &CqrrptOptions,
    par: Par,
) -> Result<Option<PivotedQr<T>>, LinalgError> {
    let (m, n) = (a.nrows(), a.ncols());
    let norm = size.norm();
    if norm == 0.0 {
        return Ok(Some(zero_qr(m, n)));
    }
    for attempt in 0..SKETCHES {
        let (rows, vec_nnz) = (d << attempt, options.vec_nnz << attempt);
        if rows >= m {
            break;
        }
        let seed = derive(options.seed, Purpose::Sample, attempt as u64);
        let sketch = Distribution::SparseSign { vec_nnz }.operator::<T>(rows, m, seed)?;
        if let Some(qr) = from_sketch(a, relative * norm, sketch.left(a, par)?, seed, par)? {
            let Factors { q, r, permutation, orthogonality, fallback } = qr;
            let scaled = Scaled::new(&a, 0);
            let Residual { error_estimate, failure_probability } =
                measure_residual(&scaled, norm, &permutation, q.as_ref(), r.as_ref(), options.seed, par)?;
            return Ok(Some(PivotedQr {
                rank: q.ncols(),
                q,
                r,
                permutation,
                error_estimate,
                failure_probability,
                norm,
                orthogonality,
                sketches: attempt + 1,
                passes: 3 + attempt,
                fallback,
            }));
        }
    }
    Ok(None)
}

/// A zero matrix: nothing to factor.
fn zero_qr<T: Real>(m: usize, n: usize) -> PivotedQr<T> {
    PivotedQr {
        q: Mat::zeros(m, 0),
        r: Mat::zeros(0, n),
        permutation: (0..n).collect(),
        rank: 0,
        error_estimate: 0.0,
        failure_probability: 0.0,
        norm: 0.0,
        orthogonality: 0.0,
        sketches: 0,
        passes: 1,
        fallback: QrFallback::None,
    }
}

struct Factors<T> {
    q: Mat<T>,
    r: Mat<T>,
    permutation: Vec<usize>,
    orthogonality: f64,
    fallback: QrFallback,
}

/// Algorithm 1 of the paper, from the sketch on; `None` if the sketch turns out to have been unlucky.
fn from_sketch<T: Real>(
    a: Input<'_, T>,
    tolerance: f64,
    sketch: Mat<T>,
    seed: u64,
    par: Par,
) -> Result<Option<Factors<T>>, LinalgError> {
    // 1. Pivoted QR of the sketch: the permutation, the rank and the preconditioner.
    let reduced = reduce(sketch, tolerance, &PivotedQrOptions { seed, ..PivotedQrOptions::default() }, par)?;
    let k = reduced.rank;
    if k == 0 {
        return Ok(None);
    }
    let (permutation, r_sk) = (&reduced.permutation, reduced.r());
    // 2. A_pre = A·P_k·R_k⁻¹, well conditioned where the sketch embeds the range of A.
    let n = a.ncols();
    let mut q = gather_columns(a, &permutation[..k], par);
    let preconditioner = r_sk.as_ref().subcols(0, k);
    let (first, last) = (r_sk[(0, 0)].abs().to_f64(), r_sk[(k - 1, k - 1)].abs().to_f64());
    let is_well_conditioned = k == n && first <= WELL_CONDITIONED * last;
    if !is_well_conditioned {
        solve_on_the_right(q.as_mut(), preconditioner, par);
    }
    // 3. Cholesky QR of A_pre.
    let Orthonormalized { r: r_pre, orthogonality, fallback } = orthonormalize(&mut q, seed, par)?;
    if is_well_conditioned {
        let permutation = reduced.permutation;
        return Ok(Some(Factors { q, r: r_pre, permutation, orthogonality, fallback }));
    }
    // Not even a number where a tolerance of zero let rounding errors into the preconditioner.
    let distortion = r_pre.norm_l2().to_f64();
    if distortion.is_nan() || distortion > DISTORTION * (k as f64).sqrt() {
        return Ok(None);
    }
    // 4. R = R_pre·R_sk; for the columns that were dropped their projection, which leaves the least of them.
    let mut r = Mat::zeros(k, n);
    r.as_mut().subcols_mut(0, k).copy_from(upper_product(r_pre.as_ref(), preconditioner, par));
    if k < n {
        let mut dropped = gather_columns(a, &permutation[k..], par);
        let mut r2 = r.as_mut().subcols_mut(k, n - k);
        r2.copy_from(inner_product(q.as_ref(), dropped.as_ref(), par));
        product(dropped.as_mut(), Accum::Add, q.as_ref(), r2.rb(), -T::ONE, par);
        if dropped.norm_l2().to_f64() > DROPPED * tolerance {
            return Ok(None);
        }
    }
    Ok(Some(Factors { q, r, permutation: reduced.permutation, orthogonality, fallback }))
}
