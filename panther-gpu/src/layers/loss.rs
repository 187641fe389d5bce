//! Losses with their gradients. Both wait for the number.

use crate::layers::reductions::{shares_of_doubles, sum_doubles};
use crate::layers::{block_a_row, holds};
use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::launch;
use crate::{Buffer, DeviceReal, GpuError};

pub(crate) const KERNELS: KernelFile = kernel_file!("layers/loss");

/// Threads for a row.
const THREADS: u32 = 128;

/// The mean over the rows with a target of −Σ q·ln softmax(x), and its gradient. q gives the target 1 − ε and every class
/// ε/classes more.
///
/// # Errors
/// Those of this module's parent, a target beyond the classes among them.
pub fn cross_entropy<T: DeviceReal>(
    logits: &Buffer<T>,
    targets: &[Option<usize>],
    smoothing: f64,
) -> Result<(f64, Buffer<T>), GpuError> {
    let (device, rows) = (logits.device(), targets.len());
    let classes = logits.len() / rows.max(1);
    if logits.len() != rows * classes || targets.iter().flatten().any(|&target| target >= classes) {
        let expected = format!("{rows} rows with a class for each target");
        return Err(GpuError::shape("cross_entropy", "logits", expected, logits.len().to_string()));
    }
    if logits.is_empty() {
        return Ok((0.0, Buffer::zeros(device, 0)?));
    }
    let weight = 1.0 / targets.iter().flatten().count().max(1) as f64;
    let targets: Vec<i64> = targets.iter().map(|target| target.map_or(-1, |target| target as i64)).collect();
    let targets = Buffer::from_host(device, &targets)?;
    let (gradient, losses) =
        (Buffer::uninitialized(device, logits.len())?, Buffer::<f64>::uninitialized(device, rows)?);
    launch!(
        device,
        T,
        KERNELS.kernel("cross_entropy"),
        block_a_row(rows, THREADS),
        logits.pointer(),
        targets.pointer(),
        rows as u64,
        classes as u64,
        smoothing,
        weight,
        gradient.pointer(),
        losses.pointer(),
    )?;
    Ok((sum_doubles::<T>(device, &losses, weight)?, gradient))
}

/// The mean of (y − t)² and its gradient.
///
/// # Errors
/// Those of this module's parent.
pub fn mean_squared_error<T: DeviceReal>(y: &Buffer<T>, targets: &Buffer<T>) -> Result<(f64, Buffer<T>), GpuError> {
    let (device, count) = (y.device(), y.len());
    holds("mean_squared_error", "targets", targets, count)?;
    if count == 0 {
        return Ok((0.0, Buffer::zeros(device, 0)?));
    }
    let (weight, config) = (1.0 / count as f64, shares_of_doubles(count));
    let gradient = Buffer::uninitialized(device, count)?;
    let shares = Buffer::<f64>::uninitialized(device, config.grid_dim.0 as usize)?;
    launch!(
        device,
        T,
        KERNELS.kernel("squared_error"),
        config,
        y.pointer(),
        targets.pointer(),
        count as u64,
        weight,
        gradient.pointer(),
        shares.pointer(),
    )?;
    Ok((sum_doubles::<T>(device, &shares, weight)?, gradient))
}
