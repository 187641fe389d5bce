//! What layers, training and files refuse to do.

use panther_linalg::LinalgError;
use panther_sketch::SketchError;
use thiserror::Error;

/// Something could not be done. Each variant names the operation or argument and what it was given.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum NnError {
    /// A tensor has the wrong shape.
    #[error("{operation}: {argument} must be {expected}, got {got:?}")]
    Shape {
        /// What was to be computed.
        operation: &'static str,
        /// Which tensor.
        argument: &'static str,
        /// The shape that fits, in words or numbers.
        expected: String,
        /// The shape given.
        got: Vec<usize>,
    },
    /// A whole-number parameter lies outside of its range.
    #[error("{argument} must lie in {low}..={high}, got {got}")]
    OutOfRange {
        /// Which parameter.
        argument: &'static str,
        /// Least value allowed.
        low: usize,
        /// Greatest value allowed.
        high: usize,
        /// The value given.
        got: usize,
    },
    /// A real parameter lies outside of its range.
    #[error("{argument} must be {requirement}, got {got}")]
    InvalidNumber {
        /// Which parameter.
        argument: &'static str,
        /// What it has to fulfil.
        requirement: &'static str,
        /// The value given.
        got: f64,
    },
    /// An index points behind the end of what it is for.
    #[error("{operation}: index {index} at position {position} must be below {count}")]
    IndexOutOfRange {
        /// What was to be done.
        operation: &'static str,
        /// Where the index stands among the indices.
        position: usize,
        /// The index.
        index: usize,
        /// How many things there are.
        count: usize,
    },
    /// `backward` without a `forward_train` before it.
    #[error("{layer}: backward needs a forward_train before it")]
    NothingToGoBackFrom {
        /// Which layer.
        layer: &'static str,
    },
    /// `forward_train` of a layer that is set to arithmetic without a backward.
    #[error("{layer}: the original package's arithmetic is for inference only")]
    InferenceOnly {
        /// Which layer.
        layer: &'static str,
    },
    /// A model asks for a tensor that the state or file does not have.
    #[error("tensor {name:?} is missing")]
    MissingTensor {
        /// Its name.
        name: String,
    },
    /// A tensor of a state or file has another shape than the model's.
    #[error("tensor {name:?} must have shape {expected:?}, got {got:?}")]
    TensorShape {
        /// Its name.
        name: String,
        /// The shape of the model's.
        expected: Vec<usize>,
        /// Its own.
        got: Vec<usize>,
    },
    /// A decomposition failed.
    #[error(transparent)]
    Linalg(#[from] LinalgError),
    /// A sketch operator could not be made.
    #[error(transparent)]
    Sketch(#[from] SketchError),
}

impl NnError {
    /// A [`Shape`](Self::Shape) error.
    pub fn shape(operation: &'static str, argument: &'static str, expected: impl Into<String>, got: &[usize]) -> Self {
        Self::Shape { operation, argument, expected: expected.into(), got: got.to_vec() }
    }
}
