//! A basis measured with random vectors that it has never seen.

use faer::Accum;
use faer::prelude::*;
use panther_sketch::seed::{Purpose, derive};
use panther_sketch::{Real, product};

use crate::estimate::gaussian;
use crate::svd::bound::{ERROR_VECTORS, Measured};
use crate::svd::projection::Projection;
use crate::{LinalgError, LinearOperator};

/// G and A·G, drawn once and independent of any basis, for all measurements.
pub(crate) struct Measurement<T> {
    g: Mat<T>,
    ag: Mat<T>,
}

impl<T: Real> Measurement<T> {
    /// One pass over A.
    pub(crate) fn new<A: LinearOperator<T> + ?Sized>(p: &mut Projection<'_, T, A>) -> Result<Self, LinalgError> {
        let g = gaussian(p.a.operator.ncols(), ERROR_VECTORS, derive(p.seed, Purpose::ErrorEstimate, 0))?;
        let ag = p.apply(g.as_ref())?;
        Ok(Self { g, ag })
    }

    /// From products that were taken before.
    pub(crate) fn from_products(g: Mat<T>, ag: Mat<T>) -> Self {
        Self { g, ag }
    }

    /// Measures the part of A outside of Q, and the distance of AᵀQ from W·T.
    pub(crate) fn of<A: LinearOperator<T> + ?Sized>(&self, p: &Projection<'_, T, A>) -> Measured {
        let inside = times(p.q.transpose(), self.ag.as_ref(), p.par);
        let mut outside = self.ag.clone();
        product(outside.as_mut(), Accum::Add, p.q.as_ref(), inside.as_ref(), -T::ONE, p.par);
        let wg = times(p.w.transpose(), self.g.as_ref(), p.par);
        let mut defect = inside;
        product(defect.as_mut(), Accum::Add, p.t.transpose(), wg.as_ref(), -T::ONE, p.par);
        Measured { outside: mean_square(&outside), defect: mean_square(&defect) }
    }
}

fn times<T: Real>(a: MatRef<'_, T>, b: MatRef<'_, T>, par: Par) -> Mat<T> {
    let mut out = Mat::zeros(a.nrows(), b.ncols());
    product(out.as_mut(), Accum::Replace, a, b, T::ONE, par);
    out
}

fn mean_square<T: Real>(a: &Mat<T>) -> f64 {
    crate::kernels::squared_norm(a.as_ref()) / ERROR_VECTORS as f64
}
