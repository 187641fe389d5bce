//! Layer normalization.

use crate::backend::{Backend, Normalized};
use crate::layers::{Layer, Saved, in_range};
use crate::state::{State, join};
use crate::{NnError, Parameter, Scalar};

/// ε under the root, PyTorch's default.
const EPSILON: f64 = 1e-5;

/// y = (x − mean)/√(variance + 10⁻⁵)·w + b over the last extent (Ba, Kiros, Hinton 2016); x and y are …×width. The variance is that of
/// the row's values, not the estimate of a distribution's. A row of equal values gives b.
#[derive(Debug)]
pub struct LayerNorm<T: Scalar, B: Backend> {
    backend: B,
    weight: Parameter<T, B>,
    bias: Parameter<T, B>,
    saved: Saved<Normalizing<B::Tensor<T>>>,
}

/// What one use leaves behind.
#[derive(Debug)]
struct Normalizing<X> {
    x: X,
    moments: X,
}

impl<T: Scalar, B: Backend> LayerNorm<T, B> {
    /// w = 1 and b = 0.
    ///
    /// # Errors
    /// [`NnError::OutOfRange`] where the width is 0.
    pub fn new(backend: &B, width: usize) -> Result<Self, NnError> {
        in_range("width", width, 1, usize::MAX)?;
        Ok(Self {
            backend: backend.clone(),
            weight: Parameter::trainable(backend.upload(&[width], vec![T::ONE; width])?),
            bias: Parameter::trainable(backend.zeros(&[width])?),
            saved: Saved::new("layer_norm"),
        })
    }

    /// y and the moments of the rows.
    fn normalize(&self, x: &B::Tensor<T>) -> Result<Normalized<B::Tensor<T>>, NnError> {
        self.backend.normalize(EPSILON, x, &self.weight.value, &self.bias.value)
    }
}

impl<T: Scalar, B: Backend> Layer<T, B> for LayerNorm<T, B> {
    fn forward(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        Ok(self.normalize(x)?.y)
    }

    fn forward_train(&mut self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let Normalized { y, moments } = self.normalize(x)?;
        self.saved.push(B::shape(&y), Normalizing { x: x.clone(), moments });
        Ok(y)
    }

    fn backward(&mut self, dy: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let Normalizing { x, moments } = self.saved.take(B::shape(dy))?;
        // A clone shares the values.
        let weight = self.weight.value.clone();
        let gradients = (self.weight.gradient_mut(&self.backend)?, self.bias.gradient_mut(&self.backend)?);
        self.backend.normalize_backward(&x, &moments, &weight, dy, gradients)
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter<T, B>> {
        vec![&mut self.weight, &mut self.bias]
    }

    fn save(&self, prefix: &str, state: &mut State<T>) -> Result<(), NnError> {
        state.insert_parameter(&self.backend, join(prefix, "weight"), &self.weight)?;
        state.insert_parameter(&self.backend, join(prefix, "bias"), &self.bias)
    }

    fn load(&mut self, prefix: &str, state: &State<T>) -> Result<(), NnError> {
        state.load_parameter(&self.backend, &join(prefix, "weight"), &mut self.weight)?;
        state.load_parameter(&self.backend, &join(prefix, "bias"), &mut self.bias)
    }
}
