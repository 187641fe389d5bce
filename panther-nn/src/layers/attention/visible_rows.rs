//! Inputs of attention without the rows that a mask hides.

use crate::backend::{Backend, Marked};
use crate::{NnError, Scalar};

/// x, …×columns, with zeros in the rows that the mask hides, or with `only_non_finite` in those of them that hold a NaN or an infinity.
/// Gradients by a projection's weight are sums over all rows of its input, and there too 0·NaN is NaN.
pub(super) fn visible<T: Scalar, B: Backend>(
    backend: &B,
    x: &B::Tensor<T>,
    mask: Option<&[bool]>,
    only_non_finite: bool,
) -> Result<B::Tensor<T>, NnError> {
    let mut x = x.clone();
    if mask.is_some_and(|mask| mask.contains(&false)) {
        let marks = backend.mark_rows(&x, mask, only_non_finite)?;
        backend.fill_marked(&marks, Marked::Hidden, T::ZERO, &mut x)?;
    }
    Ok(x)
}
