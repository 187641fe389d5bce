//! Matrix products.

pub(crate) mod bfloat16;
mod cublas;
pub(crate) mod gram;
pub(crate) mod operands;
pub(crate) mod product;
pub(crate) mod tensor_cores;

pub use operands::Precision;
pub use product::product;
