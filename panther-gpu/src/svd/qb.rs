//! A ≈ Q B on a device: the stage before the SVD.

use panther_linalg::rules::{quantum, scaled_back};
use panther_linalg::{NormSource, Qb, RsvdOptions, Target};

use crate::gemm::product::multiplied;
use crate::matrix::scaling::rescale;
use crate::svd::basis::build_basis;
use crate::{DeviceReal, GpuError, Matrix, MatrixRef, ToHost};

/// A ≈ Q B with Q and B on a device.
pub type DeviceQb<T> = Qb<Matrix<T>>;

impl<T: DeviceReal> ToHost for DeviceQb<T> {
    type Host = Qb<faer::Mat<T>>;

    fn to_host(&self) -> Result<Self::Host, GpuError> {
        self.map_matrices(Matrix::to_host)
    }
}

/// A ≈ Q B by rank or by tolerance on the device that holds A: as [`panther_linalg::qb()`], in everything.
///
/// # Errors
/// As [`rsvd`](crate::rsvd()).
pub fn qb<T: DeviceReal>(a: MatrixRef<'_, T>, target: Target, options: &RsvdOptions) -> Result<DeviceQb<T>, GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    build_basis(a, target, options, |basis| {
        let columns = basis.projection.q.ncols();
        let (squared, failure_probability) = basis.bound(columns)?;
        let tolerance_met = basis.tolerance_met(target, squared);
        let projection = &basis.projection;
        let mut b = multiplied(T::ONE, projection.t.as_ref().t(), projection.w.view().t())?;
        rescale("B", b.as_mut(), basis.exponent)?;
        Ok(DeviceQb {
            q: projection.q.view().to_owned()?,
            b,
            error_estimate: scaled_back(squared.sqrt(), basis.exponent) + quantum::<T>(basis.frobenius, m, n),
            failure_probability,
            norm: basis.norm.norm(),
            norm_source: NormSource::Exact,
            tolerance_met,
            passes: projection.passes,
        })
    })
}
