//! Steps of optimizers.

use panther_sketch::simd::vectorized;

use crate::backend::{AdamWStep, OptimizerSteps, SgdStep, changed};
use crate::cpu::elementwise::same_count;
use crate::cpu::parallel::{PIECE, on_each};
use crate::cpu::{Cpu, CpuTensor};
use crate::{NnError, Scalar};

impl OptimizerSteps for Cpu {
    fn sgd_step<T: Scalar>(
        &self,
        step: SgdStep,
        gradient: &CpuTensor<T>,
        momentum: Option<&mut CpuTensor<T>>,
        value: &mut CpuTensor<T>,
        start: usize,
    ) -> Result<(), NnError> {
        let range = changed("sgd_step", gradient.shape(), value.shape(), start)?;
        let value = &mut value.as_mut_slice()[range];
        let (rate, decay) = (T::from_f64(-step.learning_rate), T::from_f64(step.weight_decay));
        let pieces = gradient.as_slice().chunks(PIECE).zip(value.chunks_mut(PIECE));
        let Some(momentum) = momentum else {
            on_each(
                self.par,
                pieces.collect(),
                || (),
                |_, (g, w)| {
                    vectorized(|| {
                        for (g, w) in g.iter().zip(&mut *w) {
                            *w = rate.mul_add(decay.mul_add(*w, *g), *w);
                        }
                    });
                },
            );
            return Ok(());
        };
        same_count("sgd_step", "momentum", gradient, momentum)?;
        let mu = T::from_f64(step.momentum);
        // What the step takes of g beside the momentum: w −= η·(g + μ·m) or η·m.
        let (of_gradient, of_momentum) = if step.nesterov { (T::ONE, mu) } else { (T::ZERO, T::ONE) };
        let pieces = pieces.zip(momentum.as_mut_slice().chunks_mut(PIECE));
        on_each(
            self.par,
            pieces.collect(),
            || (),
            |_, ((g, w), m)| {
                vectorized(|| {
                    for ((g, w), m) in g.iter().zip(&mut *w).zip(&mut *m) {
                        let g = decay.mul_add(*w, *g);
                        *m = mu.mul_add(*m, g);
                        *w = rate.mul_add(of_gradient.mul_add(g, of_momentum * *m), *w);
                    }
                });
            },
        );
        Ok(())
    }

    fn adamw_step<T: Scalar>(
        &self,
        step: AdamWStep,
        gradient: &CpuTensor<T>,
        [first, second]: [&mut CpuTensor<T>; 2],
        value: &mut CpuTensor<T>,
        start: usize,
    ) -> Result<(), NnError> {
        same_count("adamw_step", "first moment", gradient, first)?;
        same_count("adamw_step", "second moment", gradient, second)?;
        let range = changed("adamw_step", gradient.shape(), value.shape(), start)?;
        let value = &mut value.as_mut_slice()[range];
        let AdamWStep { learning_rate, betas, eps, weight_decay, count } = step;
        // 1 − βᵗ: how much of the averages the gradients make up so far.
        let [filled1, filled2] = betas.map(|beta| 1.0 - beta.powf(count as f64));
        let [beta1, beta2] = betas.map(T::from_f64);
        let [new1, new2] = betas.map(|beta| T::from_f64(1.0 - beta));
        let kept = T::from_f64(1.0 - learning_rate * weight_decay);
        let rate = T::from_f64(-learning_rate / filled1);
        let inverse_root = T::from_f64(filled2.sqrt().recip());
        // An ε that single precision cannot hold must not become a division by zero.
        let eps = T::from_f64(eps).larger(T::MIN_POSITIVE);
        let moments = first.as_mut_slice().chunks_mut(PIECE).zip(second.as_mut_slice().chunks_mut(PIECE));
        let pieces = gradient.as_slice().chunks(PIECE).zip(value.chunks_mut(PIECE)).zip(moments);
        on_each(
            self.par,
            pieces.collect(),
            || (),
            |_, ((g, w), (m, v))| {
                vectorized(|| {
                    for ((g, w), (m, v)) in g.iter().zip(&mut *w).zip(m.iter_mut().zip(&mut *v)) {
                        *m = beta1.mul_add(*m, new1 * *g);
                        *v = beta2.mul_add(*v, new2 * *g * *g);
                        *w = rate.mul_add(*m / inverse_root.mul_add(v.sqrt(), eps), kept * *w);
                    }
                });
            },
        );
        Ok(())
    }
}
