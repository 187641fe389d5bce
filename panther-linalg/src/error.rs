//! What the decompositions refuse to do.

use panther_sketch::SketchError;
use thiserror::Error;

/// A decomposition could not be computed. Each variant names the argument and the value it had.
#[derive(Clone, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum LinalgError {
    /// An entry is NaN or infinite.
    #[error("{argument} must be finite, got {value} at row {row}, column {column}")]
    NonFinite {
        /// Which matrix.
        argument: &'static str,
        /// Row of the first such entry, in the order of storage.
        row: usize,
        /// Its column.
        column: usize,
        /// NaN or an infinity.
        value: f64,
    },
    /// A matrix without rows or without columns.
    #[error("{argument} must have at least one row and one column, got {}×{}", shape.0, shape.1)]
    Empty {
        /// Which matrix.
        argument: &'static str,
        /// Its shape.
        shape: (usize, usize),
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
    /// Two shapes do not go together.
    #[error("{operation}: {argument} must be {}×{}, got {}×{}", expected.0, expected.1, got.0, got.1)]
    Shape {
        /// What was asked for.
        operation: &'static str,
        /// Which operand.
        argument: &'static str,
        /// The shape that fits.
        expected: (usize, usize),
        /// The shape given.
        got: (usize, usize),
    },
    /// The result is finite but larger than the type can hold.
    #[error("{quantity} is about 2^{exponent}, more than {scalar} can hold")]
    Overflow {
        /// Which number.
        quantity: &'static str,
        /// Its binary exponent.
        exponent: i32,
        /// `"f32"` or `"f64"`.
        scalar: &'static str,
    },
    /// The Gram matrix is not positive definite to working precision: Cholesky QR cannot go on.
    #[error("{operation}: the Cholesky factorisation broke down at column {column}")]
    CholeskyBreakdown {
        /// Which algorithm.
        operation: &'static str,
        /// The first column that depends on those before it.
        column: usize,
    },
    /// The iteration for the SVD of the small factor did not converge.
    #[error("{operation}: the SVD of the {}×{} factor did not converge", shape.0, shape.1)]
    NoConvergence {
        /// Which algorithm.
        operation: &'static str,
        /// Shape of the factor.
        shape: (usize, usize),
    },
    /// The two products of an operator belong to different matrices.
    #[error(
        "a: apply_adjoint does not multiply by the transpose of apply: the products differ by {difference:e} times ‖A‖_F, \
         rounding explains {allowed:e}"
    )]
    InconsistentAdjoint {
        /// ‖Qᵀ(AG) − (AᵀQ)ᵀG‖_F / (√s·‖A‖_F) for a Gaussian G of s columns.
        difference: f64,
        /// The largest difference that rounding explains.
        allowed: f64,
    },
    /// The given norm is smaller than the products show it to be.
    #[error("frobenius_norm must be ‖A‖_F, at least {at_least:e} by its products, got {got:e}")]
    InconsistentNorm {
        /// A lower bound of ‖A‖_F from products.
        at_least: f64,
        /// The norm given.
        got: f64,
    },
    /// The work needs more memory than there is.
    #[error("{operation} needs {bytes} bytes of memory, more than there is")]
    OutOfMemory {
        /// Which algorithm.
        operation: &'static str,
        /// The bytes asked for.
        bytes: u128,
    },
    /// The sketch operator could not be made or applied.
    #[error(transparent)]
    Sketch(SketchError),
}

impl From<SketchError> for LinalgError {
    fn from(error: SketchError) -> Self {
        match error {
            SketchError::OutOfMemory { operation, bytes } => Self::OutOfMemory { operation, bytes },
            other => Self::Sketch(other),
        }
    }
}
