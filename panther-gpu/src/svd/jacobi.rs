//! One-sided Jacobi rotations by blocks of columns (Hestenes 1958), in one launch.

use cudarc::driver::LaunchConfig;
use panther_linalg::LinalgError;

use crate::matrix::entries::identity;
use crate::qr::orthonormalize::complete;
use crate::runtime::kernel::{Constant, Kernel, KernelFile, WARP, kernel_file};
use crate::runtime::launch::{block_each, grid_over, launch};
use crate::svd::factors::Svd;
use crate::{Buffer, Device, DeviceReal, GpuError, Matrix};

pub(crate) const RESIDENT: KernelFile =
    kernel_file!("svd/jacobi/resident", "barrier.cuh", "svd/jacobi/rotation.cuh").with(&CONSTANTS);
pub(crate) const EXCHANGED: KernelFile =
    kernel_file!("svd/jacobi/exchanged", "barrier.cuh", "svd/jacobi/rotation.cuh").with(&CONSTANTS);

/// What both files share with Rust.
const CONSTANTS: [Constant; 7] = [
    Constant::u32("BLOCK_THREADS", THREADS),
    Constant::u32("MOST_WIDTH", MOST_WIDTH),
    Constant::u32("PART", PART),
    Constant::u32("MOST_SWEEPS", MOST_SWEEPS),
    Constant::u32("NOISE_DIVISOR", NOISE_DIVISOR),
    Constant::u32("FEW_BLOCKS", FEW_BLOCKS),
    Constant::u32("MANY_BLOCKS", MANY_BLOCKS),
];

/// Threads of a block at the most, columns of a block, rows of a part, and sweeps.
const THREADS: usize = 512;
const MOST_WIDTH: usize = 16;
const PART: usize = 256;
const MOST_SWEEPS: usize = 40;

/// Blocks of the clusters.
const FEW_BLOCKS: usize = 4;
const MANY_BLOCKS: usize = 16;

/// Kernels that keep all columns in the shared memory of a cluster: most rows, name, and blocks of the cluster.
const RESIDENTS: [(usize, &str, usize); 3] = [
    (64, "orthogonalize_64", FEW_BLOCKS),
    (128, "orthogonalize_128", FEW_BLOCKS),
    (256, "orthogonalize_256", MANY_BLOCKS),
];

/// How the columns are dealt out.
struct Deal {
    kernel: Kernel,
    /// Columns of a block.
    width: usize,
    /// Pairs of blocks: a thread block for each, or as many as the device runs.
    tables: usize,
    /// The thread blocks are one cluster.
    clustered: bool,
    config: LaunchConfig,
}

/// In the shared memory of a cluster where the columns fit. Else in a cluster that exchanges them: its barrier is cheaper than the
/// device's, and a round of the tournament takes longer than ten columns of a block to rotate, so that few columns want few rounds. Where
/// not all fit at once, blocks as wide as can be take turns. `None` where two columns do not fit.
fn deal<T: DeviceReal>(device: &Device, m: usize, n: usize) -> Result<Option<Deal>, GpuError> {
    let deal = |kernel, width: usize, tables: usize, threads: usize, bytes: usize, clustered| {
        let fits = width <= MOST_WIDTH && bytes + 1024 <= device.shared_bytes() as usize;
        let thread_blocks = tables.min(device.multiprocessors() as usize);
        let config = LaunchConfig {
            grid_dim: (thread_blocks as u32, 1, 1),
            block_dim: (threads as u32, 1, 1),
            shared_mem_bytes: bytes as u32,
        };
        fits.then_some(Deal { kernel, width, tables, clustered, config })
    };
    // Twice two blocks of columns, of x and of v, and their norms.
    let resident = |(rows, name, blocks): (usize, &'static str, usize)| {
        let width = n.div_ceil(2 * blocks).max(1);
        let bytes = 4 * width * (2 * rows + 1) * size_of::<T>();
        deal(RESIDENT.kernel(name), width, blocks, WARP * width, bytes, true)
    };
    // A column in whole parts, a column of rotations, and the norm.
    let bytes = (m.next_multiple_of(PART) + WARP + 1) * size_of::<T>();
    let exchanged = |name, width: usize, tables, clustered| {
        deal(EXCHANGED.kernel(name), width, tables, THREADS, 2 * width * bytes, clustered)
    };
    let residents = RESIDENTS.into_iter().filter(|&(rows, ..)| m <= rows).filter_map(resident);
    for deal in
        residents.chain(exchanged("orthogonalize_cluster", n.div_ceil(2 * MANY_BLOCKS).max(1), MANY_BLOCKS, true))
    {
        if device.runs_cluster::<T>(deal.kernel, deal.tables as u32, THREADS as u32)? {
            return Ok(Some(deal));
        }
    }
    let least = n.div_ceil(2 * device.multiprocessors() as usize).max(1);
    let on_grid = |width: usize| exchanged("orthogonalize_grid", width, n.div_ceil(2 * width), false);
    Ok(on_grid(least.max(8)).or_else(|| on_grid(least)).or_else(|| (1..=MOST_WIDTH).rev().find_map(on_grid)))
}

