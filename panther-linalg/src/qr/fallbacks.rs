//! Fallbacks of CQRRPT: the cheapest orthonormalization that is measured to have worked.

use faer::prelude::*;
use panther_sketch::Real;

use crate::estimate::measure_orthogonality;
use crate::qr::cholesky::{cholesky_pass, stabilizing_shift, upper_product};
use crate::qr::householder::householder_qr;
use crate::{LinalgError, QrFallback};

pub(crate) struct Orthonormalized<T> {
    pub(crate) r: Mat<T>,
    pub(crate) orthogonality: f64,
    pub(crate) fallback: QrFallback,
}

/// Makes `q` orthonormal by the cheapest way that is seen to work.
pub(crate) fn orthonormalize<T: Real>(q: &mut Mat<T>, seed: u64, par: Par) -> Result<Orthonormalized<T>, LinalgError> {
    let good = 10.0 * q.ncols() as f64 * T::EPSILON.to_f64();
    let mut r = Mat::identity(q.ncols(), q.ncols());
    let shifted = QrFallback::ShiftedCholeskyQr3;
    for (fallback, shift) in [
        (QrFallback::None, false),
        (QrFallback::CholeskyQr2, false),
        (shifted, true),
        (shifted, false),
        (shifted, false),
    ] {
        let shift = if shift { stabilizing_shift(q.as_ref()) } else { T::ZERO };
        // A pass that breaks down leaves q as it was, for the next one.
        let Ok(factor) = cholesky_pass(q.as_mut(), shift, par) else { continue };
        r = upper_product(factor.as_ref(), r.as_ref(), par);
        let orthogonality = measure_orthogonality(q.as_ref(), seed, par)?;
        if orthogonality <= good {
            return Ok(Orthonormalized { r, orthogonality, fallback });
        }
    }
    let (orthonormal, factor) = householder_qr(std::mem::replace(q, Mat::new()), par);
    *q = orthonormal;
    let r = upper_product(factor.as_ref(), r.as_ref(), par);
    let orthogonality = measure_orthogonality(q.as_ref(), seed, par)?;
    Ok(Orthonormalized { r, orthogonality, fallback: QrFallback::Householder })
}
