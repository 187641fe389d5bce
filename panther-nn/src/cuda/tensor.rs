//! Tensors in the memory of a device.

use std::sync::Arc;

use panther_gpu::Buffer;

use crate::backend::{Storage, count};
use crate::cuda::Cuda;
use crate::{NnError, Scalar};

/// Row-major values, shared by clones until one of them is written.
#[derive(Clone, Debug)]
pub struct CudaTensor<T> {
    buffer: Arc<Buffer<T>>,
    shape: Vec<usize>,
}

impl<T: Scalar> CudaTensor<T> {
    /// A tensor of values that are as many as the shape asks for.
    pub(super) fn new(shape: &[usize], buffer: Buffer<T>) -> Self {
        debug_assert_eq!(buffer.len(), count(shape));
        Self { buffer: Arc::new(buffer), shape: shape.to_vec() }
    }

    /// The extents.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values in row-major order.
    #[must_use]
    pub fn buffer(&self) -> &Buffer<T> {
        &self.buffer
    }

    /// The values in row-major order, which clones may share.
    pub(super) fn into_buffer(self) -> Arc<Buffer<T>> {
        self.buffer
    }

    /// The values in row-major order, copied first where a clone shares them.
    ///
    /// # Errors
    /// [`NnError::Gpu`] where the device has not the memory for a copy.
    pub fn buffer_mut(&mut self) -> Result<&mut Buffer<T>, NnError> {
        if Arc::get_mut(&mut self.buffer).is_none() {
            self.buffer = Arc::new(self.buffer.try_clone()?);
        }
        // The copy has no other owner.
        Arc::get_mut(&mut self.buffer).ok_or_else(|| NnError::shape("tensor", "x", "a tensor of its own", &self.shape))
    }
}

impl Storage for Cuda {
    type Tensor<T: Scalar> = CudaTensor<T>;

    fn shape<T: Scalar>(x: &CudaTensor<T>) -> &[usize] {
        x.shape()
    }

    fn zeros<T: Scalar>(&self, shape: &[usize]) -> Result<CudaTensor<T>, NnError> {
        Ok(CudaTensor::new(shape, Buffer::zeros(&self.device, count(shape))?))
    }

    fn upload<T: Scalar>(&self, shape: &[usize], values: Vec<T>) -> Result<CudaTensor<T>, NnError> {
        if values.len() != count(shape) {
            let expected = format!("as many as {shape:?} holds");
            return Err(NnError::shape("tensor", "values", expected, &[values.len()]));
        }
        Ok(CudaTensor::new(shape, Buffer::from_host(&self.device, &values)?))
    }

    fn download<T: Scalar>(&self, x: &CudaTensor<T>) -> Result<Vec<T>, NnError> {
        Ok(x.buffer().to_host()?)
    }

    fn reshape<T: Scalar>(&self, x: &CudaTensor<T>, shape: &[usize]) -> Result<CudaTensor<T>, NnError> {
        if count(shape) != count(&x.shape) {
            return Err(NnError::shape("reshape", "x", format!("as many values as {shape:?}"), &x.shape));
        }
        Ok(CudaTensor { buffer: Arc::clone(&x.buffer), shape: shape.to_vec() })
    }
}
