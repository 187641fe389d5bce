//! Steps of optimizers, one kernel each.

use crate::layers::{THREADS, holds};
use crate::runtime::kernel::{KernelFile, kernel_file};
use crate::runtime::launch::{grid_over, launch};
use crate::{Buffer, DeviceReal, GpuError};

pub(crate) const KERNELS: KernelFile = kernel_file!("layers/optimizer");

/// The values of a step of stochastic gradient descent.
#[derive(Clone, Copy, Debug)]
pub struct Sgd<T> {
    /// −η.
    pub rate: T,
    /// λ.
    pub decay: T,
    /// μ.
    pub momentum: T,
    /// Whether the step looks ahead along the momentum.
    pub nesterov: bool,
}

/// The values of a step of AdamW.
#[derive(Clone, Copy, Debug)]
pub struct AdamW<T> {
    /// β₁ and β₂.
    pub betas: [T; 2],
    /// 1 − β₁ and 1 − β₂.
    pub news: [T; 2],
    /// 1 − η·λ.
    pub kept: T,
    /// −η/(1 − β₁ᵗ).
    pub rate: T,
    /// 1/√(1 − β₂ᵗ).
    pub inverse_root: T,
    /// ε, above 0.
    pub eps: T,
}

/// An error where the gradient does not lie within the value from number `start` on.
fn within<T: DeviceReal>(
    operation: &'static str,
    gradient: &Buffer<T>,
    value: &Buffer<T>,
    start: usize,
) -> Result<(), GpuError> {
    match start.checked_add(gradient.len()) {
        Some(end) if end <= value.len() => Ok(()),
        _ => {
            let expected = format!("within {} from {start} on", value.len());
            Err(GpuError::shape(operation, "gradient", expected, gradient.len().to_string()))
        }
    }
}

/// g += λ·w; m = μ·m + g; g = m, or g + μ·m for Nesterov's; w −= η·g, for as many values of `value` from `start` on as g has.
///
/// # Errors
/// Those of this module's parent.
pub fn sgd<T: DeviceReal>(
    step: Sgd<T>,
    gradient: &Buffer<T>,
    momentum: Option<&mut Buffer<T>>,
    value: &mut Buffer<T>,
    start: usize,
) -> Result<(), GpuError> {
    within("sgd", gradient, value, start)?;
    let (device, count) = (gradient.device(), gradient.len());
    if let Some(momentum) = &momentum {
        holds("sgd", "momentum", momentum, count)?;
    }
    if count == 0 {
        return Ok(());
    }
    let Sgd { rate, decay, momentum: mu, nesterov } = step;
    let (from, to, config) = (gradient.pointer(), value.at(start), grid_over(count, THREADS));
    let Some(momentum) = momentum else {
        return launch!(device, T, KERNELS.kernel("sgd"), config, from, to, rate, decay, count as u64);
    };
    let (of_gradient, of_momentum) = if nesterov { (T::ONE, mu) } else { (T::ZERO, T::ONE) };
    launch!(
        device,
        T,
        KERNELS.kernel("sgd_momentum"),
        config,
        from,
        momentum.pointer(),
        to,
        rate,
        decay,
        mu,
        of_gradient,
        of_momentum,
        count as u64,
    )
}

/// m = β₁·m + (1 − β₁)·g; v = β₂·v + (1 − β₂)·g²; w = kept·w + rate·m/(√v·inverse_root + ε), for as many values of `value` from
/// `start` on as g has. `moments` are m and v.
///
/// # Errors
/// Those of this module's parent.
pub fn adamw<T: DeviceReal>(
    step: AdamW<T>,
    gradient: &Buffer<T>,
    [first, second]: [&mut Buffer<T>; 2],
    value: &mut Buffer<T>,
    start: usize,
) -> Result<(), GpuError> {
    within("adamw", gradient, value, start)?;
    gradient.device().refuse_recording("a step of AdamW", "its factors change from step to step")?;
    let (device, count) = (gradient.device(), gradient.len());
    holds("adamw", "first moment", first, count)?;
    holds("adamw", "second moment", second, count)?;
    if count == 0 {
        return Ok(());
    }
    launch!(
        device,
        T,
        KERNELS.kernel("adamw"),
        grid_over(count, THREADS),
        gradient.pointer(),
        first.pointer(),
        second.pointer(),
        value.at(start),
        step.betas[0],
        step.betas[1],
        step.news[0],
        step.news[1],
        step.kept,
        step.rate,
        step.inverse_root,
        step.eps,
        count as u64,
    )
}
