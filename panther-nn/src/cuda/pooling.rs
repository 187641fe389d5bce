//! Pooling.

use panther_gpu::layers::pooling::{self, Planes};

use crate::backend::{Geometry, Pooling, batch_shape, check_pooled, images, pooled_positions};
use crate::cuda::convolution::window;
use crate::cuda::{Cuda, CudaTensor};
use crate::{NnError, Scalar};

/// The planes of images of this shape, where the windows fit.
fn planes(
    operation: &'static str,
    [batch, channels, rows, columns]: [usize; 4],
    at: Geometry,
) -> Result<Planes, NnError> {
    let positions = pooled_positions(operation, [rows, columns], at)?;
    Ok(Planes { planes: batch * channels, image: [rows, columns], positions, window: window(at) })
}

impl Pooling for Cuda {
    fn max_pool<T: Scalar>(&self, x: &CudaTensor<T>, geometry: Geometry) -> Result<CudaTensor<T>, NnError> {
        let (batch, channels, [rows, columns]) = images("max_pool", "x", x.shape())?;
        let planes = planes("max_pool", [batch, channels, rows, columns], geometry)?;
        let shape = batch_shape("max_pool", batch, channels, planes.positions)?;
        Ok(CudaTensor::new(&shape, pooling::max_pool(x.buffer(), planes)?))
    }

    fn max_pool_backward<T: Scalar>(
        &self,
        x: &CudaTensor<T>,
        dy: &CudaTensor<T>,
        geometry: Geometry,
    ) -> Result<CudaTensor<T>, NnError> {
        let (batch, channels, [rows, columns]) = images("max_pool_backward", "x", x.shape())?;
        let shape = [batch, channels, rows, columns];
        let planes = planes("max_pool_backward", shape, geometry)?;
        check_pooled("max_pool_backward", shape, planes.positions, dy.shape())?;
        Ok(CudaTensor::new(&shape, pooling::max_pool_backward(x.buffer(), dy.buffer(), planes)?))
    }

    fn average_pool<T: Scalar>(&self, x: &CudaTensor<T>, geometry: Geometry) -> Result<CudaTensor<T>, NnError> {
        let (batch, channels, [rows, columns]) = images("average_pool", "x", x.shape())?;
        let planes = planes("average_pool", [batch, channels, rows, columns], geometry)?;
        let shape = batch_shape("average_pool", batch, channels, planes.positions)?;
        Ok(CudaTensor::new(&shape, pooling::average_pool(x.buffer(), planes)?))
    }

    fn average_pool_backward<T: Scalar>(
        &self,
        dy: &CudaTensor<T>,
        image: [usize; 2],
        geometry: Geometry,
    ) -> Result<CudaTensor<T>, NnError> {
        let (batch, channels, _) = images("average_pool_backward", "dy", dy.shape())?;
        let planes = planes("average_pool_backward", [batch, channels, image[0], image[1]], geometry)?;
        let shape = batch_shape("average_pool_backward", batch, channels, image)?;
        check_pooled("average_pool_backward", shape, planes.positions, dy.shape())?;
        Ok(CudaTensor::new(&shape, pooling::average_pool_backward(dy.buffer(), planes)?))
    }
}
