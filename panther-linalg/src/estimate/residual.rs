//! Residual of a QR, estimated with a few random vectors.
//!
//! For a fixed matrix E and a Gaussian G of s columns, ‖EG‖²_F/s is an unbiased estimate of ‖E‖²_F. It falls short of
//! ‖E‖²_F/θ² with a probability of at most P(χ²_s ≤ s/θ²), which E of rank one attains (Gratton and Titley-Peloquin 2018).

use faer::Accum;
use faer::prelude::*;
use panther_sketch::seed::{Purpose, derive};
use panther_sketch::{Input, Real, product};

use crate::LinalgError;
use crate::estimate::chi_squared_below;
use crate::estimate::gaussian;
use crate::operator::{Scaled, scaled_back};

/// Vectors that measure a QR.
pub const RESIDUAL_VECTORS: usize = 8;
/// What they measure is taken this many times: one in 10⁷ estimates is too small.
pub const RESIDUAL_SAFETY: f64 = 10.0;

/// An upper bound of ‖AP − QR‖_F, and the probability that it is none.
pub(crate) struct Residual {
    pub(crate) error_estimate: f64,
    pub(crate) failure_probability: f64,
}

/// What the rounding of the factors of an m×n matrix of this norm to numbers of type T can add to an error where they
/// are subnormal: √(mn) times the smallest number above zero.
pub fn quantum<T: Real>(norm: f64, m: usize, n: usize) -> f64 {
    if norm == 0.0 {
        return 0.0;
    }
    (m as f64 * n as f64).sqrt() * T::MIN_POSITIVE.to_f64() * T::EPSILON.to_f64()
}

/// Measures ‖A·2^−exponent·P − QR‖_F; the bound is given in units of A. `norm` is ‖A·2^−exponent‖_F, below ε times which
/// a residual is itself a rounding error.
pub(crate) fn measure_residual<T: Real>(
    a: &Scaled<'_, Input<'_, T>>,
    norm: f64,
    permutation: &[usize],
    q: MatRef<'_, T>,
    r: MatRef<'_, T>,
    seed: u64,
    par: Par,
) -> Result<Residual, LinalgError> {
    let y = gaussian::<T>(r.ncols(), RESIDUAL_VECTORS, derive(seed, Purpose::ErrorEstimate, 0))?;
    let mut py = Mat::zeros(r.ncols(), RESIDUAL_VECTORS);
    for (from, &to) in permutation.iter().enumerate() {
        py.row_mut(to).copy_from(y.row(from));
    }
    let mut residual = a.apply("a", py.as_ref(), par)?;
    if q.ncols() > 0 {
        let mut ry = Mat::zeros(q.ncols(), RESIDUAL_VECTORS);
        product(ry.as_mut(), Accum::Replace, r, y.as_ref(), T::ONE, par);
        product(residual.as_mut(), Accum::Add, q, ry.as_ref(), -T::ONE, par);
    }
    let s = RESIDUAL_VECTORS as f64;
    let measured = RESIDUAL_SAFETY * residual.norm_l2().to_f64() / s.sqrt();
    Ok(Residual {
        error_estimate: scaled_back(measured + T::EPSILON.to_f64() * norm, a.exponent)
            + quantum::<T>(norm, q.nrows(), r.ncols()),
        failure_probability: chi_squared_below(RESIDUAL_VECTORS, s / (RESIDUAL_SAFETY * RESIDUAL_SAFETY)),
    })
}
