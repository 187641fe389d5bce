//! Products of f32 matrices on the tensor cores of Hopper devices, to the accuracy of f32: factors are split into two numbers of 11 bits
//! each (Markidis et al. 2018), and sums leave the tensor cores after every 32 terms (Ootomo and Yokota 2022).

use cudarc::cublas::sys::cudaDataType;
use cudarc::driver::{DeviceRepr, LaunchConfig};

use crate::gemm::operands::Operands;
use crate::matrix::raw::Place;
use crate::runtime::kernel::{Constant, Kernel, KernelFile, kernel_source};
use crate::runtime::launch::{grid_over, launch};
use crate::runtime::pool::Pointer;
use crate::{Buffer, Device, DeviceReal, GpuError};

/// The kernels for factors that lie like this.
const fn kernels(name: &'static str, constants: &'static [Constant]) -> KernelFile {
    KernelFile { name, source: kernel_source!("gemm/tensor_cores", "gemm/wgmma.cuh"), constants }
}

const fn constants(a_by_rows: bool, b_by_columns: bool) -> [Constant; 8] {
    [
        Constant::bool("A_BY_ROWS", a_by_rows),
        Constant::bool("B_BY_COLUMNS", b_by_columns),
        Constant::u32("TILE_ROWS", TILE_ROWS),
        Constant::u32("DEPTH", DEPTH),
        Constant::u32("STAGES", STAGES),
        Constant::u32("BLOCK_THREADS", THREADS as usize),
        Constant::u32("A_PADDING", A_PADDING),
        Constant::size_of::<Product>("SIZE_OF_PRODUCT"),
    ]
}

/// By whether A lies by rows, and whether B lies by columns.
pub(crate) const KERNELS: [[KernelFile; 2]; 2] = [
    [
        kernels("gemm/tensor_cores_nt", &constants(false, false)),
        kernels("gemm/tensor_cores_nn", &constants(false, true)),
    ],
    [kernels("gemm/tensor_cores_tt", &constants(true, false)), kernels("gemm/tensor_cores_tn", &constants(true, true))],
];

/// Rows of a tile of C, terms of a step, steps that are on their way at a time, and threads of a block.
const TILE_ROWS: usize = 128;
const DEPTH: usize = 32;
const STAGES: usize = 4;
const THREADS: u32 = 512;
/// Numbers by which the rows of a tile of A are longer than its terms, against conflicts of banks.
const A_PADDING: usize = 4;
/// Columns of a tile of C.
const WIDTHS: [(usize, &str); 4] = [(64, "product_64"), (96, "product_96"), (112, "product_112"), (128, "product_128")];

/// Below so many columns most of the narrowest tile would be idle.
const LEAST_COLUMNS: usize = 40;

/// Tiles of fewer terms take longer to write than to sum; fewer products of numbers in all take no longer elsewhere.
const LEAST_TERMS: usize = 384;
const LEAST_WORK: usize = 1 << 29;

/// The same for batches, and of the longer side of a product. cuBLAS does not split their sums, and though most of a tile may be idle, attention
/// of 16384 keys takes up to four times as long there; of 512 keys it takes as long.
const LEAST_COLUMNS_OF_A_BATCH: usize = 16;
const LEAST_ROWS_OF_A_BATCH: usize = 64;
const LEAST_WORK_OF_A_BATCH: usize = 1 << 26;

/// The argument of the kernels.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
struct Product {
    a: Pointer,
    b: Pointer,
    c: Pointer,
    c_strides: [u64; 2],
    steps: [u64; 3],
    factor_strides: [u32; 2],
    shape: [u32; 3],
    splits: u32,
    alpha: f32,
    beta: f32,
    b_is_wide: u32,
    tiles_right: u32,
}

// SAFETY: numbers in the order of the kernels' struct, without gaps.
unsafe impl DeviceRepr for Product {}

/// C = α·A·B + β·C for each product, if this is the way for them: whether it was.
pub(crate) fn tensor_product<T: DeviceReal>(
    device: &Device,
    alpha: T,
    operands: Operands,
    beta: T,
) -> Result<bool, GpuError> {
    if !device.is_hopper() || T::DATA_TYPE != cudaDataType::CUDA_R_32F {
        return Ok(false);
    }
    let Some(plan) = Plan::new(device.multiprocessors() as usize, operands) else { return Ok(false) };
    plan.launch(device, alpha.to_f64() as f32, beta.to_f64() as f32)?;
    Ok(true)
}

/// How a product is made.
struct Plan {
    operands: Operands,
    kernel: Kernel,
    /// Columns of a tile.
    width: usize,
    /// Parts of the sums, each of so many terms or the rest.
    splits: usize,
}

impl Plan {
    /// `None` where cuBLAS has the better way.
    fn new(multiprocessors: usize, operands: Operands) -> Option<Self> {
        let (m, n, k) = (operands.c.rows, operands.c.columns, operands.a.columns);
        let count = operands.count;
        let fits = [m, n, k, operands.a.stride, operands.b.stride].into_iter().all(|extent| extent < 1 << 31)
            && count < 1 << 16;
        let work = m.saturating_mul(n).saturating_mul(k).saturating_mul(count);
        let (least_columns, least_rows, least_work) = match count {
            1 => (LEAST_COLUMNS, LEAST_COLUMNS, LEAST_WORK),
            _ => (LEAST_COLUMNS_OF_A_BATCH, LEAST_ROWS_OF_A_BATCH, LEAST_WORK_OF_A_BATCH),
        };
        let is_large = m.min(n) >= least_columns && m.max(n) >= least_rows && k >= LEAST_TERMS && work >= least_work;
        if !fits || !is_large {
            return None;
        }
        let ways = [operands, operands.t()];
        let operands = ways.into_iter().filter(|way| is_aligned(way.a, way.strides[0])).min_by_key(padded)?;
        let (width, name) = tile_width(operands.c.columns);
        let file = KERNELS[usize::from(operands.a.row_major)][usize::from(!operands.b.row_major)];
        let tiles = operands.c.rows.div_ceil(TILE_ROWS) * operands.c.columns.div_ceil(width);
        let splits = splits(multiprocessors, tiles * count, m * n * count, k);
        Some(Self { operands, kernel: file.kernel(name), width, splits })
    }

