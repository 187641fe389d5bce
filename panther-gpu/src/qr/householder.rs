//! Householder QR through cuSOLVER.

use cudarc::cusolver::sys as cusolver;

use crate::error::Named;
use crate::matrix::entries::upper_triangle;
use crate::runtime::limits::int;
use crate::{Buffer, Device, DeviceReal, GpuError, Matrix, MatrixMut, MatrixRef, product};

/// The leading dimension of a column-major matrix.
pub(crate) fn leading<T: DeviceReal>(a: MatrixRef<'_, T>) -> Result<i32, GpuError> {
    debug_assert!(!a.place().row_major, "LAPACK reads by columns");
    int("Householder QR", "rows of the matrix", a.place().stride)
}

/// Householder QR in place, as LAPACK leaves it: R above, the reflectors below the diagonal, their τ into `tau` from number
/// `first` on.
pub(crate) fn householder<T: DeviceReal>(a: MatrixMut<'_, T>, tau: &Buffer<T>, first: usize) -> Result<(), GpuError> {
    let device = a.device;
    let (m, n, ld) = (rows(a.nrows())?, columns(a.ncols())?, leading(a.rb())?);
    if m == 0 || n == 0 {
        return Ok(());
    }
    let pointer = a.place().pointer as *mut T;
    let length = workspace(device, (a.nrows(), a.ncols()), "cusolverDngeqrf_bufferSize", |handle, length| {
        // SAFETY: `a` is m×n with this leading dimension.
        unsafe { T::GEQRF_SIZE(handle, m, n, pointer, ld, length) }
    })?;
    let work = Buffer::<T>::uninitialized(device, length as usize)?;
    let code = Buffer::<i32>::uninitialized(device, 1)?;
    let (work_at, code_at) = (work.pointer() as *mut T, code.pointer() as *mut i32);
    let libraries = device.libraries()?;
    // SAFETY: as above; `tau` has room for min(m, n) numbers from `first` on.
    unsafe { T::GEQRF(libraries.solver(), m, n, pointer, ld, tau.at(first) as *mut T, work_at, length, code_at) }
        .result()
        .named("cusolverDngeqrf")
}

/// The first `a.ncols()` columns of the Q whose first `reflectors` reflectors lie below the diagonal of `a`, in their place.
pub(crate) fn form_q<T: DeviceReal>(a: MatrixMut<'_, T>, tau: &Buffer<T>, reflectors: usize) -> Result<(), GpuError> {
    let device = a.device;
    let (m, n, ld) = (rows(a.nrows())?, columns(a.ncols())?, leading(a.rb())?);
    let k = columns(reflectors)?;
    if m == 0 || n == 0 {
        return Ok(());
    }
    let (pointer, tau) = (a.place().pointer as *mut T, tau.pointer() as *const T);
    let length = workspace(device, (a.nrows(), a.ncols()), "cusolverDnorgqr_bufferSize", |handle, length| {
        // SAFETY: `a` is m×n with this leading dimension, and n ≤ m, k ≤ n.
        unsafe { T::ORGQR_SIZE(handle, m, n, k, pointer, ld, tau, length) }
    })?;
    let work = Buffer::<T>::uninitialized(device, length as usize)?;
    let code = Buffer::<i32>::uninitialized(device, 1)?;
    let (work_at, code_at) = (work.pointer() as *mut T, code.pointer() as *mut i32);
    let libraries = device.libraries()?;
    // SAFETY: as above.
    unsafe { T::ORGQR(libraries.solver(), m, n, k, pointer, ld, tau, work_at, length, code_at) }
        .result()
        .named("cusolverDnorgqr")
}

/// c = Qᵀ·c with the reflectors of `a`, m×k, and their τ from number `first` on.
pub(crate) fn apply_q_transpose<T: DeviceReal>(
    c: MatrixMut<'_, T>,
    a: MatrixRef<'_, T>,
    tau: &Buffer<T>,
    first: usize,
) -> Result<(), GpuError> {
    let device = c.device;
    let (m, n, k) = (rows(c.nrows())?, columns(c.ncols())?, columns(a.ncols().min(a.nrows()))?);
    if m == 0 || n == 0 || k == 0 {
        return Ok(());
    }
    let (lda, ldc) = (leading(a)?, leading(c.rb())?);
    let (left, transposed) = (cusolver::cublasSideMode_t::CUBLAS_SIDE_LEFT, cusolver::cublasOperation_t::CUBLAS_OP_T);
    let (a_at, tau_at, c_at) = (a.place().pointer as *const T, tau.at(first) as *const T, c.place().pointer as *mut T);
    let length = workspace(device, (c.nrows(), c.ncols()), "cusolverDnormqr_bufferSize", |handle, length| {
        // SAFETY: `c` is m×n, `a` m×k, both with these leading dimensions, and `tau` holds k numbers from `first` on.
        unsafe { T::ORMQR_SIZE(handle, left, transposed, m, n, k, a_at, lda, tau_at, c_at, ldc, length) }
    })?;
    let work = Buffer::<T>::uninitialized(device, length as usize)?;
    let code = Buffer::<i32>::uninitialized(device, 1)?;
    let (work_at, code_at) = (work.pointer() as *mut T, code.pointer() as *mut i32);
    let libraries = device.libraries()?;
    let handle = libraries.solver();
    // SAFETY: as above.
    unsafe { T::ORMQR(handle, left, transposed, m, n, k, a_at, lda, tau_at, c_at, ldc, work_at, length, code_at) }
        .result()
        .named("cusolverDnormqr")
}

