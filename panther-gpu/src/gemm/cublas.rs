//! Products by cuBLAS.

use std::ops::Range;

use cudarc::cublas::sys::{
    cublasComputeType_t, cublasGemmAlgo_t, cublasGemmEx, cublasGemmEx_64, cublasGemmStridedBatchedEx,
    cublasGemmStridedBatchedEx_64, cublasOperation_t, cudaDataType,
};

use crate::error::Named;
use crate::gemm::operands::Operands;
use crate::matrix::raw::RawMatrix;
use crate::{Device, DeviceReal, GpuError};

/// Terms of a sum up to which cuBLAS adds them. Where the result is small it takes them one after the other, which in f32 loses
/// 3 % of a sum of squares from 2²⁴ terms on.
const MAX_TERMS: usize = 1 << 18;

/// By cuBLAS, with factors of type `factors` and a column-major C: through the interface of 32-bit sizes where all fit.
pub(crate) fn by_library<T: DeviceReal>(
    device: &Device,
    factors: cudaDataType,
    compute: cublasComputeType_t,
    alpha: T,
    operands: Operands,
    beta: T,
) -> Result<(), GpuError> {
    let Operands { a, b, c, count, strides: [a_stride, b_stride, c_stride] } = operands;
    if count == 1 && a.columns > MAX_TERMS {
        return in_pieces(a.columns, |terms| {
            let beta = if terms.start == 0 { beta } else { T::ONE };
            by_library(device, factors, compute, alpha, operands.terms(terms, size_of_type(factors)), beta)
        });
    }
    let transposed = |place: RawMatrix| {
        if place.row_major { cublasOperation_t::CUBLAS_OP_T } else { cublasOperation_t::CUBLAS_OP_N }
    };
    let (op_a, op_b, algorithm) = (transposed(a), transposed(b), cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT);
    let (alpha, beta) = ((&raw const alpha).cast(), (&raw const beta).cast());
    let (pa, pb, pc) = (a.pointer as *const _, b.pointer as *const _, c.pointer as *mut _);
    let (sa, sb, sc) = (a_stride as i64, b_stride as i64, c_stride as i64);
    let (of_c, to) = (T::DATA_TYPE, compute);
    let libraries = device.libraries()?;
    let handle = libraries.blas();
    let sizes = [c.rows, c.columns, a.columns, a.stride, b.stride, c.stride, count];
    // SAFETY (of all four): the places lie within their matrices, which live until the stream has passed this call.
    if sizes.iter().all(|&size| i32::try_from(size).is_ok()) {
        let [m, n, k, lda, ldb, ldc, count] = sizes.map(|size| size as i32);
        if count == 1 {
            return unsafe {
                cublasGemmEx(
                    handle, op_a, op_b, m, n, k, alpha, pa, factors, lda, pb, factors, ldb, beta, pc, of_c, ldc, to,
                    algorithm,
                )
            }
            .result()
            .named("cublasGemmEx");
        }
        return unsafe {
            cublasGemmStridedBatchedEx(
                handle, op_a, op_b, m, n, k, alpha, pa, factors, lda, sa, pb, factors, ldb, sb, beta, pc, of_c, ldc,
                sc, count, to, algorithm,
            )
        }
        .result()
        .named("cublasGemmStridedBatchedEx");
    }
    let [m, n, k, lda, ldb, ldc, count] = sizes.map(|size| size as i64);
    if count == 1 {
        return unsafe {
            cublasGemmEx_64(
                handle, op_a, op_b, m, n, k, alpha, pa, factors, lda, pb, factors, ldb, beta, pc, of_c, ldc, to,
                algorithm,
            )
        }
        .result()
        .named("cublasGemmEx_64");
    }
    unsafe {
        cublasGemmStridedBatchedEx_64(
            handle, op_a, op_b, m, n, k, alpha, pa, factors, lda, sa, pb, factors, ldb, sb, beta, pc, of_c, ldc, sc,
            count, to, algorithm,
        )
    }
    .result()
    .named("cublasGemmStridedBatchedEx_64")
}

/// Calls `product` with neighboring ranges of at most [`MAX_TERMS`] terms.
fn in_pieces(count: usize, mut product: impl FnMut(Range<usize>) -> Result<(), GpuError>) -> Result<(), GpuError> {
    (0..count).step_by(MAX_TERMS).try_for_each(|start| product(start..count.min(start + MAX_TERMS)))
}

/// Bytes of an element.
fn size_of_type(of: cudaDataType) -> usize {
    match of {
        cudaDataType::CUDA_R_16F | cudaDataType::CUDA_R_16BF => 2,
        cudaDataType::CUDA_R_32F => 4,
        _ => 8,
    }
}
