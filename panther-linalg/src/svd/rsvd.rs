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
/// A is any [`LinearOperator`], m×n. At defaults a rank-k result has an error within 1.01 of the best possible on flat
/// and on decaying spectra alike. U and V are orthonormal to O(n·ε), σ is exact to about ε·σ₁ plus the (second-order)
/// error of the subspace. By tolerance the basis grows by blocks until the error is within it, and is then cut to the
/// smallest rank that still is; a tolerance that was not met is told in [`Rsvd::tolerance_met`].
///
/// # Cost
/// With l = k + p: block Krylov multiplies 2(q+1)·⌈l/3⌉ + 16 columns by A or Aᵀ (4l at the default q = 5, up to 6l where the
/// spectrum is flat), subspace iteration 2(q+1)·l (6l at its default q = 2); both orthonormalise in O((m + n)·l²) and hold O((m + n)·l) numbers
/// beside A, which is read in place. Where the basis would be as large as min(m, n), the exact SVD is computed instead.
///
/// # When it fails, and what is done
/// - A singular value of higher multiplicity than the Krylov block is invisible to the Krylov space. A fresh random block
///   is therefore tried against the finished basis; if it adds energy, the basis is extended
///   ([`RsvdPath::Replenished`]).
/// - ‖A‖² − ‖Σ‖² says nothing of errors below √ε·‖A‖. The error is then measured with 32 random vectors, doubled for
///   safety, and comes with the probability that it is too small nevertheless.
///
/// The result is the same bytes for any `par`.
///
/// # Errors
/// [`LinalgError::Empty`], [`LinalgError::NonFinite`] (in A, or in what a closure returned), [`LinalgError::OutOfRange`]
/// (rank), [`LinalgError::InvalidNumber`] (tolerance), [`LinalgError::Overflow`] if σ₁ leaves the range of the type,
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
