//! Products through faer that are the same bytes for any number of threads.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use crate::Real;

/// out = α·A·B, or added to it: faer's product, with the same bytes for any `par`.
///
/// faer cuts a product with a single vector into as many pieces as there are threads and sums what
/// they give, so those stay on one thread. Of all others each entry is summed in an order of its
/// own.
///
/// # Panics
/// Where the shapes do not fit.
pub fn product<T: Real>(out: MatMut<'_, T>, accum: Accum, a: MatRef<'_, T>, b: MatRef<'_, T>, alpha: T, par: Par) {
    let is_vector = out.ncols() == 1 || out.nrows() == 1;
    matmul(out, accum, a, b, alpha, if is_vector { Par::Seq } else { par });
}
