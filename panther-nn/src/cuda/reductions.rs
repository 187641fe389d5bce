//! Sums in a fixed order.

use panther_gpu::layers::reductions;

use crate::backend::{Reductions, rows_as_long_as};
use crate::cuda::{Cuda, CudaTensor};
use crate::{NnError, Scalar};

impl Reductions for Cuda {
    fn sum_rows<T: Scalar>(&self, x: &CudaTensor<T>, sum: &mut CudaTensor<T>) -> Result<(), NnError> {
        rows_as_long_as("sum_rows", sum.shape(), x.shape())?;
        Ok(reductions::sum_rows(x.buffer(), sum.buffer_mut()?)?)
    }

    fn sum_of_squares<T: Scalar>(&self, x: &CudaTensor<T>) -> Result<f64, NnError> {
        Ok(reductions::sum_of_squares(x.buffer())?)
    }
}
