//! The sketch operators of panther-sketch on a device: the same draws, the products in a device's order.

pub(crate) mod dense;
pub(crate) mod less_uniform;
mod operator;
pub(crate) mod random_fill;
mod sparse;
pub(crate) mod sparse_sign;
pub(crate) mod srht;
pub(crate) mod tiling;

pub use dense::gaussian_matrix;
pub use operator::DeviceSketch;
pub use random_fill::{dropout, fill_normal, fill_uniform};
