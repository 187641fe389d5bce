//! Rows of a table by their index.

use crate::backend::{Storage, count};
use crate::{NnError, Scalar};

/// Reads and adds to rows of a table, n×d, by index.
///
/// # Errors
/// All: [`NnError::IndexOutOfRange`] where an index is n or more, [`NnError::Shape`] where the tensors do not fit.
pub trait Gather: Storage {
    /// The rows of the table at the indices, one after another: count×d.
    fn gather_rows<T: Scalar>(&self, table: &Self::Tensor<T>, indices: &[usize]) -> Result<Self::Tensor<T>, NnError>;

    /// Adds the rows of x to the rows of the table at the indices, in the order of x where an index comes again.
    fn scatter_add_rows<T: Scalar>(
        &self,
        x: &Self::Tensor<T>,
        indices: &[usize],
        table: &mut Self::Tensor<T>,
    ) -> Result<(), NnError>;
}

/// The length of the rows of a table, where every index is one of its.
pub(crate) fn table_width(operation: &'static str, table: &[usize], indices: &[usize]) -> Result<usize, NnError> {
    let &[count, width] = table else {
        return Err(NnError::shape(operation, "table", "rows×columns", table));
    };
    match indices.iter().position(|&index| index >= count) {
        Some(position) => Err(NnError::IndexOutOfRange { operation, position, index: indices[position], count }),
        None => Ok(width),
    }
}

/// As [`table_width`], where x has as many such rows as there are indices.
pub(crate) fn scattered_width(
    operation: &'static str,
    table: &[usize],
    indices: &[usize],
    x: &[usize],
) -> Result<usize, NnError> {
    let width = table_width(operation, table, indices)?;
    if count(x) != indices.len() * width {
        return Err(NnError::shape(operation, "x", format!("[{}, {width}]", indices.len()), x));
    }
    Ok(width)
}
