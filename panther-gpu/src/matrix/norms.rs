//! Norms: ‖A‖_F without overflow, ‖A‖_F as it is, and those of rows and columns.

use panther_linalg::rules::{exponent_of, power_of_two};
use panther_linalg::{LinalgError, ScaledNorm};

use crate::matrix::report::Report;
use crate::runtime::kernel::{Constant, KernelFile, kernel_file};
use crate::runtime::launch::{block_each, launch};
use crate::{Buffer, DeviceReal, GpuError, MatrixRef};

pub(crate) const KERNELS: KernelFile = kernel_file!("matrix/norms").with(&[
    Constant::u32("LARGEST", LARGEST),
    Constant::u32("SQUARES", SQUARES),
    Constant::u32("NOT_FINITE", NOT_FINITE),
    Constant::u32("SUMMARY", SUMMARY),
]);

/// What a block tells of its entries: the places of the largest magnitude, the sum of the squares and the count of those that are not
/// finite, and how many numbers that are.
const LARGEST: usize = 0;
const SQUARES: usize = 1;
const NOT_FINITE: usize = 2;
const SUMMARY: usize = 3;

/// Blocks that a matrix is read by: fixed, so that the sums do not depend on the device.
const BLOCKS: usize = 512;

/// What one reading tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Survey {
    /// max |aᵢⱼ|, times the factor.
    pub(crate) largest: f64,
    /// Σ aᵢⱼ², times the factor squared.
    pub(crate) squares: f64,
    /// The first entry that is not finite, in column-major order.
    first_bad: Option<usize>,
}

/// Reads factor·A once.
pub(crate) fn survey<T: DeviceReal>(a: MatrixRef<'_, T>, factor: f64) -> Result<Survey, GpuError> {
    let result = Buffer::<f64>::zeros(a.device, SUMMARY * BLOCKS)?;
    let first = Buffer::<u64>::from_host(a.device, &[u64::MAX])?;
    let (down, right) = a.place().strides();
    launch!(
        a.device,
        T,
        KERNELS.kernel("survey"),
        block_each(BLOCKS, 512),
        a.place().pointer,
        down as u64,
        right as u64,
        a.nrows() as u64,
        a.ncols() as u64,
        factor,
        result.pointer(),
        first.pointer(),
    )?;
    let blocks = result.to_host()?;
    let mut all = Survey { largest: 0.0, squares: 0.0, first_bad: None };
    let mut bad = 0.0;
    for block in blocks.chunks_exact(SUMMARY) {
        all.largest = all.largest.max(block[LARGEST]);
        all.squares += block[SQUARES];
        bad += block[NOT_FINITE];
    }
    if bad > 0.0 {
        all.first_bad = Some(first.to_host()?[0] as usize);
    }
    Ok(all)
}

/// ‖A‖_F, checking every entry.
pub(crate) fn magnitude<T: DeviceReal>(argument: &'static str, a: MatrixRef<'_, T>) -> Result<ScaledNorm, GpuError> {
    /// Largest |exponent| of the entries for which their squares can be summed unscaled in double precision.
    const SQUARABLE: i32 = 400;
    let unscaled = survey(a, 1.0)?;
    if let Some(place) = unscaled.first_bad {
        let (row, column) = (place % a.nrows(), place / a.nrows());
        let value = a.subrows(row, 1).subcols(column, 1).to_owned()?.to_host()?[(0, 0)].to_f64();
        return Err(LinalgError::NonFinite { argument, row, column, value }.into());
    }
    if unscaled.largest == 0.0 {
        return Ok(ScaledNorm { frobenius: 0.0, exponent: 0 });
    }
    let exponent = exponent_of(unscaled.largest);
    if exponent.abs() <= SQUARABLE {
        return Ok(ScaledNorm { frobenius: unscaled.squares.sqrt() * power_of_two(-exponent), exponent });
    }
    // 2^−exponent overflows for the subnormal numbers of f64 alone: they are brought into its range first.
    let lift = if exponent < -1000 { 128 } else { 0 };
    let scaled = survey(a, power_of_two(-exponent - lift))?;
    Ok(ScaledNorm { frobenius: scaled.squares.sqrt() * power_of_two(lift), exponent })
}

/// ‖x‖_F, summed in double precision and unscaled: infinite where squares are beyond 1e308. One reading of x, and the host waits
/// for the result.
///
/// # Errors
/// [`GpuError::OutOfMemory`], [`GpuError::Call`].
pub fn frobenius<T: DeviceReal>(x: MatrixRef<'_, T>) -> Result<f64, GpuError> {
    let report = Report::new(x.device)?;
    report.squares(x)?;
    Ok(report.read()?.squares.sqrt())
}

/// Σⱼ≥ᵢ r\[i, j\]² for each row i.
pub(crate) fn row_energies<T: DeviceReal>(r: MatrixRef<'_, T>) -> Result<Vec<f64>, GpuError> {
    let energies = Buffer::<f64>::zeros(r.device, r.nrows())?;
    if r.nrows() > 0 {
        launch!(
            r.device,
            T,
            KERNELS.kernel("row_energies"),
            block_each(r.nrows(), 128),
            r.place().pointer,
            r.place().stride as u64,
            r.ncols() as u64,
            energies.pointer(),
        )?;
    }
    energies.to_host()
}

/// Σᵢ u\[i, j\]² for each column j.
pub(crate) fn column_energies<T: DeviceReal>(u: MatrixRef<'_, T>) -> Result<Vec<f64>, GpuError> {
    let energies = Buffer::<f64>::zeros(u.device, u.ncols())?;
    if u.ncols() > 0 && u.nrows() > 0 {
        launch!(
            u.device,
            T,
            KERNELS.kernel("column_energies"),
            block_each(u.ncols(), 128),
            u.place().pointer,
            u.place().stride as u64,
            u.nrows() as u64,
            energies.pointer(),
        )?;
    }
    energies.to_host()
}