    fn launch(&self, device: &Device, alpha: f32, beta: f32) -> Result<(), GpuError> {
        let Operands { a, b, c, count, strides } = self.operands;
        let (m, n, k) = (c.rows, c.columns, a.columns);
        let (tiles_down, tiles_right) = (m.div_ceil(TILE_ROWS), n.div_ceil(self.width));
        let parts = match self.splits {
            1 => None,
            splits => Some(Buffer::<f32>::uninitialized(device, m * n * splits * count)?),
        };
        let c_strides = |place: Place| {
            let (down, right) = place.strides();
            [down as u64, right as u64]
        };
        let [a_step, b_step, c_step] = strides.map(|stride| stride as u64);
        let product = Product {
            a: a.pointer,
            b: b.pointer,
            c: parts.as_ref().map_or(c.pointer, Buffer::pointer),
            c_strides: if parts.is_some() { [1, m as u64] } else { c_strides(c) },
            steps: [a_step, b_step, if parts.is_some() { (m * n * self.splits) as u64 } else { c_step }],
            factor_strides: [a.stride as u32, b.stride as u32],
            shape: [m as u32, n as u32, k as u32],
            splits: self.splits as u32,
            alpha,
            beta,
            b_is_wide: u32::from(is_aligned(b, strides[1])),
            tiles_right: tiles_right as u32,
        };
        let config = LaunchConfig {
            grid_dim: ((tiles_down * tiles_right) as u32, self.splits as u32, count as u32),
            block_dim: (THREADS, 1, 1),
            shared_mem_bytes: shared_bytes(self.width) as u32,
        };
        launch!(device, f32, self.kernel, config, product)?;
        let Some(parts) = parts else { return Ok(()) };
        let [down, right] = c_strides(c);
        let sum = Kernel { name: "sum_parts", ..self.kernel };
        let (splits, grid, [m, n, _]) = (self.splits as u32, grid_over(m * n * count, 256), product.shape);
        let (from, count) = (parts.pointer(), count as u32);
        launch!(device, f32, sum, grid, from, splits, m, n, count, alpha, beta, c.pointer, down, right, c_step)
    }
}

/// Whether all rows or columns begin at multiples of 16 bytes, with `step` numbers from one matrix to the next.
fn is_aligned(at: Place, step: usize) -> bool {
    at.pointer.is_multiple_of(16) && at.stride.is_multiple_of(4) && step.is_multiple_of(4)
}

/// Numbers of C with those that tiles have beyond its edges.
fn padded(way: &Operands) -> usize {
    let (width, _) = tile_width(way.c.columns);
    way.c.rows.next_multiple_of(TILE_ROWS) * way.c.columns.next_multiple_of(width)
}

/// The tiles that take the least time; each costs as much as 16 columns beside its own.
fn tile_width(columns: usize) -> (usize, &'static str) {
    let time = |&(width, _): &(usize, &str)| columns.div_ceil(width) * (width + 16);
    WIDTHS.into_iter().rev().min_by_key(time).unwrap_or(WIDTHS[0])
}

/// Into how many parts sums of k terms are split so that all multiprocessors have something to do, each one tile at a time.
fn splits(multiprocessors: usize, tiles: usize, numbers: usize, k: usize) -> usize {
    /// What it costs to begin a tile, and to sum parts, in steps of a tile; numbers of parts that are written and read in one.
    const BEGIN: usize = 4;
    const SUM: usize = 3;
    const PART: usize = 1 << 19;
    const MOST: usize = 64;
    let steps = k.div_ceil(DEPTH);
    let time = |&splits: &usize| {
        let sum = if splits == 1 { 0 } else { SUM + numbers * splits / PART };
        (tiles * splits).div_ceil(multiprocessors) * (steps.div_ceil(splits) + BEGIN) + sum
    };
    // Rounding may leave the last parts without a term.
    let splits = (1..=MOST.min(steps)).min_by_key(time).unwrap_or(1);
    steps.div_ceil(steps.div_ceil(splits))
}

/// Tiles of B in two parts at multiples of 1024 bytes, A, and what aligns the first.
const fn shared_bytes(width: usize) -> usize {
    const A_BYTES: usize = TILE_ROWS * (DEPTH + A_PADDING) * size_of::<f32>();
    STAGES * (2 * width * DEPTH * size_of::<f32>() + A_BYTES).next_multiple_of(1024) + 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_sum_has_terms() {
        for k in [64_usize, 65, 96, 100, 1000, 4096, 16384] {
            for tiles in [1, 3, 32, 64, 131, 133, 640] {
                let (steps, splits) = (k.div_ceil(DEPTH), splits(132, tiles, tiles << 14, k));
                // As the kernels deal them.
                let length = k.div_ceil(splits * DEPTH) * DEPTH;
                assert!(
                    (splits - 1) * length < k && splits * length >= k,
                    "{k} terms, {tiles} tiles: {splits} of {steps}"
                );
            }
        }
    }

    #[test]
    fn tiles_fit_their_columns() {
        for (columns, width) in [(40, 64), (64, 64), (110, 112), (128, 128), (192, 96), (256, 128), (550, 112)] {
            assert_eq!(tile_width(columns).0, width, "{columns} columns");
        }
    }
}
