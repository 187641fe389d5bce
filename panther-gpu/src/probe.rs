//! Error and orthogonality measured with a few random vectors, by the rules of panther-linalg.

use panther_linalg::rules::{
    PROBES, QR_PROBES, QR_SAFETY, SAFETY, chi_squared_below, derive_seed, quantum, scaled_back,
};

use crate::orthonormal::multiplied;
use crate::projection::Projection;
use crate::sketch::gaussian_matrix;
use crate::small::{frobenius, scale_rows, scatter_rows};
use crate::small_svd::Svd;
use crate::{Buffer, DeviceReal, GpuError, Matrix, MatrixRef, product};

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
    let y = gaussian_matrix::<T>(a.device, r.ncols(), QR_PROBES, derive_seed(seed, u64::MAX))?;
    let py = scatter_rows(&y, permutation)?;
    let mut residual = multiplied(T::ONE, a, py.as_ref())?;
    if q.ncols() > 0 {
        let ry = multiplied(T::ONE, r, y.as_ref())?;
        product(residual.as_mut(), -T::ONE, q, ry.as_ref(), T::ONE)?;
    }
    let s = QR_PROBES as f64;
    let measured = QR_SAFETY * frobenius(residual.as_ref())? / s.sqrt();
    Ok(Residual {
        error_estimate: scaled_back(measured + T::EPSILON.to_f64() * norm, exponent)
            + quantum::<T>(norm, q.nrows(), r.ncols()),
        failure_probability: chi_squared_below(QR_PROBES, s / (QR_SAFETY * QR_SAFETY)),
    })
}

/// ‖QᵀQ − I‖_F, unbiased in the square.
pub(crate) fn measure_orthogonality<T: DeviceReal>(q: MatrixRef<'_, T>, seed: u64) -> Result<f64, GpuError> {
    if q.ncols() == 0 {
        return Ok(0.0);
    }
    let mut defect = gaussian_matrix::<T>(q.device, q.ncols(), QR_PROBES, derive_seed(seed, u64::MAX - 1))?;
    let image = multiplied(T::ONE, q, defect.as_ref())?;
    product(defect.as_mut(), T::ONE, q.t(), image.as_ref(), -T::ONE)?;
    Ok(frobenius(defect.as_ref())? / (QR_PROBES as f64).sqrt())
}

/// G and A·G, drawn once and independent of any basis, for as many measurements as are wanted.
pub(crate) struct ErrorProbe<T> {
    g: Matrix<T>,
    ag: Matrix<T>,
}

impl<T: DeviceReal> ErrorProbe<T> {
    pub(crate) fn new(p: &mut Projection<'_, T>) -> Result<Self, GpuError> {
        let g = gaussian_matrix(p.a.device, p.a.ncols(), PROBES, derive_seed(p.seed, u64::MAX))?;
        let ag = p.apply(g.as_ref())?;
        Ok(Self { g, ag })
    }

    /// An upper bound of ‖A − Q·Û_kΣ_kV̂_kᵀ·Wᵀ‖²_F, and the probability that it is none. `norm` is ‖A‖_F, below ε times
    /// which a residual is itself a rounding error.
    pub(crate) fn squared_error(
        &self,
        p: &Projection<'_, T>,
        svd: &Svd<T>,
        rank: usize,
        norm: f64,
    ) -> Result<(f64, f64), GpuError> {
        let k = rank.min(svd.s.len());
        let mut residual = self.ag.try_clone()?;
        if k > 0 {
            let wg = multiplied(T::ONE, p.w.view().t(), self.g.as_ref())?;
            let mut coefficients = multiplied(T::ONE, svd.v.as_ref().subcols(0, k).t(), wg.as_ref())?;
            let sigma: Vec<f64> = svd.s[..k].iter().map(|s| s.to_f64()).collect();
            scale_rows(&mut coefficients, &sigma)?;
            let small = multiplied(T::ONE, svd.u.as_ref().subcols(0, k), coefficients.as_ref())?;
            product(residual.as_mut(), -T::ONE, p.q.view(), small.as_ref(), T::ONE)?;
        }
        let s = PROBES as f64;
        let measured = SAFETY * frobenius(residual.as_ref())? / s.sqrt() + T::EPSILON.to_f64() * norm;
        Ok((measured * measured, chi_squared_below(PROBES, s / (SAFETY * SAFETY))))
    }
}
