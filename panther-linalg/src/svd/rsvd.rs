//! Randomized SVD.

use faer::Accum;
use faer::prelude::*;
use panther_sketch::{Real, product};

use crate::svd::basis::{Basis, build_basis, checked};

use crate::estimate::quantum;
use crate::kernels::orthogonality;
use crate::operator::{scale_values, scaled_back};
use crate::qr::orthonormalize::complete;
use crate::svd::small_svd::Svd;
use crate::{LinalgError, LinearOperator, Rsvd, RsvdOptions, RsvdPath, Target};

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
    let mut basis = build_basis(a, checked(a, target)?, options, par)?;
    let (k, (squared, failure_probability)) = match target {
        Target::Rank(rank) => (rank, basis.error_of(rank)?),
        Target::Tolerance { relative, max_rank } => basis.smallest_rank(relative, max_rank)?,
    };
    let tolerance_met = match target {
        Target::Rank(_) => None,
        Target::Tolerance { relative, .. } => Some(squared.sqrt() <= relative * basis.size.frobenius),
    };
    let Svd { u, mut s, v } = basis.triplets(k, options.seed, par)?;
    let orthogonality = orthogonality(u.as_ref(), par).max(orthogonality(v.as_ref(), par));
    let threshold = a.nrows().max(a.ncols()) as f64 * T::EPSILON.to_f64() * s.first().map_or(0.0, |s| s.to_f64());
    let rank = s.iter().filter(|s| s.to_f64() > threshold).count();
    scale_values(&mut s, basis.size.exponent)?;
    let rounded_to_type = quantum::<T>(basis.size.frobenius, a.nrows(), a.ncols());
    Ok(Rsvd {
        u,
        s,
        v,
        rank,
        error_estimate: scaled_back(squared.sqrt(), basis.size.exponent) + rounded_to_type,
        failure_probability,
        norm: basis.size.norm(),
        norm_source: basis.norm_source,
        tolerance_met,
        passes: basis.projection.passes,
        product_columns: basis.projection.product_columns,
        path: basis.path,
        orthogonality,
    })
}

impl<T: Real, A: LinearOperator<T> + ?Sized> Basis<'_, T, A> {
    /// [`squared_error`](Self::squared_error), which for the zero matrix is zero.
    fn error_of(&mut self, rank: usize) -> Result<(f64, f64), LinalgError> {
        if self.path == RsvdPath::Zero { Ok((0.0, 0.0)) } else { self.squared_error(rank) }
    }

    /// The smallest rank within the tolerance, or the largest allowed, with its squared error.
    fn smallest_rank(&mut self, relative: f64, max_rank: Option<usize>) -> Result<(usize, (f64, f64)), LinalgError> {
        let target = (relative * self.size.frobenius).powi(2);
        let most = max_rank.unwrap_or(usize::MAX).min(self.svd.s.len());
        // The error falls as the rank grows: bisection.
        let (mut low, mut high) = (0, most);
        while low < high {
            let middle = low.midpoint(high);
            if self.error_of(middle)?.0 <= target {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Ok((low, self.error_of(low)?))
    }

    /// The leading k triplets of A scaled, U = Q·Û and V = W·V̂, completed by zeros where there are fewer.
    fn triplets(&self, k: usize, seed: u64, par: Par) -> Result<Svd<T>, LinalgError> {
        let found = k.min(self.svd.s.len());
        let side = |basis: &Mat<T>, small: &Mat<T>| {
            let mut out = Mat::zeros(basis.nrows(), found);
            if self.path == RsvdPath::Exact {
                out.copy_from(basis.as_ref().subcols(0, found));
            } else {
                product(out.as_mut(), Accum::Replace, basis.as_ref(), small.as_ref().subcols(0, found), T::ONE, par);
            }
            out
        };
        let mut u = complete(side(&self.projection.q, &self.svd.u), k, seed, par)?;
        let mut v = complete(side(&self.projection.w, &self.svd.v), k, seed, par)?;
        fix_signs(&mut u, &mut v);
        let mut s = self.svd.s[..found].to_vec();
        s.resize(k, T::ZERO);
        Ok(Svd { u, s, v })
    }
}

/// In each column of U the entry of largest magnitude, the first of equals, becomes positive.
fn fix_signs<T: Real>(u: &mut Mat<T>, v: &mut Mat<T>) {
    for j in 0..u.ncols() {
        let largest = u.col(j).iter().fold(T::ZERO, |best, x| if x.abs() > best.abs() { *x } else { best });
        if largest < T::ZERO {
            for x in u.col_mut(j).iter_mut().chain(v.col_mut(j).iter_mut()) {
                *x = -*x;
            }
        }
    }
}
