//! Products through cuBLAS.

use panther_gpu::layers::products;

use crate::backend::{Layout, Products, check_product, count, product_layout};
use crate::cuda::{Cuda, CudaTensor};
use crate::{NnError, Scalar};

const fn layout(at: Layout) -> products::Layout {
    let Layout { offset, rows, columns, row_stride, column_stride, batch, batch_strides } = at;
    products::Layout { offset, rows, columns, row_stride, column_stride, batch, batch_strides }
}

impl Products for Cuda {
    fn gemm<T: Scalar>(
        &self,
        alpha: T,
        (a, a_at): (&CudaTensor<T>, Layout),
        (b, b_at): (&CudaTensor<T>, Layout),
        beta: T,
        (c, c_at): (&mut CudaTensor<T>, Layout),
    ) -> Result<(), NnError> {
        check_product([a_at, b_at, c_at], [count(a.shape()), count(b.shape()), count(c.shape())])?;
        if c_at.end() == 0 {
            return Ok(());
        }
        let (a, b, c) = ((a.buffer(), layout(a_at)), (b.buffer(), layout(b_at)), (c.buffer_mut()?, layout(c_at)));
        Ok(products::batched_product(self.precision, alpha, a, b, beta, c)?)
    }

    fn product<T: Scalar>(
        &self,
        shape: &[usize],
        alpha: T,
        (a, a_at): (&CudaTensor<T>, Layout),
        (b, b_at): (&CudaTensor<T>, Layout),
    ) -> Result<CudaTensor<T>, NnError> {
        let c_at = product_layout(shape, a_at, b_at)?;
        check_product([a_at, b_at, c_at], [count(a.shape()), count(b.shape()), count(shape)])?;
        let (a, b) = ((a.buffer(), layout(a_at)), (b.buffer(), layout(b_at)));
        Ok(CudaTensor::new(shape, products::new_product(self.precision, alpha, a, b)?))
    }
}
