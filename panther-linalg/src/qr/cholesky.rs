//! Passes of Cholesky QR, with and without a shift: AᵀA = RᵀR, Q = A·R⁻¹.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltError, LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::prelude::*;
use faer::{Accum, Spec};
use panther_sketch::{Real, product};

use crate::kernels::{distance_from_identity, gram, solve_on_the_right};

/// A Cholesky factorization met a pivot that is not positive, in this column.
pub(crate) struct Breakdown {
    pub(crate) column: usize,
}

/// ‖QᵀQ − I‖_F below which one more pass without a shift leaves O(n·ε): it loses ε·κ(Q)², and κ(Q)² < 1.3.
const NEARLY_ORTHONORMAL: f64 = 0.1;

/// Passes of [`shifted_passes`]. Each shifted one divides κ by about 1/√(n·ε), so that κ up to 1/ε takes two of them
/// where n·√ε is small and three otherwise, before the two without a shift.
const PASSES: usize = 6;

/// The largest shift, in units of n·ε: beyond what the rounding of a Gram matrix and of its factorization explains.
const LARGEST_SHIFT: f64 = 1024.0;

/// L with L·Lᵀ = G, from the lower triangle of G.
pub(crate) fn cholesky<T: Real>(mut g: Mat<T>, par: Par) -> Result<Mat<T>, Breakdown> {
    let n = g.nrows();
    let mut memory = MemBuffer::new(cholesky_in_place_scratch::<T>(n, par, Spec::default()));
    let factored =
        cholesky_in_place(g.as_mut(), LltRegularization::default(), par, MemStack::new(&mut memory), Spec::default());
    match factored {
        Ok(_) => {
            // faer leaves values of its own above the diagonal.
            for j in 1..n {
                g.col_mut(j).subrows_mut(0, j).fill(T::ZERO);
            }
            Ok(g)
        }
        Err(LltError::NonPositivePivot { index }) => Err(Breakdown { column: index }),
    }
}

/// One pass without a shift: `q` becomes Q, R is returned; on a breakdown `q` is as it was.
pub(crate) fn cholesky_pass<T: Real>(q: MatMut<'_, T>, par: Par) -> Result<Mat<T>, Breakdown> {
    let g = gram(q.rb(), par);
    Ok(divide(q, &cholesky(g, par)?, par))
}

/// A second pass, which repairs a first one that left less than ½ of ‖QᵀQ − I‖_F: then κ(Q)² < 3.
pub(crate) fn repairing_pass<T: Real>(q: MatMut<'_, T>, par: Par) -> Result<Mat<T>, Breakdown> {
    let g = gram(q.rb(), par);
    if distance_from_identity(g.as_ref()) < 0.5 {
        return Ok(divide(q, &cholesky(g, par)?, par));
    }
    let defect =
        |j: usize| (0..=j).map(|i| (g[(j, i)].to_f64() - f64::from(u8::from(i == j))).abs()).fold(0.0, f64::max);
    let column = (0..g.ncols()).fold(0, |worst, j| if defect(j) > defect(worst) { j } else { worst });
    Err(Breakdown { column })
}

/// Passes with the smallest shift that works, none if possible, until one has started from nearly orthonormal columns.
/// `q` and `r` are updated by every pass, of failed attempts too.
///
/// The shift is relative to the diagonal of the Gram matrix, as its rounding errors are: |ΔG|ᵢⱼ ≤ c·ε‖qᵢ‖‖qⱼ‖, so that
/// s = c·n·ε makes it positive definite whatever Q is but for zero columns. Shifts by column norms instead of ‖A‖: Fan,
/// Guan and Qiao 2024 (arXiv 2408.06311). With a shift of s, κ(Q) becomes about √s·κ.
pub(crate) fn shifted_passes<T: Real>(mut q: MatMut<'_, T>, r: &mut Mat<T>, par: Par) -> Result<(), Breakdown> {
    for _ in 0..PASSES {
        let g = gram(q.rb(), par);
        let defect = distance_from_identity(g.as_ref());
        let factor = divide(q.rb_mut(), &shifted_cholesky(&g, par)?, par);
        *r = upper_product(factor.as_ref(), r.as_ref(), par);
        if defect <= NEARLY_ORTHONORMAL {
            return Ok(());
        }
    }
    Err(Breakdown { column: q.ncols() - 1 })
}

fn shifted_cholesky<T: Real>(g: &Mat<T>, par: Par) -> Result<Mat<T>, Breakdown> {
    let mut factored = cholesky(g.clone(), par);
    let mut shift = 1.0;
    while factored.is_err() && shift <= LARGEST_SHIFT {
        let mut shifted = g.clone();
        let factor = T::from_f64(1.0 + shift * g.ncols() as f64 * T::EPSILON.to_f64());
        for j in 0..g.ncols() {
            shifted[(j, j)] *= factor;
        }
        factored = cholesky(shifted, par);
        shift *= 4.0;
    }
    factored
}

/// q = q·R⁻¹ with R = Lᵀ, which is returned.
fn divide<T: Real>(q: MatMut<'_, T>, lower: &Mat<T>, par: Par) -> Mat<T> {
    let r = lower.transpose().to_owned();
    solve_on_the_right(q, r.as_ref(), par);
    r
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
