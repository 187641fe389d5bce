//! Gram matrices, and ‖QᵀQ − I‖_F from them.

use faer::Accum;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::prelude::*;
use panther_sketch::Real;

/// The lower triangle of AᵀA; what is above is zero.
pub(crate) fn gram<T: Real>(a: MatRef<'_, T>, par: Par) -> Mat<T> {
    let mut gram = Mat::zeros(a.ncols(), a.ncols());
    triangular::matmul(
        &mut gram,
        BlockStructure::TriangularLower,
        Accum::Replace,
        a.transpose(),
        BlockStructure::Rectangular,
        a,
        BlockStructure::Rectangular,
        T::ONE,
        par,
    );
    gram
}

/// ‖G − I‖_F from the lower triangle of G.
pub(crate) fn distance_from_identity<T: Real>(lower: MatRef<'_, T>) -> f64 {
    let mut sum = 0.0;
    for j in 0..lower.ncols() {
        sum += (lower[(j, j)].to_f64() - 1.0).powi(2);
        for i in j + 1..lower.nrows() {
            sum += 2.0 * lower[(i, j)].to_f64().powi(2);
        }
    }
    sum.sqrt()
}

/// ‖QᵀQ − I‖_F.
pub(crate) fn orthogonality<T: Real>(q: MatRef<'_, T>, par: Par) -> f64 {
    distance_from_identity(gram(q, par).as_ref())
}
