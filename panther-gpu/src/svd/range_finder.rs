//! Finding the range of A on a device.

use panther_linalg::{RsvdOptions, Target};

use crate::svd::basis::build_basis;
use crate::{DeviceReal, GpuError, Matrix, MatrixRef};

/// An orthonormal basis Q, m×l, that nearly holds the range of the best rank-`rank` approximation of A: as
/// [`panther_linalg::range_finder`], in everything.
///
/// # Errors
/// As [`rsvd`](crate::rsvd()).
pub fn range_finder<T: DeviceReal>(
    a: MatrixRef<'_, T>,
    rank: usize,
    options: &RsvdOptions,
) -> Result<Matrix<T>, GpuError> {
    build_basis(a, Target::Rank(rank), options, |basis| basis.projection.q.view().to_owned())
}
