//! The rules by which the decompositions decide, for implementations of them on other devices: not part of the interface for
//! those who decompose matrices.

pub use crate::estimate::{RESIDUAL_SAFETY as QR_SAFETY, RESIDUAL_VECTORS as QR_PROBES, chi_squared_below, quantum};
pub use crate::operator::{exponent_of, power_of_two, scaled_back};
pub use crate::qr::cqrrpt::{DROPPED, SKETCHES, sketch_rows};
pub use crate::qr::preconditioned::{DISTORTION, WELL_CONDITIONED};
pub use crate::rank::sketch_tolerance as rank_tolerance;
pub use crate::seed::derive_seed;
pub use crate::svd::basis::{
    CANCELLED, EXTENSIONS, FIRST_BLOCK, MISSED, ROUNDING, UNCONVERGED, checked_for_shape, sampled,
};
pub use crate::svd::error_probe::{PROBES, SAFETY};
pub use crate::svd::projection::fitted;
pub use crate::svd::range_finder::{Plan, VERIFICATION};
