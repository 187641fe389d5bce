//! Randomized SVD and its stages.

mod basis;
mod block_krylov;
mod error_bound;
mod factors;
pub(crate) mod jacobi;
mod projection;
mod qb;
mod range_finder;
mod rsvd;
pub(crate) mod signs;
mod small_svd;
mod subspace_iteration;

pub use qb::{DeviceQb, qb};
pub use range_finder::range_finder;
pub use rsvd::{DeviceRsvd, rsvd};
