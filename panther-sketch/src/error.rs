//! What a sketch refuses to do.

use thiserror::Error;

/// A sketch operator could not be made or applied. Each variant names the argument and the value it had.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SketchError {
    /// A dimension of the operator is zero.
    #[error("{argument} must be at least 1, got 0")]
    Empty {
        /// Which dimension.
        argument: &'static str,
    },
    /// A parameter lies outside of its range.
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
    /// Two shapes do not go together.
    #[error("{operation}: {argument} must be {expected:?}, got {got:?}")]
    Shape {
        /// The product that was asked for.
        operation: &'static str,
        /// Which operand.
        argument: &'static str,
        /// The shape that fits.
        expected: (usize, usize),
        /// The shape given.
        got: (usize, usize),
    },
    /// A result would not fit into the address space.
    #[error("{operation}: a result of {shape:?} does not fit into memory")]
    TooLarge {
        /// The product that was asked for.
        operation: &'static str,
        /// The shape it would have.
        shape: (usize, usize),
    },
}
