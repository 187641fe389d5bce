//! What a device must be able to do for the layers: tensors, products, loops over elements, and some operations that each
//! device does in its own way.
//!
//! Tensors are dense and row-major; every operation returns an error rather than panicking where shapes do not fit. The
//! results of every operation are the same bytes each time, for any number of threads.

mod attention;
mod elementwise;
mod products;
mod random;
mod reductions;
mod storage;

pub(crate) use attention::AttentionSizes;
pub use attention::{Arithmetic, Attended, AttentionInputs, AttentionKernel, LinearAttention};
pub use elementwise::{Activation, Elementwise};
pub use products::{Layout, Products};
pub use random::Random;
pub use reductions::Reductions;
pub use storage::Storage;
pub(crate) use storage::count;

/// Everything that layers and training need of a device.
pub trait Backend: Products + Elementwise + Reductions + Random + LinearAttention {}

impl<B: Products + Elementwise + Reductions + Random + LinearAttention> Backend for B {}
