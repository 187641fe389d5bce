//! Error of a low-rank approximation, measured with random vectors.
//!
//! For a fixed matrix E and a Gaussian G of s columns, ‖EG‖²_F/s is an unbiased estimate of ‖E‖²_F. It falls short of
//! ‖E‖²_F/θ² with a probability of at most P(χ²_s ≤ s/θ²), which E of rank one attains (Gratton and Titley-Peloquin 2018).

use faer::Accum;
use faer::prelude::*;
use panther_sketch::{Real, product};

use crate::estimate::{chi_squared_below, gaussian};
use crate::seed::derive_seed;
use crate::svd::projection::Projection;
use crate::svd::small_svd::Svd;
use crate::{LinalgError, LinearOperator};

/// Vectors that measure a low-rank approximation.
pub const PROBES: usize = 32;
/// What they measure is taken this many times: one estimate in 200 000 is too small.
pub const SAFETY: f64 = 2.0;

/// G and A·G, drawn once and independent of any basis, for as many measurements as are wanted.
pub(crate) struct ErrorProbe<T> {
    g: Mat<T>,
    ag: Mat<T>,
}

impl<T: Real> ErrorProbe<T> {
    pub(crate) fn new<A: LinearOperator<T> + ?Sized>(p: &mut Projection<'_, T, A>) -> Result<Self, LinalgError> {
        let g = gaussian(p.a.operator.ncols(), PROBES, derive_seed(p.seed, u64::MAX))?;
        let ag = p.apply(g.as_ref())?;
        Ok(Self { g, ag })
    }

    /// An upper bound of ‖A − Q·Û_kΣ_kV̂_kᵀ·Wᵀ‖²_F, and the probability that it is none. `norm` is ‖A‖_F, below ε times
    /// which a residual is itself a rounding error.
    pub(crate) fn squared_error<A: LinearOperator<T> + ?Sized>(
        &self,
        p: &Projection<'_, T, A>,
        svd: &Svd<T>,
        rank: usize,
        norm: f64,
    ) -> (f64, f64) {
        let k = rank.min(svd.s.len());
        let times = |a: MatRef<'_, T>, b: MatRef<'_, T>| {
            let mut out = Mat::zeros(a.nrows(), b.ncols());
            product(out.as_mut(), Accum::Replace, a, b, T::ONE, p.par);
            out
        };
        let wg = times(p.w.transpose(), self.g.as_ref());
        let mut coefficients = times(svd.v.as_ref().subcols(0, k).transpose(), wg.as_ref());
        for i in 0..k {
            for x in coefficients.row_mut(i).iter_mut() {
                *x *= svd.s[i];
            }
        }
        let small = times(svd.u.as_ref().subcols(0, k), coefficients.as_ref());
        let mut residual = self.ag.clone();
        product(residual.as_mut(), Accum::Add, p.q.as_ref(), small.as_ref(), -T::ONE, p.par);
        let s = PROBES as f64;
        let measured = SAFETY * residual.norm_l2().to_f64() / s.sqrt() + T::EPSILON.to_f64() * norm;
        (measured * measured, chi_squared_below(PROBES, s / (SAFETY * SAFETY)))
    }
}
