//! The error of sketches.

use thiserror::Error;

/// A sketch operator could not be made or applied. Each variant names the argument and the value it
/// had.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SketchError {
    /// A dimension of the operator is zero.
    #[error("{argument} must be at least 1, got 0")]
    Empty {
        /// Which dimension.
        argument: &'static str,
    },
    /// A parameter is outside its range.
    #[error("{argument} must be in {low}..={high}, got {got}")]
    OutOfRange {
        /// Which parameter.
        argument: &'static str,
        /// Minimum allowed.
        low: usize,
        /// Maximum allowed.
        high: usize,
        /// The value given.
        got: usize,
    },
    /// Two shapes do not fit together.
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
    /// Memory that the operation needs cannot be allocated.
    #[error("{operation}: {bytes} bytes of memory cannot be allocated")]
    OutOfMemory {
        /// What was to be computed.
        operation: &'static str,
        /// The bytes of the allocation that failed.
        bytes: u128,
    },
}
