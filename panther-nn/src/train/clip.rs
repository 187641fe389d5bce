//! A bound on the gradient (Pascanu, Mikolov and Bengio 2013).

use crate::backend::Backend;
use crate::train::require;
use crate::{NnError, Parameter, Scalar};

/// Scales all gradients by one factor so that together, as one vector, they are no longer than `max_norm`, and returns the
/// length that they had.
///
/// # Errors
/// [`NnError::InvalidNumber`] where `max_norm` is not positive, or the gradients' length is not finite; they stay as they were.
pub fn clip_gradient<T: Scalar, B: Backend>(
    backend: &B,
    parameters: &mut [&mut Parameter<T, B>],
    max_norm: f64,
) -> Result<f64, NnError> {
    require(max_norm > 0.0, "max_norm", "above 0", max_norm)?;
    let mut squared = 0.0;
    for gradient in parameters.iter().filter_map(|p| p.gradient.as_ref()) {
        squared += backend.sum_of_squares(gradient)?;
    }
    let norm = squared.sqrt();
    require(norm.is_finite(), "norm of the gradients", "finite", norm)?;
    if norm > max_norm {
        for gradient in parameters.iter_mut().filter_map(|p| p.gradient.as_mut()) {
            backend.scale(T::from_f64(max_norm / norm), gradient)?;
        }
    }
    Ok(norm)
}
