//! Whole layers converted.

mod attention;
mod conv2d;
mod linear;

pub use attention::{attention_state, sketched_attention};
pub use conv2d::sketched_conv2d;
pub use linear::sketched_linear;
