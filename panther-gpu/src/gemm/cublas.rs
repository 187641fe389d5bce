//! Products by cuBLAS.

use cudarc::cublas::sys::{
    cublasComputeType_t, cublasGemmAlgo_t, cublasGemmEx, cublasGemmStridedBatchedEx, cublasOperation_t, cudaDataType,
};

use crate::error::Named;
use crate::gemm::operands::Operands;
use crate::matrix::raw::Place;
use crate::{Device, DeviceReal, GpuError};

/// By cuBLAS, with factors of type `factors` and a column-major C.
pub(crate) fn by_library<T: DeviceReal>(
    device: &Device,
    factors: cudaDataType,
    compute: cublasComputeType_t,
    alpha: T,
    operands: Operands,
    beta: T,
) -> Result<(), GpuError> {
    let Operands { a, b, c, count, strides: [a_stride, b_stride, c_stride] } = operands;
    let size =
        |n: usize| i32::try_from(n).map_err(|_| GpuError::shape("product", "extent", "below 2³¹", n.to_string()));
    let transposed = |place: Place| {
        if place.row_major { cublasOperation_t::CUBLAS_OP_T } else { cublasOperation_t::CUBLAS_OP_N }
    };
    let (m, n, k) = (size(c.rows)?, size(c.columns)?, size(a.columns)?);
    let (lda, ldb, ldc) = (size(a.stride)?, size(b.stride)?, size(c.stride)?);
    let algorithm = cublasGemmAlgo_t::CUBLAS_GEMM_DEFAULT;
    let handle = device.blas()?;
    let (alpha, beta) = ((&raw const alpha).cast(), (&raw const beta).cast());
    let (pa, pb, pc) = (a.pointer as *const _, b.pointer as *const _, c.pointer as *mut _);
    if count == 1 {
        // SAFETY: the places lie within their matrices, which live until the stream has passed this call.
        unsafe {
            cublasGemmEx(
                handle,
                transposed(a),
                transposed(b),
                m,
                n,
                k,
                alpha,
                pa,
                factors,
                lda,
                pb,
                factors,
                ldb,
                beta,
                pc,
                T::DATA_TYPE,
                ldc,
                compute,
                algorithm,
            )
        }
        .result()
        .named("cublasGemmEx")
    } else {
        let (sa, sb, sc) = (a_stride as i64, b_stride as i64, c_stride as i64);
        // SAFETY: as above, for each matrix of the batch.
        unsafe {
            cublasGemmStridedBatchedEx(
                handle,
                transposed(a),
                transposed(b),
                m,
                n,
                k,
                alpha,
                pa,
                factors,
                lda,
                sa,
                pb,
                factors,
                ldb,
                sb,
                beta,
                pc,
                T::DATA_TYPE,
                ldc,
                sc,
                size(count)?,
                compute,
                algorithm,
            )
        }
        .result()
        .named("cublasGemmStridedBatchedEx")
    }
}
