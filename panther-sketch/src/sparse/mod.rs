//! The families with few nonzeros: a fixed number per column or per row.

mod less_uniform;
mod sparse_sign;

pub use less_uniform::LessUniform;
pub use sparse_sign::SparseSign;
