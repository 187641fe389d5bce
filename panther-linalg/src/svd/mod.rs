//! Low-rank decompositions: range finders, QB and truncated SVD.

pub(crate) mod basis;
pub(crate) mod error_probe;
pub(crate) mod projection;
mod qb;
pub(crate) mod range_finder;
mod result;
mod rsvd;
mod small_svd;

pub use qb::qb;
pub use range_finder::range_finder;
pub use result::{NormSource, Qb, Rsvd, RsvdPath};
pub use rsvd::rsvd;
