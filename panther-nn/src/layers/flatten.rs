//! From images to rows.

use crate::backend::Backend;
use crate::layers::{Layer, Saved};
use crate::state::State;
use crate::{NnError, Parameter, Scalar};

/// x, batch×…, as batch×(the rest), without a copy.
#[derive(Debug)]
pub struct Flatten<B: Backend> {
    backend: B,
    /// The shape of each input.
    saved: Saved<Vec<usize>>,
}

impl<B: Backend> Flatten<B> {
    /// There is nothing to set.
    pub fn new(backend: &B) -> Self {
        Self { backend: backend.clone(), saved: Saved::new("flatten") }
    }
}

impl<T: Scalar, B: Backend> Layer<T, B> for Flatten<B> {
    fn forward(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let Some((&batch, rest)) = B::shape(x).split_first() else {
            return Err(NnError::shape("flatten", "x", "batch×…", &[]));
        };
        self.backend.reshape(x, &[batch, rest.iter().product()])
    }

    fn forward_train(&mut self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let y = self.forward(x)?;
        self.saved.push(B::shape(&y), B::shape(x).to_vec());
        Ok(y)
    }

    fn backward(&mut self, dy: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError> {
        let shape = self.saved.take(B::shape(dy))?;
        self.backend.reshape(dy, &shape)
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
