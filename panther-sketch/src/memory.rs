//! Allocations that report a lack of memory instead of ending the program.

use faer::Mat;

use crate::{Real, SketchError};

/// A matrix of zeros.
///
/// # Errors
/// [`SketchError::OutOfMemory`] if rows·columns values cannot be allocated.
///
/// ```
/// use panther_sketch::{SketchError, try_zeros};
///
/// assert_eq!(try_zeros::<f64>("S·A", 2, 3)?.ncols(), 3);
/// assert!(matches!(try_zeros::<f64>("S·A", 1 << 60, 5), Err(SketchError::OutOfMemory { .. })));
/// # Ok::<(), SketchError>(())
/// ```
pub fn try_zeros<T: Real>(operation: &'static str, rows: usize, columns: usize) -> Result<Mat<T>, SketchError> {
    let error = || out_of_memory::<T>(operation, rows, columns);
    // faer pads columns; the margin keeps that from overflowing.
    let bytes = rows.checked_add(64).and_then(|rows| rows.checked_mul(columns)?.checked_mul(size_of::<T>()));
    if bytes.is_none_or(|bytes| isize::try_from(bytes).is_err()) {
        return Err(error());
    }
    let mut zeros = Mat::new();
    zeros.try_reserve(rows, columns).map_err(|_| error())?;
    zeros.resize_with(rows, columns, |_, _| T::ZERO);
    Ok(zeros)
}

/// rows·columns copies of a value.
///
/// # Errors
/// [`SketchError::OutOfMemory`] if they cannot be allocated.
pub fn try_vec<T: Clone>(
    operation: &'static str,
    rows: usize,
    columns: usize,
    value: T,
) -> Result<Vec<T>, SketchError> {
    let mut values = Vec::new();
    try_resize(operation, &mut values, rows, columns, value)?;
    Ok(values)
}

/// Resizes a vector to rows·columns values; those that are added are copies of `value`.
///
/// # Errors
/// As [`try_vec`].
pub fn try_resize<T: Clone>(
    operation: &'static str,
    values: &mut Vec<T>,
    rows: usize,
    columns: usize,
    value: T,
) -> Result<(), SketchError> {
    let error = || out_of_memory::<T>(operation, rows, columns);
    let count = rows.checked_mul(columns).ok_or_else(error)?;
    values.try_reserve_exact(count.saturating_sub(values.len())).map_err(|_| error())?;
    values.resize(count, value);
    Ok(())
}

/// Appends a value.
///
/// # Errors
/// [`SketchError::OutOfMemory`] if the vector cannot grow.
#[inline(always)]
pub(crate) fn try_push<T>(operation: &'static str, values: &mut Vec<T>, value: T) -> Result<(), SketchError> {
    if values.len() == values.capacity() {
        values.try_reserve(1).map_err(|_| out_of_memory::<T>(operation, values.len().saturating_mul(2), 1))?;
    }
    values.push(value);
    Ok(())
}

/// The error for rows·columns values of a type.
pub(crate) fn out_of_memory<T>(operation: &'static str, rows: usize, columns: usize) -> SketchError {
    let bytes = (rows as u128).saturating_mul(columns as u128).saturating_mul(size_of::<T>() as u128);
    SketchError::OutOfMemory { operation, bytes }
}
