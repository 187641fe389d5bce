//! Error and orthogonality measured with a few random vectors.
//!
//! For a fixed matrix E and a Gaussian G of s columns, ‖EG‖²_F/s is an unbiased estimate of ‖E‖²_F. It falls short of
//! ‖E‖²_F/θ² with a probability of at most P(χ²_s ≤ s/θ²), which E of rank one attains (Gratton and Titley-Peloquin 2018).

use faer::Accum;
use faer::prelude::*;
use panther_sketch::{Distribution, Input, Real, product};

use crate::magnitude::scaled_back;
use crate::projection::Projection;
use crate::scaled::Scaled;
use crate::seed::derive_seed;
use crate::small_svd::Svd;
use crate::{LinalgError, LinearOperator};

/// P(χ²_s ≤ x) for even s: the tail of a Poisson distribution with mean x/2.
pub fn chi_squared_below(s: usize, x: f64) -> f64 {
    let y = x / 2.0;
    let mut term = (-y).exp();
    for i in 1..=s / 2 {
        term *= y / i as f64;
    }
    let mut sum = 0.0;
    let mut i = s / 2;
    while term > sum * f64::EPSILON {
        sum += term;
        i += 1;
        term *= y / i as f64;
    }
    sum
}

/// n×s with independent N(0, 1) entries.
pub(crate) fn gaussian<T: Real>(n: usize, s: usize, seed: u64) -> Result<Mat<T>, LinalgError> {
    let unscaled = T::from_f64((s as f64).sqrt());
    let mut g = Distribution::Gaussian.operator::<T>(s, n, seed)?.to_dense();
    for j in 0..n {
        for x in g.col_mut(j).iter_mut() {
            *x *= unscaled;
        }
    }
    Ok(g.transpose().to_owned())
}

/// Vectors that measure a QR.
pub const QR_PROBES: usize = 8;
/// What they measure is taken this many times: one in 10⁷ estimates is too small.
pub const QR_SAFETY: f64 = 10.0;

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
    let y = gaussian::<T>(r.ncols(), QR_PROBES, derive_seed(seed, u64::MAX))?;
    let mut py = Mat::zeros(r.ncols(), QR_PROBES);
    for (from, &to) in permutation.iter().enumerate() {
        py.row_mut(to).copy_from(y.row(from));
    }
    let mut residual = a.apply("a", py.as_ref(), par)?;
    if q.ncols() > 0 {
        let mut ry = Mat::zeros(q.ncols(), QR_PROBES);
        product(ry.as_mut(), Accum::Replace, r, y.as_ref(), T::ONE, par);
        product(residual.as_mut(), Accum::Add, q, ry.as_ref(), -T::ONE, par);
    }
    let s = QR_PROBES as f64;
    let measured = QR_SAFETY * residual.norm_l2().to_f64() / s.sqrt();
    Ok(Residual {
        error_estimate: scaled_back(measured + T::EPSILON.to_f64() * norm, a.exponent)
            + quantum::<T>(norm, q.nrows(), r.ncols()),
        failure_probability: chi_squared_below(QR_PROBES, s / (QR_SAFETY * QR_SAFETY)),
    })
}

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

/// ‖QᵀQ − I‖_F, unbiased in the square.
pub(crate) fn measure_orthogonality<T: Real>(q: MatRef<'_, T>, seed: u64, par: Par) -> Result<f64, LinalgError> {
    if q.ncols() == 0 {
        return Ok(0.0);
    }
    let mut defect = gaussian::<T>(q.ncols(), QR_PROBES, derive_seed(seed, u64::MAX - 1))?;
    let mut image = Mat::zeros(q.nrows(), QR_PROBES);
    product(image.as_mut(), Accum::Replace, q, defect.as_ref(), T::ONE, par);
    product(defect.as_mut(), Accum::Add, q.transpose(), image.as_ref(), -T::ONE, par);
    Ok(defect.norm_l2().to_f64() / (QR_PROBES as f64).sqrt())
}

#[cfg(test)]
mod tests {
    use super::chi_squared_below;

    #[test]
    fn chi_squared_matches_its_closed_forms() {
        // s = 2: 1 − e^(−x/2); s = 4: 1 − e^(−x/2)(1 + x/2).
        for x in [0.1, 1.0, 5.0] {
            let e = f64::exp(-x / 2.0);
            assert!((chi_squared_below(2, x) - (1.0 - e)).abs() < 1e-14);
            assert!((chi_squared_below(4, x) - (1.0 - e * (1.0 + x / 2.0))).abs() < 1e-14);
        }
    }
}
