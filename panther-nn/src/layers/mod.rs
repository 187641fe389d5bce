//! Layers: sketched ones, the dense ones beside them, and what stands between.

mod activation;
mod attention;
mod conv2d;
mod dot_product_attention;
mod dropout;
mod embedding;
mod features;
mod flatten;
mod layer_norm;
mod linear;
mod pooling;
mod random_attention;
mod residual;
mod saved;
mod sequential;
mod sk_conv2d;
mod sk_linear;
mod stochastic_encoding;
mod visible;
mod window;

use std::fmt::Debug;

pub use activation::ActivationLayer;
pub use attention::{MultiHeadAttention, MultiHeadAttentionOptions};
pub use conv2d::Conv2d;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use features::orthogonal_features;
pub use flatten::Flatten;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use pooling::{AvgPool2d, MaxPool2d};
pub use random_attention::{PositionalEncodingOptions, RandMultiHeadAttention, RandMultiHeadAttentionOptions};
pub use residual::Residual;
pub(crate) use saved::Saved;
pub use sequential::Sequential;
pub use sk_conv2d::{SkConv2d, SkConv2dOptions};
pub(crate) use sk_linear::signs;
pub use sk_linear::{SkLinear, SkLinearOptions};
pub use stochastic_encoding::{StochasticEncoding, StochasticEncodingOptions};
pub use window::{Padding, Window};

use crate::backend::Backend;
use crate::state::State;
use crate::{NnError, Parameter, Scalar};

/// A differentiable map of tensors.
///
/// [`forward_train`](Self::forward_train) remembers what [`backward`](Self::backward) needs; a layer that is used several times
/// before going back remembers each use, and `backward` takes them in reverse order.
pub trait Layer<T: Scalar, B: Backend>: Debug + Send {
    /// The output for inference.
    ///
    /// # Errors
    /// [`NnError::Shape`] where x does not fit.
    fn forward(&self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError>;

    /// The output for training (dropout is active), with what it takes to go back.
    ///
    /// # Errors
    /// As [`forward`](Self::forward).
    fn forward_train(&mut self, x: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError>;

    /// From the gradient by the output to that by the input; the gradients by the parameters are added to theirs.
    ///
    /// # Errors
    /// [`NnError::BackwardWithoutForward`], [`NnError::Shape`] where dy does not fit.
    fn backward(&mut self, dy: &B::Tensor<T>) -> Result<B::Tensor<T>, NnError>;

    /// The parameters that are learned.
    fn parameters_mut(&mut self) -> Vec<&mut Parameter<T, B>>;

    /// Adds all tensors to `state`, named from `prefix` on.
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

/// Rows of a tensor whose last extent must be `columns`.
pub(crate) fn rows_of(
    operation: &'static str,
    argument: &'static str,
    shape: &[usize],
    columns: usize,
) -> Result<usize, NnError> {
    match shape.split_last() {
        Some((&last, rest)) if last == columns => Ok(rest.iter().product()),
        _ => Err(NnError::shape(operation, argument, format!("…×{columns}"), shape)),
    }
}

/// `shape` with another last extent.
pub(crate) fn with_last(shape: &[usize], columns: usize) -> Vec<usize> {
    let mut shape = shape.to_vec();
    if let Some(last) = shape.last_mut() {
        *last = columns;
    }
    shape
}

/// An error where a gradient has not the shape of the output it belongs to.
pub(crate) fn check_gradient(operation: &'static str, got: &[usize], expected: &[usize]) -> Result<(), NnError> {
    if got == expected { Ok(()) } else { Err(NnError::shape(operation, "dy", format!("{expected:?}"), got)) }
}

/// An error where T terms of rank k between so many columns would be more numbers than memory can address.
pub(crate) fn check_terms(num_terms: usize, low_rank: usize, columns: usize) -> Result<(), NnError> {
    in_range("num_terms", num_terms, 1, isize::MAX as usize / 16 / columns.saturating_mul(low_rank).max(1))
}

/// An error where a whole number is not in `low..=high`.
pub(crate) fn in_range(argument: &'static str, got: usize, low: usize, high: usize) -> Result<(), NnError> {
    if (low..=high).contains(&got) { Ok(()) } else { Err(NnError::OutOfRange { argument, low, high, got }) }
}
