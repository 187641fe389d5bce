//! Columns that a pivoted QR drops: their coefficients in Q, and how much of them is outside of it.

use faer::Accum;
use faer::prelude::*;
use panther_sketch::{Real, product};

use crate::kernels::inner_product;

/// Coefficients of dropped columns, and the norm of their residual.
pub(crate) struct Dropped<T> {
    pub(crate) coefficients: Mat<T>,
    pub(crate) residual: f64,
}

/// Projects `columns` on the span of Q; what is left in `columns` is their residual.
///
/// One projection leaves up to some 40·ε of columns of equal entries, since inner products round by that: where more than
/// `expected` is left, a second one takes it out, so that only the rounding of a product with few terms remains.
pub(crate) fn project_out<T: Real>(q: MatRef<'_, T>, columns: &mut Mat<T>, expected: f64, par: Par) -> Dropped<T> {
    let mut coefficients = Mat::zeros(q.ncols(), columns.ncols());
    let mut residual = f64::INFINITY;
    for _ in 0..2 {
        let inside = inner_product(q, columns.as_ref(), par);
        product(columns.as_mut(), Accum::Add, q, inside.as_ref(), -T::ONE, par);
        coefficients += inside;
        residual = columns.norm_l2().to_f64();
        if residual <= expected {
            break;
        }
    }
    Dropped { coefficients, residual }
}
