//! What every layer can do.

use std::fmt::Debug;

use crate::backend::Backend;
use crate::state::State;
use crate::{NnError, Parameter, Scalar};

/// A differentiable map of tensors.
///
/// [`forward_train`](Self::forward_train) remembers what [`backward`](Self::backward) needs; a layer that is used several times
/// before its backward passes remembers each use, and `backward` takes them in reverse order.
pub trait Layer<T: Scalar, B: Backend>: Debug + Send {
    /// The output for inference.
    ///
    /// # Errors
    /// [`NnError::Shape`] where x does not fit.
    fn forward(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError>;

    /// The output for training (dropout is active), and what the backward pass needs is saved.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    fn forward_train(&mut self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError>;

    /// From the gradient by the output to that by the input; the gradients by the parameters are added to theirs.
    ///
    /// # Errors
    /// [`NnError::BackwardWithoutForward`], [`NnError::Shape`] where dy does not fit.
    fn backward(&mut self, dy: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError>;

    /// The trainable parameters.
    fn parameters_mut(&mut self) -> Vec<&mut Parameter<T, B>>;

    /// Adds all tensors to `state`, with names that begin with `prefix`.
    ///
    /// # Errors
    /// Where the copy from the device fails.
    fn save(&self, prefix: &str, state: &mut State<T>) -> Result<(), NnError>;

    /// Takes all tensors from `state`.
    ///
    /// # Errors
    /// [`NnError::MissingTensor`], [`NnError::TensorShape`].
    fn load(&mut self, prefix: &str, state: &State<T>) -> Result<(), NnError>;
}
