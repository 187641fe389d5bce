//! Low-rank decompositions: range finders, QB and truncated SVD.

mod apply;
mod basis;
mod block_krylov;
pub(crate) mod bound;
pub(crate) mod decision;
mod measurement;
pub(crate) mod plan;
pub(crate) mod projection;
mod qb;
mod range_finder;
mod result;
mod rsvd;
mod small_svd;
mod subspace_iteration;
mod triplets;

pub use apply::TripletResidual;
pub use qb::qb;
pub use range_finder::range_finder;
pub use result::{NormSource, Qb, Rsvd, RsvdPath};
pub use rsvd::rsvd;
