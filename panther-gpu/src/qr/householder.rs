//! Householder QR through cuSOLVER.

use cudarc::cusolver::sys as cusolver;

use crate::error::Named;
use crate::matrix::entries::upper_triangle;
use crate::{Buffer, DeviceReal, GpuError, Matrix, MatrixMut, MatrixRef};

/// An extent as LAPACK takes it.
pub(crate) fn size(n: usize) -> Result<i32, GpuError> {
    i32::try_from(n).map_err(|_| GpuError::shape("solver", "extent", "below 2³¹", n.to_string()))
}

/// The leading dimension of a column-major matrix.
pub(crate) fn leading<T: DeviceReal>(a: MatrixRef<'_, T>) -> Result<i32, GpuError> {
    debug_assert!(!a.place().row_major, "LAPACK reads by columns");
    size(a.place().stride)
}

/// Householder QR in place, as LAPACK leaves it: R above, the reflectors below the diagonal, their τ into `tau` from number
/// `first` on.
pub(crate) fn householder<T: DeviceReal>(a: MatrixMut<'_, T>, tau: &Buffer<T>, first: usize) -> Result<(), GpuError> {
    let device = a.device;
    let (m, n, ld) = (size(a.nrows())?, size(a.ncols())?, leading(a.rb())?);
    if m == 0 || n == 0 {
        return Ok(());
    }
    let (handle, pointer) = (device.solver()?, a.place().pointer as *mut T);
    let mut length = 0;
    // SAFETY: `a` is m×n with this leading dimension.
    unsafe { T::GEQRF_SIZE(handle, m, n, pointer, ld, &raw mut length) }
        .result()
        .named("cusolverDngeqrf_bufferSize")?;
    let work = Buffer::<T>::uninitialized(device, length as usize)?;
    let code = Buffer::<i32>::uninitialized(device, 1)?;
    let (work_at, code_at) = (work.pointer() as *mut T, code.pointer() as *mut i32);
    // SAFETY: as above; `tau` has room for min(m, n) numbers from `first` on.
    unsafe { T::GEQRF(handle, m, n, pointer, ld, tau.at(first) as *mut T, work_at, length, code_at) }
        .result()
        .named("cusolverDngeqrf")
}

/// The first `a.ncols()` columns of the Q whose first `reflectors` reflectors lie below the diagonal of `a`, in their place.
pub(crate) fn form_q<T: DeviceReal>(a: MatrixMut<'_, T>, tau: &Buffer<T>, reflectors: usize) -> Result<(), GpuError> {
    let device = a.device;
    let (m, n, k, ld) = (size(a.nrows())?, size(a.ncols())?, size(reflectors)?, leading(a.rb())?);
    if m == 0 || n == 0 {
        return Ok(());
    }
    let (handle, pointer, tau) = (device.solver()?, a.place().pointer as *mut T, tau.pointer() as *const T);
    let mut length = 0;
    // SAFETY: `a` is m×n with this leading dimension, and n ≤ m, k ≤ n.
    unsafe { T::ORGQR_SIZE(handle, m, n, k, pointer, ld, tau, &raw mut length) }
        .result()
        .named("cusolverDnorgqr_bufferSize")?;
    let work = Buffer::<T>::uninitialized(device, length as usize)?;
    let code = Buffer::<i32>::uninitialized(device, 1)?;
    let (work_at, code_at) = (work.pointer() as *mut T, code.pointer() as *mut i32);
    // SAFETY: as above.
    unsafe { T::ORGQR(handle, m, n, k, pointer, ld, tau, work_at, length, code_at) }.result().named("cusolverDnorgqr")
}

/// c = Qᵀ·c with the reflectors of `a`, m×k, and their τ from number `first` on.
pub(crate) fn apply_q_transpose<T: DeviceReal>(
    c: MatrixMut<'_, T>,
    a: MatrixRef<'_, T>,
    tau: &Buffer<T>,
    first: usize,
) -> Result<(), GpuError> {
    let device = c.device;
    let (m, n, k) = (size(c.nrows())?, size(c.ncols())?, size(a.ncols().min(a.nrows()))?);
    if m == 0 || n == 0 || k == 0 {
        return Ok(());
    }
    let (lda, ldc) = (leading(a)?, leading(c.rb())?);
    let handle = device.solver()?;
    let (left, transposed) = (cusolver::cublasSideMode_t::CUBLAS_SIDE_LEFT, cusolver::cublasOperation_t::CUBLAS_OP_T);
    let (a_at, tau_at, c_at) = (a.place().pointer as *const T, tau.at(first) as *const T, c.place().pointer as *mut T);
    let mut length = 0;
    // SAFETY: `c` is m×n, `a` m×k, both with these leading dimensions, and `tau` holds k numbers from `first` on.
    unsafe { T::ORMQR_SIZE(handle, left, transposed, m, n, k, a_at, lda, tau_at, c_at, ldc, &raw mut length) }
        .result()
        .named("cusolverDnormqr_bufferSize")?;
    let work = Buffer::<T>::uninitialized(device, length as usize)?;
    let code = Buffer::<i32>::uninitialized(device, 1)?;
    let (work_at, code_at) = (work.pointer() as *mut T, code.pointer() as *mut i32);
    // SAFETY: as above.
    unsafe { T::ORMQR(handle, left, transposed, m, n, k, a_at, lda, tau_at, c_at, ldc, work_at, length, code_at) }
        .result()
        .named("cusolverDnormqr")
}

/// A = Q R by cuSOLVER for tall A, which is used up: Q m×n, R n×n with zeros below its diagonal. 4mn² operations.
///
/// # Errors
/// [`GpuError::Shape`] where A has fewer rows than columns, or an extent is 2³¹ or more; [`GpuError::OutOfMemory`],
/// [`GpuError::Call`].
pub fn householder_qr<T: DeviceReal>(mut a: Matrix<T>) -> Result<(Matrix<T>, Matrix<T>), GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    if m < n {
        return Err(GpuError::shape("householder_qr", "a", "as many rows as columns or more", format!("{m}×{n}")));
    }
    let tau = Buffer::zeros(a.device(), n)?;
    householder(a.as_mut(), &tau, 0)?;
    let r = upper_triangle(a.as_ref().subrows(0, n))?;
    form_q(a.as_mut(), &tau, n)?;
    Ok((a, r))
}
