//! QR of tall matrices through the Cholesky factor of their Gram matrix.

use panther_linalg::{LinalgError, ThinQr};

use crate::gemm::gram::gram;
use crate::gemm::product::multiplied;
use crate::matrix::entries::{add_to_diagonal, identity};
use crate::matrix::norms::{frobenius, scaled_norm};
use crate::matrix::report::Report;
use crate::matrix::scaling::{NearOne, rescale};
use crate::qr::cholesky::{Standard, checked_cholesky};
use crate::qr::triangular::solve_on_the_right;
use crate::{DeviceReal, GpuError, Matrix, MatrixRef};

/// A = Q R on a device.
#[derive(Debug)]
pub struct DeviceThinQr<T> {
    /// Orthonormal columns, m×n.
    pub q: Matrix<T>,
    /// Upper triangular, n×n.
    pub r: Matrix<T>,
}

impl<T: DeviceReal> DeviceThinQr<T> {
    /// A copy on the host.
    ///
    /// # Errors
    /// [`GpuError::Call`].
    pub fn to_host(&self) -> Result<ThinQr<T>, GpuError> {
        Ok(ThinQr { q: self.q.to_host()?, r: self.r.to_host()?, scalar: std::marker::PhantomData })
    }
}

/// The Gram matrix is not positive definite at this column.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Breakdown {
    pub(crate) column: usize,
}

/// q = q·R⁻¹ with the Cholesky factor R of QᵀQ + shift·I. A pass that breaks down leaves `q` as it was.
pub(crate) fn cholesky_pass<T: DeviceReal>(
    q: &mut Matrix<T>,
    shift: T,
) -> Result<Result<Matrix<T>, Breakdown>, GpuError> {
    let mut g = gram(q.as_ref())?;
    if shift != T::ZERO {
        add_to_diagonal(&mut g, shift)?;
    }
    let report = Report::new(q.device())?;
    let r = checked_cholesky(g, Standard { tolerance: 0.0, ratio: 0.0 }, None, &report)?;
    solve_on_the_right(q.as_mut(), r.as_ref())?;
    let seen = report.read()?;
    Ok(if seen.sound { Ok(r) } else { Err(Breakdown { column: seen.breakdown.saturating_sub(1) }) })
}

/// The shift that makes the Gram matrix positive definite whatever A is (Fukaya et al. 2020, equation 4.1, with the
/// Frobenius norm for the spectral one).
pub(crate) fn stabilizing_shift<T: DeviceReal>(a: MatrixRef<'_, T>) -> Result<T, GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    let norm = T::from_f64(frobenius(a)?);
    Ok(T::from_f64(11.0 * (m * n + n * (n + 1)) as f64) * T::EPSILON * norm * norm)
}

/// A = Q R by CholeskyQR2 (Yamamoto et al. 2015) on a device: as [`panther_linalg::cholesky_qr2`], in everything. About 4mn²
/// operations in products, memory of one copy of A (its Q); the host reads a few numbers after each of the two passes.
///
/// # Errors
/// Those of [`panther_linalg::cholesky_qr2`] as [`GpuError::Linalg`], and [`GpuError::OutOfMemory`], [`GpuError::Call`].
pub fn cholesky_qr2<T: DeviceReal>(a: MatrixRef<'_, T>) -> Result<DeviceThinQr<T>, GpuError> {
    by_passes("cholesky_qr2", a, &[false, false])
}

/// A = Q R by shifted CholeskyQR3 (Fukaya et al. 2020) on a device: as [`panther_linalg::shifted_cholesky_qr3`], in everything. Half
/// as much again as [`cholesky_qr2`].
///
/// # Errors
/// Those of [`panther_linalg::shifted_cholesky_qr3`] as [`GpuError::Linalg`], and [`GpuError::OutOfMemory`], [`GpuError::Call`].
pub fn shifted_cholesky_qr3<T: DeviceReal>(a: MatrixRef<'_, T>) -> Result<DeviceThinQr<T>, GpuError> {
    by_passes("shifted_cholesky_qr3", a, &[true, false, false])
}

/// One pass after the other on a copy of about unit size, with a shift or without.
fn by_passes<T: DeviceReal>(
    operation: &'static str,
    a: MatrixRef<'_, T>,
    shifts: &[bool],
) -> Result<DeviceThinQr<T>, GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    if m == 0 || n == 0 {
        return Err(LinalgError::Empty { argument: "a", shape: (m, n) }.into());
    }
    if m < n {
        return Err(LinalgError::Shape {
            operation,
            argument: "a (as many rows as columns, or more)",
            expected: (n, n),
            got: (m, n),
        }
        .into());
    }
    let near_one = NearOne::new(a, &scaled_norm("a", a)?)?;
    let mut q = near_one.view().to_owned()?;
    let mut r: Option<Matrix<T>> = None;
    for &shifted in shifts {
        let shift = if shifted { stabilizing_shift(q.as_ref())? } else { T::ZERO };
        let factor = cholesky_pass(&mut q, shift)?
            .map_err(|Breakdown { column }| LinalgError::CholeskyBreakdown { operation, column })?;
        r = Some(match r {
            None => factor,
            Some(r) => multiplied(T::ONE, factor.as_ref(), r.as_ref())?,
        });
    }
    let mut r = match r {
        Some(r) => r,
        None => identity(a.device, n)?,
    };
    rescale("R", r.as_mut(), near_one.exponent())?;
    Ok(DeviceThinQr { q, r })
}
