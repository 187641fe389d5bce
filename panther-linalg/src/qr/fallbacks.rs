//! Fallbacks of CQRRPT: the cheapest orthonormalization that is measured to have worked.

use faer::prelude::*;
use panther_sketch::Real;

use crate::estimate::measure_orthogonality;
use crate::qr::cholesky::{Breakdown, cholesky_pass, shifted_passes, upper_product};
use crate::qr::householder::householder_qr;
use crate::{LinalgError, QrFallback};

pub(crate) struct Orthonormalized<T> {
    pub(crate) r: Mat<T>,
    pub(crate) orthogonality: f64,
    pub(crate) fallback: QrFallback,
}

/// Makes `q` orthonormal by the cheapest method whose result is measured to be.
pub(crate) fn orthonormalize<T: Real>(q: &mut Mat<T>, seed: u64, par: Par) -> Result<Orthonormalized<T>, LinalgError> {
    let good = 10.0 * q.ncols() as f64 * T::EPSILON.to_f64();
    let mut r = Mat::identity(q.ncols(), q.ncols());
    for fallback in [QrFallback::None, QrFallback::CholeskyQr2, QrFallback::ShiftedCholeskyQr3] {
        // A pass that breaks down leaves q as it was, for the next one.
        let passed = match fallback {
            QrFallback::ShiftedCholeskyQr3 => shifted_passes(q.as_mut(), &mut r, par),
            _ => plain_pass(q.as_mut(), &mut r, par),
        };
        if passed.is_ok() {
            let orthogonality = measure_orthogonality(q.as_ref(), seed, par)?;
            if orthogonality <= good {
                return Ok(Orthonormalized { r, orthogonality, fallback });
            }
        }
    }
    let (orthonormal, factor) = householder_qr(std::mem::replace(q, Mat::new()), par);
    *q = orthonormal;
    let r = upper_product(factor.as_ref(), r.as_ref(), par);
    let orthogonality = measure_orthogonality(q.as_ref(), seed, par)?;
    Ok(Orthonormalized { r, orthogonality, fallback: QrFallback::Householder })
}

fn plain_pass<T: Real>(q: MatMut<'_, T>, r: &mut Mat<T>, par: Par) -> Result<(), Breakdown> {
    let factor = cholesky_pass(q, par)?;
    *r = upper_product(factor.as_ref(), r.as_ref(), par);
    Ok(())
}
