//! Sums: of shares first, then of the shares one after another.

use cudarc::driver::LaunchConfig;

use crate::layers::{THREADS, holds};
use crate::runtime::kernel::{Constant, KernelFile, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::{Buffer, Device, DeviceReal, GpuError};

pub(crate) const KERNELS: KernelFile = kernel_file!("layers/reductions").with(&ROW_SHARES);

/// Columns and rows of threads of a block that sums rows.
const COLUMNS: usize = 32;
const LANES: u32 = 8;

/// Those of kernels that are launched by [`RowShares`].
pub(crate) const ROW_SHARES: [Constant; 2] =
    [Constant::u32("COLUMNS", COLUMNS), Constant::u32("LANES", LANES as usize)];

/// Blocks that keep a device busy.
const BLOCKS: usize = 1024;

/// Blocks that sum columns of rows: one for `COLUMNS` columns of `share` rows.
pub(crate) struct RowShares {
    pub(crate) config: LaunchConfig,
    pub(crate) share: usize,
    pub(crate) count: usize,
}

impl RowShares {
    pub(crate) fn new(rows: usize, width: usize) -> Self {
        let across = width.div_ceil(COLUMNS);
        let wanted = (BLOCKS / across).clamp(1, rows.div_ceil(4 * LANES as usize).max(1));
        let share = rows.div_ceil(wanted).max(1);
        let count = rows.div_ceil(share).max(1);
        let (grid_dim, block_dim) = ((across as u32, count as u32, 1), (COLUMNS as u32, LANES, 1));
        Self { config: LaunchConfig { grid_dim, block_dim, shared_mem_bytes: 0 }, share, count }
    }
}

/// sum += Σ over shares of the `width` values at `start` + share·`stride`.
pub(crate) fn add_shares<T: DeviceReal>(
    shares: &Buffer<T>,
    start: usize,
    count: usize,
    stride: usize,
    sum: &mut Buffer<T>,
) -> Result<(), GpuError> {
    let width = sum.len();
    if width == 0 {
        return Ok(());
    }
    let (kernel, config) = (KERNELS.kernel("add_shares"), grid_over(width, THREADS));
    let from = shares.at(start);
    launch!(sum.device(), T, kernel, config, from, count as u64, stride as u64, width as u64, sum.pointer())
}

/// sum += the sum over the rows of x, each as long as `sum`.
///
/// # Errors
/// Those of this module's parent.
pub fn sum_rows<T: DeviceReal>(x: &Buffer<T>, sum: &mut Buffer<T>) -> Result<(), GpuError> {
    let width = sum.len();
    if width == 0 || !x.len().is_multiple_of(width) {
        return Err(GpuError::shape("sum_rows", "x", format!("rows of {width}"), x.len().to_string()));
    }
    let (device, rows) = (x.device(), x.len() / width);
    if rows == 0 {
        return Ok(());
    }
    let by = RowShares::new(rows, width);
    let shares = Buffer::<T>::uninitialized(device, by.count * width)?;
    let kernel = KERNELS.kernel("sum_rows");
    let (to, share) = (shares.pointer(), by.share as u64);
    launch!(device, T, kernel, by.config, x.pointer(), rows as u64, width as u64, share, to)?;
    add_shares(&shares, 0, by.count, width, sum)
}

/// sum\[c\] += Σ of channel c of x, batch×channels×plane.
///
/// # Errors
/// Those of this module's parent.
pub fn sum_channels<T: DeviceReal>(
    x: &Buffer<T>,
    [batch, channels, plane]: [usize; 3],
    sum: &mut Buffer<T>,
) -> Result<(), GpuError> {
    holds("sum_channels", "x", x, batch * channels * plane)?;
    holds("sum_channels", "sum", sum, channels)?;
    let (device, count) = (x.device(), batch * plane);
    if count == 0 || channels == 0 {
        return Ok(());
    }
    let wanted = (4 * BLOCKS / channels).clamp(1, count.div_ceil(4 * THREADS as usize));
    let share = count.div_ceil(wanted);
    let splits = count.div_ceil(share);
    let shares = Buffer::<T>::uninitialized(device, splits * channels)?;
    let grid_dim = (channels as u32, splits as u32, 1);
    let config = LaunchConfig { grid_dim, block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 };
    launch!(
        device,
        T,
        KERNELS.kernel("sum_channels"),
        config,
        x.pointer(),
        batch as u64,
        channels as u64,
        plane as u64,
        share as u64,
        shares.pointer(),
    )?;
    add_shares(&shares, 0, splits, channels, sum)
}

/// Σ xᵢ² in double precision. Waits for it.
///
/// # Errors
/// Those of this module's parent.
pub fn sum_of_squares<T: DeviceReal>(x: &Buffer<T>) -> Result<f64, GpuError> {
    let (device, count) = (x.device(), x.len());
    if count == 0 {
        return Ok(0.0);
    }
    let config = shares_of_doubles(count);
    let shares = Buffer::<f64>::uninitialized(device, config.grid_dim.0 as usize)?;
    launch!(device, T, KERNELS.kernel("squares"), config, x.pointer(), count as u64, shares.pointer())?;
    sum_doubles::<T>(device, &shares, 1.0)
}

/// Blocks that each leave one share of a sum in double precision.
pub(crate) fn shares_of_doubles(count: usize) -> LaunchConfig {
    let blocks = count.div_ceil(16 * THREADS as usize).clamp(1, BLOCKS);
    LaunchConfig { grid_dim: (blocks as u32, 1, 1), block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 }
}

/// factor·Σ x, on the host. T only says whose module the kernel is taken from.
pub(crate) fn sum_doubles<T: DeviceReal>(device: &Device, x: &Buffer<f64>, factor: f64) -> Result<f64, GpuError> {
    let total = Buffer::<f64>::uninitialized(device, 1)?;
    let config = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (1024, 1, 1), shared_mem_bytes: 0 };
    let kernel = KERNELS.kernel("sum_doubles");
    launch!(device, T, kernel, config, x.pointer(), x.len() as u64, factor, total.pointer())?;
    Ok(total.to_host()?.into_iter().sum())
}
