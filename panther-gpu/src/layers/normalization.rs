//! Normalization of rows.

use crate::layers::reductions::{ROW_SHARES, RowShares, add_shares};
use crate::layers::{block_a_row, holds};
use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::launch;
use crate::{Buffer, DeviceReal, GpuError};

pub(crate) const KERNELS: KernelFile = kernel_file!("layers/normalization").with(&ROW_SHARES);

/// Threads for a row.
const THREADS: u32 = 128;

/// The count of rows as long as the weight.
fn rows<T: DeviceReal>(operation: &'static str, x: &Buffer<T>, weight: &Buffer<T>) -> Result<usize, GpuError> {
    let width = weight.len();
    if width == 0 || !x.len().is_multiple_of(width) {
        return Err(GpuError::shape(operation, "x", format!("rows of {width}"), x.len().to_string()));
    }
    Ok(x.len() / width)
}

/// y = x̂·w + b of rows of x̂ = (x − mean)/√(variance + ε), and what going back needs of each row, rows×3.
///
/// # Errors
/// Those of this module's parent.
pub fn normalize<T: DeviceReal>(
    epsilon: f64,
    x: &Buffer<T>,
    weight: &Buffer<T>,
    bias: &Buffer<T>,
) -> Result<(Buffer<T>, Buffer<T>), GpuError> {
    let (device, rows, width) = (x.device(), rows("normalize", x, weight)?, weight.len());
    holds("normalize", "bias", bias, width)?;
    let (y, moments) = (Buffer::uninitialized(device, x.len())?, Buffer::uninitialized(device, 3 * rows)?);
    if rows > 0 {
        launch!(
            device,
            T,
            KERNELS.kernel("normalize"),
            block_a_row(rows, THREADS),
            x.pointer(),
            weight.pointer(),
            bias.pointer(),
            rows as u64,
            width as u64,
            epsilon,
            y.pointer(),
            moments.pointer(),
        )?;
    }
    Ok((y, moments))
}

/// dx from dy; the gradients by w and b are added to theirs.
///
/// # Errors
/// Those of this module's parent.
pub fn normalize_backward<T: DeviceReal>(
    x: &Buffer<T>,
    moments: &Buffer<T>,
    weight: &Buffer<T>,
    dy: &Buffer<T>,
    (by_weight, by_bias): (&mut Buffer<T>, &mut Buffer<T>),
) -> Result<Buffer<T>, GpuError> {
    const NAME: &str = "normalize_backward";
    let (device, rows, width) = (x.device(), rows(NAME, x, weight)?, weight.len());
    holds(NAME, "moments", moments, 3 * rows)?;
    holds(NAME, "dy", dy, x.len())?;
    holds(NAME, "gradient of the weight", by_weight, width)?;
    holds(NAME, "gradient of the bias", by_bias, width)?;
    let dx = Buffer::uninitialized(device, x.len())?;
    if rows == 0 {
        return Ok(dx);
    }
    launch!(
        device,
        T,
        KERNELS.kernel("normalize_backward"),
        block_a_row(rows, THREADS),
        x.pointer(),
        moments.pointer(),
        weight.pointer(),
        dy.pointer(),
        rows as u64,
        width as u64,
        dx.pointer(),
    )?;
    let by = RowShares::new(rows, width);
    let shares = Buffer::<T>::uninitialized(device, by.count * 2 * width)?;
    launch!(
        device,
        T,
        KERNELS.kernel("normalize_gradients"),
        by.config,
        x.pointer(),
        moments.pointer(),
        dy.pointer(),
        rows as u64,
        width as u64,
        by.share as u64,
        shares.pointer(),
    )?;
    add_shares(&shares, 0, by.count, 2 * width, by_weight)?;
    add_shares(&shares, width, by.count, 2 * width, by_bias)?;
    Ok(dx)
}
