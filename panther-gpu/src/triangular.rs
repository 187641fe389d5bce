//! Triangular solves: a kernel for few columns, cuBLAS for many.

use cudarc::cublas::sys::{cublasDiagType_t, cublasFillMode_t, cublasOperation_t, cublasSideMode_t};
use cudarc::driver::LaunchConfig;

use crate::cholesky::MOST_COLUMNS;
use crate::error::Named;
use crate::kernel::{KernelFile, kernel_file, launch};
use crate::real::sealed::Libraries;
use crate::solver::{leading, size};
use crate::{DeviceReal, GpuError, MatrixMut, MatrixRef};

const KERNELS: KernelFile = kernel_file!("cholesky");

/// As in the kernel: threads of a block, rows that they solve at a time, and columns of a panel.
const THREADS: usize = 128;
const ROWS: usize = THREADS / 4;
const PANEL: usize = 16;

/// a = a·R⁻¹ with the upper triangle of `r`: m·n² operations, each row by substitution.
pub(crate) fn solve_on_the_right<T: DeviceReal>(a: MatrixMut<'_, T>, r: MatrixRef<'_, T>) -> Result<(), GpuError> {
    if a.nrows() == 0 || a.ncols() == 0 {
        return Ok(());
    }
    let padded = a.ncols().next_multiple_of(PANEL);
    let bytes = padded * (padded * size_of::<T>() + 16 + ROWS * size_of::<T>());
    let fits = a.ncols() <= MOST_COLUMNS && bytes <= a.device.shared_bytes() as usize;
    if fits { by_rows(a, r, bytes) } else { by_library(a, r) }
}

fn by_rows<T: DeviceReal>(a: MatrixMut<'_, T>, r: MatrixRef<'_, T>, bytes: usize) -> Result<(), GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    // A block reads R once, and there are as many as can run at a time.
    let resident = a.device.shared_bytes() as usize / bytes * a.device.multiprocessors() as usize;
    let config = LaunchConfig {
        grid_dim: (m.div_ceil(ROWS).min(resident) as u32, 1, 1),
        block_dim: (THREADS as u32, 1, 1),
        shared_mem_bytes: bytes as u32,
    };
    launch!(
        a.device,
        T,
        KERNELS.kernel("solve_rows"),
        config,
        a.place().pointer,
        a.place().stride as u64,
        m as u64,
        n as u32,
        r.place().pointer,
        r.place().stride as u64,
    )
}

fn by_library<T: DeviceReal>(a: MatrixMut<'_, T>, r: MatrixRef<'_, T>) -> Result<(), GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    let (lda, ldr) = (leading(a.rb())?, leading(r)?);
    let handle = a.device.blas()?;
    let one = T::ONE;
    // SAFETY: `a` is m×n and `r` n×n with these leading dimensions; α is read before the call returns.
    unsafe {
        <T as Libraries>::TRSM(
            handle,
            cublasSideMode_t::CUBLAS_SIDE_RIGHT,
            cublasFillMode_t::CUBLAS_FILL_MODE_UPPER,
            cublasOperation_t::CUBLAS_OP_N,
            cublasDiagType_t::CUBLAS_DIAG_NON_UNIT,
            size(m)?,
            size(n)?,
            &raw const one,
            r.place().pointer as *const T,
            ldr,
            a.place().pointer as *mut T,
            lda,
        )
    }
    .result()
    .named("cublastrsm")
}
