//! Triangular solves.

use cudarc::driver::LaunchConfig;

use crate::runtime::kernel::{Constant, KernelFile, kernel_file};
use crate::runtime::launch::launch;
use crate::{Device, DeviceReal, GpuError, MatrixMut, MatrixRef, product};

pub(crate) const KERNELS: KernelFile = kernel_file!("qr/triangular").with(&[
    Constant::u32("BLOCK_THREADS", THREADS),
    Constant::u32("PANEL", PANEL),
    Constant::u32("SHARE", SHARE),
]);

/// Threads of a block, threads of a row, rows that a block solves at a time, and columns of a panel.
const THREADS: usize = 128;
const SHARE: usize = 4;
const ROWS: usize = THREADS / SHARE;
const PANEL: usize = 16;

/// Columns that the kernel solves at once: of any number of rows, and of so few that all are under way at a time.
const COLUMNS: usize = 64;
const COLUMNS_OF_FEW_ROWS: usize = 2 * COLUMNS;

/// a = a·R⁻¹ with the upper triangle of `r`: m·n² operations, each row by substitution in blocks of columns, most of them in products.
pub(crate) fn solve_on_the_right<T: DeviceReal>(a: MatrixMut<'_, T>, r: MatrixRef<'_, T>) -> Result<(), GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    if m == 0 || n == 0 {
        return Ok(());
    }
    if n <= COLUMNS || (n <= COLUMNS_OF_FEW_ROWS && m <= ROWS * resident::<T>(a.device, n)) {
        return by_rows(a, r);
    }
    let half = (n / 2).next_multiple_of(COLUMNS);
    let (mut left, mut right) = a.split_at_column(half);
    solve_on_the_right(left.rb_mut(), r.subrows(0, half).subcols(0, half))?;
    product(right.rb_mut(), -T::ONE, left.rb(), r.subrows(0, half).subcols(half, n - half), T::ONE)?;
    solve_on_the_right(right, r.subrows(half, n - half).subcols(half, n - half))
}

/// Shared memory of a block: R in whole panels, and rows of a.
const fn shared_bytes<T>(n: usize) -> usize {
    let padded = n.next_multiple_of(PANEL);
    padded * (padded * size_of::<T>() + 16 + ROWS * size_of::<T>())
}

/// Blocks that run at a time.
fn resident<T>(device: &Device, n: usize) -> usize {
    device.shared_bytes() as usize / shared_bytes::<T>(n) * device.multiprocessors() as usize
}

fn by_rows<T: DeviceReal>(a: MatrixMut<'_, T>, r: MatrixRef<'_, T>) -> Result<(), GpuError> {
    let (m, n) = (a.nrows(), a.ncols());
    debug_assert!(!a.place().row_major && !r.place().row_major, "the kernel reads by columns");
    // A block reads R once, and there are as many as can run at a time.
    let blocks = m.div_ceil(ROWS).min(resident::<T>(a.device, n));
    let config = LaunchConfig {
        grid_dim: (blocks as u32, 1, 1),
        block_dim: (THREADS as u32, 1, 1),
        shared_mem_bytes: shared_bytes::<T>(n) as u32,
    };
    launch!(
        a.device,
        T,
        KERNELS.kernel("solve_rows"),
        config,
        a.place().pointer,
        a.place().stride as u64,
        m as u64,
        n as u32,
        r.place().pointer,
        r.place().stride as u64,
    )
}
