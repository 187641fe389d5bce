//! Steps of optimizers.

use panther_gpu::layers::optimizer;

use crate::backend::{AdamWStep, OptimizerSteps, SgdStep, changed, same_count};
use crate::cuda::{Cuda, CudaTensor};
use crate::{NnError, Scalar};

impl OptimizerSteps for Cuda {
    fn sgd_step<T: Scalar>(
        &self,
        step: SgdStep,
        gradient: &CudaTensor<T>,
        momentum: Option<&mut CudaTensor<T>>,
        value: &mut CudaTensor<T>,
        start: usize,
    ) -> Result<(), NnError> {
        changed("sgd_step", gradient.shape(), value.shape(), start)?;
        if let Some(momentum) = &momentum {
            same_count("sgd_step", "momentum", gradient.shape(), momentum.shape())?;
        }
        let step = optimizer::Sgd {
            rate: T::from_f64(-step.learning_rate),
            decay: T::from_f64(step.weight_decay),
            momentum: T::from_f64(step.momentum),
            nesterov: step.nesterov,
        };
        let momentum = momentum.map(CudaTensor::buffer_mut).transpose()?;
        Ok(optimizer::sgd(step, gradient.buffer(), momentum, value.buffer_mut()?, start)?)
    }

    fn adamw_step<T: Scalar>(
        &self,
        step: AdamWStep,
        gradient: &CudaTensor<T>,
        [first, second]: [&mut CudaTensor<T>; 2],
        value: &mut CudaTensor<T>,
        start: usize,
    ) -> Result<(), NnError> {
        same_count("adamw_step", "first moment", gradient.shape(), first.shape())?;
        same_count("adamw_step", "second moment", gradient.shape(), second.shape())?;
        changed("adamw_step", gradient.shape(), value.shape(), start)?;
        let AdamWStep { learning_rate, betas, eps, weight_decay, count } = step;
        // 1 − βᵗ: how much of the averages the gradients make up so far.
        let [filled1, filled2] = betas.map(|beta| 1.0 - beta.powf(count as f64));
        let step = optimizer::AdamW {
            betas: betas.map(T::from_f64),
            news: betas.map(|beta| T::from_f64(1.0 - beta)),
            kept: T::from_f64(1.0 - learning_rate * weight_decay),
            rate: T::from_f64(-learning_rate / filled1),
            inverse_root: T::from_f64(filled2.sqrt().recip()),
            // An ε that single precision cannot hold must not become a division by zero.
            eps: T::from_f64(eps).larger(T::MIN_POSITIVE),
        };
        let moments = [first.buffer_mut()?, second.buffer_mut()?];
        Ok(optimizer::adamw(step, gradient.buffer(), moments, value.buffer_mut()?, start)?)
    }
}
