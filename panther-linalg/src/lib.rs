//! Randomized decompositions.

mod cholesky_qr;
mod column_pivoting;
mod cqrrpt;
mod error;
mod gather;
mod householder;
mod kernels;
mod magnitude;
mod matrices;
mod operator;
mod options;
mod pivoted_qr;
mod probe;
mod results;
mod scaled;
mod seed;
mod sparse_product;
mod triangular;
mod views;

pub use cholesky_qr::{cholesky_qr2, shifted_cholesky_qr3};
pub use cqrrpt::cqrrpt;
pub use error::LinalgError;
pub use operator::{LinearOperator, Magnitude};
pub use options::{CqrrptOptions, PivotedQrOptions, RangeFinder, RsvdOptions, Target};
pub use panther_sketch::{Distribution, Input, Real, SketchError};
pub use pivoted_qr::pivoted_qr;
pub use results::{NormSource, PivotedQr, Qb, QrFallback, Rsvd, RsvdPath, ThinQr};
