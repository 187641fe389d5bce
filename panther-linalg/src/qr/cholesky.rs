//! One pass of Cholesky QR, and its shift: AᵀA = RᵀR, Q = A·R⁻¹.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltError, LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::prelude::*;
use faer::{Accum, Spec};
use panther_sketch::{Real, product};

use crate::kernels::{gram, solve_on_the_right};

/// A Cholesky factorisation met a pivot that is not positive, in this column.
pub(crate) struct Breakdown {
    pub(crate) column: usize,
}

/// L with L·Lᵀ = G, from the lower triangle of G.
pub(crate) fn cholesky<T: Real>(mut g: Mat<T>, par: Par) -> Result<Mat<T>, Breakdown> {
    let n = g.nrows();
    let mut memory = MemBuffer::new(cholesky_in_place_scratch::<T>(n, par, Spec::default()));
    let factored =
        cholesky_in_place(g.as_mut(), LltRegularization::default(), par, MemStack::new(&mut memory), Spec::default());
    match factored {
        Ok(_) => {
            // faer leaves numbers of its own above the diagonal.
            for j in 1..n {
                g.col_mut(j).subrows_mut(0, j).fill(T::ZERO);
            }
            Ok(g)
        }
        Err(LltError::NonPositivePivot { index }) => Err(Breakdown { column: index }),
    }
}

/// One pass: `q` becomes Q, R is returned; on a breakdown `q` is as it was.
pub(crate) fn cholesky_pass<T: Real>(q: MatMut<'_, T>, shift: T, par: Par) -> Result<Mat<T>, Breakdown> {
    let mut g = gram(q.rb(), par);
    for j in 0..g.ncols() {
        g[(j, j)] += shift;
    }
    let r = cholesky(g, par)?.transpose().to_owned();
    solve_on_the_right(q, r.as_ref(), par);
    Ok(r)
}

/// The shift that makes the Gram matrix positive definite whatever A is (Fukaya et al. 2020, equation 4.1, with the
/// Frobenius norm for the spectral one).
pub(crate) fn stabilizing_shift<T: Real>(a: MatRef<'_, T>) -> T {
    let (m, n) = a.shape();
    let norm = a.norm_l2();
    T::from_f64(11.0 * (m * n + n * (n + 1)) as f64) * T::EPSILON * norm * norm
}

/// The product of two upper triangular matrices; the second may be trapezoidal.
pub(crate) fn upper_product<T: Real>(left: MatRef<'_, T>, right: MatRef<'_, T>, par: Par) -> Mat<T> {
    let (k, n) = right.shape();
    let mut out = Mat::zeros(k, n);
    let (square, rest) = right.split_at_col(k);
    let (out_square, out_rest) = out.as_mut().split_at_col_mut(k);
    triangular::matmul(
        out_square,
        BlockStructure::TriangularUpper,
        Accum::Replace,
        left,
        BlockStructure::TriangularUpper,
        square,
        BlockStructure::TriangularUpper,
        T::ONE,
        par,
    );
    if n > k {
        product(out_rest, Accum::Replace, left, rest, T::ONE, par);
    }
    out
}
