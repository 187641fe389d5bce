//! A trainable row for each symbol.

use crate::backend::Backend;
use crate::layers::{Saved, in_range};
use crate::state::{HostTensor, State, join};
use crate::{NnError, Parameter, Scalar};

/// Row i of the weight, symbols×width, for each index i. Indices of any shape give a tensor of that shape with the width behind it. Not
/// a [`Layer`](crate::layers::Layer): what goes in are whole numbers, and there is no gradient by them.
#[derive(Debug)]
pub struct Embedding<T: Scalar, B: Backend> {
    backend: B,
    weight: Parameter<T, B>,
    /// The indices of each use.
    saved: Saved<Vec<usize>>,
}

impl<T: Scalar, B: Backend> Embedding<T, B> {
    /// Rows of independent N(0, 1) values, PyTorch's default.
    ///
    /// # Errors
    /// [`NnError::OutOfRange`] where an extent is 0.
    pub fn new(backend: &B, symbols: usize, width: usize, seed: u64) -> Result<Self, NnError> {
        in_range("symbols", symbols, 1, usize::MAX)?;
        in_range("width", width, 1, usize::MAX)?;
        Self::from_weight(backend, backend.normal(&[symbols, width], 1.0, seed)?)
    }

    /// With the rows of a weight, symbols×width.
    ///
    /// # Errors
    /// [`NnError::Shape`] where it is no matrix, or has no rows or columns.
    pub fn from_weight(backend: &B, weight: B::Tensor<T>) -> Result<Self, NnError> {
        match *B::shape(&weight) {
            [symbols, width] if symbols > 0 && width > 0 => {}
            ref shape => return Err(NnError::shape("embedding", "weight", "symbols×width, neither of them 0", shape)),
        }
        Ok(Self { backend: backend.clone(), weight: Parameter::trainable(weight), saved: Saved::new("embedding") })
    }

    /// The weight, symbols×width.
    pub fn weight(&self) -> &B::Tensor<T> {
        &self.weight.value
    }

    /// The rows of the indices.
    ///
    /// # Errors
    /// [`NnError::IndexOutOfRange`], [`NnError::Shape`] where the indices are not as many as their shape holds.
    pub fn forward(&self, indices: &HostTensor<usize>) -> Result<B::Tensor<T>, NnError> {
        let HostTensor { shape, values } = indices;
        let count = shape.iter().try_fold(1_usize, |count, extent| count.checked_mul(*extent));
        if count != Some(values.len()) {
            let expected = format!("as many values as {shape:?} holds");
            return Err(NnError::shape("embedding", "indices", expected, &[values.len()]));
        }
        let rows = self.backend.gather_rows(&self.weight.value, values)?;
        let width = B::shape(&self.weight.value)[1];
        self.backend.reshape(&rows, &[shape, [width].as_slice()].concat())
    }

    /// As [`forward`](Self::forward), remembering the indices.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    pub fn forward_train(&mut self, indices: &HostTensor<usize>) -> Result<B::Tensor<T>, NnError> {
        let rows = self.forward(indices)?;
        self.saved.push(B::shape(&rows), indices.values.clone());
        Ok(rows)
    }

    /// Adds the gradient by the output to that of the rows that were used.
    ///
    /// # Errors
    /// [`NnError::BackwardWithoutForward`], [`NnError::Shape`] where dy does not fit.
    pub fn backward(&mut self, dy: &B::Tensor<T>) -> Result<(), NnError> {
        let indices = self.saved.take(B::shape(dy))?;
        self.backend.scatter_add_rows(dy, &indices, self.weight.gradient_mut(&self.backend)?)
    }

    /// The trainable parameters.
    pub fn parameters_mut(&mut self) -> Vec<&mut Parameter<T, B>> {
        vec![&mut self.weight]
    }

    /// Adds the weight to `state`, with names that begin with `prefix`.
    ///
    /// # Errors
    /// Where the copy from the device fails.
    pub fn save(&self, prefix: &str, state: &mut State<T>) -> Result<(), NnError> {
        state.insert_parameter(&self.backend, join(prefix, "weight"), &self.weight)
    }

    /// Takes the weight from `state`.
    ///
    /// # Errors
    /// [`NnError::MissingTensor`], [`NnError::TensorShape`].
    pub fn load(&mut self, prefix: &str, state: &State<T>) -> Result<(), NnError> {
        state.load_parameter(&self.backend, &join(prefix, "weight"), &mut self.weight)
    }
}
