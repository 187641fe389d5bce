//! Error and orthogonality of a QR, measured with a few random vectors, by the rules of panther-linalg.

use panther_linalg::rules::{RESIDUAL_SAFETY, RESIDUAL_VECTORS, chi_squared_below, quantum, scaled_back};
use panther_sketch::seed::{Purpose, derive};

use crate::gemm::product::multiplied;
use crate::matrix::permute::scatter_rows;
use crate::{Buffer, DeviceReal, GpuError, MatrixRef, frobenius, gaussian_matrix, product};

/// An upper bound of ‖AP − QR‖_F, and the probability that it is none.
pub(crate) struct Residual {
    pub(crate) error_estimate: f64,
    pub(crate) failure_probability: f64,
}

/// Measures ‖A·P − QR‖_F; `norm` is ‖A‖_F. The bound is given times 2^exponent.
pub(crate) fn measure_residual<T: DeviceReal>(
    a: MatrixRef<'_, T>,
    (norm, exponent): (f64, i32),
    permutation: &Buffer<i32>,
    q: MatrixRef<'_, T>,
    r: MatrixRef<'_, T>,
    seed: u64,
) -> Result<Residual, GpuError> {
    let y = gaussian_matrix::<T>(a.device, r.ncols(), RESIDUAL_VECTORS, derive(seed, Purpose::ErrorEstimate, 0))?;
    let py = scatter_rows(&y, permutation)?;
    let mut residual = multiplied(T::ONE, a, py.as_ref())?;
    if q.ncols() > 0 {
        let ry = multiplied(T::ONE, r, y.as_ref())?;
        product(residual.as_mut(), -T::ONE, q, ry.as_ref(), T::ONE)?;
    }
    let s = RESIDUAL_VECTORS as f64;
    let measured = RESIDUAL_SAFETY * frobenius(residual.as_ref())? / s.sqrt();
    Ok(Residual {
        error_estimate: scaled_back(measured + T::EPSILON.to_f64() * norm, exponent)
            + quantum::<T>(norm, q.nrows(), r.ncols()),
        failure_probability: chi_squared_below(RESIDUAL_VECTORS, s / (RESIDUAL_SAFETY * RESIDUAL_SAFETY)),
    })
}

/// ‖QᵀQ − I‖_F, unbiased in the square.
pub(crate) fn measure_orthogonality<T: DeviceReal>(q: MatrixRef<'_, T>, seed: u64) -> Result<f64, GpuError> {
    if q.ncols() == 0 {
        return Ok(0.0);
    }
    let mut defect =
        gaussian_matrix::<T>(q.device, q.ncols(), RESIDUAL_VECTORS, derive(seed, Purpose::Orthogonality, 0))?;
    let image = multiplied(T::ONE, q, defect.as_ref())?;
    product(defect.as_mut(), T::ONE, q.t(), image.as_ref(), -T::ONE)?;
    Ok(frobenius(defect.as_ref())? / (RESIDUAL_VECTORS as f64).sqrt())
}