/// A = Q R by cuSOLVER for tall A, which is used up: Q m×n, R n×n with zeros below its diagonal. 4mn² operations.
///
/// Where A has 2³¹ entries or more and is tall enough, blocks of its rows are factored first and then what is below each other of
/// their R (TSQR, Demmel et al. 2012): about 6mn² operations, and memory of a block, 2²⁸ entries, more.
///
/// # Errors
/// [`GpuError::Shape`] where A has fewer rows than columns; [`GpuError::TooLarge`] where A is beyond the 32-bit sizes of cuSOLVER and
/// not tall enough for blocks; [`GpuError::OutOfMemory`], [`GpuError::Call`].
pub fn householder_qr<T: DeviceReal>(mut a: Matrix<T>) -> Result<(Matrix<T>, Matrix<T>), GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    if m < n {
        return Err(GpuError::shape("householder_qr", "a", "as many rows as columns or more", format!("{m}×{n}")));
    }
    if is_split(m, n) {
        return by_row_blocks(a, (BLOCK_ENTRIES / n).max(BLOCK_ASPECT * n));
    }
    let tau = Buffer::zeros(a.device(), n)?;
    householder(a.as_mut(), &tau, 0)?;
    let r = upper_triangle(a.as_ref().subrows(0, n))?;
    form_q(a.as_mut(), &tau, n)?;
    Ok((a, r))
}

/// Entries of a block of rows, and rows to each of its columns, at least.
const BLOCK_ENTRIES: usize = 1 << 28;
const BLOCK_ASPECT: usize = 4;

/// Whether A is factored in blocks of rows: cuSOLVER counts in 32 bits, and blocks that are nearly square would not be worth it.
pub(crate) fn is_split(m: usize, n: usize) -> bool {
    n > 0 && m.saturating_mul(n) > i32::MAX as usize && m / n >= 2 * BLOCK_ASPECT
}

/// TSQR with blocks of `height` rows, n or more, the last with up to twice as many.
fn by_row_blocks<T: DeviceReal>(mut a: Matrix<T>, height: usize) -> Result<(Matrix<T>, Matrix<T>), GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    let count = m / height;
    let block = |index: usize| (index * height, if index + 1 < count { height } else { m - index * height });
    // 1. Q and R of each block; Q takes its place.
    let mut stacked = Matrix::uninitialized(a.device(), count * n, n)?;
    for index in 0..count {
        let (start, rows) = block(index);
        let (q, r) = householder_qr(a.as_ref().subrows(start, rows).to_owned()?)?;
        a.as_mut().subrows(start, rows).copy_from(q.as_ref())?;
        stacked.as_mut().subrows(index * n, n).copy_from(r.as_ref())?;
    }
    // 2. Q and R of what the blocks left.
    let (outer, r) = householder_qr(stacked)?;
    // 3. A's Q: each block's times its rows of the other.
    for index in 0..count {
        let (start, rows) = block(index);
        let q = a.as_ref().subrows(start, rows).to_owned()?;
        product(a.as_mut().subrows(start, rows), T::ONE, q.as_ref(), outer.as_ref().subrows(index * n, n), T::ZERO)?;
    }
    Ok((a, r))
}

fn rows(m: usize) -> Result<i32, GpuError> {
    int("Householder QR", "rows of the matrix", m)
}

fn columns(n: usize) -> Result<i32, GpuError> {
    int("Householder QR", "columns of the matrix", n)
}

/// The length of a workspace, which cuSOLVER is asked for before any work: it refuses what it cannot count, but for its name.
fn workspace(
    device: &Device,
    (m, n): (usize, usize),
    call: &'static str,
    ask: impl FnOnce(cusolver::cusolverDnHandle_t, *mut i32) -> cusolver::cusolverStatus_t,
) -> Result<i32, GpuError> {
    let mut length = 0;
    let libraries = device.libraries()?;
    let status = ask(libraries.solver(), &raw mut length);
    if status == cusolver::cusolverStatus_t::CUSOLVER_STATUS_INVALID_VALUE || length < 0 {
        let (operation, argument) = ("Householder QR", "entries of the matrix, which cuSOLVER counts in 32 bits,");
        return Err(GpuError::TooLarge { operation, argument, limit: i32::MAX as usize, got: m.saturating_mul(n) });
    }
    status.result().named(call)?;
    Ok(length)
}
