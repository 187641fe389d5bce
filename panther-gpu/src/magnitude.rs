//! ‖A‖_F without overflow, and the power of two that brings A near one.

use panther_linalg::rules::{exponent_of, power_of_two};
use panther_linalg::{LinalgError, ScaledNorm};

use crate::buffer::Buffer;
use crate::kernel::{KernelFile, kernel_file, launch};
use crate::small::block_each;
use crate::{DeviceReal, GpuError, Matrix, MatrixRef};

const KERNELS: KernelFile = kernel_file!("magnitude");

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
    let result = Buffer::<f64>::zeros(a.device, 3 * BLOCKS)?;
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
    for block in blocks.chunks_exact(3) {
        all.largest = all.largest.max(block[0]);
        all.squares += block[1];
        bad += block[2];
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

/// A·2^exponent.
pub(crate) fn scaled_copy<T: DeviceReal>(a: MatrixRef<'_, T>, exponent: i32) -> Result<Matrix<T>, GpuError> {
    let mut copy = a.to_owned()?;
    if exponent != 0 {
        // Two factors, since 2^exponent alone may leave the range of the type.
        copy.as_mut().scale(T::from_f64(power_of_two(exponent / 2)))?;
        copy.as_mut().scale(T::from_f64(power_of_two(exponent - exponent / 2)))?;
    }
    Ok(copy)
}

/// A, or a copy of about unit size where its squares would leave the range of the type.
pub(crate) enum NearOne<'a, T> {
    /// As it is.
    Itself(MatrixRef<'a, T>),
    /// A·2^−exponent.
    Copy(Matrix<T>, i32),
}

impl<'a, T: DeviceReal> NearOne<'a, T> {
    pub(crate) fn new(a: MatrixRef<'a, T>, size: &ScaledNorm) -> Result<Self, GpuError> {
        // A quarter of the exponents on either side leaves room for squares.
        if size.exponent.abs() <= T::MIN_POSITIVE.to_f64().log2().abs() as i32 / 4 {
            return Ok(Self::Itself(a));
        }
        Ok(Self::Copy(scaled_copy(a, -size.exponent)?, size.exponent))
    }

    pub(crate) fn view(&self) -> MatrixRef<'_, T> {
        match self {
            Self::Itself(a) => *a,
            Self::Copy(a, _) => a.as_ref(),
        }
    }

    /// The power of two that was taken out.
    pub(crate) fn exponent(&self) -> i32 {
        match self {
            Self::Itself(_) => 0,
            Self::Copy(_, exponent) => *exponent,
        }
    }

    /// ‖A·2^−exponent‖_F.
    pub(crate) fn frobenius(&self, size: &ScaledNorm) -> f64 {
        match self {
            Self::Itself(_) => size.norm(),
            Self::Copy(..) => size.frobenius,
        }
    }
}
