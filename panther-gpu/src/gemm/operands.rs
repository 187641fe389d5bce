//! What a product is made of.

use std::ops::Range;

use cudarc::cublas::sys::cublasComputeType_t;

use crate::DeviceReal;
use crate::matrix::raw::RawMatrix;
use crate::runtime::pool::Pointer;

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
    pub(crate) fn compute_type<T: DeviceReal>(self) -> cublasComputeType_t {
        match (T::COMPUTE_TYPE, self) {
            (cublasComputeType_t::CUBLAS_COMPUTE_32F, Self::Tf32) => cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_TF32,
            (cublasComputeType_t::CUBLAS_COMPUTE_32F, Self::Bf16) => cublasComputeType_t::CUBLAS_COMPUTE_32F_FAST_16BF,
            (full, _) => full,
        }
    }
}

/// The matrices of a product, and of a batch of products at equal distances.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operands {
    pub(crate) a: RawMatrix,
    pub(crate) b: RawMatrix,
    pub(crate) c: RawMatrix,
    /// How many products.
    pub(crate) count: usize,
    /// Numbers from one matrix to the next: of A, B and C.
    pub(crate) strides: [usize; 3],
}

impl Operands {
    /// The product of a range of the terms of each sum, of one product; elements have `size` bytes.
    pub(crate) fn terms(self, terms: Range<usize>, size: usize) -> Self {
        let ((_, right), (down, _)) = (self.a.strides(), self.b.strides());
        let after = |pointer: Pointer, step: usize| pointer + (terms.start * step * size) as Pointer;
        let a = RawMatrix { pointer: after(self.a.pointer, right), columns: terms.len(), ..self.a };
        let b = RawMatrix { pointer: after(self.b.pointer, down), rows: terms.len(), ..self.b };
        Self { a, b, ..self }
    }

    /// Cᵀ = Bᵀ·Aᵀ.
    pub(crate) fn t(self) -> Self {
        let Self { a, b, c, count, strides: [a_stride, b_stride, c_stride] } = self;
        Self { a: b.t(), b: a.t(), c: c.t(), count, strides: [b_stride, a_stride, c_stride] }
    }
}
