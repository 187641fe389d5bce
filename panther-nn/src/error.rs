//! What layers, training and files refuse to do.

use std::path::PathBuf;

#[cfg(feature = "cuda")]
use panther_gpu::GpuError;
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
        /// The shape that fits, in words or values.
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
    BackwardWithoutForward {
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
    /// A tensor of a file has a type that cannot stand for the values asked for.
    #[error("tensor {name:?} must be of a floating-point type, got {got}")]
    TensorType {
        /// Its name.
        name: String,
        /// Its type, as safetensors calls it.
        got: String,
    },
    /// A file lacks a tensor that it, or its index, says is there.
    #[error("{}: tensor {name:?} is missing", path.display())]
    MissingFromFile {
        /// The file.
        path: PathBuf,
        /// The name of the tensor.
        name: String,
    },
    /// A file is not what its kind should be: truncated, corrupt, or something else altogether.
    #[error("{}: {reason}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The operating system refused.
    #[error("cannot {action} {}: {reason}", path.display())]
    File {
        /// `"read"` or `"write"`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A file would be written over one that is being read.
    #[error("{}: the output must not be the input", path.display())]
    SameFile {
        /// The file.
        path: PathBuf,
    },
    /// Something went wrong with one tensor among many.
    #[error("tensor {name:?}: {source}")]
    Tensor {
        /// Its name.
        name: String,
        /// What went wrong.
        source: Box<NnError>,
    },
    /// The factors of a weight are finite, but larger than their type can hold.
    #[error("the factors are larger than {scalar} can hold")]
    FactorOverflow {
        /// The type, as safetensors calls it.
        scalar: &'static str,
    },
    /// Not even rank two everywhere fits into the budget.
    #[error("the budget must be at least {least}, got {got}: less cannot hold the smallest sketched layers")]
    BudgetTooSmall {
        /// The least fraction that can be met.
        least: f64,
        /// The fraction given.
        got: f64,
    },
    /// A decomposition failed.
    #[error(transparent)]
    Linalg(#[from] LinalgError),
    /// A sketch operator could not be made.
    #[error(transparent)]
    Sketch(#[from] SketchError),
    /// An operation of a CUDA device failed.
    #[cfg(feature = "cuda")]
    #[error(transparent)]
    Gpu(#[from] GpuError),
}

impl NnError {
    /// This error with the name of the tensor that it happened to.
    #[must_use]
    pub fn in_tensor(self, name: &str) -> Self {
        Self::Tensor { name: name.to_owned(), source: Box::new(self) }
    }

    /// A [`Shape`](Self::Shape) error.
    pub fn shape(operation: &'static str, argument: &'static str, expected: impl Into<String>, got: &[usize]) -> Self {
        Self::Shape { operation, argument, expected: expected.into(), got: got.to_vec() }
    }
}
