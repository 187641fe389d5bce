//! A basis measured with random vectors that it has never seen, as on the CPU.

use panther_linalg::rules::{ERROR_VECTORS, Measured};
use panther_sketch::seed::{Purpose, derive};

use crate::gemm::product::multiplied;
use crate::matrix::report::Report;
use crate::svd::projection::Projection;
use crate::{DeviceReal, GpuError, Matrix, gaussian_matrix, product};

/// G and A·G, drawn once and independent of any basis, for all measurements.
pub(crate) struct Measurement<T> {
    g: Matrix<T>,
    ag: Matrix<T>,
}

impl<T: DeviceReal> Measurement<T> {
    /// One pass over A.
    pub(crate) fn new(p: &mut Projection<'_, T>) -> Result<Self, GpuError> {
        let g = gaussian_matrix(p.a.device, p.a.ncols(), ERROR_VECTORS, derive(p.seed, Purpose::ErrorEstimate, 0))?;
        let ag = p.apply(g.as_ref())?;
        Ok(Self { g, ag })
    }

    /// Measures the part of A outside of Q, and the distance of AᵀQ from W·T. The host waits once.
    pub(crate) fn of(&self, p: &Projection<'_, T>) -> Result<Measured, GpuError> {
        let [outside, defect] = Report::several(p.a.device)?;
        if p.q.ncols() == 0 {
            outside.squares(self.ag.as_ref())?;
        } else {
            let mut inside = multiplied(T::ONE, p.q.view().t(), self.ag.as_ref())?;
            let mut rest = self.ag.try_clone()?;
            product(rest.as_mut(), -T::ONE, p.q.view(), inside.as_ref(), T::ONE)?;
            outside.squares(rest.as_ref())?;
            if p.w.ncols() > 0 {
                let wg = multiplied(T::ONE, p.w.view().t(), self.g.as_ref())?;
                product(inside.as_mut(), -T::ONE, p.t.as_ref().t(), wg.as_ref(), T::ONE)?;
            }
            defect.squares(inside.as_ref())?;
        }
        let [outside, defect] = Report::read_all([outside, defect])?;
        let s = ERROR_VECTORS as f64;
        Ok(Measured { outside: outside.squares / s, defect: defect.squares / s })
    }
}
