//! ‖QᵀQ − I‖_F, exactly for few columns and estimated with random vectors for many.

use faer::Accum;
use faer::prelude::*;
use panther_sketch::seed::{Purpose, derive};
use panther_sketch::{Real, product};

use crate::LinalgError;
use crate::estimate::{RESIDUAL_VECTORS, gaussian};
use crate::kernels::{inner_product, orthogonality};

/// Columns up to which QᵀQ itself costs no more than two products with random vectors.
const EXACT_COLUMNS: usize = 32;

/// ‖QᵀQ − I‖_F, unbiased in the square.
pub(crate) fn measure_orthogonality<T: Real>(q: MatRef<'_, T>, seed: u64, par: Par) -> Result<f64, LinalgError> {
    if q.ncols() <= EXACT_COLUMNS {
        return Ok(orthogonality(q, par));
    }
    let y = gaussian::<T>(q.ncols(), RESIDUAL_VECTORS, derive(seed, Purpose::Orthogonality, 0))?;
    let mut image = Mat::zeros(q.nrows(), RESIDUAL_VECTORS);
    product(image.as_mut(), Accum::Replace, q, y.as_ref(), T::ONE, par);
    let defect = inner_product(q, image.as_ref(), par) - y;
    Ok(defect.norm_l2().to_f64() / (RESIDUAL_VECTORS as f64).sqrt())
}
