//! The error bound of an SVD, measured with a few random vectors, by the rules of panther-linalg.

use panther_linalg::rules::{PROBES, SAFETY, chi_squared_below, derive_seed};

use crate::gemm::product::multiplied;
use crate::matrix::entries::scale_rows;
use crate::svd::factors::Svd;
use crate::svd::projection::Projection;
use crate::{DeviceReal, GpuError, Matrix, frobenius, gaussian_matrix, product};

/// G and A·G, drawn once and independent of any basis, for as many measurements as are wanted.
pub(crate) struct ErrorEstimate<T> {
    g: Matrix<T>,
    ag: Matrix<T>,
}

impl<T: DeviceReal> ErrorEstimate<T> {
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
