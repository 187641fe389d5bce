//! Matrices as operators: anything that multiplies, and its norm.

mod fn_operator;
mod input;
pub(crate) mod linear_operator;
mod power_of_two;
mod repeated_entries;
mod scaled;
mod scaled_norm;

pub use fn_operator::FnOperator;
pub use linear_operator::LinearOperator;
pub use power_of_two::{exponent_of, power_of_two, scaled_back};
pub(crate) use power_of_two::{rescaled, scale_values, scaled_copy};
pub(crate) use scaled::Scaled;
pub use scaled_norm::ScaledNorm;
pub(crate) use scaled_norm::scaled_norm;
