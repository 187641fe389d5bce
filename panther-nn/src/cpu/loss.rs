//! Losses with their gradients.

use crate::backend::{CrossEntropy, Loss, Losses};
use crate::cpu::elementwise::same_count;
use crate::cpu::parallel::{PIECE, on_each};
use crate::cpu::{Cpu, CpuTensor};
use crate::{NnError, Scalar};

impl Losses for Cpu {
    fn cross_entropy<T: Scalar>(
        &self,
        options: CrossEntropy,
        logits: &CpuTensor<T>,
        targets: &[usize],
    ) -> Result<Loss<CpuTensor<T>>, NnError> {
        let classes = options.classes(logits.shape(), targets)?;
        let counts = |target: &usize| options.counts(*target);
        let weight = 1.0 / targets.iter().filter(|t| counts(t)).count().max(1) as f64;
        let mut gradient = logits.clone();
        let mut losses = vec![0.0; targets.len()];
        let rows = (PIECE / classes.max(1)).max(1);
        let values = gradient.as_mut_slice().chunks_mut(rows * classes.max(1));
        let pieces = values.zip(losses.chunks_mut(rows)).zip(targets.chunks(rows));
        on_each(
            self.par,
            pieces.collect(),
            || (),
            |_, ((x, losses), targets)| {
                for ((x, loss), target) in x.chunks_mut(classes.max(1)).zip(losses).zip(targets) {
                    if counts(target) {
                        *loss = row(x, *target, options.label_smoothing, weight);
                    } else {
                        x.fill(T::ZERO);
                    }
                }
            },
        );
        Ok(Loss { value: weight * losses.iter().fold(0.0, |sum, loss| sum + loss), gradient })
    }

    fn mean_squared_error<T: Scalar>(
        &self,
        predictions: &CpuTensor<T>,
        targets: &CpuTensor<T>,
    ) -> Result<Loss<CpuTensor<T>>, NnError> {
        same_count("mean_squared_error", "targets", predictions, targets)?;
        let weight = 1.0 / predictions.as_slice().len().max(1) as f64;
        let mut gradient = predictions.clone();
        let mut losses = vec![0.0; gradient.as_slice().len().div_ceil(PIECE)];
        let pieces = gradient.as_mut_slice().chunks_mut(PIECE).zip(targets.as_slice().chunks(PIECE)).zip(&mut losses);
        on_each(
            self.par,
            pieces.collect(),
            || (),
            |_, ((y, t), loss)| {
                for (y, t) in y.iter_mut().zip(t) {
                    let difference = y.to_f64() - t.to_f64();
                    *loss += difference * difference;
                    *y = T::from_f64(2.0 * weight * difference);
                }
            },
        );
        Ok(Loss { value: weight * losses.iter().fold(0.0, |sum, loss| sum + loss), gradient })
    }
}

/// The cross-entropy of one row of logits, which become its gradient times `weight`.
fn row<T: Scalar>(x: &mut [T], target: usize, smoothing: f64, weight: f64) -> f64 {
    let largest = x.iter().fold(T::LOWEST, |m, x| m.larger(*x)).to_f64();
    let below = |x: &T| x.to_f64() - largest;
    let sum: f64 = x.iter().map(|x| below(x).exp()).sum();
    // −ln pᵢ = ln Σ eˣ − xᵢ, both less the largest.
    let mut loss = (1.0 - smoothing) * (sum.ln() - below(&x[target]));
    let shared = smoothing / x.len() as f64;
    if smoothing > 0.0 {
        loss += x.iter().map(|x| shared * (sum.ln() - below(x))).sum::<f64>();
    }
    for (i, x) in x.iter_mut().enumerate() {
        let wanted = if i == target { 1.0 - smoothing + shared } else { shared };
        *x = T::from_f64(weight * (below(x).exp() / sum - wanted));
    }
    loss
}
