//! Random sketch operators.
mod distribution;
mod error;
mod input;
mod operator;
mod real;

pub use distribution::Distribution;
pub use error::SketchError;
pub use input::Input;
pub use operator::SketchOperator;
pub use real::Real;
