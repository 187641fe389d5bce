//! Marks of rows that are not to be read: 1 for a row that a mask hides, 2 for one that holds a NaN or an infinity, else 0.

use cudarc::driver::LaunchConfig;

use crate::layers::{THREADS, holds};
use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::{Buffer, DeviceReal, GpuError};

pub(crate) const KERNELS: KernelFile = kernel_file!("layers/row_marks");

/// Threads of a warp, which takes a row at a time.
const WARP: usize = 32;

/// Threads of a block for a sequence of marks.
const SEQUENCE_THREADS: u32 = 1024;

/// Which rows of a sequence depend on which of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dependence {
    /// Each on all.
    All,
    /// Position i on the positions up to i.
    Past,
    /// Position i on the positions from i.
    Future,
}

/// Marks of the `rows` rows of x. `mask` says which rows are not hidden; with `only_non_finite` a hidden row that is finite gets none.
///
/// # Errors
/// Those of this module's parent.
pub fn mark_rows<T: DeviceReal>(
    x: &Buffer<T>,
    rows: usize,
    mask: Option<&[bool]>,
    only_non_finite: bool,
) -> Result<Buffer<T>, GpuError> {
    const NAME: &str = "mark_rows";
    let device = x.device();
    if rows == 0 {
        return Buffer::zeros(device, 0);
    }
    holds(NAME, "x", x, rows * (x.len() / rows))?;
    if let Some(mask) = mask.filter(|mask| mask.len() != rows) {
        return Err(GpuError::shape(NAME, "mask", rows.to_string(), mask.len().to_string()));
    }
    let mask = mask.map(|mask| {
        let mask: Vec<u8> = mask.iter().map(|&is_visible| u8::from(is_visible)).collect();
        Buffer::from_host(device, &mask)
    });
    let mask = mask.transpose()?;
    let marks = Buffer::<T>::uninitialized(device, rows)?;
    launch!(
        device,
        T,
        KERNELS.kernel("mark_rows"),
        grid_over(rows * WARP, THREADS),
        x.pointer(),
        mask.as_ref().map_or(0, Buffer::pointer),
        u32::from(only_non_finite),
        rows as u64,
        (x.len() / rows) as u64,
        marks.pointer(),
    )?;
    Ok(marks)
}

/// Marks, batch×rows, of what depends on rows with the marks `from`, batch×length: 2 where any of them is 2.
///
/// # Errors
/// Those of this module's parent.
pub fn marks_of_dependents<T: DeviceReal>(
    from: &Buffer<T>,
    [batch, length, rows]: [usize; 3],
    dependence: Dependence,
) -> Result<Buffer<T>, GpuError> {
    holds("marks_of_dependents", "from", from, batch * length)?;
    let marks = Buffer::<T>::uninitialized(from.device(), batch * rows)?;
    if marks.is_empty() {
        return Ok(marks);
    }
    let dependence: u32 = match dependence {
        Dependence::All => 0,
        Dependence::Past => 1,
        Dependence::Future => 2,
    };
    let grid_dim = (batch as u32, 1, 1);
    launch!(
        from.device(),
        T,
        KERNELS.kernel("marks_of_dependents"),
        LaunchConfig { grid_dim, block_dim: (SEQUENCE_THREADS, 1, 1), shared_mem_bytes: 0 },
        from.pointer(),
        length as u64,
        rows as u64,
        dependence,
        marks.pointer(),
    )?;
    Ok(marks)
}

/// `marks` become the larger of these and `others`.
///
/// # Errors
/// Those of this module's parent.
pub fn join_marks<T: DeviceReal>(others: &Buffer<T>, marks: &mut Buffer<T>) -> Result<(), GpuError> {
    let count = marks.len();
    holds("join_marks", "marks", others, count)?;
    if count == 0 {
        return Ok(());
    }
    let (kernel, config) = (KERNELS.kernel("join_marks"), grid_over(count, THREADS));
    launch!(marks.device(), T, kernel, config, others.pointer(), count as u64, marks.pointer())
}

/// Marks of the rows of dy: 2 where the row is not finite, or where the output's mark is 2 and the row is not zero.
///
/// # Errors
/// Those of this module's parent.
pub fn marks_of_gradient<T: DeviceReal>(outputs: &Buffer<T>, dy: &Buffer<T>) -> Result<Buffer<T>, GpuError> {
    let (device, rows) = (dy.device(), outputs.len());
    let marks = Buffer::<T>::uninitialized(device, rows)?;
    if rows == 0 {
        return Ok(marks);
    }
    holds("marks_of_gradient", "dy", dy, rows * (dy.len() / rows))?;
    launch!(
        device,
        T,
        KERNELS.kernel("marks_of_gradient"),
        grid_over(rows * WARP, THREADS),
        dy.pointer(),
        outputs.pointer(),
        rows as u64,
        (dy.len() / rows) as u64,
        marks.pointer(),
    )?;
    Ok(marks)
}

/// Writes `value` into the rows of x whose mark lies within `least`..=`greatest`.
///
/// # Errors
/// Those of this module's parent.
pub fn fill_marked<T: DeviceReal>(
    marks: &Buffer<T>,
    [least, greatest]: [T; 2],
    value: T,
    x: &mut Buffer<T>,
) -> Result<(), GpuError> {
    let rows = marks.len();
    if rows == 0 || x.is_empty() {
        return Ok(());
    }
    holds("fill_marked", "x", x, rows * (x.len() / rows))?;
    launch!(
        x.device(),
        T,
        KERNELS.kernel("fill_marked"),
        grid_over(rows * WARP, THREADS),
        marks.pointer(),
        least,
        greatest,
        value,
        rows as u64,
        (x.len() / rows) as u64,
        x.pointer(),
    )
}
