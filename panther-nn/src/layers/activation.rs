//! An activation as a layer.

use crate::backend::{Activation, Backend};
use crate::layers::{Layer, Saved};
use crate::state::State;
use crate::{NnError, Parameter, Scalar};

/// y = f(x), element by element, in any shape.
#[derive(Debug)]
pub struct ActivationLayer<T: Scalar, B: Backend> {
    backend: B,
    f: Activation,
    saved: Saved<B::Tensor<T>>,
}

impl<T: Scalar, B: Backend> ActivationLayer<T, B> {
    /// max(x, 0).
    pub fn relu(backend: &B) -> Self {
        Self::new(backend, Activation::Relu)
    }

    /// x·Φ(x).
    pub fn gelu(backend: &B) -> Self {
        Self::new(backend, Activation::Gelu)
    }

    /// Any of the activations.
    pub fn new(backend: &B, f: Activation) -> Self {
        Self { backend: backend.clone(), f, saved: Saved::new("activation") }
    }
}

impl<T: Scalar, B: Backend> Layer<T, B> for ActivationLayer<T, B> {
    fn forward(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        self.backend.activate(self.f, x)
    }

    fn forward_train(&mut self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let y = self.forward(x)?;
        self.saved.push(B::shape(&y), x.clone());
        Ok(y)
    }

    fn backward(&mut self, dy: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let x = self.saved.take(B::shape(dy))?;
        self.backend.activate_backward(self.f, &x, dy)
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter<T, B>> {
        Vec::new()
    }

    fn save(&self, _: &str, _: &mut State<T>) -> Result<(), NnError> {
        Ok(())
    }

    fn load(&mut self, _: &str, _: &State<T>) -> Result<(), NnError> {
        Ok(())
    }
}
