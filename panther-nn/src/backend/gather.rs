//! Rows of a table by their index.

use crate::backend::Storage;
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
