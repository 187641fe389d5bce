//! Blocked randomized pivoted QR of any matrix.
//!
//! Martinsson, Quintana-Ortí, Heavner and van de Geijn 2017 (HQRRP); Melnichenko et al. 2025 (BQRRP). The pivots of a
//! whole block are chosen on a sketch of a few rows more than the block; the rest is Householder QR in products.

use std::marker::PhantomData;

use faer::prelude::*;
use panther_sketch::{Input, Real};

use crate::estimate::{Residual, measure_orthogonality, measure_residual};
use crate::operator::{Scaled, rescaled, scaled_copy, scaled_norm};
use crate::qr::reduction::reduce;
use crate::rank::{checked_tolerance, residual_rounding};
use crate::{LinalgError, PivotedQr, PivotedQrOptions, QrFallback};

/// A\[:, P\] = Q R with pivots chosen block by block from a Gaussian sketch.
///
/// A is m×n of any shape and rank; with k the numerical rank, Q is m×k and R k×n. The rank is the smallest for which
/// the part left out, ‖R\[k.., k..\]‖_F, is at most `rank_tolerance`·‖A‖_F, by default the level of its rounding,
/// (2 + √min(m, n))·ε·‖A‖_F: no direction that can be told from rounding is dropped. Then ‖A\[:, P\] − QR‖_F ≤
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
    let tolerance = checked_tolerance(options.rank_tolerance)?.unwrap_or_else(|| residual_rounding::<T>(m, n));
    let size = scaled_norm("a", Input::Dense(a), par)?;
    let work = scaled_copy(a, -size.exponent);
    let reduced = reduce(work, tolerance * size.frobenius, options, par)?;
    let q = reduced.q(par);
    let r = reduced.r();
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
        passes: 3,
        fallback: QrFallback::None,
        scalar: PhantomData,
    })
}
