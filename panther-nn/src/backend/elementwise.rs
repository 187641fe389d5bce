//! Loops over the elements of tensors.

use crate::backend::Storage;
use crate::{NnError, Scalar};

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// max(x, 0), with derivative 0 at 0.
    Relu,
    /// x·Φ(x), Φ the normal distribution function (Hendrycks and Gimpel 2016), not its tanh approximation.
    Gelu,
}

/// Element-wise operations. Tensors that meet have the same count of numbers.
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
