//! A ≈ Q B on a device: the stage before the SVD.

use panther_linalg::rules::{checked_for_shape, quantum, scaled_back};
use panther_linalg::{NormSource, Qb, RsvdOptions, Target};

use crate::gemm::product::multiplied;
use crate::matrix::scaling::rescale;
use crate::svd::basis::build_basis;
use crate::{DeviceReal, GpuError, Matrix, MatrixRef};

/// A ≈ Q B with orthonormal Q, on a device; the fields are those of [`Qb`].
#[derive(Debug)]
pub struct DeviceQb<T> {
    /// Orthonormal basis, m×l.
    pub q: Matrix<T>,
    /// QᵀA, l×n.
    pub b: Matrix<T>,
    /// ‖A − QB‖_F is at most this, but for [`failure_probability`](Self::failure_probability).
    pub error_estimate: f64,
    /// Probability, over the random vectors that measured it, that the true error exceeds the estimate.
    pub failure_probability: f64,
    /// ‖A‖_F.
    pub norm: f64,
    /// For a tolerance: whether the estimate is within it.
    pub tolerance_met: Option<bool>,
    /// Passes over A.
    pub passes: usize,
}

impl<T: DeviceReal> DeviceQb<T> {
    /// A copy on the host.
    ///
    /// # Errors
    /// [`GpuError::Call`].
    pub fn to_host(&self) -> Result<Qb<T>, GpuError> {
        Ok(Qb {
            q: self.q.to_host()?,
            b: self.b.to_host()?,
            error_estimate: self.error_estimate,
            failure_probability: self.failure_probability,
            norm: self.norm,
            norm_source: NormSource::Exact,
            tolerance_met: self.tolerance_met,
            passes: self.passes,
        })
    }
}

/// A ≈ Q B by rank or by tolerance on the device that holds A: as [`panther_linalg::qb()`], in everything.
///
/// # Errors
/// As [`rsvd`](crate::rsvd()).
pub fn qb<T: DeviceReal>(a: MatrixRef<'_, T>, target: Target, options: &RsvdOptions) -> Result<DeviceQb<T>, GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    let target = checked_for_shape((m, n), target)?;
    build_basis(a, target, options, |basis| {
        let columns = basis.projection.q.ncols();
        let (squared, failure_probability) = basis.squared_error(columns)?;
        let tolerance_met = match target {
            Target::Rank(_) => None,
            Target::Tolerance { relative, .. } => Some(squared.sqrt() <= relative * basis.frobenius),
        };
        let projection = &basis.projection;
        let mut b = multiplied(T::ONE, projection.t.as_ref().t(), projection.w.view().t())?;
        rescale("B", b.as_mut(), basis.exponent)?;
        Ok(DeviceQb {
            q: projection.q.view().to_owned()?,
            b,
            error_estimate: scaled_back(squared.sqrt(), basis.exponent) + quantum::<T>(basis.frobenius, m, n),
            failure_probability,
            norm: basis.size.norm(),
            tolerance_met,
            passes: projection.passes,
        })
    })
}
