//! Loops over the elements of tensors.

use crate::backend::{Storage, count};
use crate::{NnError, Scalar};

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0), with derivative 0 at 0.
    Relu,
    /// x·Φ(x), Φ the normal distribution function (Hendrycks and Gimpel 2016), not its tanh approximation.
    Gelu,
}

/// Element-wise operations. Tensors that meet have the same count of values.
///
/// # Errors
/// All: [`NnError::Shape`] where the counts differ.
pub trait Elementwise: Storage {
    /// f(x).
    fn activate<T: Scalar>(&self, f: Activation, x: &Self::Tensor<T>) -> Result<Self::Tensor<T>, NnError>;

    /// f'(x)·dy.
    fn activate_backward<T: Scalar>(
        &self,
        f: Activation,
        x: &Self::Tensor<T>,
        dy: &Self::Tensor<T>,
    ) -> Result<Self::Tensor<T>, NnError>;

    /// y += α·x.
    fn add_scaled<T: Scalar>(&self, alpha: T, x: &Self::Tensor<T>, y: &mut Self::Tensor<T>) -> Result<(), NnError>;

    /// x *= α.
    fn scale<T: Scalar>(&self, alpha: T, x: &mut Self::Tensor<T>) -> Result<(), NnError>;

    /// x += `bias` on each row of `bias`'s length.
    fn add_rows<T: Scalar>(&self, bias: &Self::Tensor<T>, x: &mut Self::Tensor<T>) -> Result<(), NnError>;
}

/// An error where two tensors of these shapes do not have as many values.
pub(crate) fn same_count(
    operation: &'static str,
    argument: &'static str,
    expected: &[usize],
    got: &[usize],
) -> Result<(), NnError> {
    if count(expected) == count(got) {
        return Ok(());
    }
    Err(NnError::shape(operation, argument, format!("{expected:?}"), got))
}

/// An error where a tensor of this shape is not made of rows as long as another tensor.
pub(crate) fn rows_as_long_as(operation: &'static str, other: &[usize], x: &[usize]) -> Result<(), NnError> {
    let length = count(other);
    if length == 0 || !count(x).is_multiple_of(length) {
        return Err(NnError::shape(operation, "x", format!("rows of {length}"), x));
    }
    Ok(())
}
