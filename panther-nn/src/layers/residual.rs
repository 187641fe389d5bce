//! A residual connection (He et al. 2016).

use crate::backend::Backend;
use crate::layers::{Layer, Saved};
use crate::state::State;
use crate::{NnError, Parameter, Scalar};

/// y = x + f(x), for an f that keeps the shape. Tensors are named as those of f.
#[derive(Debug)]
pub struct Residual<B: Backend, F> {
    backend: B,
    f: F,
    /// Uses in training.
    saved: Saved<()>,
}

impl<B: Backend, F> Residual<B, F> {
    /// Around `f`.
    pub fn new(backend: &B, f: F) -> Self {
        Self { backend: backend.clone(), f, saved: Saved::new("residual") }
    }

    /// sum += x, for tensors of one shape.
    fn add<T: Scalar>(&self, x: &B::Tensor<T>, mut sum: B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        if B::shape(&sum) != B::shape(x) {
            let expected = format!("{:?}, the shape of its input", B::shape(x));
            return Err(NnError::shape("residual", "f(x)", expected, B::shape(&sum)));
        }
        self.backend.add_scaled(T::ONE, x, &mut sum)?;
        Ok(sum)
    }
}

impl<T: Scalar, B: Backend, F: Layer<T, B>> Layer<T, B> for Residual<B, F> {
    fn forward(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        self.add(x, self.f.forward(x)?)
    }

    fn forward_train(&mut self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let y = self.f.forward_train(x)?;
        let y = self.add(x, y)?;
        self.saved.push(B::shape(&y), ());
        Ok(y)
    }

    fn backward(&mut self, dy: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        self.saved.take(B::shape(dy))?;
        let dx = self.f.backward(dy)?;
        self.add(dy, dx)
    }

    fn parameters_mut(&mut self) -> Vec<&mut Parameter<T, B>> {
        self.f.parameters_mut()
    }

    fn save(&self, prefix: &str, state: &mut State<T>) -> Result<(), NnError> {
        self.f.save(prefix, state)
    }

    fn load(&mut self, prefix: &str, state: &State<T>) -> Result<(), NnError> {
        self.f.load(prefix, state)
    }
}