/// ε·σ₁ divided by this is the length below which a column is rounding errors, without a direction of its own. The kernels take the
/// longest column for σ₁, and so less.
const NOISE_DIVISOR: usize = 16;

/// Rotates the columns of `x`, m×n with m ≥ n, until they are orthogonal, but for those that are far below ε·σ₁.
pub(crate) fn jacobi_svd<T: DeviceReal>(operation: &'static str, mut x: Matrix<T>) -> Result<Svd<T>, GpuError> {
    let device = x.device().clone();
    let (m, n) = (x.nrows(), x.ncols());
    let Some(Deal { kernel, width, tables, clustered, config }) = deal::<T>(&device, m, n)? else {
        return Err(GpuError::shape(
            operation,
            "a",
            "a matrix two columns of which fit into shared memory",
            format!("{m}×{n}"),
        ));
    };
    let mut v = identity::<T>(&device, n)?;
    let changed = Buffer::<i32>::zeros(&device, MOST_SWEEPS)?;
    let largest = Buffer::<u64>::zeros(&device, 1)?;
    // The lengths of the columns of x and v, and the number of sweeps.
    let report = Buffer::<f64>::zeros(&device, 2 * n + 1)?;
    let counter = Buffer::<u32>::zeros(&device, 1)?;
    let tolerance = T::EPSILON * T::from_f64((m as f64).sqrt());
    let (xp, vp) = (x.as_mut().place().pointer, v.as_mut().place().pointer);
    launch!(
        device,
        T,
        kernel,
        config,
        cooperative: !clustered,
        xp,
        m as u64,
        m as u32,
        n as u32,
        vp,
        n as u64,
        width as u32,
        tables as u32,
        tolerance,
        changed.pointer(),
        largest.pointer(),
        report.at(2 * n),
        counter.pointer(),
    )?;
    sorted(operation, x, v, &report)
}

/// σ from the lengths of the columns, descending, and the columns in that order and of unit length.
fn sorted<T: DeviceReal>(
    operation: &'static str,
    x: Matrix<T>,
    v: Matrix<T>,
    report: &Buffer<f64>,
) -> Result<Svd<T>, GpuError> {
    let device = x.device().clone();
    let (m, n) = (x.nrows(), x.ncols());
    for (matrix, rows, first) in [(&x, m, 0), (&v, n, n)] {
        launch!(
            device,
            T,
            EXCHANGED.kernel("column_norms"),
            block_each(n, 128),
            matrix.as_ref().place().pointer,
            rows as u64,
            rows as u64,
            report.at(first)
        )?;
    }
    let report = report.to_host()?;
    if report[2 * n] >= MOST_SWEEPS as f64 {
        return Err(LinalgError::NoConvergence { operation, shape: (m, n) }.into());
    }
    let (of_x, of_v) = report[..2 * n].split_at(n);
    // What rounding did to the lengths of v it did to those of x.
    let sigma: Vec<f64> = of_x.iter().zip(of_v).map(|(x, v)| x / v).collect();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&i, &j| sigma[j].total_cmp(&sigma[i]));
    // Shorter columns may not have been rotated.
    let least = 2.0 / NOISE_DIVISOR as f64 * T::EPSILON.to_f64() * order.first().map_or(0.0, |&j| sigma[j]);
    let known = order.iter().take_while(|&&j| sigma[j] > least).count();
    let columns: Vec<i32> = order.iter().map(|&j| j as i32).collect();
    let inverse = |lengths: &[f64]| -> Vec<f64> {
        order.iter().map(|&j| if lengths[j] > 0.0 { 1.0 / lengths[j] } else { 0.0 }).collect()
    };
    let u = gather_scaled(&x, &columns, &inverse(of_x))?.truncated(known);
    let v = gather_scaled(&v, &columns, &inverse(of_v))?;
    let s = order.iter().map(|&j| if sigma[j] > least { T::from_f64(sigma[j]) } else { T::ZERO }).collect();
    Ok(Svd { u: complete(u, n, 0)?, s, v })
}

fn gather_scaled<T: DeviceReal>(x: &Matrix<T>, columns: &[i32], factors: &[f64]) -> Result<Matrix<T>, GpuError> {
    let device = x.device();
    let (m, n) = (x.nrows(), columns.len());
    let mut out = Matrix::uninitialized(device, m, n)?;
    let columns = Buffer::from_host(device, columns)?;
    let factors = Buffer::from_host(device, factors)?;
    launch!(
        device,
        T,
        EXCHANGED.kernel("gather_scaled"),
        grid_over(m * n, 256),
        out.as_mut().place().pointer,
        m as u64,
        x.as_ref().place().pointer,
        m as u64,
        columns.pointer(),
        factors.pointer(),
        m as u64,
        n as u64,
    )?;
    Ok(out)
}
