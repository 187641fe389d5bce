//! Normalization of rows.

use panther_gpu::layers::normalization;

use crate::backend::{Normalization, Normalized, count, normalized_width, same_count};
use crate::cuda::{Cuda, CudaTensor};
use crate::{NnError, Scalar};

impl Normalization for Cuda {
    fn normalize<T: Scalar>(
        &self,
        epsilon: f64,
        x: &CudaTensor<T>,
        weight: &CudaTensor<T>,
        bias: &CudaTensor<T>,
    ) -> Result<Normalized<CudaTensor<T>>, NnError> {
        let width = normalized_width("normalize", x.shape(), weight.shape())?;
        same_count("normalize", "bias", weight.shape(), bias.shape())?;
        let rows = count(x.shape()) / width;
        let (y, moments) = normalization::normalize(epsilon, x.buffer(), weight.buffer(), bias.buffer())?;
        Ok(Normalized { y: CudaTensor::new(x.shape(), y), moments: CudaTensor::new(&[rows, 3], moments) })
    }

    fn normalize_backward<T: Scalar>(
        &self,
        x: &CudaTensor<T>,
        moments: &CudaTensor<T>,
        weight: &CudaTensor<T>,
        dy: &CudaTensor<T>,
        (by_weight, by_bias): (&mut CudaTensor<T>, &mut CudaTensor<T>),
    ) -> Result<CudaTensor<T>, NnError> {
        const NAME: &str = "normalize_backward";
        let width = normalized_width(NAME, x.shape(), weight.shape())?;
        same_count(NAME, "dy", x.shape(), dy.shape())?;
        same_count(NAME, "gradient of the weight", weight.shape(), by_weight.shape())?;
        same_count(NAME, "gradient of the bias", weight.shape(), by_bias.shape())?;
        let rows = count(x.shape()) / width;
        if moments.shape() != [rows, 3] {
            return Err(NnError::shape(NAME, "moments", format!("[{rows}, 3]"), moments.shape()));
        }
        let gradients = (by_weight.buffer_mut()?, by_bias.buffer_mut()?);
        let (moments, weight) = (moments.buffer(), weight.buffer());
        let dx = normalization::normalize_backward(x.buffer(), moments, weight, dy.buffer(), gradients)?;
        Ok(CudaTensor::new(dy.shape(), dx))
    }
}
