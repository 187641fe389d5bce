//! The exact SVD of a small matrix: pivoted QR and one-sided Jacobi rotations, a launch each.

use panther_linalg::{LinalgError, PivotedQrOptions};

use crate::gemm::product::multiplied;
use crate::matrix::permute::scatter_rows;
use crate::matrix::scaling::{scale_values_by_power, scaled_copy};
use crate::qr::column_pivoting::column_pivoted_qr;
use crate::qr::householder::householder_qr;
use crate::qr::orthonormalize::complete;
use crate::qr::pivoted_reduction::reduce;
use crate::svd::factors::Svd;
use crate::svd::jacobi::jacobi_svd;
use crate::{Buffer, DeviceReal, GpuError, Matrix, MatrixRef};

/// The thin SVD of `a`, whose entries times 2^−exponent are about one or smaller: U m×r, V n×r, r = min(m, n).
///
/// Pivoted QR, then rotations of the columns of Rᵀ, which are nearly orthogonal already (Drmač and Veselić 2008): some 10
/// sweeps of 8·n³ operations. σ is exact to about ε·σ₁ or better, U and V are orthonormal to O(r·ε).
pub(crate) fn thin_svd<T: DeviceReal>(
    operation: &'static str,
    a: MatrixRef<'_, T>,
    exponent: i32,
) -> Result<Svd<T>, GpuError> {
    if a.nrows() < a.ncols() {
        let Svd { u, s, v } = thin_svd(operation, a.t(), exponent)?;
        return Ok(Svd { u: v, s, v: u });
    }
    Ok(scaled_back(tall_svd(operation, scaled_copy(a, -exponent)?)?, exponent))
}

/// As [`thin_svd`] for the T of AᵀQ = W·T, L×K with L ≤ K: its rows fall off as they were found, so that those of T are rotated at
/// once, and it need not be pivoted first.
pub(crate) fn projected_svd<T: DeviceReal>(
    operation: &'static str,
    t: MatrixRef<'_, T>,
    exponent: i32,
) -> Result<Svd<T>, GpuError> {
    if t.nrows() == 0 {
        return thin_svd(operation, t.t(), exponent);
    }
    match jacobi_svd(operation, scaled_copy(t.t(), -exponent)?) {
        Ok(svd) => Ok(scaled_back(svd, exponent)),
        // Where rows are in no order there may be too many sweeps, and where they are long they do not fit.
        Err(GpuError::Linalg(LinalgError::NoConvergence { .. }) | GpuError::Shape { .. }) => {
            thin_svd(operation, t.t(), exponent)
        }
        Err(error) => Err(error),
    }
}

/// With σ·2^exponent.
fn scaled_back<T: DeviceReal>(mut svd: Svd<T>, exponent: i32) -> Svd<T> {
    scale_values_by_power(&mut svd.s, exponent);
    svd
}

fn tall_svd<T: DeviceReal>(operation: &'static str, a: Matrix<T>) -> Result<Svd<T>, GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    if n == 0 {
        let nothing = |rows| Matrix::zeros(a.device(), rows, 0);
        return Ok(Svd { u: nothing(m)?, s: Vec::new(), v: nothing(0)? });
    }
    if m < 2 * n
        && let Some(pivoted) = column_pivoted_qr(a.as_ref(), n, 0.0)?
    {
        return from_factors(operation, &pivoted.q()?, &pivoted.r, &pivoted.permutation);
    }
    let (q, r) = householder_qr(a)?;
    if let Some(pivoted) = column_pivoted_qr(r.as_ref(), n, 0.0)? {
        let Svd { u, s, v } = from_factors(operation, &pivoted.q()?, &pivoted.r, &pivoted.permutation)?;
        return Ok(Svd { u: multiplied(T::ONE, q.as_ref(), u.as_ref())?, s, v });
    }
    let reduced = reduce(r, 0.0, &PivotedQrOptions::default())?;
    let r = reduced.r()?;
    let Svd { u, s, v } = from_factors(operation, &reduced.q()?, &r, &reduced.permutation)?;
    let u = complete(multiplied(T::ONE, q.as_ref(), u.as_ref())?, n, 0)?;
    let mut s = s;
    s.resize(n, T::ZERO);
    Ok(Svd { u, s, v: complete(v, n, 1)? })
}

/// The SVD of A from A·P = Q·R, R r×n: with Rᵀ·V = U·Σ it is Q·V·Σ·(P·U)ᵀ.
fn from_factors<T: DeviceReal>(
    operation: &'static str,
    q: &Matrix<T>,
    r: &Matrix<T>,
    permutation: &Buffer<i32>,
) -> Result<Svd<T>, GpuError> {
    let Svd { u, s, v } = jacobi_svd(operation, r.as_ref().t().to_owned()?)?;
    Ok(Svd { u: multiplied(T::ONE, q.as_ref(), v.as_ref())?, s, v: scatter_rows(&u, permutation)? })
}
