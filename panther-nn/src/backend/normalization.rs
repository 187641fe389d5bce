//! Normalization of rows.

use crate::backend::{Storage, count};
use crate::{NnError, Scalar};

/// What [`Normalization::normalize`] gives.
#[derive(Debug)]
pub struct Normalized<X> {
    /// The normalized rows.
    pub y: X,
    /// What going back needs of each row, in a form that is the device's own.
    pub moments: X,
}

/// Rows brought to mean 0 and variance 1, then scaled and shifted column by column: y = x̂·w + b with
/// x̂ = (x − mean)/√(variance + ε), over the last extent (Ba, Kiros, Hinton 2016).
///
/// # Errors
/// All: [`NnError::Shape`] where x is not made of rows as long as w, or another tensor does not fit to it.
pub trait Normalization: Storage {
    /// y and the moments of the rows.
    fn normalize<T: Scalar>(
        &self,
        epsilon: f64,
        x: &Self::Tensor<T>,
        weight: &Self::Tensor<T>,
        bias: &Self::Tensor<T>,
    ) -> Result<Normalized<Self::Tensor<T>>, NnError>;

    /// dx from dy; the gradients by w and b are added to theirs.
    fn normalize_backward<T: Scalar>(
        &self,
        x: &Self::Tensor<T>,
        moments: &Self::Tensor<T>,
        weight: &Self::Tensor<T>,
        dy: &Self::Tensor<T>,
        gradients: (&mut Self::Tensor<T>, &mut Self::Tensor<T>),
    ) -> Result<Self::Tensor<T>, NnError>;
}

/// The length of the rows, which must not be 0.
pub(crate) fn normalized_width(operation: &'static str, x: &[usize], weight: &[usize]) -> Result<usize, NnError> {
    let width = count(weight);
    if width == 0 || x.last() != Some(&width) {
        return Err(NnError::shape(operation, "x", format!("…×{width}"), x));
    }
    Ok(width)
}
