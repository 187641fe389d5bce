//! QB: A ≈ Q·B with orthonormal Q and B = QᵀA.

use faer::Accum;
use faer::prelude::*;
use panther_sketch::{Real, product};

use crate::estimate::quantum;
use crate::operator::rescaled;
use crate::operator::scaled_back;
use crate::svd::basis::build_basis;
use crate::{LinalgError, LinearOperator, Qb, RsvdOptions, Target};

/// A ≈ Q·B, the stage before the small SVD of [`rsvd`](crate::rsvd()) (Martinsson and Voronin 2016; Yu, Gu and Li 2018).
///
/// The basis is that of [`range_finder`](crate::range_finder()); by tolerance it grows until ‖A − QB‖_F is within it.
/// All of it is returned, so it is wider than the singular value decomposition of the same target.
///
/// # Errors
/// As [`rsvd`](crate::rsvd()).
///
/// ```
/// use faer::{Mat, Par};
/// use panther_linalg::{RsvdOptions, Target, qb};
/// let a = Mat::from_fn(200, 150, |i, j| 1.0 / (i + j + 1) as f64);
/// let target = Target::Tolerance { relative: 1e-6, max_rank: None };
/// let approximation = qb(&a, target, &RsvdOptions::default(), Par::Seq)?;
/// assert!((&a - &approximation.q * &approximation.b).norm_l2() <= 1e-6 * a.norm_l2());
/// # Ok::<(), panther_linalg::LinalgError>(())
/// ```
pub fn qb<T: Real, A: LinearOperator<T> + ?Sized>(
    a: &A,
    target: Target,
    options: &RsvdOptions,
    par: Par,
) -> Result<Qb<Mat<T>>, LinalgError> {
    let mut basis = build_basis(a, target, options, par)?;
    let columns = basis.projection.q.ncols();
    let (squared, failure_probability) = basis.bound(columns)?;
    let rounded_to_type = quantum::<T>(basis.norm.frobenius, a.nrows(), a.ncols());
    let projection = &basis.projection;
    let mut b = Mat::zeros(columns, a.ncols());
    product(b.as_mut(), Accum::Replace, projection.t.transpose(), projection.w.transpose(), T::ONE, par);
    let tolerance_met = basis.tolerance_met(target, squared);
    Ok(Qb {
        b: rescaled("B", b, basis.norm.exponent)?,
        error_estimate: scaled_back(squared.sqrt(), basis.norm.exponent) + rounded_to_type,
        failure_probability,
        norm: basis.norm.norm(),
        norm_source: basis.norm_source,
        tolerance_met,
        passes: basis.projection.passes,
        q: basis.projection.q,
    })
}
