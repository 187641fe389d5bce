//! Checks of shapes and sizes.

use crate::NnError;

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

/// An error where T terms of rank k between so many columns would be more values than memory can address.
pub(crate) fn check_terms(num_terms: usize, low_rank: usize, columns: usize) -> Result<(), NnError> {
    in_range("num_terms", num_terms, 1, isize::MAX as usize / 16 / columns.saturating_mul(low_rank).max(1))
}

/// An error where a whole number is not in `low..=high`.
pub(crate) fn in_range(argument: &'static str, got: usize, low: usize, high: usize) -> Result<(), NnError> {
    if (low..=high).contains(&got) { Ok(()) } else { Err(NnError::OutOfRange { argument, low, high, got }) }
}
