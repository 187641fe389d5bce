//! Random fill: the numbers that panther-nn's CPU draws, number for number.

use panther_sketch::stream;

use crate::runtime::kernel::{Constant, KernelFile, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::{Buffer, DeviceReal, GpuError};

pub(crate) const KERNELS: KernelFile =
    kernel_file!("sketch/random_fill", "sketch/stream.cuh", "sketch/box_muller.cuh", "sketch/pairs.cuh").with(&[
        Constant::u64("PHI", panther_sketch::seed::PHI),
        Constant::u32("STREAM_LENGTH", STREAM),
        Constant::u32("FILL_THREADS", THREADS as usize),
    ]);

/// Numbers that come from one stream: number e is entry (e mod 1024, ⌊e/1024⌋) of an operator of 1024 rows.
const STREAM: usize = 1024;
/// Threads of a block.
const THREADS: u32 = 64;

/// Fills a buffer with numbers uniform on ±`limit`.
///
/// # Errors
/// [`GpuError::Call`].
pub fn fill_uniform<T: DeviceReal>(buffer: &mut Buffer<T>, limit: f64, seed: u64) -> Result<(), GpuError> {
    // Entries are uniform on ±√(3/1024).
    fill(buffer, "fill_uniform", stream::family_key(seed, stream::UNIFORM), uniform_scale(), uniform_factor(limit))
}

/// Fills a buffer with normal numbers of mean 0 and this standard deviation.
///
/// # Errors
/// [`GpuError::Call`].
pub fn fill_normal<T: DeviceReal>(buffer: &mut Buffer<T>, deviation: f64, seed: u64) -> Result<(), GpuError> {
    // Entries have variance 1/1024.
    let root = (STREAM as f64).sqrt();
    fill(buffer, "fill_normal", stream::family_key(seed, stream::GAUSSIAN), 1.0 / root, deviation * root)
}

/// Sets numbers to 0 with probability `rate` and multiplies the others by 1/(1 − `rate`). The same places are dropped in both
/// precisions and on the CPU.
///
/// # Errors
/// [`GpuError::NotRecordable`], [`GpuError::Call`].
pub fn dropout<T: DeviceReal>(x: &mut Buffer<T>, rate: f64, seed: u64) -> Result<(), GpuError> {
    x.device().refuse_recording("dropout", "every launch would drop the same places")?;
    if x.is_empty() {
        return Ok(());
    }
    launch!(
        x.device(),
        T,
        KERNELS.kernel("dropout"),
        grid_over(x.len().div_ceil(STREAM), THREADS),
        x.pointer(),
        x.len() as u64,
        stream::family_key(seed, stream::UNIFORM),
        uniform_scale() as f32,
        uniform_factor(1.0) as f32,
        (2.0 * rate - 1.0) as f32,
        T::from_f64(1.0 / (1.0 - rate)),
    )
}

/// What the draws of a uniform operator of 1024 rows are multiplied by.
fn uniform_scale() -> f64 {
    3.0_f64.sqrt() / (STREAM as f64).sqrt()
}

/// What makes them uniform on ±`limit`.
fn uniform_factor(limit: f64) -> f64 {
    limit * (STREAM as f64 / 3.0).sqrt()
}

fn fill<T: DeviceReal>(
    buffer: &mut Buffer<T>,
    kernel: &'static str,
    key: u64,
    scale: f64,
    factor: f64,
) -> Result<(), GpuError> {
    if buffer.is_empty() {
        return Ok(());
    }
    launch!(
        buffer.device(),
        T,
        KERNELS.kernel(kernel),
        grid_over(buffer.len().div_ceil(STREAM), THREADS),
        buffer.pointer(),
        buffer.len() as u64,
        key,
        T::from_f64(scale),
        T::from_f64(factor),
    )
}
