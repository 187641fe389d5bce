//! Rows of a table by their index.

use crate::layers::{THREADS, holds};
use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::{Buffer, DeviceReal, GpuError};

pub(crate) const KERNELS: KernelFile = kernel_file!("layers/gather");

/// An error where an index is not one of the table's, rows×width.
fn check<T: DeviceReal>(
    operation: &'static str,
    table: &Buffer<T>,
    [rows, width]: [usize; 2],
    indices: &[usize],
) -> Result<(), GpuError> {
    holds(operation, "table", table, rows * width)?;
    match indices.iter().find(|&&index| index >= rows) {
        Some(index) => Err(GpuError::shape(operation, "indices", format!("below {rows}"), index.to_string())),
        None => Ok(()),
    }
}

/// The rows of the table, rows×width, at the indices.
///
/// # Errors
/// Those of this module's parent, an index beyond the table among them.
pub fn gather_rows<T: DeviceReal>(
    table: &Buffer<T>,
    shape: [usize; 2],
    indices: &[usize],
) -> Result<Buffer<T>, GpuError> {
    check("gather_rows", table, shape, indices)?;
    let (device, width) = (table.device(), shape[1]);
    let count = indices.len() * width;
    let rows = Buffer::uninitialized(device, count)?;
    if count > 0 {
        let indices: Vec<u64> = indices.iter().map(|&index| index as u64).collect();
        let indices = Buffer::from_host(device, &indices)?;
        let (kernel, config) = (KERNELS.kernel("gather"), grid_over(count, THREADS));
        let (from, at) = (table.pointer(), indices.pointer());
        launch!(device, T, kernel, config, from, at, width as u64, rows.pointer(), count as u64)?;
    }
    Ok(rows)
}

/// Adds the rows of x to the rows of the table at the indices, in the order of x where an index comes again.
///
/// # Errors
/// As [`gather_rows`].
pub fn scatter_add_rows<T: DeviceReal>(
    x: &Buffer<T>,
    indices: &[usize],
    table: &mut Buffer<T>,
    shape: [usize; 2],
) -> Result<(), GpuError> {
    check("scatter_add_rows", table, shape, indices)?;
    let width = shape[1];
    holds("scatter_add_rows", "x", x, indices.len() * width)?;
    if x.is_empty() {
        return Ok(());
    }
    // Each row of the table that changes, and which rows of x it gets: one upload holds all.
    let mut order: Vec<usize> = (0..indices.len()).collect();
    order.sort_by_key(|&position| indices[position]);
    let groups: Vec<&[usize]> = order.chunk_by(|&a, &b| indices[a] == indices[b]).collect();
    let mut plan: Vec<u64> = groups.iter().map(|group| indices[group[0]] as u64).collect();
    let mut start = 0;
    plan.push(0);
    for group in &groups {
        start += group.len() as u64;
        plan.push(start);
    }
    plan.extend(order.iter().map(|&position| position as u64));
    let (targets, count) = (groups.len(), groups.len() * width);
    let plan = Buffer::from_host(x.device(), &plan)?;
    launch!(
        x.device(),
        T,
        KERNELS.kernel("scatter_add"),
        grid_over(count, THREADS),
        x.pointer(),
        plan.pointer(),
        plan.at(targets),
        plan.at(2 * targets + 1),
        width as u64,
        table.pointer(),
        count as u64,
    )
}
