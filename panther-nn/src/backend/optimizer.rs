//! Steps of optimizers, each one loop over the values.

use std::ops::Range;

use crate::backend::{Storage, count};
use crate::{NnError, Scalar};

/// The values of a step of stochastic gradient descent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdStep {
    /// η.
    pub learning_rate: f64,
    /// μ.
    pub momentum: f64,
    /// λ.
    pub weight_decay: f64,
    /// Whether the step looks ahead along the momentum (Nesterov 1983).
    pub nesterov: bool,
}

/// The values of a step of AdamW.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// η.
    pub learning_rate: f64,
    /// β₁ and β₂.
    pub betas: [f64; 2],
    /// ε, above 0.
    pub eps: f64,
    /// λ.
    pub weight_decay: f64,
    /// t, from 1 on.
    pub count: u64,
}

/// Optimizer steps. They change the values of `value` starting at `start`, as many as the gradient g has, and leave the
/// others alone.
///
/// # Errors
/// All: [`NnError::Shape`] where the counts of values do not fit.
pub trait OptimizerSteps: Storage {
    /// g += λ·w; m = μ·m + g; g = m, or g + μ·m for Nesterov's; w −= η·g. `momentum`, m, is needed where μ ≠ 0.
    fn sgd_step<T: Scalar>(
        &self,
        step: SgdStep,
        gradient: &Self::Tensor<T>,
        momentum: Option<&mut Self::Tensor<T>>,
        value: &mut Self::Tensor<T>,
        start: usize,
    ) -> Result<(), NnError>;

    /// w −= η·λ·w; m = β₁·m + (1 − β₁)·g; v = β₂·v + (1 − β₂)·g²; w −= η·m̂/(√v̂ + ε) with m̂ = m/(1 − β₁ᵗ), v̂ = v/(1 − β₂ᵗ).
    /// `moments` are m and v.
    fn adamw_step<T: Scalar>(
        &self,
        step: AdamWStep,
        gradient: &Self::Tensor<T>,
        moments: [&mut Self::Tensor<T>; 2],
        value: &mut Self::Tensor<T>,
        start: usize,
    ) -> Result<(), NnError>;
}

/// The values of `value` that a gradient of this shape belongs to.
pub(crate) fn changed(
    operation: &'static str,
    gradient: &[usize],
    value: &[usize],
    start: usize,
) -> Result<Range<usize>, NnError> {
    let (values, held) = (count(gradient), count(value));
    match start.checked_add(values).filter(|&end| end <= held) {
        Some(end) => Ok(start..end),
        None => Err(NnError::shape(operation, "gradient", format!("within {held} from {start} on"), &[values])),
    }
}
