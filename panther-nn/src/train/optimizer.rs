//! Optimizers: what they remember of each parameter from step to step.

use std::fmt::Debug;

use crate::backend::{AdamWStep, Backend, SgdStep};
use crate::train::require;
use crate::{NnError, Parameter, Scalar};

/// Changes parameters along their gradients.
///
/// An optimizer knows parameters by their place in the list: it must be the same model's each time. Of each parameter the
/// trainable rows are changed; one without a gradient is left out.
pub trait Optimizer<T: Scalar, B: Backend>: Debug + Send {
    /// One step.
    ///
    /// # Errors
    /// [`NnError::InvalidNumber`] where the learning rate is negative or not finite, [`NnError::Shape`] where a gradient
    /// does not fit its parameter or what is remembered of it.
    fn step(&mut self, parameters: &mut [&mut Parameter<T, B>], learning_rate: f64) -> Result<(), NnError>;
}

/// Forgets all gradients.
pub fn zero_gradients<T: Scalar, B: Backend>(parameters: &mut [&mut Parameter<T, B>]) {
    parameters.iter_mut().for_each(|parameter| parameter.gradient = None);
}

/// Options of [`Sgd`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SgdOptions {
    /// μ, in \[0, 1).
    pub momentum: f64,
    /// λ, added to the gradient as λ·w.
    pub weight_decay: f64,
    /// Whether steps look ahead along the momentum; needs a momentum above 0.
    pub nesterov: bool,
}

/// Stochastic gradient descent with momentum (Sutskever et al. 2013) in PyTorch's form: g += λ·w, m = μ·m + g, w −= η·m, or
/// w −= η·(g + μ·m) for Nesterov's.
#[derive(Debug)]
pub struct Sgd<T: Scalar, B: Backend> {
    backend: B,
    options: SgdOptions,
    /// m of each parameter.
    momenta: Vec<Option<B::Tensor<T>>>,
}

impl<T: Scalar, B: Backend> Sgd<T, B> {
    /// At rest.
    ///
    /// # Errors
    /// [`NnError::InvalidNumber`] where an option is out of its range.
    pub fn new(backend: &B, options: SgdOptions) -> Result<Self, NnError> {
        let SgdOptions { momentum, weight_decay, nesterov } = options;
        require((0.0..1.0).contains(&momentum), "momentum", "in [0, 1)", momentum)?;
        require(!nesterov || momentum > 0.0, "momentum", "above 0 for Nesterov's", momentum)?;
        not_negative("weight_decay", weight_decay)?;
        Ok(Self { backend: backend.clone(), options, momenta: Vec::new() })
    }
}

impl<T: Scalar, B: Backend> Optimizer<T, B> for Sgd<T, B> {
    fn step(&mut self, parameters: &mut [&mut Parameter<T, B>], learning_rate: f64) -> Result<(), NnError> {
        not_negative("learning_rate", learning_rate)?;
        let SgdOptions { momentum, weight_decay, nesterov } = self.options;
        let step = SgdStep { learning_rate, momentum, weight_decay, nesterov };
        self.momenta.resize_with(self.momenta.len().max(parameters.len()), || None);
        for (parameter, saved) in parameters.iter_mut().zip(&mut self.momenta) {
            let Some((gradient, value, start)) = with_gradient(parameter)? else { continue };
            if momentum > 0.0 && saved.is_none() {
                *saved = Some(self.backend.zeros(B::shape(gradient))?);
            }
            self.backend.sgd_step(step, gradient, saved.as_mut(), value, start)?;
        }
        Ok(())
    }
}

/// Options of [`AdamW`], by default PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWOptions {
    /// β₁ and β₂, in \[0, 1).
    pub betas: [f64; 2],
    /// ε, added to the root; above 0.
    pub eps: f64,
    /// λ: each step makes w smaller by η·λ·w.
    pub weight_decay: f64,
}

impl Default for AdamWOptions {
    fn default() -> Self {
        Self { betas: [0.9, 0.999], eps: 1e-8, weight_decay: 1e-2 }
    }
}

/// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
#[derive(Debug)]
pub struct AdamW<T: Scalar, B: Backend> {
    backend: B,
    options: AdamWOptions,
    /// Of each parameter.
    moments: Vec<Option<Moments<B::Tensor<T>>>>,
}

/// What is remembered of one parameter.
#[derive(Debug)]
struct Moments<X> {
    /// Steps so far.
    count: u64,
    first: X,
    second: X,
}

impl<T: Scalar, B: Backend> AdamW<T, B> {
    /// Before the first step.
    ///
    /// # Errors
    /// [`NnError::InvalidNumber`] where an option is out of its range.
    pub fn new(backend: &B, options: AdamWOptions) -> Result<Self, NnError> {
        for (argument, beta) in ["beta1", "beta2"].into_iter().zip(options.betas) {
            require((0.0..1.0).contains(&beta), argument, "in [0, 1)", beta)?;
        }
        require(options.eps > 0.0 && options.eps.is_finite(), "eps", "above 0 and finite", options.eps)?;
        not_negative("weight_decay", options.weight_decay)?;
        Ok(Self { backend: backend.clone(), options, moments: Vec::new() })
    }
}

impl<T: Scalar, B: Backend> Optimizer<T, B> for AdamW<T, B> {
    fn step(&mut self, parameters: &mut [&mut Parameter<T, B>], learning_rate: f64) -> Result<(), NnError> {
        not_negative("learning_rate", learning_rate)?;
        let AdamWOptions { betas, eps, weight_decay } = self.options;
        self.moments.resize_with(self.moments.len().max(parameters.len()), || None);
        for (parameter, saved) in parameters.iter_mut().zip(&mut self.moments) {
            let Some((gradient, value, start)) = with_gradient(parameter)? else { continue };
            let Moments { count, first, second } = match saved {
                Some(moments) => moments,
                None => {
                    let zeros = self.backend.zeros(B::shape(gradient))?;
                    saved.insert(Moments { count: 0, first: zeros.clone(), second: zeros })
                }
            };
            let step = AdamWStep { learning_rate, betas, eps, weight_decay, count: *count + 1 };
            self.backend.adamw_step(step, gradient, [first, second], value, start)?;
            *count += 1;
        }
        Ok(())
    }
}

/// A gradient, the values that hold what it belongs to, and where that starts.
type WithGradient<'a, X> = (&'a X, &'a mut X, usize);

/// The parts of a parameter that a step needs, if it has a gradient.
fn with_gradient<T: Scalar, B: Backend>(
    parameter: &mut Parameter<T, B>,
) -> Result<Option<WithGradient<'_, B::Tensor<T>>>, NnError> {
    let (start, count) = (parameter.trainable_offset(), parameter.trainable_len());
    let Some(gradient) = &parameter.gradient else { return Ok(None) };
    if B::shape(gradient).iter().product::<usize>() != count {
        return Err(NnError::shape("step", "gradient", format!("{count} values"), B::shape(gradient)));
    }
    Ok(Some((gradient, &mut parameter.value, start)))
}

fn not_negative(argument: &'static str, got: f64) -> Result<(), NnError> {
    require(got >= 0.0 && got.is_finite(), argument, "at least 0 and finite", got)
}
