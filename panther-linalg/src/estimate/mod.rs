//! Errors measured with random vectors, and the probability that a measurement is too small.

mod chi_squared;
mod gaussian;
mod orthogonality;
mod residual;

pub use chi_squared::chi_squared_below;
pub(crate) use gaussian::gaussian;
pub(crate) use orthogonality::measure_orthogonality;
pub use residual::{RESIDUAL_SAFETY, RESIDUAL_VECTORS, quantum};
pub(crate) use residual::{Residual, measure_residual};
