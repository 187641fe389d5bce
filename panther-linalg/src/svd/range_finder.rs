//! The range of A: the first half of every low-rank decomposition.

use faer::prelude::*;
use panther_sketch::Real;

use crate::svd::basis::build_basis;
use crate::{LinalgError, LinearOperator, RsvdOptions, Target};

/// An orthonormal basis Q, m×l, that nearly holds the range of the best rank-`rank` approximation of A: the first half
/// of a randomized decomposition (Halko, Martinsson and Tropp 2011, section 4).
///
/// l is rank + p for subspace iteration, and (q+1)·⌈(rank + p)/3⌉ + 8 or somewhat more for block Krylov (2(rank + p) + 8 at
/// its default q = 5); never more than min(m, n), and less where A has no more range. Cost: 2(q+1)·(rank + p) columns of
/// products with A or Aᵀ for subspace iteration, a third of that for block Krylov, and O((m + n)·l²).
///
/// # Errors
/// As [`rsvd`](crate::rsvd()).
pub fn range_finder<T: Real, A: LinearOperator<T> + ?Sized>(
    a: &A,
    rank: usize,
    options: &RsvdOptions,
    par: Par,
) -> Result<Mat<T>, LinalgError> {
    Ok(build_basis(a, Target::Rank(rank), options, par)?.projection.q)
}
