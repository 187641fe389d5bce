//! QR decompositions: with pivots for any matrix, by Cholesky for tall ones.

pub(crate) mod cholesky;
mod cholesky_qr;
mod column_pivoting;
pub(crate) mod cqrrpt;
mod dropped;
mod fallbacks;
pub(crate) mod householder;
pub(crate) mod orthonormalize;
mod pivoted_qr;
pub(crate) mod preconditioned;
mod reduction;
mod result;

pub use cholesky_qr::{cholesky_qr2, shifted_cholesky_qr3};
pub use cqrrpt::cqrrpt;
pub use pivoted_qr::pivoted_qr;
pub use result::{PivotedQr, QrFallback, ThinQr};
