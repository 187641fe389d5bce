//! QR of tall and of any matrices, with and without pivots.

pub(crate) mod cholesky;
mod cholesky_qr;
pub(crate) mod column_pivoting;
mod cqrrpt;
mod error_estimate;
pub(crate) mod householder;
pub(crate) mod orthonormalize;
mod pivoted_qr;
pub(crate) mod pivoted_reduction;
pub(crate) mod triangular;

pub use cholesky_qr::{DeviceThinQr, cholesky_qr2, shifted_cholesky_qr3};
pub use cqrrpt::cqrrpt;
pub use householder::householder_qr;
pub use pivoted_qr::{DevicePivotedQr, pivoted_qr};
