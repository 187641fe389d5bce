//! Matrix products, through cuBLAS where ours is not faster.

use cudarc::cublas::sys::{
    cublasComputeType_t, cublasGemmAlgo_t, cublasGemmEx, cublasGemmStridedBatchedEx, cublasOperation_t, cudaDataType,
};

use crate::error::Named;
use crate::kernel::{KernelFile, grid_over, kernel_file, launch};
use crate::matrix::Place;
use crate::tensor_product::tensor_product;
use crate::{Device, DeviceReal, GpuError, MatrixMut, MatrixRef, bfloat};

const KERNELS: KernelFile = kernel_file!("matrix");

/// In which precision [`batched_product`](crate::layers::products::batched_product) takes the products of f32 matrices. Sums are kept
/// in f32, and so are the matrices themselves. Matrices of f64 are always multiplied in f64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// To the accuracy of f32. On Hopper devices tensor cores do it where products are large: factors are split into two parts of 11
    /// bits, so that a product is off by about 2⁻²¹ of its size at the most, and sums leave the tensor cores after every 32 terms. An
    /// infinite factor, or a product of two far beyond what f32 can hold, may make NaN of what would be infinite.
    #[default]
    F32,
    /// Factors rounded to 11 bits, for tensor cores.
    Tf32,
    /// Factors that may be rounded to 8 bits, for tensor cores: they are where each number is used often enough that rounding it takes less
    /// time than it saves. Elsewhere, and in batches, cuBLAS decides, and takes 11 bits on Hopper devices, where f32 must be read anyway.
    Bf16,
}

impl Precision {
    fn compute_type<T: DeviceReal>(self) -> cublasComputeType_t {
        match (T::COMPUTE_TYPE, self) {
            (cublasComputeType_t::CUBLAS_COMPUTE_32F, Self::Tf32) => cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32,
            (cublasComputeType_t::CUBLAS_COMPUTE_32F, Self::Bf16) => cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_16BF,
            (full, _) => full,
        }
    }
}

/// C = α·A·B + β·C in [full precision](Precision::F32), for C m×n, A m×k and B k×n of any layout: 2mnk operations, and neither factor is
/// copied. β = 0 overwrites C whatever it holds.
///
/// # Errors
/// [`GpuError::Shape`] where shapes do not go together or an extent is 2³¹ or more, [`GpuError::Call`].
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

/// The matrices of a product, and of a batch of products at equal distances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operands {
    pub(crate) a: Place,
    pub(crate) b: Place,
    pub(crate) c: Place,
    /// How many products.
    pub(crate) count: usize,
    /// Numbers from one matrix to the next: of A, B and C.
    pub(crate) strides: [usize; 3],
}

impl Operands {
    /// Cᵀ = Bᵀ·Aᵀ.
    pub(crate) fn t(self) -> Self {
        let Self { a, b, c, count, strides: [a_stride, b_stride, c_stride] } = self;
        Self { a: b.t(), b: a.t(), c: c.t(), count, strides: [b_stride, a_stride, c_stride] }
    }
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
    if precision == Precision::Bf16 && T::DATA_TYPE == cudaDataType::CUDA_R_32F && bfloat::pays(device, &operands) {
        let ((_of_a, a), (_of_b, b)) = (bfloat::rounded(device, a)?, bfloat::rounded(device, b)?);
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

/// By cuBLAS, with factors of type `factors` and a column-major C.
fn by_library<T: DeviceReal>(
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
