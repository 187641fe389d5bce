//! Loops over elements.

use panther_gpu::layers::elementwise;

use crate::backend::{Activation, Elementwise, rows_as_long_as, same_count};
use crate::cuda::{Cuda, CudaTensor};
use crate::{NnError, Scalar};

const fn function(f: Activation) -> elementwise::Activation {
    match f {
        Activation::Relu => elementwise::Activation::Relu,
        Activation::Gelu => elementwise::Activation::Gelu,
    }
}

impl Elementwise for Cuda {
    fn activate<T: Scalar>(&self, f: Activation, x: &CudaTensor<T>) -> Result<CudaTensor<T>, NnError> {
        Ok(CudaTensor::new(x.shape(), elementwise::activate(function(f), x.buffer())?))
    }

    fn activate_backward<T: Scalar>(
        &self,
        f: Activation,
        x: &CudaTensor<T>,
        dy: &CudaTensor<T>,
    ) -> Result<CudaTensor<T>, NnError> {
        same_count("activate_backward", "dy", x.shape(), dy.shape())?;
        Ok(CudaTensor::new(dy.shape(), elementwise::activate_backward(function(f), x.buffer(), dy.buffer())?))
    }

    fn add_scaled<T: Scalar>(&self, alpha: T, x: &CudaTensor<T>, y: &mut CudaTensor<T>) -> Result<(), NnError> {
        same_count("add_scaled", "x", y.shape(), x.shape())?;
        Ok(elementwise::add_scaled(alpha, x.buffer(), y.buffer_mut()?)?)
    }

    fn scale<T: Scalar>(&self, alpha: T, x: &mut CudaTensor<T>) -> Result<(), NnError> {
        Ok(elementwise::scale(alpha, x.buffer_mut()?)?)
    }

    fn add_rows<T: Scalar>(&self, bias: &CudaTensor<T>, x: &mut CudaTensor<T>) -> Result<(), NnError> {
        rows_as_long_as("add_rows", bias.shape(), x.shape())?;
        Ok(elementwise::add_rows(bias.buffer(), x.buffer_mut()?)?)
    }
}
