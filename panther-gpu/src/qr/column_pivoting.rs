//! Column-pivoted QR of a matrix that fits into the device's shared memory: pivots, rank and R in one launch.

use cudarc::driver::LaunchConfig;

use crate::runtime::kernel::{Constant, Kernel, KernelFile, WARP, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::{Buffer, Device, DeviceReal, GpuError, Matrix, MatrixRef};

pub(crate) const KERNELS: KernelFile = kernel_file!("qr/column_pivoting", "barrier.cuh").with(&[
    Constant::u32("BLOCK_THREADS", THREADS as usize),
    Constant::u32("CLUSTER_BLOCKS", CLUSTER as usize),
    Constant::u64("MOST_COLUMNS", MOST_COLUMNS as u64),
    Constant::u32("FORM_Q_WARPS", FORM_Q_WARPS),
]);

const THREADS: u32 = 512;

/// Warps of a block that forms Q, at most.
const FORM_Q_WARPS: usize = 8;

/// Blocks of a cluster: the largest that a Hopper device has.
const CLUSTER: u32 = 16;

/// Up to so many columns a cluster is taken: its barrier is cheaper than that of the whole device.
const CLUSTER_COLUMNS: usize = 512;

/// As many columns as the kernel can tell apart, a power of two.
const MOST_COLUMNS: usize = 1 << 20;

/// What pivoting tells. It stays on the device, but for three numbers.
pub(crate) struct Pivoted<T> {
    /// min(m, n)×n, its columns in the order of the pivots, zero from row `rank` on.
    pub(crate) r: Matrix<T>,
    /// Column j of R is column `permutation[j]` of A.
    pub(crate) permutation: Buffer<i32>,
    /// Steps that were taken.
    pub(crate) rank: usize,
    /// |R₁₁| and |R_kk|.
    pub(crate) ends: (f64, f64),
    reflectors: Reflectors<T>,
}

/// I − fⱼ·vⱼ·vⱼᵀ, one a step.
struct Reflectors<T> {
    /// m×min(m, n); vⱼ is column j from row j on.
    v: Matrix<T>,
    /// fⱼ.
    factors: Buffer<T>,
    /// How many there are.
    steps: Buffer<i32>,
}

impl<T: DeviceReal> Pivoted<T> {
    /// The leading min(m, n) columns of Q; those beyond the rank complete it.
    pub(crate) fn q(&self) -> Result<Matrix<T>, GpuError> {
        let Reflectors { v, factors, steps } = &self.reflectors;
        let (m, columns) = (v.nrows(), v.ncols());
        let mut q = Matrix::uninitialized(v.device(), m, columns)?;
        // A column a warp; fewer warps a block where columns are long.
        let warps = (v.device().shared_bytes() as usize / 2 / (m * size_of::<T>()).max(1)).clamp(1, FORM_Q_WARPS);
        let config = LaunchConfig {
            grid_dim: (columns.div_ceil(warps) as u32, 1, 1),
            block_dim: ((WARP * warps) as u32, 1, 1),
            shared_mem_bytes: (warps * m * size_of::<T>()) as u32,
        };
        launch!(
            v.device(),
            T,
            KERNELS.kernel("form_q"),
            config,
            v.as_ref().place().pointer,
            factors.pointer(),
            m as u32,
            steps.pointer(),
            q.as_mut().place().pointer,
            columns as u32,
        )?;
        Ok(q)
    }
}

/// How the columns are dealt out.
struct Deal {
    kernel: Kernel,
    /// The blocks are one cluster.
    clustered: bool,
    blocks: u32,
    shared_bytes: usize,
}

/// Whether an m×n matrix can be pivoted at once.
pub(crate) fn fits<T: DeviceReal>(device: &Device, m: usize, n: usize) -> Result<bool, GpuError> {
    Ok(deal::<T>(device, m, n)?.is_some())
}

fn deal<T: DeviceReal>(device: &Device, m: usize, n: usize) -> Result<Option<Deal>, GpuError> {
    if n > MOST_COLUMNS {
        return Ok(None);
    }
    let with = |kernel, clustered, blocks: u32| {
        let columns = n.div_ceil(blocks as usize);
        // Columns, the reflector, and the norms of the columns.
        let numbers = columns.checked_mul(m)?.checked_add(m + 1 + columns)?;
        let shared_bytes = numbers.checked_mul(size_of::<T>())?.next_multiple_of(16);
        // What is declared in the kernel itself takes less than two kilobytes.
        let fits = shared_bytes + 2048 <= device.shared_bytes() as usize;
        fits.then_some(Deal { kernel, clustered, blocks, shared_bytes })
    };
    let (in_cluster, in_grid) = (KERNELS.kernel("pivot_cluster"), KERNELS.kernel("pivot_grid"));
    let of_cluster = with(in_cluster, true, CLUSTER).filter(|_| n <= CLUSTER_COLUMNS);
    if of_cluster.is_some() && device.runs_cluster::<T>(in_cluster, CLUSTER, THREADS)? {
        return Ok(of_cluster);
    }
    Ok(with(in_grid, false, device.multiprocessors()))
}

/// Businger's and Golub's pivoted QR of `a`: at most `most` steps, until what is left is at most
/// `tolerance` in the Frobenius norm. Entries are about one or smaller. 4mn·steps operations; on an H100 a step takes 2 to 6 µs
/// nearly whatever the size.
///
/// `None` where the matrix does not fit into shared memory.
pub(crate) fn column_pivoted_qr<T: DeviceReal>(
    a: MatrixRef<'_, T>,
    most: usize,
    tolerance: f64,
) -> Result<Option<Pivoted<T>>, GpuError> {
    let device = a.device.clone();
    let (m, n) = (a.nrows(), a.ncols());
    let Some(Deal { kernel, clustered, blocks, shared_bytes }) = deal::<T>(&device, m, n)? else { return Ok(None) };
    let mut a = a.to_owned()?;
    let most = most.min(m).min(n);
    let order = Buffer::from_host(&device, &vec![-1_i32; n])?;
    let steps = Buffer::<i32>::zeros(&device, 1)?;
    let v = Matrix::uninitialized(&device, m, m.min(n))?;
    let factors = Buffer::<T>::uninitialized(&device, m.min(n))?;
    let sums = Buffer::<f64>::zeros(&device, 2 * blocks as usize)?;
    // The blocks of a cluster read each other's shared memory.
    let places = if clustered { 0 } else { 2 * blocks as usize };
    let candidates = Buffer::<u64>::zeros(&device, places)?;
    let published = Buffer::<T>::uninitialized(&device, places * (m + 1))?;
    let counter = Buffer::<u32>::zeros(&device, 1)?;
    let config =
        LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (THREADS, 1, 1), shared_mem_bytes: shared_bytes as u32 };
    let pointer = a.as_mut().place().pointer;
    launch!(
        device,
        T,
        kernel,
        config,
        cooperative: !clustered,
        pointer,
        m as u64,
        m as u32,
        n as u32,
        most as u32,
        tolerance * tolerance,
        order.pointer(),
        steps.pointer(),
        v.as_ref().place().pointer,
        factors.pointer(),
        candidates.pointer(),
        sums.pointer(),
        published.pointer(),
        counter.pointer(),
    )?;
    permuted(&a, &order, Reflectors { v, factors, steps }).map(Some)
}

