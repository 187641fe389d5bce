//! QR by Cholesky factorisation of the Gram matrix: CholeskyQR2 and shifted CholeskyQR3.
//!
//! One pass is AᵀA = RᵀR, Q = A·R⁻¹: 2mn² operations, all of them in products. It loses orthogonality as
//! ε·κ(A)², and fails where that exceeds one.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{LltError, LltRegularization, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::prelude::*;
use faer::{Accum, Spec};
use panther_sketch::{Input, Real, product};

use crate::magnitude::{magnitude, power_of_two, scaled_copy};
use crate::triangular::solve_on_the_right;
use crate::{LinalgError, ThinQr};

/// A Cholesky factorisation met a pivot that is not positive, in this column.
pub(crate) struct Breakdown {
    pub(crate) column: usize,
}

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

/// A = Q R by CholeskyQR2 (Yamamoto et al. 2015): two Cholesky passes, 4mn² operations.
///
/// A is m×n with m ≥ n and must be well conditioned: κ(A) up to about 1/√(8ε) (10⁷ in f64, 10³ in f32). Then
/// ‖QᵀQ − I‖_F = O(n·ε). R has a positive diagonal. For worse conditioned A take [`shifted_cholesky_qr3`], and
/// [`cqrrpt`](crate::cqrrpt()) where the rank is not known.
///
/// # Errors
/// [`LinalgError::CholeskyBreakdown`] if A is too ill-conditioned, [`LinalgError::Shape`] if m < n,
/// [`LinalgError::Empty`], [`LinalgError::NonFinite`].
///
/// ```
/// use faer::{Mat, Par};
/// let a = Mat::from_fn(100, 3, |i, j| ((i + 1) as f64).powi(j as i32) / 100f64.powi(j as i32));
/// let qr = panther_linalg::cholesky_qr2(a.as_ref(), Par::Seq)?;
/// assert!((&qr.q * &qr.r - &a).norm_l2() < 1e-13 * a.norm_l2());
/// # Ok::<(), panther_linalg::LinalgError>(())
/// ```
pub fn cholesky_qr2<T: Real>(a: MatRef<'_, T>, par: Par) -> Result<ThinQr<T>, LinalgError> {
    with_scaled("cholesky_qr2", a, par, |mut q| {
        let first = cholesky_pass(q.rb_mut(), T::ZERO, par)?;
        let second = cholesky_pass(q, T::ZERO, par)?;
        Ok(upper_product(second.as_ref(), first.as_ref(), par))
    })
}

/// A = Q R by shifted CholeskyQR3 (Fukaya et al. 2020): three Cholesky passes, the first with a shifted Gram matrix,
/// 6mn² operations.
///
/// A is m×n with m ≥ n and κ(A) up to about 1/ε; orthogonality, R and errors as for [`cholesky_qr2`].
///
/// # Errors
/// As [`cholesky_qr2`].
pub fn shifted_cholesky_qr3<T: Real>(a: MatRef<'_, T>, par: Par) -> Result<ThinQr<T>, LinalgError> {
    with_scaled("shifted_cholesky_qr3", a, par, |mut q| {
        let shift = stabilizing_shift(q.rb());
        let first = cholesky_pass(q.rb_mut(), shift, par)?;
        let second = cholesky_pass(q.rb_mut(), T::ZERO, par)?;
        let third = cholesky_pass(q, T::ZERO, par)?;
        let both = upper_product(second.as_ref(), first.as_ref(), par);
        Ok(upper_product(third.as_ref(), both.as_ref(), par))
    })
}

/// Checks A, runs `passes` on a copy of about unit size and scales R back.
fn with_scaled<T: Real>(
    operation: &'static str,
    a: MatRef<'_, T>,
    par: Par,
    passes: impl FnOnce(MatMut<'_, T>) -> Result<Mat<T>, Breakdown>,
) -> Result<ThinQr<T>, LinalgError> {
    let (m, n) = a.shape();
    if m == 0 || n == 0 {
        return Err(LinalgError::Empty { argument: "a", shape: (m, n) });
    }
    if m < n {
        return Err(LinalgError::Shape {
            operation,
            argument: "a (as many rows as columns, or more)",
            expected: (n, n),
            got: (m, n),
        });
    }
    let size = magnitude("a", Input::Dense(a), par)?;
    let mut q = scaled_copy(a, -size.exponent);
    let r = passes(q.as_mut()).map_err(|Breakdown { column }| LinalgError::CholeskyBreakdown { operation, column })?;
    Ok(ThinQr { q, r: rescaled("R", r, size.exponent)? })
}

/// R·2^exponent, if the type can hold it.
pub(crate) fn rescaled<T: Real>(quantity: &'static str, mut r: Mat<T>, exponent: i32) -> Result<Mat<T>, LinalgError> {
    let (first, second) = (T::from_f64(power_of_two(exponent / 2)), T::from_f64(power_of_two(exponent - exponent / 2)));
    let largest = r.norm_max().to_f64();
    for j in 0..r.ncols() {
        for x in r.col_mut(j).iter_mut() {
            *x = *x * first * second;
        }
    }
    if !r.norm_max().is_finite() {
        let exponent = exponent + crate::magnitude::exponent_of(largest);
        return Err(LinalgError::Overflow { quantity, exponent, scalar: T::NAME });
    }
    Ok(r)
}
