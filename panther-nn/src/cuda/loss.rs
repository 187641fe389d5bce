//! Losses with their gradients.

use panther_gpu::layers::loss;

use crate::backend::{CrossEntropy, Loss, Losses, same_count};
use crate::cuda::{Cuda, CudaTensor};
use crate::{NnError, Scalar};

impl Losses for Cuda {
    fn cross_entropy<T: Scalar>(
        &self,
        options: CrossEntropy,
        logits: &CudaTensor<T>,
        targets: &[usize],
    ) -> Result<Loss<CudaTensor<T>>, NnError> {
        options.classes(logits.shape(), targets)?;
        let targets: Vec<Option<usize>> =
            targets.iter().map(|&target| options.counts(target).then_some(target)).collect();
        let (value, gradient) = loss::cross_entropy(logits.buffer(), &targets, options.label_smoothing)?;
        Ok(Loss { value, gradient: CudaTensor::new(logits.shape(), gradient) })
    }

    fn mean_squared_error<T: Scalar>(
        &self,
        predictions: &CudaTensor<T>,
        targets: &CudaTensor<T>,
    ) -> Result<Loss<CudaTensor<T>>, NnError> {
        same_count("mean_squared_error", "targets", predictions.shape(), targets.shape())?;
        let (value, gradient) = loss::mean_squared_error(predictions.buffer(), targets.buffer())?;
        Ok(Loss { value, gradient: CudaTensor::new(predictions.shape(), gradient) })
    }
}
