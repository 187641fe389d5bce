//! Factors of products in f32 rounded to eight bits (bfloat16), for tensor cores that sum in f32.

use crate::gemm::operands::Operands;
use crate::matrix::raw::Place;
use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::{Buffer, Device, GpuError};

pub(crate) const KERNELS: KernelFile = kernel_file!("gemm/bfloat16");

/// Rows and columns of C that share each number of the factors, m·n/(m + n), from which on rounding factors takes less time than it saves:
/// tensor cores take half as long with them as with 11 bits, and rounding a number moves six bytes.
const LEAST_REUSE: usize = 600;

/// With fewer terms it takes as long to write C.
const LEAST_TERMS: usize = 512;

/// Numbers of a line at multiples of this are where tensor cores read them fastest.
const PITCH: usize = 8;

/// Whether a product is better made with rounded factors, where the device's tensor cores take them.
pub(crate) fn pays(device: &Device, operands: &Operands) -> bool {
    let (m, n) = (operands.c.rows, operands.c.columns);
    let is_bound_by_products = operands.a.columns >= LEAST_TERMS && m.saturating_mul(n) >= LEAST_REUSE * (m + n);
    device.has_bfloat() && operands.count == 1 && is_bound_by_products
}

/// A matrix of f32 with its numbers rounded, in its own layout, and the memory it lies in.
pub(crate) fn rounded(device: &Device, a: Place) -> Result<(Buffer<u32>, Place), GpuError> {
    let (length, lines) = if a.row_major { (a.columns, a.rows) } else { (a.rows, a.columns) };
    let pitch = length.next_multiple_of(PITCH);
    let count = pitch / 2 * lines;
    let memory = Buffer::<u32>::uninitialized(device, count)?;
    let (kernel, config) = (KERNELS.kernel("round_lines"), grid_over(count, 256));
    let (stride, length, pitch_there) = (a.stride as u64, length as u64, pitch as u64);
    launch!(device, f32, kernel, config, a.pointer, stride, length, pitch_there, memory.pointer(), count as u64)?;
    let place = Place { pointer: memory.pointer(), stride: pitch, ..a };
    Ok((memory, place))
}
