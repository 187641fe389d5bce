//! Layers one after the other.

use crate::backend::Backend;
use crate::layers::{Layer, Saved};
use crate::state::{State, join};
use crate::{NnError, Parameter, Scalar};

/// y = fₙ(… f₁(f₀(x))); without layers y = x. Tensors of layer i are named `prefix.i.…`, as in PyTorch.
#[derive(Debug)]
pub struct Sequential<T: Scalar, B: Backend> {
    /// The layers, the first to be applied first.
    pub layers: Vec<Box<dyn Layer<T, B>>>,
    /// Uses in training.
    saved: Saved<()>,
}

impl<T: Scalar, B: Backend> Default for Sequential<T, B> {
    fn default() -> Self {
        Self::new(Vec::new())
    }
}

impl<T: Scalar, B: Backend> Sequential<T, B> {
    /// The layers in the order in which they are applied.
    #[must_use]
    pub const fn new(layers: Vec<Box<dyn Layer<T, B>>>) -> Self {
        Self { layers, saved: Saved::new("sequential") }
    }
}

impl<T: Scalar, B: Backend> Layer<T, B> for Sequential<T, B> {
    fn forward(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        self.layers.iter().try_fold(x.clone(), |x, layer| layer.forward(&x))
    }

    fn forward_train(&mut self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let y = self.layers.iter_mut().try_fold(x.clone(), |x, layer| layer.forward_train(&x))?;
        self.saved.push(B::shape(&y), ());
        Ok(y)
    }

    fn backward(&mut self, dy: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        self.saved.take(B::shape(dy))?;
        self.layers.iter_mut().rev().try_fold(dy.clone(), |dy, layer| layer.backward(&dy))
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter<T, B>> {
        self.layers.iter_mut().flat_map(|layer| layer.parameters_mut()).collect()
    }

    fn save(&self, prefix: &str, state: &mut State<T>) -> Result<(), NnError> {
        let mut numbered = self.layers.iter().enumerate();
        numbered.try_for_each(|(i, layer)| layer.save(&join(prefix, &i.to_string()), state))
    }

    fn load(&mut self, prefix: &str, state: &State<T>) -> Result<(), NnError> {
        let mut numbered = self.layers.iter_mut().enumerate();
        numbered.try_for_each(|(i, layer)| layer.load(&join(prefix, &i.to_string()), state))
    }
}
