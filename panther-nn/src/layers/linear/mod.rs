//! Linear layers, dense and sketched.

mod dense;
mod sk_linear;

pub use dense::Linear;
pub use sk_linear::{SkLinear, SkLinearOptions};
pub(crate) use sk_linear::{product_norm, signs};
