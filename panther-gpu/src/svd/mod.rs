//! Randomized SVD and its stages.

mod basis;
mod block_krylov;
mod factors;
pub(crate) mod jacobi;
mod measurement;
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
