//! Cholesky factors of Gram matrices, judged on the device: nobody waits before the factor is used.

use cudarc::cusolver::sys as cusolver;

use crate::error::Named;
use crate::matrix::report::{BREAKDOWN, Report, SOUND};
use crate::runtime::kernel::{Constant, KernelFile, kernel_file};
use crate::runtime::launch::{block_each, grid_over, launch};
use crate::runtime::limits::int;
use crate::{Buffer, DeviceReal, GpuError, Matrix, MatrixMut};

pub(crate) const KERNELS: KernelFile = kernel_file!("qr/cholesky").with(&[
    Constant::u32("SIDE", SIDE),
    Constant::u32("MOST_COLUMNS", MOST_COLUMNS),
    Constant::u32("BREAKDOWN", BREAKDOWN),
    Constant::u32("SOUND", SOUND),
]);

/// The kernels have blocks of SIDE² threads.
const SIDE: usize = 16;
const THREADS: u32 = (SIDE * SIDE) as u32;

/// Up to so many columns our kernels are faster than the libraries.
pub(crate) const MOST_COLUMNS: usize = 128;

/// What the diagonal of a factor must satisfy to be used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standard {
    /// All of it is above this.
    pub(crate) tolerance: f64,
    /// The least number is above so many times the greatest.
    pub(crate) ratio: f64,
}

/// R of G = RᵀR with zeros below its diagonal, n³/3 operations, from the upper triangle of `g`, which is used up. The identity where G is
/// not positive definite or R below the standard, or where the factor `before` was not used: dividing by it changes nothing, and
/// `report` tells, together with ‖G − I‖_F.
pub(crate) fn judged_factor<T: DeviceReal>(
    mut g: Matrix<T>,
    standard: Standard,
    before: Option<&Report>,
    report: &Report,
) -> Result<Matrix<T>, GpuError> {
    let Standard { tolerance, ratio } = standard;
    let device = g.device().clone();
    let n = g.ncols();
    let before = before.map_or(0, Report::judgement_at);
    let mut r = Matrix::uninitialized(&device, n, n)?;
    let (from, to) = (g.as_ref().place().pointer, r.as_mut().place().pointer);
    if n <= MOST_COLUMNS {
        let kernel = KERNELS.kernel(if n <= MOST_COLUMNS / 2 { "factor_half" } else { "factor" });
        let config = block_each(1, THREADS);
        let (defect, judgement) = (report.defect_at(), report.judgement_at());
        launch!(device, T, kernel, config, from, n as u64, n as u32, tolerance, ratio, to, defect, before, judgement)?;
        return Ok(r);
    }
    report.defect(g.as_ref())?;
    let code = Buffer::<i32>::zeros(&device, 1)?;
    cholesky(g.as_mut(), &code)?;
    let (kernel, judgement) = (KERNELS.kernel("judge_factor"), report.judgement_at());
    let one_block = block_each(1, 256);
    launch!(
        device,
        T,
        kernel,
        one_block,
        from,
        n as u64,
        n as u64,
        code.pointer(),
        tolerance,
        ratio,
        before,
        judgement
    )?;
    let kernel = KERNELS.kernel("accepted_factor");
    launch!(device, T, kernel, grid_over(n * n, 256), from, n as u64, n as u64, judgement, to)?;
    Ok(r)
}

/// Overwrites the upper triangle of the symmetric `g`, whose columns follow each other, by R, G = RᵀR. `code` becomes 0, or the first
/// column at which G is not positive definite: nobody waits for it here.
fn cholesky<T: DeviceReal>(g: MatrixMut<'_, T>, code: &Buffer<i32>) -> Result<(), GpuError> {
    let (device, upper) = (g.device, cusolver::cublasFillMode_t::CUBLAS_FILL_MODE_UPPER);
    let n = int("Cholesky", "columns of the matrix", g.ncols())?;
    let ld = int("Cholesky", "columns of the matrix", g.place().stride)?;
    let a = g.place().pointer as *mut T;
    let mut length = 0;
    let libraries = device.libraries()?;
    // SAFETY: `g` is n×n with this leading dimension; the length is written through a live pointer.
    unsafe { T::POTRF_SIZE(libraries.solver(), upper, n, a, ld, &raw mut length) }
        .result()
        .named("cusolverDnpotrf_bufferSize")?;
    drop(libraries);
    let work = Buffer::<T>::uninitialized(device, length as usize)?;
    let (work_at, code_at) = (work.pointer() as *mut T, code.pointer() as *mut i32);
    let libraries = device.libraries()?;
    // SAFETY: as above; the workspace has the length asked for, and is freed in the order of the stream.
    unsafe { T::POTRF(libraries.solver(), upper, n, a, ld, work_at, length, code_at) }.result().named("cusolverDnpotrf")
}
