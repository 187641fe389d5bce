//! Randomized SVD.

use faer::prelude::*;
use panther_sketch::Real;

use crate::estimate::quantum;
use crate::kernels::orthogonality;
use crate::operator::{scale_values, scaled_back};
use crate::rank::singular_value_tolerance;
use crate::svd::basis::build_basis;
use crate::svd::small_svd::Svd;
use crate::{LinalgError, LinearOperator, Rsvd, RsvdOptions, Target};

/// A ≈ U Σ Vᵀ of a given rank or to a given tolerance (Halko, Martinsson and Tropp 2011; Musco and Musco 2015).
///
/// A is any [`LinearOperator`], m×n. At defaults a rank-k result has an error within 1.01 of the best possible on flat and on
/// decaying spectra alike. U and V are orthonormal to O(n·ε), σ is exact to about ε·σ₁ plus the (second-order) error of the
/// subspace. By tolerance the basis grows by blocks until the bound of some rank is within it; the result has the smallest
/// such rank. Before a miss is reported ([`Rsvd::tolerance_met`]), the computation of `Rank(max_rank)` with the same seed is
/// finished and its bound decides; without `max_rank` the exact SVD does.
///
/// # The bound
/// With Q the basis, ‖A − A_k‖² = ‖(I − QQᵀ)A‖² + Σ_{i>k} σᵢ². Only the first term is unknown. It is ‖A‖² − Σσᵢ² where that
/// has digits left, and the bound then holds with certainty, up to rounding errors of 200·ε·‖A‖². Below √ε·‖A‖, and where the
/// norm is unknown, it is measured with 32 random vectors that the basis has never seen, and doubled; each measurement is too
/// small with a probability of 4.9·10⁻⁶ ([`Rsvd::failure_probability`] adds them up). Tolerances of an operator without a
/// norm are relative to the part of ‖A‖ that the basis has seen, which is never more than ‖A‖.
///
/// # Cost
/// With l = k + p: block Krylov multiplies 2(q+1)·⌈l/3⌉ + 32 columns by A or Aᵀ (4l at the default q = 5, up to 6l where the
/// spectrum is flat, and as much again for every time that it is replenished), subspace iteration 2(q+1)·l (6l at its default
/// q = 2); both orthonormalize in O((m + n)·l²) and hold O((m + n)·l) values beside A, which is read in place. Where the basis
/// would be as large as min(m, n), the exact SVD is computed instead.
///
/// # When it fails, and what is done
/// - A singular value of higher multiplicity than the Krylov block is invisible to the Krylov space. A fresh block of 8 random
///   vectors, with one step of AAᵀ, is tried against the finished basis, also at a chosen number of power iterations. If it
///   gains more than 0.4 % of the energy that is left, or each of its directions clearly beats the last triplet, the basis is
///   extended from a fresh start and examined again ([`RsvdPath::Replenished`](crate::RsvdPath::Replenished)). Missing
///   directions are found unless together they are worth less than about 1 % of the error.
/// - The two products of a matrix-free operator belong to different matrices, or a given norm is too small: the products are
///   checked against each other, [`LinalgError::InconsistentAdjoint`], [`LinalgError::InconsistentNorm`].
/// - The basis converges slowly: [`Rsvd::converged`] reports it, and the bound holds nevertheless.
///
/// The result is the same bytes for any `par`.
///
/// # Errors
/// [`LinalgError::Empty`], [`LinalgError::NonFinite`] (in A, or in what a closure returned), [`LinalgError::OutOfRange`]
/// (rank, `power_iterations` above 1000), [`LinalgError::InvalidNumber`] (tolerance), [`LinalgError::OutOfMemory`], [`LinalgError::Overflow`] if σ₁ leaves the range of the type,
/// [`LinalgError::NoConvergence`].
///
/// ```
/// use faer::{Mat, Par};
/// use panther_linalg::{RsvdOptions, Target, rsvd};
/// let a = Mat::from_fn(300, 200, |i, j| 1.0 / (i + j + 1) as f64);
/// let svd = rsvd(&a, Target::Rank(10), &RsvdOptions::default(), Par::Seq)?;
/// assert_eq!(svd.u.shape(), (300, 10));
/// assert_eq!(svd.v.shape(), (200, 10));
/// assert!(svd.error_estimate < 1e-4 * svd.norm);
/// # Ok::<(), panther_linalg::LinalgError>(())
/// ```
pub fn rsvd<T: Real, A: LinearOperator<T> + ?Sized>(
    a: &A,
    target: Target,
    options: &RsvdOptions,
    par: Par,
) -> Result<Rsvd<T>, LinalgError> {
    let mut basis = build_basis(a, target, options, par)?;
    let k = match target {
        Target::Rank(rank) => rank,
        Target::Tolerance { relative, max_rank } => basis.rank_for(relative, max_rank)?,
    };
    let (squared, failure_probability) = basis.bound(k)?;
    let Svd { u, mut s, v } = basis.triplets(k, options.seed, par)?;
    let orthogonality = orthogonality(u.as_ref(), par).max(orthogonality(v.as_ref(), par));
    let threshold = singular_value_tolerance::<T>(a.nrows(), a.ncols()) * s.first().map_or(0.0, |s| s.to_f64());
    let rank = s.iter().filter(|s| s.to_f64() > threshold).count();
    scale_values(&mut s, basis.norm.exponent)?;
    let rounded_to_type = quantum::<T>(basis.norm.frobenius, a.nrows(), a.ncols());
    Ok(Rsvd {
        u,
        s,
        v,
        rank,
        error_estimate: scaled_back(squared.sqrt(), basis.norm.exponent) + rounded_to_type,
        failure_probability,
        norm: basis.norm.norm(),
        norm_source: basis.norm_source,
        tolerance_met: basis.tolerance_met(target, squared),
        converged: basis.converged,
        passes: basis.projection.passes,
        product_columns: basis.projection.product_columns,
        path: basis.path,
        orthogonality,
    })
}
