//! Blocked randomized pivoted QR of any matrix.
//!
//! Martinsson, Quintana-Ortí, Heavner and van de Geijn 2017 (HQRRP); Melnichenko et al. 2025 (BQRRP). The pivots of a
//! whole block are chosen on a sketch of a few rows more than the block; the rest is Householder QR in products.

use std::marker::PhantomData;

use faer::prelude::*;
use panther_sketch::{Input, Real};

use crate::estimate::{Residual, measure_orthogonality, measure_residual};
use crate::kernels::gather_columns;
use crate::operator::{Scaled, rescaled, scaled_copy, scaled_norm};
use crate::qr::dropped::{Dropped, project_out};
use crate::qr::reduction::{Reduced, reduce};
use crate::rank::{checked_tolerance, residual_rounding};
use crate::{LinalgError, PivotedQr, PivotedQrOptions, QrFallback, ScaledNorm};

/// A\[:, P\] = Q R with pivots chosen block by block from a Gaussian sketch.
///
/// A is m×n of any shape and rank; with k the numerical rank, Q is m×k and R k×n. The rank is the smallest for which
/// the part left out, ‖R\[k.., k..\]‖_F, is at most `rank_tolerance`·‖A‖_F, by default the level of its rounding,
/// (2 + √min(m, n))·ε·‖A‖_F: columns that may be more than rounding are measured in A, and
/// no direction that can be told from rounding is dropped. Then ‖A\[:, P\] − QR‖_F ≤
/// c·max(m, n)·ε·‖A‖_F and ‖QᵀQ − I‖_F ≤ c·n·ε, and |Rᵢᵢ| descends up to the small factor that choosing pivots from a
/// sketch costs. A block as large as the matrix gives classical pivoting, at the speed of memory. About 4mnk operations, all but O(1/b) of them in products; one copy of A and Q.
///
/// The result is the same bytes for any `par`.
///
/// # Errors
/// [`LinalgError::Empty`], [`LinalgError::NonFinite`], [`LinalgError::OutOfRange`] (`block_size` 0),
/// [`LinalgError::InvalidNumber`] (`rank_tolerance`), [`LinalgError::Overflow`] if R leaves the range of the type.
///
/// ```
/// use faer::{Mat, Par};
/// use panther_linalg::{PivotedQrOptions, pivoted_qr};
/// let a = Mat::from_fn(40, 60, |i, j| 1.0 / (i + j + 1) as f64);
/// let qr = pivoted_qr(a.as_ref(), &PivotedQrOptions::default(), Par::Seq)?;
/// let pivoted = Mat::from_fn(40, 60, |i, j| a[(i, qr.permutation[j])]);
/// assert!((&qr.q * &qr.r - pivoted).norm_l2() < 1e-12 * a.norm_l2());
/// # Ok::<(), panther_linalg::LinalgError>(())
/// ```
pub fn pivoted_qr<T: Real>(
    a: MatRef<'_, T>,
    options: &PivotedQrOptions,
    par: Par,
) -> Result<PivotedQr<T>, LinalgError> {
    let (m, n) = a.shape();
    if m == 0 || n == 0 {
        return Err(LinalgError::Empty { argument: "a", shape: (m, n) });
    }
    if options.block_size == 0 {
        let high = m.min(n);
        return Err(LinalgError::OutOfRange { argument: "block_size", low: 1, high, got: 0 });
    }
    let chosen = checked_tolerance(options.rank_tolerance)?;
    let tolerance = chosen.unwrap_or_else(|| residual_rounding::<T>(m, n));
    let size = scaled_norm("a", Input::Dense(a), par)?;
    let work = scaled_copy(a, -size.exponent);
    let mut reduced = reduce(work, tolerance * size.frobenius, options, par)?;
    let mut passes = 3;
    let without_rounding = match chosen {
        Some(_) => None,
        None => drop_rounding(a, size, &mut reduced, &mut passes, par),
    };
    let (q, r) = without_rounding.unwrap_or_else(|| (reduced.q(par), reduced.r()));
    let input = Input::Dense(a);
    let scaled = Scaled::new(&input, size.exponent);
    let Residual { error_estimate, failure_probability } =
        measure_residual(&scaled, size.frobenius, &reduced.permutation, q.as_ref(), r.as_ref(), options.seed, par)?;
    let orthogonality = measure_orthogonality(q.as_ref(), options.seed, par)?;
    Ok(PivotedQr {
        rank: reduced.rank,
        q,
        r: rescaled("R", r, size.exponent)?,
        permutation: reduced.permutation,
        error_estimate,
        failure_probability,
        norm: size.norm(),
        orthogonality,
        sketches: reduced.sketches,
        passes,
        fallback: QrFallback::None,
        scalar: PhantomData,
    })
}

/// Rounding of a reduction that reflectors leave in the trailing matrix of columns of equal entries, relative to ‖A‖_F:
/// 512·ε/2, the worst that a matrix product does.
const REDUCTION_ROUNDING: f64 = 256.0;

/// Q and R of the rank at which the trailing matrix may be rounding, if it is: the columns left out are projected on Q,
/// and their residual in A is measured.
fn drop_rounding<T: Real>(
    a: MatRef<'_, T>,
    size: ScaledNorm,
    reduced: &mut Reduced<T>,
    passes: &mut usize,
    par: Par,
) -> Option<(Mat<T>, Mat<T>)> {
    let rounding = residual_rounding::<T>(a.nrows(), a.ncols()) * size.frobenius;
    let (full, n) = (reduced.rank, a.ncols());
    let k = reduced.rank_within(rounding + REDUCTION_ROUNDING * T::EPSILON.to_f64() * size.frobenius);
    if k == full || k == 0 {
        return None;
    }
    reduced.rank = k;
    let (q, mut r) = (reduced.q(par), reduced.r());
    let columns = gather_columns(Input::Dense(a), &reduced.permutation[k..], par);
    *passes += 1;
    let mut columns = scaled_copy(columns.as_ref(), -size.exponent);
    let Dropped { coefficients, residual } = project_out(q.as_ref(), &mut columns, rounding, par);
    if residual > rounding {
        reduced.rank = full;
        return None;
    }
    r.as_mut().subcols_mut(k, n - k).copy_from(coefficients);
    Some((q, r))
}
