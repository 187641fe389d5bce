//! Matrix products, through cuBLAS where ours is not faster.

use cudarc::cublas::sys::cudaDataType;

use crate::gemm::bfloat16;
use crate::gemm::cublas::by_library;
use crate::gemm::operands::Operands;
use crate::gemm::tensor_cores::tensor_product;
use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::{Device, DeviceReal, GpuError, Matrix, MatrixMut, MatrixRef, Precision};

pub(crate) const KERNELS: KernelFile = kernel_file!("gemm/product");

/// C = α·A·B + β·C in [full precision](Precision::F32), for C m×n, A m×k and B k×n of any layout: 2mnk operations, and neither factor is
/// copied. β = 0 overwrites C whatever it holds.
///
/// # Errors
/// [`GpuError::Shape`] where shapes do not go together, [`GpuError::OutOfMemory`], [`GpuError::Call`].
pub fn product<T: DeviceReal>(
    c: MatrixMut<'_, T>,
    alpha: T,
    a: MatrixRef<'_, T>,
    b: MatrixRef<'_, T>,
    beta: T,
) -> Result<(), GpuError> {
    let device = c.device;
    let operands = Operands { a: a.place(), b: b.place(), c: c.place(), count: 1, strides: [0; 3] };
    gemm(device, Precision::F32, alpha, operands, beta)
}

/// α·A·B as a matrix of its own.
pub(crate) fn multiplied<T: DeviceReal>(
    alpha: T,
    a: MatrixRef<'_, T>,
    b: MatrixRef<'_, T>,
) -> Result<Matrix<T>, GpuError> {
    let mut out = Matrix::uninitialized(a.device, a.nrows(), b.ncols())?;
    product(out.as_mut(), alpha, a, b, T::ZERO)?;
    Ok(out)
}

/// C = α·A·B + β·C for each product.
pub(crate) fn gemm<T: DeviceReal>(
    device: &Device,
    precision: Precision,
    alpha: T,
    operands: Operands,
    beta: T,
) -> Result<(), GpuError> {
    let Operands { a, b, c, count, .. } = operands;
    if a.columns != b.rows || (c.rows, c.columns) != (a.rows, b.columns) {
        let expected =
            format!("{}×{}, from {}×{} times {}×{}", a.rows, b.columns, a.rows, a.columns, b.rows, b.columns);
        return Err(GpuError::shape("product", "c", expected, format!("{}×{}", c.rows, c.columns)));
    }
    if c.row_major {
        // cuBLAS writes by columns.
        return gemm(device, precision, alpha, operands.t(), beta);
    }
    if c.rows == 0 || c.columns == 0 || count == 0 {
        return Ok(());
    }
    if a.columns == 0 {
        return scale(device, operands, beta);
    }
    if precision == Precision::F32 && tensor_product(device, alpha, operands, beta)? {
        return Ok(());
    }
    if precision == Precision::Bf16 && T::DATA_TYPE == cudaDataType::CUDA_R_32F && bfloat16::pays(device, &operands) {
        let ((_of_a, a), (_of_b, b)) = (bfloat16::rounded(device, a)?, bfloat16::rounded(device, b)?);
        let operands = Operands { a, b, ..operands };
        return by_library(device, cudaDataType::CUDA_R_16BF, T::COMPUTE_TYPE, alpha, operands, beta);
    }
    by_library(device, T::DATA_TYPE, precision.compute_type::<T>(), alpha, operands, beta)
}

/// C = β·C, where there is nothing to sum.
fn scale<T: DeviceReal>(device: &Device, operands: Operands, beta: T) -> Result<(), GpuError> {
    if beta == T::ONE {
        return Ok(());
    }
    let Operands { c, count, strides: [_, _, step], .. } = operands;
    let (numbers, (down, right)) = (count * c.rows * c.columns, c.strides());
    launch!(
        device,
        T,
        KERNELS.kernel("scale_matrices"),
        grid_over(numbers, 256),
        c.pointer,
        c.rows as u64,
        c.columns as u64,
        down as u64,
        right as u64,
        step as u64,
        numbers as u64,
        beta,
    )
}
