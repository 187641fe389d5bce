//! Softmax, row by row.

use panther_gpu::layers::softmax;

use crate::backend::{KeysSeen, Softmax, same_count, score_sizes};
use crate::cuda::{Cuda, CudaTensor};
use crate::{NnError, Scalar};

impl Softmax for Cuda {
    const SCORES_AT_A_TIME: usize = 1 << 23;

    fn softmax<T: Scalar>(&self, scores: &mut CudaTensor<T>, seen: KeysSeen<'_, CudaTensor<T>>) -> Result<(), NnError> {
        let (sizes, width) = score_sizes(scores.shape(), seen.penalty.map(CudaTensor::shape))?;
        let penalty = seen.penalty.map(|penalty| (penalty.buffer(), width));
        Ok(softmax::softmax(scores.buffer_mut()?, sizes, seen.first_sees, penalty)?)
    }

    fn softmax_backward<T: Scalar>(
        &self,
        probabilities: &CudaTensor<T>,
        gradient: &mut CudaTensor<T>,
    ) -> Result<(), NnError> {
        same_count("softmax_backward", "gradient", probabilities.shape(), gradient.shape())?;
        let keys = probabilities.shape().last().copied().unwrap_or(0);
        Ok(softmax::softmax_backward(probabilities.buffer(), gradient.buffer_mut()?, keys)?)
    }
}
