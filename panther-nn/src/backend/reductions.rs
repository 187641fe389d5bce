//! Sums over tensors.

use crate::backend::Storage;
use crate::{NnError, Scalar};

/// Reductions. They sum in a fixed order.
pub trait Reductions: Storage {
    /// `sum` += the sum over the rows of x, each as long as `sum`: the gradient of a bias.
    ///
    /// # Errors
    /// [`NnError::Shape`] where x is not made of such rows.
    fn sum_rows<T: Scalar>(&self, x: &Self::Tensor<T>, sum: &mut Self::Tensor<T>) -> Result<(), NnError>;

    /// Σ xᵢ², in double precision.
    ///
    /// # Errors
    /// Where the copy from the device fails.
    fn sum_of_squares<T: Scalar>(&self, x: &Self::Tensor<T>) -> Result<f64, NnError>;
}