/// R and the permutation, from the columns where they stood.
fn permuted<T: DeviceReal>(
    a: &Matrix<T>,
    order: &Buffer<i32>,
    reflectors: Reflectors<T>,
) -> Result<Pivoted<T>, GpuError> {
    let (device, steps) = (a.device(), &reflectors.steps);
    let (m, n) = (a.nrows(), a.ncols());
    let rows = m.min(n);
    let permutation = Buffer::<i32>::uninitialized(device, n)?;
    let warp = LaunchConfig { grid_dim: (1, 1, 1), block_dim: (WARP as u32, 1, 1), shared_mem_bytes: 0 };
    launch!(
        device,
        T,
        KERNELS.kernel("permutation_of"),
        warp,
        order.pointer(),
        n as u32,
        steps.pointer(),
        permutation.pointer()
    )?;
    let mut r = Matrix::uninitialized(device, rows, n)?;
    let report = Buffer::<f64>::zeros(device, 3)?;
    launch!(
        device,
        T,
        KERNELS.kernel("upper_permuted"),
        grid_over(rows * n, 256),
        a.as_ref().place().pointer,
        m as u64,
        permutation.pointer(),
        steps.pointer(),
        r.as_mut().place().pointer,
        rows as u64,
        rows as u64,
        n as u64,
        report.pointer(),
    )?;
    let report = report.to_host()?;
    Ok(Pivoted { r, permutation, rank: report[0] as usize, ends: (report[1], report[2]), reflectors })
}
