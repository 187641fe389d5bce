//! QR by Cholesky factorization of the Gram matrix: CholeskyQR2 and shifted CholeskyQR.
//!
//! One pass is AᵀA = RᵀR, Q = A·R⁻¹: 2mn² operations, all of them in products. It loses orthogonality as
//! ε·κ(A)², and fails where that exceeds one.

use std::marker::PhantomData;

use faer::prelude::*;
use panther_sketch::{Input, Real};

use crate::operator::{rescaled, scaled_copy, scaled_norm};
use crate::qr::cholesky::{Breakdown, cholesky_pass, repairing_pass, shifted_passes, upper_product};
use crate::{LinalgError, ThinQr};

/// A = Q R by CholeskyQR2 (Yamamoto et al. 2015): two Cholesky passes, 4mn² operations.
///
/// A is m×n with m ≥ n and must be well conditioned: κ(A) up to about 1/√(8ε) (10⁷ in f64, 10³ in f32), where κ is that
/// of A with columns scaled to unit length. Then ‖QᵀQ − I‖_F = O(n·ε), whatever m is. R has a positive diagonal. For
/// worse conditioned A take [`shifted_cholesky_qr3`], and [`cqrrpt`](crate::cqrrpt()) where the rank is not known.
///
/// # Errors
/// [`LinalgError::CholeskyBreakdown`] if A is too ill-conditioned, never a Q that is not orthonormal;
/// [`LinalgError::Shape`] if m < n, [`LinalgError::Empty`], [`LinalgError::NonFinite`].
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
        let first = cholesky_pass(q.rb_mut(), par)?;
        let second = repairing_pass(q, par)?;
        Ok(upper_product(second.as_ref(), first.as_ref(), par))
    })
}

/// A = Q R by shifted CholeskyQR3 (Fukaya et al. 2020): Cholesky passes, of which the first use a shifted Gram matrix.
///
/// A is m×n with m ≥ n and κ(A) (with columns scaled to unit length) up to 1/(10·ε), 4·10¹⁴ in f64 and 8·10⁵ in f32, for
/// any m and n; orthogonality and R as for [`cholesky_qr2`]. Each pass takes the smallest shift with which Cholesky's
/// factorization works, from n·ε on, and none if possible: two passes (4mn² operations) where `cholesky_qr2` works, three
/// (6mn²) up to κ ≈ 1/(n·ε), four or five (10mn²) beyond. Shifts by a proven bound instead end at κ ≈ 1/(mn·ε) or before.
///
/// # Errors
/// As [`cholesky_qr2`]; a breakdown for zero columns, and possibly for κ(A) > 1/(10·ε).
pub fn shifted_cholesky_qr3<T: Real>(a: MatRef<'_, T>, par: Par) -> Result<ThinQr<T>, LinalgError> {
    with_scaled("shifted_cholesky_qr3", a, par, |q| {
        let mut r = Mat::identity(q.ncols(), q.ncols());
        shifted_passes(q, &mut r, par)?;
        Ok(r)
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
    let size = scaled_norm("a", Input::Dense(a), par)?;
    let mut q = scaled_copy(a, -size.exponent);
    let r = passes(q.as_mut()).map_err(|Breakdown { column }| LinalgError::CholeskyBreakdown { operation, column })?;
    Ok(ThinQr { q, r: rescaled("R", r, size.exponent)?, scalar: PhantomData })
}
