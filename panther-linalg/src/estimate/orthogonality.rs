//! ‖QᵀQ − I‖_F, estimated with a few random vectors.

use faer::Accum;
use faer::prelude::*;
use panther_sketch::{Real, product};

use crate::LinalgError;
use crate::estimate::QR_PROBES;
use crate::estimate::gaussian;
use crate::seed::derive_seed;

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
